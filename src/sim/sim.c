/* SPDX-License-Identifier: Apache-2.0 */
#include "sim/sim.h"

#include "base/err.h"
#include "base/mem.h"
#include "sim/heap.h"
#include "sim/learner.h"

#include <string.h>

enum { COMPUTED, ARRIVED };

struct seat { /* a worker */
    int64_t held_since_ns, held_ns;
    int64_t computing_ns; /* of its iteration */
    uint32_t steps;
    int64_t gone_ns; /* when it was lost; 0: it was not */
    bool idle;       /* no mini-batch was left */
};

struct sim {
    const struct sim_config *c;
    struct host *host;
    struct sim_heap heap;
    struct seat *seat;
    int64_t now_ns;                  /* of the event being handled */
    int64_t server_free_ns;          /* the server applies updates until then */
    int64_t in_free_ns, out_free_ns; /* its links */
    int64_t timer_ns;
    uint64_t left;       /* mini-batches not handed out */
    uint64_t n_returned; /* of them, since idle workers were invited last */
    uint32_t n_idle;
    bool *struck; /* losses that have happened */
    struct sim_result *r;
};

/* Never beyond SPEED_MAX_NS, where the simulation fails. */
static int64_t
later(int64_t t, int64_t by_ns)
{
    return t < SPEED_MAX_NS - by_ns ? t + by_ns : SPEED_MAX_NS;
}

/* A transfer of a worker over a link of the server that begins at t; when it
 * has come. */
static int64_t
transfer(const struct sim *s, uint32_t worker, int64_t *link_free, int64_t t,
         uint64_t bytes)
{
    const struct sim_net *net = &s->c->net;

    if (s->c->path) {
        const struct sim_path *p = &s->c->path[worker];

        t = later(t, p->latency_ns);
        if (p->bytes_per_s > 0.0)
            t = later(t, speed_clamp((double)bytes / p->bytes_per_s * 1e9));
    }
    if (net->bytes_per_s > 0.0) {
        if (*link_free > t)
            t = *link_free;
        t = later(t, speed_clamp((double)bytes / net->bytes_per_s * 1e9));
        *link_free = t;
    }
    return later(t, net->latency_ns);
}

/* ---- the driver ---------------------------------------------------------- */

static int
on_add(void *ctx, uint32_t worker, double weight, struct err *err)
{
    struct sim *s = ctx;

    return s->c->learner ? learner_add(s->c->learner, worker, weight, err) : 0;
}

static int
on_commit(void *ctx, double weight, uint32_t pushes, uint64_t samples,
          struct err *err)
{
    struct sim *s = ctx;
    int64_t start =
        s->now_ns > s->server_free_ns ? s->now_ns : s->server_free_ns;
    double lr;

    s->server_free_ns = later(start, s->c->net.apply_ns);
    s->r->updates++;
    s->r->samples += samples;
    return s->c->learner
               ? learner_commit(s->c->learner, weight, pushes, &lr, err)
               : 0;
}

static int
on_drop(void *ctx, uint32_t worker, struct err *err)
{
    struct sim *s = ctx;

    s->n_returned += s->seat[worker].steps;
    s->left += s->seat[worker].steps;
    return s->c->learner ? learner_drop(s->c->learner, worker, err) : 0;
}

static int
take_work(struct sim *s, uint32_t worker, const struct host_release *how,
          struct err *err)
{
    struct seat *w = &s->seat[worker];
    bool none;

    if (!s->c->learner) {
        w->steps = how->steps < s->left ? how->steps : (uint32_t)s->left;
        s->left -= w->steps;
        return 0;
    }
    if (learner_release(s->c->learner, worker, worker, how, &none, err) != 0)
        return -1;
    w->steps = none ? 0 : learner_get_share(s->c->learner, worker)->n;
    return 0;
}

static int64_t
next_time(const struct sim *s, uint32_t worker, int64_t t)
{
    struct speed *speed = &s->c->speeds->worker[worker];
    double unit_ns = s->c->unit_ns > 0 ? s->c->unit_ns : 1e6;

    return speed_time(speed, speed->at++, t, unit_ns);
}

static int
on_release(void *ctx, uint32_t worker, const struct host_release *how,
           bool *finished, struct err *err)
{
    struct sim *s = ctx;
    struct seat *w = &s->seat[worker];
    int64_t t = s->now_ns > s->server_free_ns ? s->now_ns : s->server_free_ns;
    int64_t begin;

    if (take_work(s, worker, how, err) != 0)
        return -1;
    w->held_ns += t - w->held_since_ns;
    if (w->steps == 0) {
        w->idle = true;
        s->n_idle++;
        *finished = true;
        return 0;
    }
    if (!how->keep) {
        t = transfer(s, worker, &s->out_free_ns, t, s->c->net.pull_bytes);
        s->r->bytes_pulled += s->c->net.pull_bytes;
    }
    begin = t;
    for (uint32_t i = 0; i < w->steps; i++)
        t = later(t, next_time(s, worker, t));
    w->computing_ns = t - begin;
    if (sim_heap_put(&s->heap, t, worker, COMPUTED) != 0)
        return err_nomem(err);
    return 0;
}

static void
on_timer(void *ctx, int64_t at_ns)
{
    struct sim *s = ctx;

    s->timer_ns = at_ns;
}

static double
value_of(const struct host_value *v, size_t n, const char *name)
{
    for (size_t i = 0; i < n; i++)
        if (!strcmp(v[i].name, name))
            return v[i].value;
    return 0;
}

static void
on_note(void *ctx, const char *name, const struct host_value *v, size_t n)
{
    struct sim *s = ctx;
    double ms = value_of(v, n, "length_ms");

    if (!strcmp(name, "superstep") && ms > 0) {
        s->r->supersteps++;
        s->r->superstep_ms += ms;
        s->r->superstep_iterations += value_of(v, n, "iterations");
        if (ms > s->r->longest_superstep_ms)
            s->r->longest_superstep_ms = ms;
    }
}

static const struct host_driver driver = {
    .add = on_add,
    .commit = on_commit,
    .drop = on_drop,
    .release = on_release,
    .timer = on_timer,
    .note = on_note,
};

/* ---- events -------------------------------------------------------------- */

static bool
has_work(const struct sim *s, uint32_t worker)
{
    if (!s->c->learner)
        return s->left > 0;
    return assign_has(learner_get_ledger(s->c->learner)->assign, worker);
}

/* Mini-batches that came back are for those who had nothing left to do: one
 * for each of them.  They are often gone already: to the worker whose push was
 * dropped. */
static int
invite_idle(struct sim *s, struct err *err)
{
    uint64_t invite = s->n_returned;

    s->n_returned = 0;
    if (s->n_idle == 0 || (!s->c->learner && s->left == 0))
        return 0;
    for (uint32_t i = 0; invite > 0 && i < s->c->n; i++) {
        struct seat *w = &s->seat[i];

        if (!w->idle || !has_work(s, i))
            continue;
        w->idle = false;
        s->n_idle--;
        invite--;
        w->held_since_ns = s->now_ns;
        if (host_join(s->host, s->now_ns, i, err) != 0)
            return -1;
    }
    return 0;
}

static int
handle_push(struct sim *s, uint32_t worker, struct err *err)
{
    struct seat *w = &s->seat[worker];
    struct host_push push = {.samples = (uint64_t)w->steps * s->c->batch,
                             .steps = w->steps};

    if (s->c->learner) {
        if (learner_check(s->c->learner, worker, err) != 0)
            return -1;
        push = *learner_get_push(s->c->learner, worker);
    }
    push.compute_ns = w->computing_ns;
    w->held_since_ns = s->now_ns;
    s->r->iterations += w->steps;
    s->r->bytes_pushed += s->c->net.push_bytes;
    return host_push(s->host, s->now_ns, worker, &push, err);
}

/* Its process is killed: the policy hears of it at once. */
static int
lose(struct sim *s, uint32_t worker, struct err *err)
{
    struct seat *w = &s->seat[worker];
    enum host_state state = host_get_state(s->host, worker);

    if (w->gone_ns)
        return 0;
    w->gone_ns = s->now_ns > 0 ? s->now_ns : 1;
    s->r->lost++;
    if (w->idle) {
        w->idle = false;
        s->n_idle--;
    }
    if (state == HOST_HELD)
        w->held_ns += s->now_ns - w->held_since_ns;
    if (state == HOST_RUNNING && on_drop(s, worker, err) != 0)
        return -1;
    return host_leave(s->host, s->now_ns, worker, err);
}

static int
lose_due(struct sim *s, struct err *err)
{
    for (size_t i = 0; i < s->c->n_losses; i++) {
        const struct sim_loss *l = &s->c->loss[i];

        if (s->struck[i] || s->r->samples < l->samples)
            continue;
        s->struck[i] = true;
        if (lose(s, l->worker, err) != 0)
            return -1;
    }
    return 0;
}

static int
handle(struct sim *s, const struct sim_event *e, struct err *err)
{
    const struct sim_net *net = &s->c->net;
    uint64_t updates;
    bool network = net->bytes_per_s > 0.0 || net->latency_ns > 0 || s->c->path;

    if (s->seat[e->worker].gone_ns) /* while it was computing */
        return 0;
    if (e->kind == COMPUTED && network) {
        int64_t t =
            transfer(s, e->worker, &s->in_free_ns, e->t_ns, net->push_bytes);

        if (sim_heap_put(&s->heap, t, e->worker, ARRIVED) != 0)
            return err_nomem(err);
        return 0;
    }
    /* The server is one thread: what comes meanwhile waits for it. */
    s->now_ns = e->t_ns > s->server_free_ns ? e->t_ns : s->server_free_ns;
    updates = s->r->updates;
    if (handle_push(s, e->worker, err) != 0 || lose_due(s, err) != 0)
        return -1;
    if (s->c->on_update && s->r->updates != updates &&
        s->c->on_update(s->c->ctx, s->now_ns, err) != 0)
        return -1;
    return 0;
}

/* Nobody is left and nothing waits for a timer of the policy. */
static bool
is_over(const struct sim *s)
{
    struct host_stats hs;

    if (s->heap.n > 0)
        return false;
    host_get_stats(s->host, &hs);
    return s->timer_ns == INT64_MAX || (hs.held == 0 && hs.uncommitted == 0);
}

/* With many workers time goes into waiting for memory, unless what the next
 * event will touch is on its way while this one is handled. */
static void
fetch_next(const struct sim *s)
{
    uint32_t worker = s->heap.v[0].worker;
    const struct speed *speed = &s->c->speeds->worker[worker];

    __builtin_prefetch(&s->seat[worker], 1);
    __builtin_prefetch(speed, 1);
    __builtin_prefetch(speed + 1, 1); /* it may lie in two lines */
    host_fetch(s->host, worker);
}

static int
run_events(struct sim *s, struct err *err)
{
    while (!is_over(s)) {
        struct sim_event e;

        if (s->timer_ns != INT64_MAX &&
            (s->heap.n == 0 || s->timer_ns <= s->heap.v[0].t_ns)) {
            if (s->timer_ns > s->now_ns)
                s->now_ns = s->timer_ns;
            if (host_advance(s->host, s->now_ns, err) != 0)
                return -1;
        } else {
            e = sim_heap_take(&s->heap);
            if (s->heap.n > 0)
                fetch_next(s);
            if (handle(s, &e, err) != 0)
                return -1;
        }
        if (s->now_ns >= SPEED_MAX_NS)
            return err_set(err, ERR_USAGE,
                           "virtual time ran beyond 146 years: speeds, link "
                           "or updates are too slow");
        if (s->n_returned > 0 && invite_idle(s, err) != 0)
            return -1;
    }
    return host_check_committed(s->host, err);
}

static void
conclude(struct sim *s)
{
    struct sim_result *r = s->r;
    struct host_stats hs;
    double held = 0, present = 0;

    host_get_stats(s->host, &hs);
    memcpy(r->histogram, host_get_histogram(s->host), sizeof r->histogram);
    r->seconds = (double)(s->now_ns > s->server_free_ns ? s->now_ns
                                                        : s->server_free_ns) /
                 1e9;
    r->dropped = hs.dropped;
    r->events = hs.events;
    r->max_staleness = hs.max_staleness;
    r->max_gap = hs.max_gap;
    for (uint32_t i = 0; i < s->c->n; i++) {
        const struct seat *w = &s->seat[i];

        held += (double)w->held_ns / 1e9;
        present += w->gone_ns ? (double)w->gone_ns / 1e9 : r->seconds;
    }
    r->waiting_share = present > 0 ? held / present : 0;
    if (hs.applied > 0)
        r->mean_staleness = (double)hs.sum_staleness / (double)hs.applied;
    if (r->supersteps > 0) {
        r->superstep_ms /= (double)r->supersteps;
        r->superstep_iterations /= (double)r->supersteps;
    }
}

int
sim_run(const struct sim_config *c, struct sim_result *r, struct err *err)
{
    struct sim s = {
        .c = c, .r = r, .left = c->iterations, .timer_ns = INT64_MAX};
    struct host_config hc = {.lib = c->policy,
                             .driver = &driver,
                             .ctx = &s,
                             .max_workers = c->n,
                             .seed = c->seed};
    int x = -1;

    memset(r, 0, sizeof *r);
    s.seat = mem_alloc(c->n, sizeof *s.seat);
    s.struck = mem_alloc(c->n_losses, sizeof *s.struck);
    if (!s.seat || !s.struck) {
        err_nomem(err);
        goto out;
    }
    s.host = host_new(&hc, err);
    if (!s.host)
        goto out;
    for (uint32_t i = 0; i < c->n; i++)
        if (host_join(s.host, 0, i, err) != 0)
            goto out;
    if (host_start(s.host, 0, err) != 0 || run_events(&s, err) != 0)
        goto out;
    conclude(&s);
    x = 0;
out:
    host_free(s.host);
    sim_heap_release(&s.heap);
    mem_free(s.seat);
    mem_free(s.struck);
    return x;
}
