/* SPDX-License-Identifier: Apache-2.0 */
/* Who takes part.  A rank's way: expected - joined - ready (or idle), and from
 * any of them to cut (the connection broke, the process may come back) or lost
 * (it will not).  What a lost worker leads to is the job's to say. */
#include "base/clock.h"
#include "base/str.h"
#include "ps/server_impl.h"

/* Before the next try to start what has failed: it doubles. */
#define BACKOFF_NS     (NS_PER_S / 10)
#define MAX_BACKOFF_NS (10 * NS_PER_S)
/* Who has taken part for so long has no record any more. */
#define GOOD_NS  (3600 * NS_PER_S)
#define MAX_CUTS 8 /* in a row without a push: coming back is no use */

uint32_t
server_count(const struct server *s, enum session_state first,
             enum session_state last)
{
    uint32_t n = 0;

    for (uint32_t i = 0; i < s->n_sessions; i++)
        n += s->session[i].state >= first && s->session[i].state <= last;
    return n;
}

/* Those who take part, may do so soon, or may come back. */
uint32_t
server_count_hopes(const struct server *s)
{
    return server_count(s, SESSION_EXPECTED, SESSION_CUT);
}

/* ---- joining ------------------------------------------------------------- */

static void
begin_if_complete(struct server *s)
{
    if (s->phase == SERVER_STARTING &&
        server_count(s, SESSION_READY, SESSION_READY) > 0 &&
        server_count(s, SESSION_EXPECTED, SESSION_JOINED) == 0 &&
        server_count(s, SESSION_CUT, SESSION_CUT) == 0)
        server_begin_training(s);
}

void
server_session_ready(struct server *s, struct session *w)
{
    s->now_ns = clock_now_ns();
    w->bad = w->parked = false;
    events_begin(s->c.events, s->now_ns, "ready");
    events_uint(s->c.events, "rank", w->rank);
    events_uint(s->c.events, "life", w->life);
    events_str(s->c.events, "host", w->host);
    events_uint(s->c.events, "pid", w->pid);
    events_seconds(s->c.events, "setup", w->setup_ns);
    events_end(s->c.events);
    log_info(s->c.log, "server",
             "ready rank=%u life=%u host=%s pid=%llu setup=%.3fs", w->rank,
             w->life, w->host, (unsigned long long)w->pid,
             (double)w->setup_ns / (double)NS_PER_S);
    if (s->phase == SERVER_STARTING)
        begin_if_complete(s);
    else if (s->phase == SERVER_TRAINING && server_join_policy(s, w) == 0)
        server_settle(s);
}

/* ---- leaving ------------------------------------------------------------- */

/* The policy is told, the mini-batch goes back: before that, so that whoever
 * is released because of it may take it. */
static void
leave_policy(struct server *s, struct session *w, const char *why)
{
    struct err err = ERR_INIT;
    int64_t now = clock_now_ns();

    if (w->present_since_ns && now - w->present_since_ns > GOOD_NS)
        w->tries = w->bad_pushes = 0;
    if (w->present_since_ns)
        w->present_ns += now - w->present_since_ns;
    w->present_since_ns = 0;
    w->bad = w->parked = false;
    if (s->phase != SERVER_TRAINING ||
        host_get_state(s->host, w->rank) == HOST_ABSENT)
        return;
    s->now_ns = now;
    events_begin(s->c.events, now, "leave");
    events_uint(s->c.events, "rank", w->rank);
    events_str(s->c.events, "why", why);
    events_end(s->c.events);
    if (host_get_state(s->host, w->rank) == HOST_RUNNING) {
        s->n_given_back += w->share.n;
        if (ledger_give_back(&s->ledger, &w->share, &err) != 0) {
            server_fail(s, &err);
            return;
        }
    } else {
        w->held_ns += now - w->held_since_ns;
    }
    if (host_leave(s->host, now, w->rank, &err) != 0)
        server_fail(s, &err);
}

/* Connection and policy know it no more.  False: the run is ending, so that was
 * all. */
static bool
take_out(struct server *s, struct session *w, const char *why)
{
    session_detach(w);
    served_forget(w);
    leave_policy(s, w, why);
    if (s->phase < SERVER_ENDING)
        return true;
    w->state = SESSION_ABSENT;
    server_check_over(s);
    return false;
}

void
server_session_cut(struct server *s, struct session *w, const char *why)
{
    char text[WIRE_TEXT_CAP];

    if (s->phase < SERVER_ENDING && ++w->cuts > MAX_CUTS) {
        str_printf(text, sizeof text,
                   "its connection was lost %u times without a push: %s",
                   w->cuts, why);
        server_session_lost(s, w, ERR_WORKERS, text);
        return;
    }
    if (!take_out(s, w, why))
        return;
    w->state = SESSION_CUT;
    w->since_ns = clock_now_ns();
    str_printf(w->why, sizeof w->why, "%s", why);
    log_info(s->c.log, "server", "cut rank=%u host=%s: %s", w->rank, w->host,
             why);
}

/* Something that another process would run into as well. */
static bool
is_hopeless(const struct server *s, const struct session *w, enum err_code code)
{
    return s->phase == SERVER_STARTING && w->life == 0 && code != ERR_WORKERS &&
           code != ERR_SYS;
}

static void
describe(const struct session *w, const char *why, char *to, size_t cap)
{
    str_printf(to, cap, "worker %u%s%s%s: %s", w->rank, *w->host ? " (" : "",
               w->host, *w->host ? ")" : "", why);
}

static void
lost_event(struct server *s, const struct session *w, const char *why,
           const char *then)
{
    events_begin(s->c.events, clock_now_ns(), "lost");
    events_uint(s->c.events, "rank", w->rank);
    events_uint(s->c.events, "life", w->life);
    events_str(s->c.events, "host", w->host);
    events_str(s->c.events, "why", why);
    events_str(s->c.events, "then", then);
    events_end(s->c.events);
}

static void
check_enough(struct server *s)
{
    uint32_t left = server_count_hopes(s), min = server_faults(s)->min_workers;

    struct err err = ERR_INIT;

    if (s->phase >= SERVER_ENDING || left >= min)
        return;
    err_set(&err, ERR_WORKERS,
            "%u worker%s left, at least %u wanted; the first one was lost "
            "because: %s",
            left, left == 1 ? "" : "s", min,
            s->first_loss.code ? s->first_loss.text : "it was removed");
    server_give_up(s, &err);
}

static void
replace(struct session *w)
{
    int64_t wait = BACKOFF_NS;

    for (uint32_t i = 0; i < w->tries && wait < MAX_BACKOFF_NS; i++)
        wait *= 2;
    w->restarts++;
    w->tries++;
    w->life++;
    w->has_process = false; /* its end is reported with the old life */
    w->bad_pushes = 0;
    w->state = SESSION_EXPECTED;
    w->since_ns = clock_now_ns();
    w->start_at_ns = w->since_ns + wait;
    w->confessed = false;
    w->cuts = 0;
    w->beats = w->steps = (struct habit){0};
}

static void
drop(struct server *s, struct session *w, const char *text)
{
    uint32_t left;

    w->state = SESSION_ABSENT;
    check_enough(s);
    if (s->phase >= SERVER_ENDING) { /* its end tells the first loss */
        log_info(s->c.log, "server", "%s", text);
        return;
    }
    left = server_count_hopes(s);
    log_warn(s->c.log, "server", "%s\ngoing on with %u worker%s", text, left,
             left == 1 ? "" : "s");
    begin_if_complete(s);
}

void
server_session_lost(struct server *s, struct session *w, enum err_code code,
                    const char *why)
{
    const struct faults *f = server_faults(s);
    struct err err = ERR_INIT;
    char text[sizeof err.text];
    bool again;

    describe(w, why, text, sizeof text);
    if (!take_out(s, w, why))
        return;
    s->n_lost++;
    err_set(&s->first_loss, code, "%s", text); /* the first one stays */
    if (w->has_process)
        s->c.starter->kill(s->c.starter_ctx, w->rank);
    if (f->on_loss == ON_LOSS_ABORT ||
        (f->on_loss == ON_LOSS_REPLACE && is_hopeless(s, w, code))) {
        lost_event(s, w, why, "abort");
        w->state = SESSION_ABSENT;
        err_set(&err, code, "%s", text);
        server_give_up(s, &err);
        return;
    }
    again = f->on_loss == ON_LOSS_REPLACE && w->tries < f->max_restarts;
    lost_event(s, w, why, again ? "replace" : "drop");
    if (again) {
        log_warn(s->c.log, "server", "%s\nstarting it again (%u of %u)", text,
                 w->tries + 1, f->max_restarts);
        replace(w);
    } else {
        drop(s, w, text);
    }
}

void
server_session_missed(struct server *s, struct session *w)
{
    char text[sizeof s->first_loss.text];

    describe(w, w->why, text, sizeof text);
    s->n_lost++;
    err_set(&s->first_loss, ERR_WORKERS, "%s", text);
    lost_event(s, w, w->why, "end");
    log_warn(s->c.log, "server", "%s\nit has not come back by the end", text);
    if (w->has_process)
        s->c.starter->kill(s->c.starter_ctx, w->rank);
}

void
server_session_dismiss(struct server *s, struct session *w, const char *why)
{
    log_warn(s->c.log, "server", "worker %u (%s) is removed: %s", w->rank,
             w->host, why);
    lost_event(s, w, why, "remove");
    leave_policy(s, w, why);
    if (s->phase >= SERVER_ENDING)
        return;
    if (!w->conn && w->has_process)
        s->c.starter->kill(s->c.starter_ctx, w->rank);
    session_stop(w);
    check_enough(s);
    begin_if_complete(s);
}

void
server_session_gone(struct server *s, struct session *w)
{
    if (w->state == SESSION_ABSENT)
        return;
    session_detach(w);
    served_forget(w);
    w->state = SESSION_ABSENT;
    w->since_ns = clock_now_ns();
    server_check_over(s);
}

/* ---- processes ----------------------------------------------------------- */

static bool
shares(const struct server *s, const struct session *w)
{
    return s->c.share && !w->has_link &&
           s->c.starter->is_here(s->c.starter_ctx, w->rank);
}

void
server_session_start(struct server *s, struct session *w)
{
    struct err err = ERR_INIT;

    w->start_at_ns = 0;
    w->since_ns = clock_now_ns();
    w->used = w->has_process = true;
    w->has_link = server_has_link(s, w->rank);
    w->n_emulations = s->n_emulations;
    events_begin(s->c.events, w->since_ns, "spawn");
    events_uint(s->c.events, "rank", w->rank);
    events_uint(s->c.events, "life", w->life);
    events_end(s->c.events);
    if (session_prepare(w, shares(s, w), &err) == 0) {
        int shared[JOIN_FDS] = {store_get_fd(s->ledger.store), w->shared.fd,
                                s->c.data->shared.fd};

        if (s->c.starter->start(s->c.starter_ctx, w->rank, w->life,
                                w->shared.base ? shared : NULL, &err) == 0)
            return;
    }
    w->has_process = false;
    server_session_lost(s, w, err.code, err.text);
}

void
server_start_workers(struct server *s)
{
    struct err err = ERR_INIT;

    for (uint32_t k = 0; k < fleet_get_size(s->fleet); k++)
        if (s->c.starter->serve(s->c.starter_ctx, k, &err) != 0) {
            server_fail(s, &err);
            return;
        }
    for (uint32_t i = 0; i < s->c.job->workers; i++) {
        s->session[i].state = SESSION_EXPECTED;
        s->session[i].start_at_ns = s->made_ns;
    }
    for (uint32_t i = 0; i < s->c.job->workers; i++)
        if (s->phase == SERVER_STARTING)
            server_session_start(s, &s->session[i]);
}

void
server_worker_exited(struct server *s, uint32_t rank, uint32_t life,
                     enum err_code code, const char *how)
{
    struct session *w;

    if (rank >= WIRE_SERVER_RANK) {
        fleet_exited(s->fleet, rank - WIRE_SERVER_RANK, how);
        return;
    }
    w = &s->session[rank];
    if (life != w->life) /* somebody else has the rank now */
        return;
    w->has_process = false;
    if (s->phase == SERVER_OVER || w->state == SESSION_ABSENT)
        return;
    if (s->phase == SERVER_ENDING || w->state == SESSION_STOPPING)
        server_session_gone(s, w);
    else {
        server_session_lost(s, w, code, how);
        server_settle(s);
    }
}
