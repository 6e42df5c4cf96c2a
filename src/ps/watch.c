/* SPDX-License-Identifier: Apache-2.0 */
/* Every wait has a deadline and a printed reason. */
#include "base/clock.h"
#include "base/str.h"
#include "ps/server_impl.h"

#define STOP_LIMIT_NS (10 * NS_PER_S) /* to say goodbye, then to end */
#define EXIT_GRACE_NS                                                          \
    (3 * NS_PER_S)               /* from a lost connection to its reason       \
                                  */
#define QUIET_NS (10 * NS_PER_S) /* without any event: say who is slow */
#define BEAT_NS  NS_PER_S        /* our own sign of life */
#define LATE_NS  NS_PER_S        /* between ticks: we did not look */

static double
seconds(int64_t ns)
{
    return (double)ns / (double)NS_PER_S;
}

/* Whom the policy waits for, for people who wonder why nothing happens. */
static void
tell_silence(struct server *s, int64_t now)
{
    for (uint32_t i = 0; i < s->n_sessions; i++) {
        const struct session *w = &s->session[i];

        if (!w->conn || host_get_state(s->host, i) != HOST_RUNNING)
            continue;
        log_warn(s->c.log, "server",
                 "update %llu: waiting %.1f s for worker %u (%s), last push "
                 "%llu, heartbeat %.1f s ago",
                 (unsigned long long)store_get_version(s->ledger.store),
                 seconds(now - s->last_event_ns), i, w->host,
                 (unsigned long long)w->iterations,
                 seconds(now - conn_get_last_heard(w->conn)));
    }
}

/* Whom the run waits for before it begins. */
static void
tell_start(struct server *s, int64_t now)
{
    char how[512];

    for (uint32_t i = 0; i < s->n_sessions; i++) {
        const struct session *w = &s->session[i];

        if ((w->state != SESSION_EXPECTED && w->state != SESSION_JOINED) ||
            w->start_at_ns || now - w->since_ns <= QUIET_NS)
            continue;
        if (w->state == SESSION_JOINED)
            str_printf(how, sizeof how, "(%s): it reads job and data", w->host);
        else
            s->c.starter->describe(s->c.starter_ctx, i, how, sizeof how);
        log_warn(s->c.log, "server", "waiting %.0f s for worker %u %s",
                 seconds(now - w->since_ns), i, how);
        s->told_ns = now;
    }
}

/* ---- one worker ---------------------------------------------------------- */

/* How long something lasts, without what we ourselves have slept. */
static int64_t
lasted(const struct server *s, int64_t since_ns, int64_t now)
{
    return now - (since_ns > s->excused_ns ? since_ns : s->excused_ns);
}

/* Stopped, cut off, or its host is gone. */
static bool
is_silent(struct server *s, struct session *w, int64_t now)
{
    const struct habit_bounds *b = &server_faults(s)->silence;
    int64_t silence = lasted(s, conn_get_last_heard(w->conn), now);
    char limit[160], why[320];

    if (silence <= habit_limit_ns(&w->beats, b))
        return false;
    str_printf(why, sizeof why, "no sign of life for %.1f s (limit %s)",
               seconds(silence), habit_text(&w->beats, b, limit, sizeof limit));
    server_session_cut(s, w, why);
    return true;
}

/* It sends, but what we send does not get away. */
static bool
is_deaf(struct server *s, struct session *w, int64_t now)
{
    size_t queued = conn_get_queued(w->conn);
    uint64_t sent = conn_get_sent(w->conn);
    int64_t limit = server_faults(s)->silence.most_ns;
    char why[160];

    if (queued == 0 || queued != w->queued || sent != w->sent ||
        w->moved_ns < s->excused_ns)
        w->moved_ns = now;
    w->queued = queued;
    w->sent = sent;
    if (now - w->moved_ns <= limit)
        return false;
    str_printf(why, sizeof why,
               "it has read nothing for %.1f s, %zu bytes wait",
               seconds(now - w->moved_ns), queued);
    server_session_cut(s, w, why);
    return true;
}

/* It lives, but its computing does not come to an end. */
static bool
is_stuck(struct server *s, struct session *w, int64_t now)
{
    const struct habit_bounds *b = &server_faults(s)->iteration;
    char limit[160], why[320];

    if (w->parked || host_get_state(s->host, w->rank) != HOST_RUNNING ||
        lasted(s, w->ordered_ns, now) <= habit_limit_ns(&w->steps, b))
        return false;
    str_printf(
        why, sizeof why, "iteration %llu has taken %.1f s so far (limit %s)",
        (unsigned long long)w->share.iteration, seconds(now - w->ordered_ns),
        habit_text(&w->steps, b, limit, sizeof limit));
    server_session_lost(s, w, ERR_WORKERS, why);
    return true;
}

static void
check_start(struct server *s, struct session *w, int64_t now)
{
    int64_t limit = s->c.start_timeout_ms * (NS_PER_S / 1000), iteration;
    bool reads = w->state == SESSION_JOINED;
    char why[120];

    if (w->start_at_ns) {
        if (now >= w->start_at_ns)
            server_session_start(s, w);
        return;
    }
    if (reads && w->steps.n > 0) { /* first it ends what it was computing */
        iteration = habit_limit_ns(&w->steps, &server_faults(s)->iteration);
        limit = iteration > limit ? iteration : limit;
    }
    if (lasted(s, w->since_ns, now) <= limit)
        return;
    str_printf(why, sizeof why, "it is not ready after %.0f s: %s",
               seconds(now - w->since_ns),
               !reads           ? "it has not connected"
               : w->steps.n > 0 ? "it still computes"
                                : "it still reads job and data");
    server_session_lost(s, w, ERR_WORKERS, why);
}

static void
check_cut(struct server *s, struct session *w, int64_t now)
{
    const struct faults *f = server_faults(s);
    int64_t limit = f->rejoin_ns;

    if (f->on_loss == ON_LOSS_ABORT && limit > EXIT_GRACE_NS)
        limit = EXIT_GRACE_NS; /* its process may still tell a better reason */
    if (lasted(s, w->since_ns, now) > limit)
        server_session_lost(s, w, ERR_WORKERS, w->why);
}

static void
check_stopping(struct server *s, struct session *w, int64_t now)
{
    if (lasted(s, w->since_ns, now) <= STOP_LIMIT_NS)
        return;
    log_warn(s->c.log, "server", "worker %u did not say goodbye", w->rank);
    if (w->has_process)
        s->c.starter->kill(s->c.starter_ctx, w->rank);
    server_session_gone(s, w);
}

/* It said goodbye, and does not go. */
static void
check_gone(struct server *s, struct session *w, int64_t now)
{
    if (!w->has_process || lasted(s, w->since_ns, now) <= STOP_LIMIT_NS)
        return;
    w->since_ns = now;
    s->c.starter->kill(s->c.starter_ctx, w->rank);
}

static void
check_session(struct server *s, struct session *w, int64_t now)
{
    switch (w->state) {
    case SESSION_ABSENT:
        check_gone(s, w, now);
        break;
    case SESSION_EXPECTED:
        check_start(s, w, now);
        break;
    case SESSION_JOINED:
        if (!w->conn || (!is_silent(s, w, now) && !is_deaf(s, w, now)))
            check_start(s, w, now);
        break;
    case SESSION_READY:
    case SESSION_IDLE:
        if (w->conn && !is_silent(s, w, now) && !is_deaf(s, w, now))
            (void)is_stuck(s, w, now);
        break;
    case SESSION_CUT:
        check_cut(s, w, now);
        break;
    case SESSION_STOPPING:
        check_stopping(s, w, now);
        break;
    }
}

/* ---- all ----------------------------------------------------------------- */

/* So that they notice when it is us who is gone. */
static void
give_sign_of_life(struct server *s, int64_t now)
{
    if (now - s->beat_ns < BEAT_NS)
        return;
    s->beat_ns = now;
    for (uint32_t i = 0; i < s->n_sessions; i++) {
        const struct session *w = &s->session[i];

        /* Whatever is on its way is one, too; and what waits must not look
         * as if it moved (is_deaf). */
        if (w->conn && conn_get_queued(w->conn) == 0)
            (void)conn_send(w->conn, MSG_BEAT, NULL, 0, NULL, 0, NULL, NULL,
                            NULL);
    }
}

static void
tick_training(struct server *s, int64_t now)
{
    unsigned slot = s->n_past++ % RATE_SLOTS;

    s->past[slot].ns = now;
    s->past[slot].samples = assign_get_done(s->ledger.assign);
    if (s->c.job->max_seconds > 0 &&
        s->before.wall_seconds + seconds(now - s->start_ns) >=
            s->c.job->max_seconds) {
        server_begin_ending(s, "time is up");
        return;
    }
    if (now - s->last_event_ns > QUIET_NS && now - s->told_ns > QUIET_NS) {
        tell_silence(s, now);
        s->told_ns = now;
    }
}

void
server_on_tick(uv_timer_t *t)
{
    struct server *s = t->data;
    int64_t now = clock_now_ns();

    if (s->tick_ns && now - s->tick_ns > LATE_NS)
        s->excused_ns = now; /* what came meanwhile is not read yet */
    s->tick_ns = now;
    if (s->now_ns < now)
        s->now_ns = now; /* of what this tick finds out */
    events_flush(s->c.events);
    server_tell_refused(s, now);
    give_sign_of_life(s, now);
    fleet_tick(s->fleet, now, s->excused_ns, server_faults(s)->silence.most_ns,
               s->c.start_timeout_ms * (NS_PER_S / 1000));
    for (uint32_t i = 0; i < s->n_sessions && s->phase != SERVER_OVER; i++)
        check_session(s, &s->session[i], now);
    server_settle(s);
    if (s->phase == SERVER_STARTING && now - s->told_ns > QUIET_NS)
        tell_start(s, now);
    if (s->phase == SERVER_TRAINING)
        tick_training(s, now);
}
