/* SPDX-License-Identifier: Apache-2.0 */
/* Checkpoints of a live run: when one is taken, and what becomes of it. */
#include "base/clock.h"
#include "base/fs.h"
#include "base/mem.h"
#include "base/str.h"
#include "ps/server_impl.h"

#include <string.h>

static uint64_t
larger(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

void
server_get_sums(const struct server *s, struct checkpoint_state *st)
{
    const uint64_t *bins = host_get_histogram(s->host);
    int64_t end_ns = s->end_ns ? s->end_ns : clock_now_ns();
    struct host_stats hs;

    *st = s->before;
    host_get_stats(s->host, &hs);
    if (s->start_ns)
        st->wall_seconds += (double)(end_ns - s->start_ns) / (double)NS_PER_S;
    st->pushes += hs.pushes;
    st->dropped += hs.dropped;
    st->applied += hs.applied;
    st->sum_staleness += hs.sum_staleness;
    st->max_staleness = larger(st->max_staleness, hs.max_staleness);
    st->max_gap = larger(st->max_gap, hs.max_gap);
    st->failed_checkpoints += s->failed_checkpoints;
    st->best_accuracy = s->best_accuracy;
    for (int i = 0; i < HOST_HISTOGRAM; i++)
        st->histogram[i] += bins[i];
    for (uint32_t k = 0; k < fleet_get_size(s->fleet); k++) {
        struct fleet_server m;

        fleet_get_server(s->fleet, k, &m);
        st->bytes_pushed += m.received;
        st->bytes_pulled += m.sent;
    }
    for (uint32_t i = 0; i < s->n_sessions; i++) {
        const struct session *w = &s->session[i];

        st->bytes_pushed +=
            w->bytes_pushed + (w->conn ? conn_get_received(w->conn) : 0);
        st->bytes_pulled +=
            w->bytes_pulled + (w->conn ? conn_get_sent(w->conn) : 0);
    }
}

void
server_save_checkpoint(struct server *s, bool final)
{
    struct err err = ERR_INIT;
    struct checkpoint_state st;
    struct snapshot *snap;

    events_begin(s->c.events, clock_now_ns(), "snapshot");
    events_str(s->c.events, "of", "checkpoint");
    events_uint(s->c.events, "version", store_get_version(s->ledger.store));
    events_end(s->c.events);
    events_flush(s->c.events); /* what it contains is told before it is there */
    server_get_sums(s, &st);
    snap = snapshot_new(s->c.job, s->ledger.store, s->ledger.assign, &st, &err);
    if (snap && !store_is_hollow(s->ledger.store)) {
        keeper_submit(s->keeper, snap, final);
        return;
    }
    if (snap && served_save(s, snap, &err) == 0)
        return;
    snapshot_free(snap);
    err_wrap(&err, "checkpoint");
    if (final)
        server_fail(s, &err);
    else
        log_warn(s->c.log, "checkpoint", "%s; training goes on", err.text);
}

static void
saved(struct server *s, const struct keeper_result *r)
{
    char *path = mem_strdup(r->path);

    if (path) {
        mem_free(s->checkpoint);
        s->checkpoint = path;
    }
    log_info(s->c.log, "checkpoint", "%s took=%.3fs", r->path,
             (double)r->cost_ns / (double)NS_PER_S);
    events_begin(s->c.events, clock_now_ns(), "checkpoint");
    events_uint(s->c.events, "version", r->version);
    events_str(s->c.events, "path", r->path);
    events_seconds(s->c.events, "took", r->cost_ns);
    events_end(s->c.events);
}

/* What was whole before is so still.  Told once for a row of failures; the last
 * checkpoint of a run has no other try and is missed by somebody. */
static void
not_saved(struct server *s, const struct keeper_result *r)
{
    uint64_t n_free = 0;
    char room[32], wait[32];

    s->failed_checkpoints++;
    s->save_error = r->err;
    (void)fs_space(s->c.run, &n_free, NULL);
    str_bytes(room, (double)n_free);
    str_duration(wait, (double)r->retry_ns / (double)NS_PER_S);
    events_begin(s->c.events, clock_now_ns(), "checkpoint_failed");
    events_uint(s->c.events, "version", r->version);
    events_str(s->c.events, "text", r->err.text);
    events_uint(s->c.events, "free", n_free);
    events_seconds(s->c.events, "retry", r->retry_ns);
    events_end(s->c.events);
    if (!r->final)
        log_line(s->c.log, r->failures == 1 ? LOG_WARN : LOG_INFO, "checkpoint",
                 "%s; %s free; training goes on, next try in %s", r->err.text,
                 room, wait);
    else if (r->last_path)
        server_failf(s, r->err.code,
                     "%s; %s free; the newest whole checkpoint is %s",
                     r->err.text, room, r->last_path);
    else
        server_failf(s, r->err.code,
                     "%s; %s free; there is no whole checkpoint", r->err.text,
                     room);
}

static void
on_result(void *ctx, const struct keeper_result *r)
{
    struct server *s = ctx;

    if (r->err.code == ERR_OK)
        saved(s, r);
    else
        not_saved(s, r);
    server_check_over(s);
    if (server_is_over(s)) /* the loop may have waited for us alone */
        uv_stop(s->loop);
}

static void
on_due(void *ctx)
{
    struct server *s = ctx;

    if (s->phase == SERVER_TRAINING)
        server_save_checkpoint(s, false);
}

const struct keeper_handlers server_keeper_handlers = {.on_result = on_result,
                                                       .on_due = on_due};
