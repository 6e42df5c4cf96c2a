/* SPDX-License-Identifier: Apache-2.0 */
/* Every wait has a deadline and a printed reason. */
#include "base/clock.h"
#include "ps/server_impl.h"

#define STOP_LIMIT_NS (10 * NS_PER_S) /* for workers to say goodbye */
#define EXIT_GRACE_NS                                                          \
    (3 * NS_PER_S)                /* from a lost connection to its reason      \
                                   */
#define SILENT_NS (30 * NS_PER_S) /* without a heartbeat: lost */
#define QUIET_NS  (10 * NS_PER_S) /* without any event: say who is slow */

/* Whom the policy waits for, for people who wonder why nothing happens. */
static void
tell_silence(struct server *s, int64_t now)
{
    for (uint32_t i = 0; i < s->n_sessions; i++) {
        const struct session *w = &s->session[i];
        double heard;

        if (!w->conn || host_get_state(s->host, i) != HOST_RUNNING)
            continue;
        heard = (double)(now - conn_get_last_heard(w->conn)) / (double)NS_PER_S;
        log_warn(s->c.log, "server",
                 "update %llu: waiting %.1f s for worker %u (%s), last push "
                 "%llu, heartbeat %.1f s ago",
                 (unsigned long long)store_get_version(s->ledger.store),
                 (double)(now - s->last_event_ns) / (double)NS_PER_S, i,
                 w->host, (unsigned long long)w->iterations, heard);
    }
}

static void
check_silent(struct server *s, int64_t now)
{
    for (uint32_t i = 0; i < s->n_sessions; i++) {
        const struct session *w = &s->session[i];

        if (w->conn && w->state == SESSION_READY &&
            now - conn_get_last_heard(w->conn) > SILENT_NS) {
            server_failf(s, ERR_WORKERS,
                         "worker %u (%s): no sign of life for %lld s; stopped "
                         "or cut off?",
                         i, w->host, (long long)(SILENT_NS / NS_PER_S));
            return;
        }
    }
}

static void
tick_starting(struct server *s, int64_t now)
{
    if (now - s->made_ns < s->c.start_timeout_ms * 1000000)
        return;
    for (uint32_t i = 0; i < s->n_sessions; i++) {
        if (s->session[i].state == SESSION_READY)
            continue;
        server_failf(s, ERR_WORKERS, "worker %u is not ready after %.0f s: %s",
                     i, (double)s->c.start_timeout_ms / 1e3,
                     s->session[i].state == SESSION_JOINED
                         ? "it still reads job and data"
                         : "it has not connected");
        return;
    }
}

static void
tick_training(struct server *s, int64_t now)
{
    unsigned slot = s->n_past++ % RATE_SLOTS;

    s->past[slot].ns = now;
    s->past[slot].samples = assign_get_done(s->ledger.assign);
    if (s->c.job->max_seconds > 0 &&
        s->before.wall_seconds +
                (double)(now - s->start_ns) / (double)NS_PER_S >=
            s->c.job->max_seconds) {
        server_begin_ending(s, "time is up");
        return;
    }
    check_silent(s, now);
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

    events_flush(s->c.events);
    if (s->lost_since_ns && now - s->lost_since_ns > EXIT_GRACE_NS &&
        s->phase < SERVER_ENDING) {
        struct session *w = &s->session[s->lost_rank];

        server_failf(s, ERR_WORKERS, "worker %u (%s) closed its connection",
                     w->rank, w->host);
        return;
    }
    switch (s->phase) {
    case SERVER_STARTING:
        tick_starting(s, now);
        break;
    case SERVER_TRAINING:
        tick_training(s, now);
        break;
    case SERVER_ENDING:
        if (now - s->ending_since_ns < STOP_LIMIT_NS)
            break;
        for (uint32_t i = 0; i < s->n_sessions; i++) {
            struct session *w = &s->session[i];

            if (w->state == SESSION_GONE)
                continue;
            log_warn(s->c.log, "server", "worker %u did not say goodbye", i);
            server_session_gone(s, w);
        }
        break;
    case SERVER_OVER:
        break;
    }
}
