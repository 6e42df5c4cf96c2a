/* SPDX-License-Identifier: Apache-2.0 */
#include "ps/server.h"

#include "base/clock.h"
#include "base/mem.h"
#include "ps/server_impl.h"

#include <math.h>

#define TICK_MS   250
#define LOSS_FADE 0.98

/* ---- what happened to sessions ------------------------------------------- */

bool
server_is_training(const struct server *s)
{
    return s->phase == SERVER_TRAINING && s->lost_since_ns == 0;
}

/* Every call that feeds the policy has its event, so that a replay can do the
 * same: join, start, push, wake. */
static int
join_policy(struct server *s, struct session *w, struct err *err)
{
    w->held_since_ns = s->now_ns; /* what was before is counted */
    events_begin(s->c.events, s->now_ns, "join");
    events_uint(s->c.events, "rank", w->rank);
    events_end(s->c.events);
    return host_join(s->host, s->now_ns, w->rank, err);
}

/* Mini-batches that came back are for those who had nothing left to do: one
 * for each of them, or anybody when nobody else is there to take them. */
static void
invite_idle(struct server *s)
{
    struct err err = ERR_INIT;
    struct host_stats hs;
    uint64_t invite = s->n_given_back;

    s->n_given_back = 0;
    host_get_stats(s->host, &hs);
    if (hs.running + hs.held == 0)
        invite = s->n_sessions;
    for (uint32_t i = 0; invite > 0 && i < s->n_sessions; i++) {
        struct session *w = &s->session[i];

        if (w->state != SESSION_IDLE || !assign_has(s->ledger.assign, i))
            continue;
        w->state = SESSION_READY;
        invite--;
        if (join_policy(s, w, &err) != 0) {
            server_fail(s, &err);
            return;
        }
    }
}

/* Everybody found no work and the policy is not waiting for a timer: what it
 * has added, it will not commit. */
static int
check_committed(struct server *s, struct err *err)
{
    struct host_stats hs;

    host_get_stats(s->host, &hs);
    if (hs.running > 0 || hs.held > 0 || s->timer_at_ns != INT64_MAX)
        return 0;
    return host_check_committed(s->host, err);
}

void
server_settle(struct server *s)
{
    struct err err = ERR_INIT;
    double epochs;

    if (!server_is_training(s))
        return;
    if (events_check(s->c.events, &err) != 0 && !s->log_lost) {
        s->log_lost = true;
        log_warn(s->c.log, "events", "%s; training goes on without", err.text);
    }
    invite_idle(s);
    if (!server_is_training(s))
        return;
    if (assign_get_done(s->ledger.assign) ==
        assign_get_total(s->ledger.assign)) {
        server_begin_ending(s, NULL);
        return;
    }
    if (check_committed(s, &err) != 0) {
        server_fail(s, &err);
        return;
    }
    epochs = ledger_epochs(&s->ledger) + 1e-9;
    if (epochs >= s->next_eval) {
        s->next_eval +=
            s->c.job->eval_every *
            (1 + floor((epochs - s->next_eval) / s->c.job->eval_every));
        server_submit_snapshot(s, false);
    }
    if (epochs >= s->next_checkpoint) {
        s->next_checkpoint += s->c.job->checkpoint_every *
                              (1 + floor((epochs - s->next_checkpoint) /
                                         s->c.job->checkpoint_every));
        if (!keeper_is_holding_off(s->keeper)) /* it asks when it is time */
            server_save_checkpoint(s, false);
    }
}

/* What a replay needs to make the same policy again.  `clock` tells which time
 * of the policy's clock this event's `t` is. */
static void
policy_event(struct server *s)
{
    struct events *e = s->c.events;

    events_begin(e, s->now_ns, "policy");
    events_str(e, "spec", s->c.policy->spec);
    events_str(e, "plugin_version", s->c.policy->p.version);
    events_uint(e, "max_workers", host_get_max_workers(s->host));
    events_int(e, "clock", s->now_ns);
    events_end(e);
}

static void
start_training(struct server *s)
{
    struct err err = ERR_INIT;

    s->now_ns = s->start_ns = clock_now_ns();
    s->last_event_ns = s->now_ns;
    s->phase = SERVER_TRAINING;
    policy_event(s);
    for (uint32_t i = 0; i < s->n_sessions; i++)
        if (join_policy(s, &s->session[i], &err) != 0) {
            server_fail(s, &err);
            return;
        }
    events_begin(s->c.events, s->now_ns, "start");
    events_str(s->c.events, "policy", s->c.policy->spec);
    events_uint(s->c.events, "workers", s->n_sessions);
    events_uint(s->c.events, "version", store_get_version(s->ledger.store));
    events_uint(s->c.events, "samples", assign_get_done(s->ledger.assign));
    events_end(s->c.events);
    log_info(s->c.log, "server", "training workers=%u policy=%s version=%llu",
             s->n_sessions, s->c.policy->spec,
             (unsigned long long)store_get_version(s->ledger.store));
    if (host_start(s->host, s->now_ns, &err) != 0) {
        server_fail(s, &err);
        return;
    }
    server_tell_news(s);
    server_settle(s);
}

void
server_session_ready(struct server *s, struct session *w)
{
    events_begin(s->c.events, clock_now_ns(), "ready");
    events_uint(s->c.events, "rank", w->rank);
    events_str(s->c.events, "host", w->host);
    events_uint(s->c.events, "pid", w->pid);
    events_seconds(s->c.events, "setup", w->setup_ns);
    events_end(s->c.events);
    log_info(s->c.log, "server", "ready rank=%u host=%s pid=%llu setup=%.3fs",
             w->rank, w->host, (unsigned long long)w->pid,
             (double)w->setup_ns / (double)NS_PER_S);
    if (++s->n_ready == s->n_sessions && s->phase == SERVER_STARTING)
        start_training(s);
}

static void
push_event(struct server *s, const struct session *w)
{
    struct events *e = s->c.events;
    const struct msg_push *m = &w->told;

    events_begin(e, s->now_ns, "push");
    events_uint(e, "rank", w->rank);
    events_uint(e, "iteration", m->iteration);
    events_uint(e, "base", m->version);
    events_uint(e, "version", store_get_version(s->ledger.store));
    events_uint(e, "samples", m->samples);
    events_num(e, "loss", m->loss);
    events_num(e, "norm", m->norm);
    events_seconds(e, "data", m->data_ns);
    events_seconds(e, "compute", m->compute_ns);
    events_end(e);
}

void
server_session_pushed(struct server *s, struct session *w)
{
    const struct msg_push *m = &w->told;
    struct err err = ERR_INIT;
    struct host_push push = {.samples = m->samples,
                             .steps = m->n_steps,
                             .compute_ns = m->compute_ns,
                             .loss = m->loss,
                             .gradient_norm = m->norm};

    if (!server_is_training(s))
        return;
    s->now_ns = s->last_event_ns = w->held_since_ns;
    push_event(s, w);
    if (!isfinite(m->loss) || !isfinite(m->norm)) {
        server_failf(
            s, ERR_DIVERGED,
            "diverged: %s is %s in iteration %llu of worker %u (%s), "
            "epoch %.2f; try a lower learning rate (now %g) or "
            "gradient clipping",
            isfinite(m->loss) ? "gradient norm" : "training loss",
            isnan(isfinite(m->loss) ? m->norm : m->loss) ? "NaN" : "infinite",
            (unsigned long long)m->iteration, w->rank, w->host,
            ledger_epochs(&s->ledger),
            job_learning_rate(s->c.job, assign_get_done(s->ledger.assign),
                              assign_get_total(s->ledger.assign), 1));
        return;
    }
    s->loss_sum = LOSS_FADE * s->loss_sum + (1 - LOSS_FADE) * m->loss;
    s->loss_weight = LOSS_FADE * s->loss_weight + (1 - LOSS_FADE);
    if (host_push(s->host, s->now_ns, w->rank, &push, &err) != 0)
        server_fail(s, &err);
    else
        server_settle(s);
}

void
server_session_gone(struct server *s, struct session *w)
{
    w->state = SESSION_GONE;
    if (w->conn)
        conn_close(w->conn, false);
    server_check_over(s);
}

/* A lost connection alone does not say why; when the process has ended too,
 * server_worker_exited tells, so it is given a moment. */
void
server_session_lost(struct server *s, struct session *w, const struct err *why)
{
    if (w->state == SESSION_GONE || s->phase >= SERVER_ENDING) {
        w->state = SESSION_GONE;
        server_check_over(s);
        return;
    }
    w->state = SESSION_GONE;
    if (w->confessed || why->code == ERR_PROTO) {
        server_fail(s, why);
        return;
    }
    if (s->lost_since_ns == 0) {
        s->lost_since_ns = clock_now_ns();
        s->lost_rank = w->rank;
    }
}

void
server_worker_exited(struct server *s, uint32_t rank, enum err_code code,
                     const char *how)
{
    struct session *w = &s->session[rank];

    w->exited = true;
    if (s->phase == SERVER_OVER)
        return;
    if (s->phase == SERVER_ENDING) {
        w->state = SESSION_GONE;
        server_check_over(s);
        return;
    }
    server_failf(s, code, "worker %u%s%s%s: %s", rank, *w->host ? " (" : "",
                 w->host, *w->host ? ")" : "", how);
}

/* ---- life ---------------------------------------------------------------- */

static int
on_peer(void *ctx, struct conn *c, const struct msg_hello *hello,
        struct err *err)
{
    struct server *s = ctx;

    if (hello->rank >= s->n_sessions)
        return err_set(err, ERR_PROTO, "rank %u of %u workers", hello->rank,
                       s->n_sessions);
    if (s->phase != SERVER_STARTING)
        return err_set(err, ERR_PROTO, "the run does not take new workers");
    return session_attach(&s->session[hello->rank], c, hello, err);
}

static void
on_refused(void *ctx, const char *peer, const struct err *why)
{
    struct server *s = ctx;

    log_warn(s->c.log, "server", "refused %s: %s", peer, why->text);
}

/* Parameters, cursors and sums: from the seed or from a checkpoint. */
static int
load_state(struct server *s, struct err *err)
{
    const struct job *job = s->c.job;

    if (ledger_init(&s->ledger, job, s->c.data, err) != 0)
        return -1;
    s->before.data_hash = s->c.data->hash;
    if (!s->c.resume)
        return 0;
    if (checkpoint_load(s->c.resume, job, s->ledger.store, s->ledger.assign,
                        &s->before, err) != 0)
        return err_wrap(err, "resume");
    s->best_accuracy = s->before.best_accuracy;
    s->samples_before = assign_get_done(s->ledger.assign);
    if (s->samples_before == assign_get_total(s->ledger.assign))
        return err_set(err, ERR_USAGE,
                       "resume: all %u epochs are done; ask for more with "
                       "--epochs",
                       job->epochs);
    return 0;
}

static double
next_after(double every, double now)
{
    return every > 0 ? every * (floor(now / every + 1e-9) + 1) : INFINITY;
}

struct server *
server_new(uv_loop_t *loop, const struct server_config *c, struct err *err)
{
    static const struct listener_handlers handlers = {.on_peer = on_peer,
                                                      .on_refused = on_refused};
    struct server *s = mem_alloc(1, sizeof *s);
    struct host_config hc;

    if (!s) {
        err_nomem(err);
        return NULL;
    }
    s->c = *c;
    s->loop = loop;
    s->t = graph_get_segments(c->job->graph);
    s->n_sessions = c->job->workers;
    s->accuracy = s->best_accuracy = s->test_loss = NAN;
    s->made_ns = clock_now_ns();
    s->timer_at_ns = INT64_MAX;
    s->session = mem_alloc(s->n_sessions, sizeof *s->session);
    if (!s->session) {
        err_nomem(err);
        goto fail;
    }
    for (uint32_t i = 0; i < s->n_sessions; i++) {
        s->session[i].server = s;
        s->session[i].rank = i;
    }
    if (load_state(s, err) != 0)
        goto fail;
    hc = (struct host_config){.lib = c->policy,
                              .driver = &server_driver,
                              .ctx = s,
                              .max_workers = s->n_sessions,
                              .seed = c->job->seed,
                              .version = store_get_version(s->ledger.store),
                              .log = c->log};
    s->host = host_new(&hc, err);
    if (!s->host)
        goto fail;
    s->next_eval = next_after(c->job->eval_every, ledger_epochs(&s->ledger));
    s->next_checkpoint =
        next_after(c->job->checkpoint_every, ledger_epochs(&s->ledger));
    s->keeper = keeper_new(loop, c->run, c->job, c->resume,
                           &server_keeper_handlers, s, err);
    if (!s->keeper)
        goto fail;
    s->listener = listener_new(loop, c->host, 0, c->key,
                               (struct io_security){0}, &handlers, s, err);
    if (!s->listener) {
        keeper_close(s->keeper);
        goto fail;
    }
    s->watcher = watcher_new(loop, c->job->graph, c->data, c->augment,
                             (int)c->job->threads, server_on_evaluated, s, err);
    if (!s->watcher) {
        keeper_close(s->keeper);
        listener_close(s->listener);
        goto fail;
    }
    s->tick.data = s->timer.data = s;
    uv_timer_init(loop, &s->tick);
    uv_timer_init(loop, &s->timer);
    uv_timer_start(&s->tick, server_on_tick, TICK_MS, TICK_MS);
    return s;
fail:
    server_free(s);
    return NULL;
}

uint16_t
server_get_port(const struct server *s)
{
    return listener_get_port(s->listener);
}

bool
server_is_over(const struct server *s)
{
    return s->phase == SERVER_OVER && !keeper_is_busy(s->keeper);
}

const struct err *
server_get_failure(const struct server *s)
{
    return &s->failure;
}

const char *
server_get_checkpoint(const struct server *s)
{
    return s->checkpoint;
}

void
server_set_news(struct server *s, server_news_fn *fn, void *ctx)
{
    s->news = fn;
    s->news_ctx = ctx;
}

void
server_close(struct server *s)
{
    s->phase = SERVER_OVER;
    if (s->listener)
        listener_close(s->listener);
    s->listener = NULL;
    for (uint32_t i = 0; i < s->n_sessions; i++)
        if (s->session[i].conn)
            conn_close(s->session[i].conn, false);
    watcher_close(s->watcher);
    s->watcher = NULL;
    keeper_close(s->keeper);
    uv_close((uv_handle_t *)&s->tick, NULL);
    uv_close((uv_handle_t *)&s->timer, NULL);
}

void
server_free(struct server *s)
{
    if (!s)
        return;
    host_free(s->host);
    ledger_release(&s->ledger);
    for (uint32_t i = 0; s->session && i < s->n_sessions; i++)
        session_release(&s->session[i]);
    mem_free(s->session);
    mem_free(s->checkpoint);
    mem_free(s);
}
