/* SPDX-License-Identifier: Apache-2.0 */
/* Trace event format: {"traceEvents": [...]}, times in microseconds.  The
 * events need not be in the order of time, so that a span can be written when
 * its end is known.
 *
 * Tracks are "threads" of one "process": the server, evaluations, checkpoints,
 * then the workers by rank, each with its network below it once some of its
 * transfer was hidden behind computing: that cannot be on the same track. */
#include "report/chrome.h"

#include "base/err.h"
#include "base/mem.h"
#include "report/chrome_impl.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

/* What has no length in the event stream gets this one: an arrow ends in a
 * span, not in a point. */
#define SHORTEST_S 1e-6

/* A span that is known by its end.  Spans of a track may not overlap, but an
 * end is told when there was time to tell it, so the next job, which has begun
 * by then, would: its span begins later. */
static void
begin_job(struct chrome *c, enum track track, const char *name, double end_s,
          double length_s)
{
    double begin_s = fmax(end_s - length_s, c->free_s[track]);

    chrome_begin_span(c, track, name, begin_s, end_s - begin_s);
    c->free_s[track] = fmax(c->free_s[track], end_s);
}

/* ---- what is told of the run --------------------------------------------- */

static struct lane *
get_lane(struct chrome *c, uint32_t rank, struct err *err)
{
    struct lane *more;

    if (rank >= c->n_lanes) {
        more = mem_resize(c->lane, c->n_lanes, rank + 1, sizeof *more);
        if (!more) {
            err_nomem(err);
            return NULL;
        }
        c->lane = more;
        c->n_lanes = rank + 1;
    }
    return &c->lane[rank];
}

static int
on_worker(void *ctx, const struct story_worker *w, struct err *err)
{
    struct chrome *c = ctx;
    struct lane *lane = get_lane(c, w->rank, err);
    char *name;

    if (!lane)
        return -1;
    if (lane->is_named)
        return 0;
    lane->is_named = true;
    name = *w->host ? mem_printf("worker %" PRIu32 " (%s)", w->rank, w->host)
                    : mem_printf("worker %" PRIu32, w->rank);
    if (!name)
        return err_nomem(err);
    chrome_name_track(c, FIRST_WORKER + w->rank, name,
                      FIRST_WORKER + 2 * w->rank);
    mem_free(name);
    return 0;
}

static int
on_start(void *ctx, const struct story_start *v, struct err *err)
{
    struct chrome *c = ctx;

    (void)err;
    chrome_begin_instant(c, SERVER, "start", v->at_s);
    fputs(",\"args\":{\"policy\":", c->f);
    chrome_put_string(c->f, v->policy);
    fputs("}", c->f);
    chrome_end(c);
    return 0;
}

static void
put_part(struct chrome *c, const struct story_work *w, const char *name,
         double *begin_s, double length_s)
{
    if (length_s > 0) {
        chrome_begin_span(c, FIRST_WORKER + w->rank, name, *begin_s, length_s);
        fprintf(c->f, ",\"args\":{\"iteration\":%" PRId64 "}", w->iteration);
        chrome_end(c);
    }
    *begin_s += length_s;
}

static void
put_transfer(struct chrome *c, const struct story_work *w, const char *name,
             double begin_s, double end_s, double hidden_s)
{
    struct lane *lane = &c->lane[w->rank];

    begin_s = fmax(begin_s, lane->free_s);
    if (end_s <= begin_s)
        return;
    chrome_begin_span(c, FIRST_NETWORK + w->rank, name, begin_s,
                      end_s - begin_s);
    fprintf(c->f, ",\"args\":{\"iteration\":%" PRId64 ",\"hidden ms\":",
            w->iteration);
    chrome_put_number(c->f, fmin(hidden_s, end_s - begin_s) * 1e3);
    fputs("}", c->f);
    chrome_end(c);
    lane->free_s = end_s;
}

/* The push that is not there yet, now that it is known how much of it was
 * hidden: it began so much before computing ended. */
static void
put_last_push(struct chrome *c, struct lane *lane, double hidden_s)
{
    const struct story_work *w = &lane->last;

    if (w->id && lane->has_network)
        put_transfer(c, w, "push", w->end_s - w->push_s - hidden_s, w->end_s,
                     hidden_s);
    lane->last.id = 0;
}

/* When parameters and contribution moved.  They do not at the same time: the
 * last parameters are there before computing ends, and no gradient is before
 * all of them. */
static int
put_network(struct chrome *c, const struct story_work *w, struct err *err)
{
    struct lane *lane = get_lane(c, w->rank, err);
    char *name;

    if (!lane)
        return -1;
    if (!lane->has_network && w->pull_hidden_s + w->last_push_hidden_s > 0) {
        name = mem_printf("worker %" PRIu32 " network", w->rank);
        if (!name)
            return err_nomem(err);
        chrome_name_track(c, FIRST_NETWORK + w->rank, name,
                          FIRST_WORKER + 2 * w->rank + 1);
        mem_free(name);
        lane->has_network = true;
    }
    put_last_push(c, lane, w->last_push_hidden_s);
    if (lane->has_network)
        put_transfer(c, w, "pull", w->begin_s,
                     fmin(w->begin_s + w->pull_s + w->pull_hidden_s,
                          w->end_s - w->push_s),
                     w->pull_hidden_s);
    lane->last = *w;
    return 0;
}

static int
on_work(void *ctx, const struct story_work *w, struct err *err)
{
    struct chrome *c = ctx;
    uint32_t track = FIRST_WORKER + w->rank;
    double at_s = w->begin_s, push_s;

    if (w->id == 0) {
        put_part(c, w, "order without a push", &at_s, w->end_s - w->begin_s);
        return 0;
    }
    put_part(c, w, "pull", &at_s, w->pull_s);
    put_part(c, w, "data", &at_s, w->data_s);
    put_part(c, w, "compute", &at_s, w->compute_s);
    push_s = fmax(w->push_s, SHORTEST_S);
    at_s = w->end_s - push_s;
    chrome_begin_span(c, track, "push", at_s, push_s);
    fprintf(c->f, ",\"args\":{\"iteration\":%" PRId64 ",\"samples\":%" PRId64,
            w->iteration, w->samples);
    fputs(",\"loss\":", c->f);
    chrome_put_number(c->f, w->loss);
    fputs(",\"gradient norm\":", c->f);
    chrome_put_number(c->f, w->norm);
    fputs("}", c->f);
    chrome_end(c);
    chrome_arrow(c, 's', track, w->id, at_s);
    chrome_counter(c, "loss", w->end_s, w->loss);
    return put_network(c, w, err);
}

static int
on_wait(void *ctx, const struct story_wait *w, struct err *err)
{
    struct chrome *c = ctx;

    (void)err;
    chrome_begin_span(c, FIRST_WORKER + w->rank, "wait", w->begin_s,
                      w->end_s - w->begin_s);
    chrome_end(c);
    return 0;
}

static int
on_update(void *ctx, const struct story_update *u, struct err *err)
{
    struct chrome *c = ctx;
    int64_t most = -1;

    (void)err;
    chrome_begin_span(c, SERVER, "apply", u->at_s, SHORTEST_S);
    fprintf(c->f,
            ",\"args\":{\"version\":%" PRId64 ",\"pushes\":%" PRId64
            ",\"samples\":%" PRId64 ",\"learning rate\":",
            u->version, u->pushes, u->samples);
    chrome_put_number(c->f, u->lr);
    fputs("}", c->f);
    chrome_end(c);
    for (size_t i = 0; i < u->n; i++) {
        if (u->part[i].id)
            chrome_arrow(c, 'f', SERVER, u->part[i].id, u->at_s);
        if (u->part[i].staleness > most)
            most = u->part[i].staleness;
    }
    if (most >= 0)
        chrome_counter(c, "staleness", u->at_s, (double)most);
    /* All that an update of several pushes waited for is there. */
    if (u->pushes > 1 && !c->has_supersteps) {
        chrome_begin_instant(c, SERVER, "barrier", u->at_s);
        chrome_end(c);
    }
    return 0;
}

static int
on_eval(void *ctx, const struct story_eval *e, struct err *err)
{
    struct chrome *c = ctx;

    (void)err;
    begin_job(c, EVALUATION, "evaluate", e->at_s, e->took_s);
    fprintf(c->f, ",\"args\":{\"samples\":%" PRId64 ",\"loss\":", e->samples);
    chrome_put_number(c->f, e->loss);
    fputs(",\"accuracy\":", c->f);
    chrome_put_number(c->f, e->accuracy);
    fputs("}", c->f);
    chrome_end(c);
    chrome_counter(c, "accuracy", e->at_s, e->accuracy);
    return 0;
}

/* A superstep is a span that ends in the barrier; where that was predicted is
 * an instant of its own, so that the difference can be seen. */
static int
put_superstep(struct chrome *c, const struct story_note *n, struct err *err)
{
    double length_ms = 0, predicted_ms = -1, begin_s;

    if (jcur_num(n->event, "length_ms", 0, 1e12, &length_ms, err) != 0 ||
        jcur_num_or(n->event, "predicted_barrier_ms", -1e12, 1e12,
                    &predicted_ms, err) != 0)
        return -1;
    c->has_supersteps = true;
    begin_s = n->at_s - length_ms / 1e3;
    chrome_begin_span(c, SERVER, "superstep", begin_s, length_ms / 1e3);
    chrome_put_args(c, n->event);
    chrome_end(c);
    if (predicted_ms >= 0) {
        chrome_begin_instant(c, SERVER, "predicted barrier",
                             begin_s + predicted_ms / 1e3);
        chrome_end(c);
    }
    chrome_begin_instant(c, SERVER, "barrier", n->at_s);
    chrome_end(c);
    return 0;
}

static int
on_note(void *ctx, const struct story_note *n, struct err *err)
{
    struct chrome *c = ctx;

    if (!strcmp(n->name, "superstep") && jcur_has(n->event, "length_ms"))
        return put_superstep(c, n, err);
    c->has_supersteps |= !strcmp(n->name, "plan");
    chrome_begin_instant(c, SERVER, n->name, n->at_s);
    chrome_put_args(c, n->event);
    chrome_end(c);
    return 0;
}

static int
on_mark(void *ctx, const struct story_mark *m, struct err *err)
{
    struct chrome *c = ctx;
    double took_s = 0;

    if (!strcmp(m->event, "checkpoint")) {
        if (jcur_num_or(m->from, "took", 0, 1e9, &took_s, err) != 0)
            return -1;
        begin_job(c, CHECKPOINT, "checkpoint", m->at_s, took_s);
    } else {
        chrome_begin_instant(c,
                             m->rank == STORY_NOBODY ? (uint32_t)SERVER
                                                     : FIRST_WORKER + m->rank,
                             m->event, m->at_s);
    }
    chrome_put_args(c, m->from);
    chrome_end(c);
    return 0;
}

int
chrome_write(const char *run, FILE *f, uint64_t *n_events, struct err *err)
{
    static const struct story_handlers handlers = {
        .on_start = on_start,
        .on_worker = on_worker,
        .on_work = on_work,
        .on_wait = on_wait,
        .on_update = on_update,
        .on_eval = on_eval,
        .on_note = on_note,
        .on_mark = on_mark,
    };
    struct chrome c = {.f = f};
    int r;

    fputs("{\"displayTimeUnit\":\"ms\",\"traceEvents\":[", f);
    chrome_name_track(&c, SERVER, "server", SERVER);
    chrome_name_track(&c, EVALUATION, "evaluations", EVALUATION);
    chrome_name_track(&c, CHECKPOINT, "checkpoints", CHECKPOINT);
    r = story_read(run, &handlers, &c, NULL, err);
    for (size_t i = 0; i < c.n_lanes; i++)
        put_last_push(&c, &c.lane[i], 0); /* nobody tells */
    fputs("\n]}\n", f);
    if (n_events)
        *n_events = c.n;
    mem_free(c.lane);
    return r;
}
