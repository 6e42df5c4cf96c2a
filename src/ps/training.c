/* SPDX-License-Identifier: Apache-2.0 */
/* From the first release to the last push: what the policy is told, and what
 * is due after each event.  Every call that feeds the policy has its event, so
 * that a replay can do the same: join, start, push, leave, wake. */
#include "base/clock.h"
#include "base/str.h"
#include "ps/server_impl.h"

#include <math.h>

#define LOSS_FADE 0.98

int
server_join_policy(struct server *s, struct session *w)
{
    struct err err = ERR_INIT;

    w->held_since_ns = s->now_ns; /* what was before is counted */
    if (w->present_since_ns == 0)
        w->present_since_ns = s->now_ns;
    events_begin(s->c.events, s->now_ns, "join");
    events_uint(s->c.events, "rank", w->rank);
    events_end(s->c.events);
    if (host_join(s->host, s->now_ns, w->rank, &err) == 0)
        return 0;
    server_fail(s, &err);
    return -1;
}

/* Mini-batches that came back are for those who had nothing left to do: one
 * for each of them, or anybody when nobody else is there to take them. */
static void
invite_idle(struct server *s)
{
    struct host_stats hs;
    uint64_t invite = s->n_given_back;

    s->n_given_back = 0;
    host_get_stats(s->host, &hs);
    if (hs.running + hs.held == 0)
        invite = s->n_sessions;
    for (uint32_t i = 0; invite > 0 && i < s->n_sessions; i++) {
        struct session *w = &s->session[i];

        if (w->state != SESSION_IDLE || !session_has_work(w))
            continue;
        w->state = SESSION_READY;
        invite--;
        if (server_join_policy(s, w) != 0)
            return;
    }
}

/* Everybody found no work, nobody is to come and the policy is not waiting for
 * a timer: what it has added, it will not commit. */
static int
check_committed(struct server *s, struct err *err)
{
    struct host_stats hs;

    host_get_stats(s->host, &hs);
    if (hs.running > 0 || hs.held > 0 || s->timer_at_ns != INT64_MAX ||
        server_count(s, SESSION_EXPECTED, SESSION_READY) > 0 ||
        server_count(s, SESSION_CUT, SESSION_CUT) > 0)
        return 0;
    return host_check_committed(s->host, err);
}

static void
check_due(struct server *s)
{
    const struct job *job = s->c.job;
    double epochs = ledger_epochs(&s->ledger) + 1e-9;

    if (epochs >= s->next_eval) {
        s->next_eval += job->eval_every *
                        (1 + floor((epochs - s->next_eval) / job->eval_every));
        server_submit_snapshot(s, false);
    }
    if (epochs >= s->next_checkpoint) {
        s->next_checkpoint +=
            job->checkpoint_every *
            (1 + floor((epochs - s->next_checkpoint) / job->checkpoint_every));
        if (!keeper_is_holding_off(s->keeper)) /* it asks when it is time */
            server_save_checkpoint(s, false);
    }
}

void
server_settle(struct server *s)
{
    struct err err = ERR_INIT;

    if (s->phase != SERVER_TRAINING)
        return;
    if (events_check(s->c.events, &err) != 0 && !s->log_lost) {
        s->log_lost = true;
        log_warn(s->c.log, "events", "%s; training goes on", err.text);
    }
    server_judge_parked(s);
    if (s->phase == SERVER_TRAINING)
        invite_idle(s);
    if (s->phase != SERVER_TRAINING)
        return;
    if (assign_get_done(s->ledger.assign) ==
        assign_get_total(s->ledger.assign)) {
        server_begin_ending(s, NULL);
        return;
    }
    err_clear(&err);
    if (check_committed(s, &err) != 0)
        server_fail(s, &err);
    else
        check_due(s);
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

void
server_begin_training(struct server *s)
{
    uint32_t ready = server_count(s, SESSION_READY, SESSION_READY);
    struct err err = ERR_INIT;

    s->now_ns = s->start_ns = clock_now_ns();
    s->last_event_ns = s->now_ns;
    s->phase = SERVER_TRAINING;
    policy_event(s);
    for (uint32_t i = 0; i < s->n_sessions; i++)
        if (s->session[i].state == SESSION_READY &&
            server_join_policy(s, &s->session[i]) != 0)
            return;
    events_begin(s->c.events, s->now_ns, "start");
    events_str(s->c.events, "policy", s->c.policy->spec);
    events_uint(s->c.events, "workers", ready);
    events_uint(s->c.events, "version", store_get_version(s->ledger.store));
    events_uint(s->c.events, "samples", assign_get_done(s->ledger.assign));
    events_uint(s->c.events, "total", assign_get_total(s->ledger.assign));
    events_uint(s->c.events, "epochs", s->c.job->epochs);
    events_end(s->c.events);
    log_info(s->c.log, "server", "training workers=%u policy=%s version=%llu",
             ready, s->c.policy->spec,
             (unsigned long long)store_get_version(s->ledger.store));
    if (host_start(s->host, s->now_ns, &err) != 0) {
        server_fail(s, &err);
        return;
    }
    server_tell_news(s);
    server_settle(s);
}

static void
push_event(struct server *s, const struct session *w)
{
    struct events *e = s->c.events;
    const struct msg_push *m = &w->told;
    char factor[24];

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
    events_seconds(e, "push", m->push_ns);
    events_seconds(e, "pull", m->pull_ns);
    events_seconds(e, "push_hidden", m->push_hidden_ns);
    events_seconds(e, "pull_hidden", m->pull_hidden_ns);
    if (m->factor &&
        str_printf(factor, sizeof factor, "%.10g", m->factor / 1000.0))
        events_json(e, "factor", factor); /* emulated */
    events_end(e);
}

void
server_accept(struct server *s, struct session *w)
{
    const struct msg_push *m = &w->told;
    struct err err = ERR_INIT;
    struct host_push push = {.samples = m->samples,
                             .steps = m->n_steps,
                             .compute_ns = m->compute_ns,
                             .loss = m->loss,
                             .gradient_norm = m->norm};

    w->held_since_ns = s->now_ns;
    push_event(s, w);
    s->loss_sum = LOSS_FADE * s->loss_sum + (1 - LOSS_FADE) * m->loss;
    s->loss_weight = LOSS_FADE * s->loss_weight + (1 - LOSS_FADE);
    if (host_push(s->host, s->now_ns, w->rank, &push, &err) != 0)
        server_fail(s, &err);
}

void
server_pushed(struct server *s, struct session *w)
{
    if (s->phase != SERVER_TRAINING)
        return;
    s->now_ns = s->last_event_ns = clock_now_ns();
    habit_add(&w->steps, s->now_ns - w->ordered_ns);
    if (server_judge(s, w))
        server_accept(s, w);
    server_settle(s);
}
