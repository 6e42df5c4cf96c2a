/* SPDX-License-Identifier: Apache-2.0 */
/* What the live server does with the actions of a policy. */
#include "base/buf.h"
#include "base/clock.h"
#include "base/mem.h"
#include "ps/server_impl.h"

#include <ebsp/policy.h>

#include <stdio.h>
#include <string.h>

#define MAX_REST ((size_t)WIRE_MAX_STEPS * 64) /* bytes of JSON */

static int
driver_add(void *ctx, uint32_t worker, double weight, struct err *err)
{
    struct server *s = ctx;
    struct session *w = &s->session[worker];

    events_begin(s->c.events, s->now_ns, "add");
    events_uint(s->c.events, "rank", worker);
    events_uint(s->c.events, "iteration", w->share.iteration);
    events_num(s->c.events, "weight", weight);
    events_end(s->c.events);
    served_add(w, weight);
    return ledger_add(&s->ledger, &w->share, w->push, weight, err);
}

static int
driver_commit(void *ctx, double weight, uint32_t pushes, uint64_t samples,
              struct err *err)
{
    struct server *s = ctx;
    double lr;

    if (ledger_commit(&s->ledger, weight, pushes, &lr, err) != 0)
        return -1;
    served_commit(s, weight, lr);
    events_begin(s->c.events, s->now_ns, "commit");
    events_uint(s->c.events, "version", store_get_version(s->ledger.store));
    events_num(s->c.events, "weight", weight);
    events_num(s->c.events, "lr", lr);
    events_uint(s->c.events, "pushes", pushes);
    events_uint(s->c.events, "samples", samples);
    events_end(s->c.events);
    return 0;
}

static int
driver_drop(void *ctx, uint32_t worker, struct err *err)
{
    struct server *s = ctx;
    struct session *w = &s->session[worker];

    events_begin(s->c.events, s->now_ns, "drop");
    events_uint(s->c.events, "rank", worker);
    events_uint(s->c.events, "iteration", w->share.iteration);
    events_end(s->c.events);
    s->n_given_back += w->share.n;
    return ledger_give_back(&s->ledger, &w->share, err);
}

/* The mini-batches of an order behind the first one, as JSON. */
static void
add_rest(struct buf *b, const struct share *share)
{
    for (uint32_t i = 1; i < share->n; i++) {
        const struct data_cursor *c = &share->cursor[i];

        buf_addf(b, "%s[%u,%llu,%u,%u]", i > 1 ? "," : "[", c->epoch,
                 (unsigned long long)c->first, c->count, c->shard);
    }
    buf_adds(b, "]");
}

static void
release_event(struct server *s, const struct session *w,
              const struct host_release *how)
{
    struct events *e = s->c.events;
    struct buf rest = BUF_INIT(MAX_REST);

    events_begin(e, s->now_ns, "release");
    events_uint(e, "rank", w->rank);
    events_uint(e, "iteration", w->share.iteration);
    events_uint(e, "version", w->share.version);
    events_seconds(e, "held", s->now_ns - w->held_since_ns);
    if (how->keep)
        events_int(e, "keep", 1);
    if (how->contribution)
        events_uint(e, "contribution", how->contribution);
    if (how->lr_factor != 1.0)
        events_num(e, "lr_factor", how->lr_factor);
    if (how->batch)
        events_uint(e, "batch", how->batch);
    events_uint(e, "epoch", w->share.cursor[0].epoch);
    events_uint(e, "first", w->share.cursor[0].first);
    events_uint(e, "count", w->share.cursor[0].count);
    if (w->share.cursor[0].shard)
        events_uint(e, "shard", w->share.cursor[0].shard);
    events_uint(e, "steps", w->share.n);
    if (w->share.n > 1) {
        add_rest(&rest, &w->share);
        events_json(e, "rest", rest.bad ? "null" : rest.data);
    }
    events_end(e);
    buf_release(&rest);
}

static int
driver_release(void *ctx, uint32_t worker, const struct host_release *how,
               bool *finished, struct err *err)
{
    struct server *s = ctx;
    struct session *w = &s->session[worker];

    if (session_order(w, how, err) != 0)
        return -1;
    if (w->share.n == 0) {
        *finished = true;
        w->state = SESSION_IDLE;
        w->held_ns += s->now_ns - w->held_since_ns;
        events_begin(s->c.events, s->now_ns, "idle");
        events_uint(s->c.events, "rank", worker);
        events_end(s->c.events);
        return 0;
    }
    release_event(s, w, how);
    return 0;
}

static void driver_timer(void *ctx, int64_t at_ns);

static void
on_timer(uv_timer_t *t)
{
    struct server *s = t->data;
    struct err err = ERR_INIT;
    int64_t now_ns = clock_now_ns();

    if (s->phase != SERVER_TRAINING)
        return;
    if (now_ns < s->timer_at_ns) { /* the loop's clock is coarser than ours */
        driver_timer(s, s->timer_at_ns);
        return;
    }
    s->now_ns = now_ns;
    events_begin(s->c.events, s->now_ns, "wake");
    events_end(s->c.events);
    if (host_advance(s->host, s->now_ns, &err) != 0)
        server_fail(s, &err);
    else
        server_settle(s);
}

/* At least one turn of the loop away: one of 0 ms that is asked for by a timer
 * runs again before anything else, and a policy that asks for no end of them
 * would shut out sockets and signals. */
static void
driver_timer(void *ctx, int64_t at_ns)
{
    struct server *s = ctx;
    int64_t wait_ns;

    s->timer_at_ns = at_ns;
    uv_timer_stop(&s->timer);
    if (at_ns == INT64_MAX)
        return;
    wait_ns = at_ns - clock_now_ns();
    uv_timer_start(&s->timer, on_timer,
                   wait_ns > 0 ? (uint64_t)(wait_ns + 999999) / 1000000 : 1, 0);
}

static void
driver_note(void *ctx, const char *name, const struct host_value *values,
            size_t n)
{
    struct server *s = ctx;

    events_begin(s->c.events, s->now_ns, "note");
    events_str(s->c.events, "name", name);
    for (size_t i = 0; i < n; i++)
        events_num(s->c.events, values[i].name, values[i].value);
    events_end(s->c.events);
    /* The progress line has room for one thing: where the barriers are. */
    if (n > 0 && !strcmp(name, "superstep"))
        snprintf(s->note, sizeof s->note, "%s %.0f", name, values[0].value);
}

const struct host_driver server_driver = {
    .add = driver_add,
    .commit = driver_commit,
    .drop = driver_drop,
    .release = driver_release,
    .timer = driver_timer,
    .note = driver_note,
};
