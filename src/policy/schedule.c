/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/schedule_impl.h"

#include "base/err.h"
#include "base/mem.h"
#include "policy/lib.h"

/* A policy that throws away nearly all work makes no progress. */
#define MAX_PUSHES(n_batches) (1000 + 200 * (uint64_t)(n_batches))

void
schedule_draw(struct schedule_config *c, uint64_t seed)
{
    struct rng r;

    rng_init_key(&r, seed, RNG_TEST, 1, 0);
    c->seed = seed;
    c->n_workers = 1 + (uint32_t)rng_below(&r, rng_below(&r, 4) ? 6 : 16);
    c->n_start = 1 + (uint32_t)rng_below(&r, c->n_workers);
    if (rng_below(&r, 2))
        c->n_start = c->n_workers;
    c->n_batches = (uint32_t)rng_below(&r, 20 * (uint64_t)c->n_workers);
    c->speed = (enum schedule_speed)rng_below(&r, SCHEDULE_N_SPEEDS);
    c->churn = rng_below(&r, 2) ? 0.3 * rng_unit(&r) * rng_unit(&r) : 0;
    c->n_steps = rng_below(&r, 4) ? 0 : 1 + rng_below(&r, 200);
}

int
schedule_init(struct schedule *s, const struct schedule_config *c,
              struct err *err)
{
    struct host_config hc = {.lib = c->lib,
                             .driver = &schedule_driver,
                             .ctx = s,
                             .max_workers = c->n_workers,
                             .seed = c->seed,
                             .future = c->future};

    *s = (struct schedule){.config = *c, .timer_ns = INT64_MAX};
    rng_init_key(&s->rng, c->seed, RNG_TEST, 2, 0);
    s->workers = mem_alloc(c->n_workers, sizeof *s->workers);
    s->returned = mem_alloc(c->n_batches, sizeof *s->returned);
    s->uses = mem_alloc(c->n_batches, sizeof *s->uses);
    if (!s->workers || !s->returned || !s->uses) {
        schedule_release(s);
        return err_nomem(err);
    }
    for (uint32_t i = 0; i < c->n_workers; i++)
        s->workers[i].pace_ns =
            c->speed == SCHEDULE_EQUAL
                ? SCHEDULE_MS
                : (int64_t)((double)SCHEDULE_MS * (1 + 9 * rng_unit(&s->rng)));
    s->host = host_new(&hc, err);
    if (!s->host) {
        schedule_release(s);
        return -1;
    }
    return 0;
}

void
schedule_release(struct schedule *s)
{
    for (uint32_t i = 0; s->workers && i < s->config.n_workers; i++)
        mem_free(s->workers[i].batches);
    host_free(s->host);
    mem_free(s->workers);
    mem_free(s->returned);
    mem_free(s->uses);
    s->host = NULL;
    s->workers = NULL;
    s->returned = NULL;
    s->uses = NULL;
}

static int
join(struct schedule *s, uint32_t worker, struct err *err)
{
    s->n_present++;
    s->n_joined++;
    s->workers[worker].has_finished = false;
    if (schedule_see_event(s, SCHEDULE_JOIN, worker, err) != 0)
        return -1;
    return host_join(s->host, s->now_ns, worker, err);
}

static int
leave(struct schedule *s, uint32_t worker, struct err *err)
{
    s->n_present--;
    if (schedule_see_event(s, SCHEDULE_LEAVE, worker, err) != 0)
        return -1;
    if (host_get_state(s->host, worker) == HOST_RUNNING)
        schedule_give_back(
            s, &s->workers[worker]); /* else the host drops its push */
    return host_leave(s->host, s->now_ns, worker, err);
}

static int
push(struct schedule *s, uint32_t worker, struct err *err)
{
    const struct schedule_worker *w = &s->workers[worker];
    struct host_push p = {
        .samples = w->n_batches * (1 + rng_below(&s->rng, 32)),
        .steps = w->n_batches,
        .compute_ns = w->pace_ns,
        .loss = 3 * rng_unit(&s->rng),
        .gradient_norm = rng_unit(&s->rng),
    };
    struct schedule_seen seen = {
        .kind = SCHEDULE_PUSH, .worker = worker, .samples = p.samples};

    s->now_ns = w->done_ns;
    s->n_wakes = 0;
    if (++s->n_pushes > MAX_PUSHES(s->config.n_batches))
        return err_set(err, ERR_POLICY,
                       "policy \"%s\": no progress: %llu pushes, but only "
                       "%llu of %u mini-batches were used",
                       host_get_policy(s->host),
                       (unsigned long long)s->n_pushes,
                       (unsigned long long)s->n_used, s->config.n_batches);
    if (schedule_see(s, &seen, err) != 0)
        return -1;
    return host_push(s->host, s->now_ns, worker, &p, err);
}

static int
wake(struct schedule *s, bool is_running, struct err *err)
{
    if (s->timer_ns > s->now_ns)
        s->now_ns = s->timer_ns;
    if (!is_running)
        s->n_wakes++;
    if (schedule_see_event(s, SCHEDULE_WAKE, 0, err) != 0)
        return -1;
    return host_advance(s->host, s->now_ns, err);
}

/* The running worker that pushes next, or n_workers. */
static uint32_t
find_next(const struct schedule *s)
{
    const struct schedule_worker *w = s->workers;
    uint32_t next = s->config.n_workers;

    for (uint32_t i = 0; i < s->config.n_workers; i++) {
        if (host_get_state(s->host, i) != HOST_RUNNING)
            continue;
        if (next == s->config.n_workers || w[i].done_ns < w[next].done_ns ||
            (w[i].done_ns == w[next].done_ns && w[i].tie < w[next].tie))
            next = i;
    }
    return next;
}

/* A random worker that is there, or is not; n_workers when there is none. */
static uint32_t
draw_worker(struct schedule *s, bool is_there)
{
    uint32_t n = s->config.n_workers, i = (uint32_t)rng_below(&s->rng, n);

    for (uint32_t k = 0; k < n; k++, i = (i + 1) % n)
        if ((host_get_state(s->host, i) != HOST_ABSENT) == is_there)
            return i;
    return n;
}

/* Somebody joins or leaves at a moment before next_ns.  true: it happened. */
static bool
churn(struct schedule *s, int64_t next_ns, int *r, struct err *err)
{
    bool leaves;
    uint32_t worker;

    if (s->config.churn <= 0 || rng_unit(&s->rng) >= s->config.churn)
        return false;
    leaves = rng_below(&s->rng, 2);
    worker = draw_worker(s, leaves);
    if (worker == s->config.n_workers)
        return false;
    if (next_ns != INT64_MAX && next_ns > s->now_ns)
        s->now_ns +=
            (int64_t)rng_below(&s->rng, (uint64_t)(next_ns - s->now_ns) + 1);
    *r = leaves ? leave(s, worker, err) : join(s, worker, err);
    return true;
}

/* Everybody has gone and no work is left. */
static int
finish(struct schedule *s, struct err *err)
{
    s->is_done = true;
    if (host_check_committed(s->host, err) != 0)
        return -1;
    if (s->n_used != s->config.n_batches)
        return err_set(err, ERR_BUG, "%llu of %u mini-batches were used",
                       (unsigned long long)s->n_used, s->config.n_batches);
    return 0;
}

static int
start(struct schedule *s, struct err *err)
{
    if (s->n_joined < s->config.n_start)
        return join(s, draw_worker(s, false), err);
    if (s->config.churn > 0 && s->n_present > 0 && rng_below(&s->rng, 4) == 0)
        return leave(s, draw_worker(s, true), err);
    s->is_started = true;
    if (schedule_see_event(s, SCHEDULE_START, 0, err) != 0)
        return -1;
    return host_start(s->host, s->now_ns, err);
}

static int
step(struct schedule *s, struct err *err)
{
    uint32_t next;
    int64_t next_ns;
    int r = 0;

    if (!s->is_started)
        return start(s, err);
    next = find_next(s);
    next_ns = next < s->config.n_workers ? s->workers[next].done_ns : INT64_MAX;
    if (churn(s, next_ns < s->timer_ns ? next_ns : s->timer_ns, &r, err))
        return r;
    /* a few timers outlive the last worker */
    if (s->timer_ns <= next_ns && s->timer_ns != INT64_MAX &&
        (s->n_present > 0 || s->n_wakes < 3))
        return wake(s, next < s->config.n_workers, err);
    if (next < s->config.n_workers)
        return push(s, next, err);
    if (schedule_has_work(s))
        return join(s, draw_worker(s, false), err);
    return finish(s, err);
}

int
schedule_step(struct schedule *s, struct err *err)
{
    int r = 0;

    s->err = err;
    if (s->config.probe)
        r = host_probe(s->host, s->now_ns, 1000 + (uint32_t)s->n_steps % 50,
                       err);
    s->n_steps++;
    if (r == 0)
        r = step(s, err);
    if (s->n_steps == s->config.n_steps)
        s->is_done = true;
    return s->has_failed ? -1 : r;
}

int
schedule_run(struct schedule *s, struct err *err)
{
    while (!s->is_done)
        if (schedule_step(s, err) != 0)
            return -1;
    return 0;
}
