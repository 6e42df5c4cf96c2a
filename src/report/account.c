/* SPDX-License-Identifier: Apache-2.0 */
#include "report/account.h"

#include "base/err.h"
#include "base/fs.h"
#include "base/mem.h"
#include "job/rundir.h"
#include "report/account_impl.h"
#include "report/story.h"

#include <math.h>
#include <string.h>

const char *const part_names[N_PARTS] = {
    [PART_COMPUTE] = "compute", [PART_DATA] = "data", [PART_PULL] = "pull",
    [PART_PUSH] = "push",       [PART_WAIT] = "wait", [PART_OTHER] = "other",
};

/* ---- what the events tell ------------------------------------------------ */

static int
on_start(void *ctx, const struct story_start *v, struct err *err)
{
    struct account *a = ctx;
    double samples = (double)v->samples;

    (void)err;
    /* What came after the checkpoint that is continued was lost. */
    curve_cut(&a->train_loss, 1, samples);
    curve_cut(&a->test_loss, 1, samples);
    curve_cut(&a->accuracy, 1, samples);
    curve_cut(&a->superstep, 0, v->at_s - v->zero_s);
    curve_cut(&a->predicted, 0, v->at_s - v->zero_s);
    gauge_cut(&a->waiting, v->at_s - v->zero_s);
    a->n_supersteps =
        a->superstep.n ? (uint64_t)a->superstep.point[a->superstep.n - 1].x[1]
                       : 0;
    a->zero_s = v->zero_s;
    a->samples = v->samples;
    a->began_s = v->at_s;
    return 0;
}

static struct account_worker *
get_worker(struct account *a, uint32_t rank, struct err *err)
{
    struct account_worker *more;

    if (rank >= a->n_workers) {
        more = mem_resize(a->worker, a->n_workers, rank + 1, sizeof *more);
        if (!more) {
            err_nomem(err);
            return NULL;
        }
        a->worker = more;
        a->n_workers = rank + 1;
    }
    if (!a->worker[rank].is_used) {
        a->worker[rank].is_used = true;
        a->n_used++;
    }
    return &a->worker[rank];
}

static int
on_worker(void *ctx, const struct story_worker *v, struct err *err)
{
    struct account_worker *w = get_worker(ctx, v->rank, err);

    if (!w)
        return -1;
    if (!w->host && !(w->host = mem_strdup(v->host)))
        return err_nomem(err);
    return 0;
}

static void
add_span(struct account *a, enum part part, uint32_t rank, double begin_s,
         double end_s)
{
    if (end_s <= begin_s)
        return;
    a->span[a->n_spans++ % ACCOUNT_SPANS] = (struct account_span){
        .part = part, .rank = rank, .begin_s = begin_s, .end_s = end_s};
}

static int
on_work(void *ctx, const struct story_work *v, struct err *err)
{
    struct account *a = ctx;
    struct account_worker *w = get_worker(a, v->rank, err);
    const struct {
        enum part part;
        double length_s;
    } parts[] = {{PART_PULL, v->pull_s},
                 {PART_DATA, v->data_s},
                 {PART_COMPUTE, v->compute_s},
                 {PART_PUSH, v->push_s}};
    double at_s = v->begin_s;

    if (!w)
        return -1;
    if (v->id == 0)
        return 0;
    for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
        add_span(a, parts[i].part, v->rank, at_s, at_s + parts[i].length_s);
        w->part_s[parts[i].part] += parts[i].length_s;
        at_s += parts[i].length_s;
    }
    w->hidden_s += v->pull_hidden_s + v->last_push_hidden_s;
    w->iterations++;
    w->span_s = v->end_s - v->begin_s;
    a->n_pushes++;
    return curve_add(&a->train_loss, v->end_s - a->zero_s, (double)a->samples,
                     v->loss, err);
}

static int
on_wait(void *ctx, const struct story_wait *v, struct err *err)
{
    struct account *a = ctx;
    struct account_worker *w = get_worker(a, v->rank, err);

    if (!w)
        return -1;
    w->part_s[PART_WAIT] += v->end_s - v->begin_s;
    add_span(a, PART_WAIT, v->rank, v->begin_s, v->end_s);
    gauge_add(&a->waiting, v->begin_s - a->zero_s, v->end_s - a->zero_s);
    return 0;
}

static int
add_superstep(struct account *a, const struct account_superstep *s,
              struct err *err)
{
    double x0 = s->end_s - a->zero_s, x1 = (double)++a->n_supersteps;

    a->last[a->n_last++ % ACCOUNT_SUPERSTEPS] = *s;
    if (curve_add(&a->superstep, x0, x1, s->end_s - s->begin_s, err) != 0)
        return -1;
    return curve_add(&a->predicted, x0, x1, s->predicted_s - s->begin_s, err);
}

static int
on_update(void *ctx, const struct story_update *v, struct err *err)
{
    struct account *a = ctx;
    struct account_superstep s = {
        .begin_s = a->began_s, .end_s = v->at_s, .predicted_s = NAN};

    a->updates = (uint64_t)v->version;
    a->samples += (uint64_t)v->samples;
    for (size_t i = 0; i < v->n; i++) {
        int64_t age = v->part[i].staleness;

        if (age < 0)
            continue;
        a->staleness[age < ACCOUNT_BINS ? age : ACCOUNT_BINS - 1]++;
        a->sum_staleness += (double)age;
        a->n_staleness++;
        if (age > a->max_staleness)
            a->max_staleness = age;
    }
    if (a->tells_supersteps || v->pushes < 2)
        return 0;
    a->began_s = v->at_s;
    return add_superstep(a, &s, err);
}

static int
on_eval(void *ctx, const struct story_eval *v, struct err *err)
{
    struct account *a = ctx;
    double samples = (double)v->samples;

    if (curve_add(&a->test_loss, v->trained_s, samples, v->loss, err) != 0)
        return -1;
    return curve_add(&a->accuracy, v->trained_s, samples, v->accuracy, err);
}

static void
forget_supersteps(struct account *a)
{
    curve_release(&a->superstep);
    curve_release(&a->predicted);
    a->n_supersteps = 0;
    a->n_last = 0;
    a->tells_supersteps = true;
}

/* What a policy calls a superstep counts, not what was guessed before. */
static int
on_note(void *ctx, const struct story_note *v, struct err *err)
{
    struct account *a = ctx;
    struct account_superstep s = {.end_s = v->at_s};
    double length_ms = 0, predicted_ms = NAN;

    if (!a->tells_supersteps &&
        (!strcmp(v->name, "plan") || !strcmp(v->name, "superstep")))
        forget_supersteps(a);
    if (strcmp(v->name, "superstep") != 0 || !jcur_has(v->event, "length_ms"))
        return 0;
    if (jcur_num(v->event, "length_ms", 0, 1e12, &length_ms, err) != 0 ||
        jcur_num_or(v->event, "predicted_barrier_ms", -1e12, 1e12,
                    &predicted_ms, err) != 0)
        return -1;
    s.begin_s = v->at_s - length_ms / 1e3;
    s.predicted_s = s.begin_s + predicted_ms / 1e3;
    return add_superstep(a, &s, err);
}

static const struct story_handlers handlers = {
    .on_start = on_start,
    .on_worker = on_worker,
    .on_work = on_work,
    .on_wait = on_wait,
    .on_update = on_update,
    .on_eval = on_eval,
    .on_note = on_note,
};

/* ---- the whole ----------------------------------------------------------- */

static int
load(struct json_doc *d, const char *run, const char *name, struct err *err)
{
    char *path = fs_join(run, name);
    int r = path ? json_doc_load(d, path, err) : err_nomem(err);

    if (r == 0 && !json_is_object(d->root)) {
        json_doc_release(d);
        r = err_set(err, ERR_CONFIG, "%s: expected an object", path);
    }
    mem_free(path);
    return r;
}

int
account_read(struct account *a, const char *run, struct err *err)
{
    memset(a, 0, sizeof *a);
    if (rundir_check(run, err) != 0)
        return -1;
    a->run = mem_strdup(run);
    a->span = mem_alloc(ACCOUNT_SPANS, sizeof *a->span);
    if (!a->run || !a->span) {
        account_release(a);
        return err_nomem(err);
    }
    a->has_summary = rundir_has_ended(run);
    if (load(&a->job, run, "job.json", err) != 0 ||
        (a->has_summary && load(&a->summary, run, "summary.json", err) != 0) ||
        story_read(run, &handlers, a, &a->end_s, err) != 0 ||
        account_conclude(a, err) != 0) {
        account_release(a);
        return -1;
    }
    return 0;
}

void
account_release(struct account *a)
{
    for (size_t i = 0; i < a->n_workers; i++)
        mem_free(a->worker[i].host);
    mem_free(a->worker);
    mem_free(a->span);
    mem_free(a->run);
    mem_free(a->label);
    curve_release(&a->train_loss);
    curve_release(&a->test_loss);
    curve_release(&a->accuracy);
    curve_release(&a->superstep);
    curve_release(&a->predicted);
    json_doc_release(&a->job);
    json_doc_release(&a->summary);
    memset(a, 0, sizeof *a);
}
