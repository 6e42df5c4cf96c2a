/* SPDX-License-Identifier: Apache-2.0 */
/* Bad pushes.  One worker's is that worker's fault (memory, a broken library,
 * an overheated processor) and must not spoil the parameters; everybody's is
 * nobody's fault: the training has diverged.  So a bad push is held against a
 * worker only when another one has done well on parameters at least as new. */
#include "base/clock.h"
#include "ps/server_impl.h"

#include <math.h>

/* The others who take part, by what they know about the parameters. */
struct others {
    uint32_t n, bad;
    bool witness; /* one did well on parameters at least as new */
    bool awaited; /* one that has not failed is at work, or will be */
    bool finite;  /* all bad ones are outliers only */
};

static struct others
ask_others(const struct server *s, const struct session *w)
{
    struct others o = {.finite = true};

    for (uint32_t i = 0; i < s->n_sessions; i++) {
        const struct session *v = &s->session[i];

        if (v == w || v->state < SESSION_EXPECTED || v->state > SESSION_CUT)
            continue;
        o.n++;
        if (v->bad) {
            o.bad++;
            o.finite &= v->is_finite;
            continue;
        }
        o.witness |= v->good_base > w->told.version;
        o.awaited |= (v->state != SESSION_READY && v->state != SESSION_IDLE) ||
                     host_get_state(s->host, i) == HOST_RUNNING;
    }
    return o;
}

static void
diverged(struct server *s, const struct session *w)
{
    const struct msg_push *m;
    bool loss;

    for (uint32_t i = 0; w->is_finite && i < s->n_sessions; i++)
        if (s->session[i].bad && !s->session[i].is_finite)
            w = &s->session[i]; /* that tells more */
    m = &w->told;
    loss = !isfinite(m->loss);
    server_failf(s, ERR_DIVERGED,
                 "diverged: %s is %s in iteration %llu of worker %u (%s), "
                 "epoch %.2f; try a lower learning rate (now %g) or "
                 "gradient clipping",
                 loss ? "training loss" : "gradient norm",
                 isnan(loss ? m->loss : m->norm) ? "NaN" : "infinite",
                 (unsigned long long)m->iteration, w->rank, w->host,
                 ledger_epochs(&s->ledger),
                 ledger_rate(&s->ledger, assign_get_done(s->ledger.assign), 1));
}

/* It was the worker. */
static void
convict(struct server *s, struct session *w)
{
    struct err err = ERR_INIT;

    w->parked = false;
    if (w->bad_pushes > server_faults(s)->max_bad_pushes) {
        err_set(&s->first_loss, ERR_WORKERS,
                "worker %u (%s): too many bad pushes", w->rank, w->host);
        server_session_dismiss(s, w, "too many bad pushes");
        return;
    }
    events_begin(s->c.events, s->now_ns, "retry");
    events_uint(s->c.events, "rank", w->rank);
    events_uint(s->c.events, "iteration", w->share.iteration);
    events_uint(s->c.events, "version", store_get_version(s->ledger.store));
    events_end(s->c.events);
    if (session_repeat(w, &err) != 0)
        server_fail(s, &err);
}

/* Everybody's norm has grown: it is the problem that is like this. */
static void
acquit_all(struct server *s, struct session *w)
{
    s->guard = (struct guard){0};
    for (uint32_t i = 0; i < s->n_sessions; i++) {
        struct session *v = &s->session[i];

        if ((v == w || v->parked) && s->phase == SERVER_TRAINING) {
            v->parked = v->bad = false;
            server_accept(s, v);
        }
    }
}

static void
decide(struct server *s, struct session *w)
{
    struct others o = ask_others(s, w);

    if (o.bad == o.n && w->is_finite && o.finite)
        acquit_all(s, w);
    else if (o.bad == o.n)
        diverged(s, w);
    else if (o.witness || !o.awaited)
        convict(s, w);
    else
        w->parked = true; /* somebody's next push will tell */
}

bool
server_judge(struct server *s, struct session *w)
{
    const struct msg_push *m = &w->told;
    double factor = server_faults(s)->outlier_norm;
    enum guard_verdict v =
        guard_judge(&s->guard, factor, w->share.contribution, m->loss, m->norm);

    if (v == GUARD_GOOD) {
        w->bad = false;
        w->good_base = m->version + 1;
        guard_accept(&s->guard, w->share.contribution, m->norm);
        return true;
    }
    w->bad = true;
    w->is_finite = v == GUARD_OUTLIER;
    w->bad_pushes++;
    s->n_rejected++;
    events_begin(s->c.events, s->now_ns, "reject");
    events_uint(s->c.events, "rank", w->rank);
    events_uint(s->c.events, "iteration", m->iteration);
    events_num(s->c.events, "loss", m->loss);
    events_num(s->c.events, "norm", m->norm);
    events_end(s->c.events);
    if (v == GUARD_OUTLIER)
        log_warn(s->c.log, "server",
                 "worker %u (%s): push %llu rejected: its norm %g is more than "
                 "%g times the largest one before, %g",
                 w->rank, w->host, (unsigned long long)m->iteration, m->norm,
                 factor, s->guard.largest);
    else
        log_warn(s->c.log, "server",
                 "worker %u (%s): push %llu rejected: loss %g, norm %g",
                 w->rank, w->host, (unsigned long long)m->iteration, m->loss,
                 m->norm);
    decide(s, w);
    return false;
}

void
server_judge_parked(struct server *s)
{
    for (uint32_t i = 0; i < s->n_sessions; i++)
        if (s->session[i].parked && s->phase == SERVER_TRAINING)
            decide(s, &s->session[i]);
}
