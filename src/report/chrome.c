/* SPDX-License-Identifier: Apache-2.0 */
/* Trace event format: {"traceEvents": [...]}, times in microseconds.  The
 * events need not be in the order of time, so that a span can be written when
 * its end is known.
 *
 * Tracks are "threads" of one "process": the server, evaluations, checkpoints,
 * then the workers by rank. */
#include "report/chrome.h"

#include "base/err.h"
#include "base/mem.h"
#include "report/story.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

enum track { SERVER, EVALUATION, CHECKPOINT, FIRST_WORKER };

/* What has no length in the event stream gets this one: an arrow ends in a
 * span, not in a point. */
#define SHORTEST_S 1e-6

struct chrome {
    FILE *f;
    uint64_t n;  /* events written */
    bool *named; /* by rank: its track has a name */
    size_t n_named;
    double free_s[FIRST_WORKER]; /* until when tracks are taken, by track */
    bool has_supersteps;         /* the policy tells its barriers itself */
};

/* ---- JSON ---------------------------------------------------------------- */

static void
put_string(FILE *f, const char *s)
{
    fputc('"', f);
    for (; *s; s++) {
        if (*s == '"' || *s == '\\')
            fprintf(f, "\\%c", *s);
        else if ((unsigned char)*s < ' ')
            fprintf(f, "\\u%04x", (unsigned)*s);
        else
            fputc(*s, f);
    }
    fputc('"', f);
}

static void
put_number(FILE *f, double v)
{
    if (isfinite(v))
        fprintf(f, "%.9g", v);
    else
        fputs("null", f);
}

/* Begins an event: phase, track, name. */
static void
begin(struct chrome *c, char phase, uint32_t track, const char *name)
{
    fprintf(c->f, "%s\n{\"ph\":\"%c\",\"pid\":1,\"tid\":%" PRIu32 ",\"name\":",
            c->n++ ? "," : "", phase, track);
    put_string(c->f, name);
}

static void
at(struct chrome *c, double at_s)
{
    fprintf(c->f, ",\"ts\":%.3f", at_s * 1e6);
}

/* A span without arguments of its own; `end` has to follow. */
static void
begin_span(struct chrome *c, uint32_t track, const char *name, double begin_s,
           double length_s)
{
    begin(c, 'X', track, name);
    at(c, begin_s);
    fprintf(c->f, ",\"dur\":%.3f", fmax(length_s, 0) * 1e6);
}

static void
begin_instant(struct chrome *c, uint32_t track, const char *name, double at_s)
{
    begin(c, 'i', track, name);
    at(c, at_s);
    fputs(",\"s\":\"t\"", c->f);
}

/* A span that is known by its end.  Spans of a track may not overlap, but an
 * end is told when there was time to tell it, so the next job, which has begun
 * by then, would: its span begins later. */
static void
begin_job(struct chrome *c, enum track track, const char *name, double end_s,
          double length_s)
{
    double begin_s = fmax(end_s - length_s, c->free_s[track]);

    begin_span(c, track, name, begin_s, end_s - begin_s);
    c->free_s[track] = fmax(c->free_s[track], end_s);
}

static void
end(struct chrome *c)
{
    fputc('}', c->f);
}

static void
counter(struct chrome *c, const char *name, double at_s, double v)
{
    if (!isfinite(v))
        return;
    begin(c, 'C', SERVER, name);
    at(c, at_s);
    fputs(",\"args\":{\"value\":", c->f);
    put_number(c->f, v);
    fputs("}", c->f);
    end(c);
}

/* phase: s where the arrow begins, f where it ends. */
static void
arrow(struct chrome *c, char phase, uint32_t track, uint64_t id, double at_s)
{
    begin(c, phase, track, "push");
    at(c, at_s);
    fprintf(c->f, ",\"cat\":\"push\",\"id\":%" PRIu64 "%s", id,
            phase == 'f' ? ",\"bp\":\"e\"" : "");
    end(c);
}

/* The members of an event of the run, as they are. */
static void
put_args(struct chrome *c, const struct jcur *event)
{
    const char *key, *comma = "";
    json_t *v;

    fputs(",\"args\":{", c->f);
    json_object_foreach(event->v, key, v)
    {
        if (!strcmp(key, "t") || !strcmp(key, "event") ||
            !(json_is_string(v) || json_is_number(v)))
            continue;
        fputs(comma, c->f);
        put_string(c->f, key);
        fputc(':', c->f);
        if (json_is_string(v))
            put_string(c->f, json_string_value(v));
        else
            put_number(c->f, json_number_value(v));
        comma = ",";
    }
    fputs("}", c->f);
}

static void
name_track(struct chrome *c, uint32_t track, const char *name)
{
    begin(c, 'M', track, "thread_name");
    fputs(",\"args\":{\"name\":", c->f);
    put_string(c->f, name);
    fputs("}", c->f);
    end(c);
    begin(c, 'M', track, "thread_sort_index");
    fprintf(c->f, ",\"args\":{\"sort_index\":%" PRIu32 "}", track);
    end(c);
}

/* ---- what is told of the run --------------------------------------------- */

static int
on_worker(void *ctx, const struct story_worker *w, struct err *err)
{
    struct chrome *c = ctx;
    bool *more;
    char *name;

    if (w->rank >= c->n_named) {
        more = mem_resize(c->named, c->n_named, w->rank + 1, sizeof *more);
        if (!more)
            return err_nomem(err);
        c->named = more;
        c->n_named = w->rank + 1;
    }
    if (c->named[w->rank])
        return 0;
    c->named[w->rank] = true;
    name = *w->host ? mem_printf("worker %" PRIu32 " (%s)", w->rank, w->host)
                    : mem_printf("worker %" PRIu32, w->rank);
    if (!name)
        return err_nomem(err);
    name_track(c, FIRST_WORKER + w->rank, name);
    mem_free(name);
    return 0;
}

static int
on_start(void *ctx, const struct story_start *v, struct err *err)
{
    struct chrome *c = ctx;

    (void)err;
    begin_instant(c, SERVER, "start", v->at_s);
    fputs(",\"args\":{\"policy\":", c->f);
    put_string(c->f, v->policy);
    fputs("}", c->f);
    end(c);
    return 0;
}

static void
put_part(struct chrome *c, const struct story_work *w, const char *name,
         double *begin_s, double length_s)
{
    if (length_s > 0) {
        begin_span(c, FIRST_WORKER + w->rank, name, *begin_s, length_s);
        fprintf(c->f, ",\"args\":{\"iteration\":%" PRId64 "}", w->iteration);
        end(c);
    }
    *begin_s += length_s;
}

static int
on_work(void *ctx, const struct story_work *w, struct err *err)
{
    struct chrome *c = ctx;
    uint32_t track = FIRST_WORKER + w->rank;
    double at_s = w->begin_s, push_s;

    (void)err;
    if (w->id == 0) {
        put_part(c, w, "order without a push", &at_s, w->end_s - w->begin_s);
        return 0;
    }
    put_part(c, w, "pull", &at_s, w->pull_s);
    put_part(c, w, "data", &at_s, w->data_s);
    put_part(c, w, "compute", &at_s, w->compute_s);
    push_s = fmax(w->push_s, SHORTEST_S);
    at_s = w->end_s - push_s;
    begin_span(c, track, "push", at_s, push_s);
    fprintf(c->f, ",\"args\":{\"iteration\":%" PRId64 ",\"samples\":%" PRId64,
            w->iteration, w->samples);
    fputs(",\"loss\":", c->f);
    put_number(c->f, w->loss);
    fputs(",\"gradient norm\":", c->f);
    put_number(c->f, w->norm);
    fputs("}", c->f);
    end(c);
    arrow(c, 's', track, w->id, at_s);
    counter(c, "loss", w->end_s, w->loss);
    return 0;
}

static int
on_wait(void *ctx, const struct story_wait *w, struct err *err)
{
    struct chrome *c = ctx;

    (void)err;
    begin_span(c, FIRST_WORKER + w->rank, "wait", w->begin_s,
               w->end_s - w->begin_s);
    end(c);
    return 0;
}

static int
on_update(void *ctx, const struct story_update *u, struct err *err)
{
    struct chrome *c = ctx;
    int64_t most = -1;

    (void)err;
    begin_span(c, SERVER, "apply", u->at_s, SHORTEST_S);
    fprintf(c->f,
            ",\"args\":{\"version\":%" PRId64 ",\"pushes\":%" PRId64
            ",\"samples\":%" PRId64 ",\"learning rate\":",
            u->version, u->pushes, u->samples);
    put_number(c->f, u->lr);
    fputs("}", c->f);
    end(c);
    for (size_t i = 0; i < u->n; i++) {
        if (u->part[i].id)
            arrow(c, 'f', SERVER, u->part[i].id, u->at_s);
        if (u->part[i].staleness > most)
            most = u->part[i].staleness;
    }
    if (most >= 0)
        counter(c, "staleness", u->at_s, (double)most);
    /* All that an update of several pushes waited for is there. */
    if (u->pushes > 1 && !c->has_supersteps) {
        begin_instant(c, SERVER, "barrier", u->at_s);
        end(c);
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
    put_number(c->f, e->loss);
    fputs(",\"accuracy\":", c->f);
    put_number(c->f, e->accuracy);
    fputs("}", c->f);
    end(c);
    counter(c, "accuracy", e->at_s, e->accuracy);
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
    begin_span(c, SERVER, "superstep", begin_s, length_ms / 1e3);
    put_args(c, n->event);
    end(c);
    if (predicted_ms >= 0) {
        begin_instant(c, SERVER, "predicted barrier",
                      begin_s + predicted_ms / 1e3);
        end(c);
    }
    begin_instant(c, SERVER, "barrier", n->at_s);
    end(c);
    return 0;
}

static int
on_note(void *ctx, const struct story_note *n, struct err *err)
{
    struct chrome *c = ctx;

    if (!strcmp(n->name, "superstep") && jcur_has(n->event, "length_ms"))
        return put_superstep(c, n, err);
    c->has_supersteps |= !strcmp(n->name, "plan");
    begin_instant(c, SERVER, n->name, n->at_s);
    put_args(c, n->event);
    end(c);
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
        begin_instant(c,
                      m->rank == STORY_NOBODY ? (uint32_t)SERVER
                                              : FIRST_WORKER + m->rank,
                      m->event, m->at_s);
    }
    put_args(c, m->from);
    end(c);
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
    name_track(&c, SERVER, "server");
    name_track(&c, EVALUATION, "evaluations");
    name_track(&c, CHECKPOINT, "checkpoints");
    r = story_read(run, &handlers, &c, NULL, err);
    fputs("\n]}\n", f);
    if (n_events)
        *n_events = c.n;
    mem_free(c.named);
    return r;
}
