/* SPDX-License-Identifier: Apache-2.0 */
/* What people ask of a run while it runs: ebsp-ctl(1). */
#include "base/clock.h"
#include "ps/server_impl.h"

#include <math.h>

int
server_add_worker(struct server *s, const char *host, uint32_t *rank,
                  struct err *err)
{
    struct session *w = NULL;

    if (s->phase >= SERVER_ENDING)
        return err_set(err, ERR_FAIL, "the run is ending");
    for (uint32_t i = 0; i < s->n_sessions; i++) {
        struct session *v = &s->session[i];

        if (v->state == SESSION_ABSENT && !v->has_process &&
            (!w || (w->used && !v->used)))
            w = v;
    }
    if (!w)
        return err_set(err, ERR_FAIL,
                       "all %u ranks are taken; start a run with more: "
                       "--max-workers",
                       s->n_sessions);
    if (s->c.starter->place(s->c.starter_ctx, w->rank, host, err) != 0)
        return -1;
    if (w->used)
        w->life++;
    w->restarts = w->tries = w->bad_pushes = w->cuts = 0;
    w->confessed = false;
    w->beats = w->steps = (struct habit){0};
    *w->host = '\0';
    w->state = SESSION_EXPECTED;
    *rank = w->rank;
    server_session_start(s, w);
    return 0;
}

int
server_remove_worker(struct server *s, uint32_t rank, struct err *err)
{
    struct session *w = rank < s->n_sessions ? &s->session[rank] : NULL;
    uint32_t min = server_faults(s)->min_workers;

    if (s->phase >= SERVER_ENDING)
        return err_set(err, ERR_FAIL, "the run is ending");
    if (!w || w->state == SESSION_ABSENT || w->state == SESSION_STOPPING)
        return err_set(err, ERR_USAGE, "there is no worker %u", rank);
    if (server_count_hopes(s) <= min)
        return err_set(err, ERR_USAGE,
                       "worker %u is needed: the run wants at least %u", rank,
                       min);
    server_session_dismiss(s, w, "removed on demand");
    server_settle(s);
    return 0;
}

int
server_cut_worker(struct server *s, uint32_t rank, struct err *err)
{
    struct session *w = rank < s->n_sessions ? &s->session[rank] : NULL;

    if (!w || !w->conn)
        return err_set(err, ERR_USAGE, "there is no connection of worker %u",
                       rank);
    if (s->phase >= SERVER_ENDING || w->state == SESSION_STOPPING)
        server_session_gone(s, w);
    else
        server_session_cut(s, w, "cut off on demand");
    server_settle(s);
    return 0;
}

int
server_ask_checkpoint(struct server *s, struct err *err)
{
    if (s->phase != SERVER_TRAINING)
        return err_set(err, ERR_FAIL, "the run is %s",
                       s->phase == SERVER_STARTING ? "starting" : "ending");
    server_save_checkpoint(s, false);
    return 0;
}

uint64_t
server_get_failed_checkpoints(const struct server *s, struct err *last)
{
    *last = s->save_error;
    return s->failed_checkpoints;
}

/* ---- for people ---------------------------------------------------------- */

uint32_t
server_get_worker_count(const struct server *s)
{
    uint32_t n = 0;

    for (uint32_t i = 0; i < s->n_sessions; i++)
        if (s->session[i].used)
            n = i + 1;
    return n;
}

void
server_get_worker(const struct server *s, uint32_t rank,
                  struct server_worker *to)
{
    static const char *const names[] = {
        [SESSION_ABSENT] = "absent",    [SESSION_EXPECTED] = "starting",
        [SESSION_JOINED] = "reading",   [SESSION_READY] = "held",
        [SESSION_IDLE] = "idle",        [SESSION_CUT] = "cut",
        [SESSION_STOPPING] = "leaving",
    };
    const struct session *w = &s->session[rank];
    const struct faults *f = server_faults(s);
    double ns = (double)NS_PER_S;
    int64_t median = habit_median_ns(&w->steps);

    *to = (struct server_worker){
        .rank = rank,
        .life = w->life,
        .state = names[w->state],
        .host = w->host,
        .pid = w->pid,
        .iterations = w->iterations,
        .clock = host_get_clock(s->host, rank),
        .last_heard_s = NAN,
        .silence_limit_s = NAN,
        .iteration_median_s = NAN,
        .iteration_limit_s = NAN,
        .restarts = w->restarts,
        .bad_pushes = w->bad_pushes,
    };
    if (w->state == SESSION_READY &&
        host_get_state(s->host, rank) == HOST_RUNNING)
        to->state = "running";
    if (w->conn) {
        to->last_heard_s =
            (double)(clock_now_ns() - conn_get_last_heard(w->conn)) / ns;
        to->silence_limit_s =
            (double)habit_limit_ns(&w->beats, &f->silence) / ns;
    }
    if (median >= 0) {
        to->iteration_median_s = (double)median / ns;
        to->iteration_limit_s =
            (double)habit_limit_ns(&w->steps, &f->iteration) / ns;
    }
}
