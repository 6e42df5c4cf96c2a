/* SPDX-License-Identifier: Apache-2.0 */
#include "report/csv.h"

#include "base/err.h"
#include "base/fs.h"
#include "base/mem.h"
#include "report/draft.h"
#include "report/story.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

enum table {
    RUNS,
    WORKERS,
    STALENESS,
    EVALUATIONS,
    PUSHES,
    UPDATES,
    WAITS,
    SUPERSTEPS,
    N_TABLES
};

static const struct {
    const char *file, *columns;
} tables[N_TABLES] = {
    [RUNS] = {"runs.csv",
              "directory,job,policy,status,workers,seconds,samples,epochs,"
              "updates,pushes,dropped_pushes,workers_lost,samples_per_second,"
              "best_accuracy,test_accuracy,test_loss,train_loss,waiting_share,"
              "mean_staleness,max_staleness,bytes_pushed,bytes_pulled"},
    [WORKERS] =
        {"workers.csv",
         "rank,host,iterations,compute,data,pull,push,wait,other,hidden"},
    [STALENESS] = {"staleness.csv", "staleness,pushes"},
    [EVALUATIONS] = {"evaluations.csv", "seconds,samples,loss,accuracy"},
    [PUSHES] = {"pushes.csv",
                "rank,iteration,begin,end,pull,data,compute,push,samples,loss,"
                "norm"},
    [UPDATES] = {"updates.csv",
                 "version,seconds,samples,pushes,learning_rate,mean_staleness,"
                 "max_staleness"},
    [WAITS] = {"waits.csv", "rank,begin,end"},
    [SUPERSTEPS] = {"supersteps.csv", "begin,end,predicted"},
};

struct csv {
    struct draft draft[N_TABLES];
    const struct account *a; /* the run that is being read */
    double zero_s;
    double began_s; /* the superstep at work */
    uint64_t samples;
};

static FILE *
line(struct csv *c, enum table t)
{
    draft_put_cell(c->draft[t].f, c->a->label);
    return c->draft[t].f;
}

/* What is not known is an empty cell. */
static void
put(FILE *f, double v)
{
    if (isfinite(v))
        fprintf(f, ",%.10g", v);
    else
        fputc(',', f);
}

static void
put_all(FILE *f, const double *v, size_t n)
{
    for (size_t i = 0; i < n; i++)
        put(f, v[i]);
    fputc('\n', f);
}
#define PUT(f, ...)                                                            \
    put_all(f, (const double[]){__VA_ARGS__},                                  \
            sizeof(const double[]){__VA_ARGS__} / sizeof(double))

/* ---- from the events; times are seconds of training ---------------------- */

static int
on_start(void *ctx, const struct story_start *v, struct err *err)
{
    struct csv *c = ctx;

    (void)err;
    c->zero_s = v->zero_s;
    c->began_s = v->at_s;
    c->samples = v->samples;
    return 0;
}

static int
on_work(void *ctx, const struct story_work *v, struct err *err)
{
    struct csv *c = ctx;

    (void)err;
    if (v->id)
        PUT(line(c, PUSHES), v->rank, (double)v->iteration,
            v->begin_s - c->zero_s, v->end_s - c->zero_s, v->pull_s, v->data_s,
            v->compute_s, v->push_s, (double)v->samples, v->loss, v->norm);
    return 0;
}

static int
on_wait(void *ctx, const struct story_wait *v, struct err *err)
{
    struct csv *c = ctx;

    (void)err;
    PUT(line(c, WAITS), v->rank, v->begin_s - c->zero_s, v->end_s - c->zero_s);
    return 0;
}

static void
put_superstep(struct csv *c, double begin_s, double end_s, double predicted_s)
{
    PUT(line(c, SUPERSTEPS), begin_s - c->zero_s, end_s - c->zero_s,
        predicted_s - c->zero_s);
}

static int
on_update(void *ctx, const struct story_update *v, struct err *err)
{
    struct csv *c = ctx;
    double sum = 0, n = 0, most = NAN;

    (void)err;
    c->samples += (uint64_t)v->samples;
    for (size_t i = 0; i < v->n; i++) {
        if (v->part[i].staleness < 0)
            continue;
        sum += (double)v->part[i].staleness;
        most = fmax(most, (double)v->part[i].staleness);
        n++;
    }
    PUT(line(c, UPDATES), (double)v->version, v->at_s - c->zero_s,
        (double)c->samples, (double)v->pushes, v->lr, n > 0 ? sum / n : NAN,
        most);
    if (v->pushes > 1 && !c->a->tells_supersteps) {
        put_superstep(c, c->began_s, v->at_s, NAN);
        c->began_s = v->at_s;
    }
    return 0;
}

static int
on_eval(void *ctx, const struct story_eval *v, struct err *err)
{
    struct csv *c = ctx;

    (void)err;
    PUT(line(c, EVALUATIONS), v->trained_s, (double)v->samples, v->loss,
        v->accuracy);
    return 0;
}

static int
on_note(void *ctx, const struct story_note *v, struct err *err)
{
    double length_ms = 0, predicted_ms = NAN, begin_s;

    if (strcmp(v->name, "superstep") != 0 || !jcur_has(v->event, "length_ms"))
        return 0;
    if (jcur_num(v->event, "length_ms", 0, 1e12, &length_ms, err) != 0 ||
        jcur_num_or(v->event, "predicted_barrier_ms", -1e12, 1e12,
                    &predicted_ms, err) != 0)
        return -1;
    begin_s = v->at_s - length_ms / 1e3;
    put_superstep(ctx, begin_s, v->at_s, begin_s + predicted_ms / 1e3);
    return 0;
}

/* ---- what was added up --------------------------------------------------- */

static void
put_facts(struct csv *c)
{
    const struct account_facts *s = &c->a->facts;
    FILE *f = line(c, RUNS);
    const char *const texts[] = {c->a->run, s->name, s->policy, s->status};

    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        fputc(',', f);
        draft_put_cell(f, texts[i]);
    }
    PUT(f, s->workers, s->seconds, s->samples, s->epochs, s->updates, s->pushes,
        s->dropped, s->lost, s->rate, s->best_accuracy, s->accuracy,
        s->test_loss, s->train_loss, s->waiting_share, s->mean_staleness,
        s->max_staleness, s->bytes_pushed, s->bytes_pulled);
}

static void
put_workers(struct csv *c)
{
    for (size_t r = 0; r < c->a->n_workers; r++) {
        const struct account_worker *w = &c->a->worker[r];
        FILE *f;

        if (!w->is_used)
            continue;
        f = line(c, WORKERS);
        fprintf(f, ",%zu,", r);
        draft_put_cell(f, w->host ? w->host : "");
        put(f, (double)w->iterations);
        for (int k = 0; k < N_PARTS; k++)
            put(f, w->part_s[k]);
        PUT(f, w->hidden_s);
    }
}

static void
put_staleness(struct csv *c)
{
    for (int s = 0; s < ACCOUNT_BINS; s++)
        if (c->a->staleness[s])
            fprintf(line(c, STALENESS), ",%d,%" PRIu64 "\n", s,
                    c->a->staleness[s]);
}

static int
put_run(struct csv *c, struct err *err)
{
    static const struct story_handlers handlers = {
        .on_start = on_start,
        .on_work = on_work,
        .on_wait = on_wait,
        .on_update = on_update,
        .on_eval = on_eval,
        .on_note = on_note,
    };

    put_facts(c);
    put_workers(c);
    put_staleness(c);
    return story_read(c->a->run, &handlers, c, NULL, err);
}

static int
open_all(struct csv *c, const char *dir, struct err *err)
{
    if (fs_mkdir(dir, true, err) != 0)
        return -1;
    for (int t = 0; t < N_TABLES; t++) {
        char *path = fs_join(dir, tables[t].file);
        int r = path ? draft_open(&c->draft[t], path, err) : err_nomem(err);

        mem_free(path);
        if (r != 0)
            return -1;
        fprintf(c->draft[t].f, "run,%s\n", tables[t].columns);
    }
    return 0;
}

int
csv_write(const char *dir, const struct account *a, size_t n, struct err *err)
{
    struct csv c = {.a = NULL};
    int r = open_all(&c, dir, err);

    for (size_t i = 0; i < n && r == 0; i++) {
        c.a = &a[i];
        c.zero_s = 0;
        r = put_run(&c, err);
    }
    for (int t = 0; t < N_TABLES; t++) {
        if (r == 0)
            r = draft_keep(&c.draft[t], err);
        draft_drop(&c.draft[t]);
    }
    return r;
}
