/* SPDX-License-Identifier: Apache-2.0 */
/* The whole network is run in each way, so that caches are as full and the
 * layouts of neighbours as they will be; the time of every operation is taken,
 * and each computation of each layer gets the way that was best for it. */
#include "nn/tune.h"

#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/rng.h"
#include "nn/layers/types.h"
#include "nn/par.h"
#include "nn/plan.h"

#include <stdint.h>
#include <string.h>

/* Quick: mini-batches of at most so many operations, so that even the largest
 * networks take seconds; more where a layer would be too small to judge. */
#define QUICK_FLOP    1e10
#define QUICK_SAMPLES ((size_t)16)
#define QUICK_STEPS   4
#define LONG_NS       (NS_PER_S / 4) /* but after that only two */
#define FULL_STEPS    8
/* A step below this is not worth it. */
#define USEFUL_FLOP 2e8
/* A new way must take less than this part of the time of the old one. */
#define BETTER 0.97

/* Best times in seconds. */
struct times {
    double (*pass)[N_PASSES]; /* of each layer, convolutions */
    double rest;              /* everything else */
    bool (*wino)[N_PASSES];   /* trial: another algorithm than the direct */
    enum way (*best)[N_PASSES];
};

struct tuner {
    struct graph *graph;
    const struct tune_options *options;
    size_t n;
    struct dnn dnn;
    float *x, *params, *grads;
    int32_t *label;
    uint64_t *key;
    struct times trial, images[N_IMAGES];
};

bool
tune_is_useful(const struct graph *g, const struct tune_options *o)
{
    double flop = 0;

    for (size_t i = 0; i < g->n; i++)
        if (g->layer[i].type == &layer_conv2d)
            flop += 3 * g->layer[i].flop;
    return flop * (double)o->batch >= USEFUL_FLOP;
}

static size_t
choose_samples(const struct graph *g, const struct tune_options *o)
{
    double n = QUICK_FLOP / (3 * g->flop);

    if (o->full || n >= (double)o->batch || o->batch <= QUICK_SAMPLES)
        return o->batch;
    return n > (double)QUICK_SAMPLES ? (size_t)n : QUICK_SAMPLES;
}

static int
times_init(struct times *t, const struct graph *g, struct err *err)
{
    t->pass = mem_alloc(g->n, sizeof *t->pass);
    t->best = mem_alloc(g->n, sizeof *t->best);
    t->wino = mem_alloc(g->n, sizeof *t->wino);
    return t->pass && t->best && t->wino ? 0 : err_nomem(err);
}

static void
times_release(struct times *t)
{
    mem_free(t->pass);
    mem_free(t->best);
    mem_free(t->wino);
}

static void
tuner_release(struct tuner *t)
{
    times_release(&t->trial);
    for (int i = 0; i < N_IMAGES; i++)
        times_release(&t->images[i]);
    mem_free(t->x);
    mem_free(t->params);
    mem_free(t->grads);
    mem_free(t->label);
    mem_free(t->key);
    dnn_close(&t->dnn);
}

static int
tuner_init(struct tuner *t, struct graph *g, const struct tune_options *o,
           struct err *err)
{
    size_t width = shape_count(&g->input), n_floats = g->segments.n_floats;
    struct rng rng;

    memset(t, 0, sizeof *t);
    t->graph = g;
    t->options = o;
    t->n = choose_samples(g, o);
    if (dnn_open(&t->dnn, err) != 0 || times_init(&t->trial, g, err) != 0)
        return -1;
    for (int i = 0; i < N_IMAGES; i++)
        if (times_init(&t->images[i], g, err) != 0)
            return -1;
    t->x = mem_alloc_aligned(t->n * width * sizeof *t->x);
    t->params = mem_alloc_aligned(n_floats * sizeof *t->params);
    t->grads = mem_alloc_aligned(n_floats * sizeof *t->grads);
    t->label = mem_alloc(t->n, sizeof *t->label);
    t->key = mem_alloc(t->n, sizeof *t->key);
    if (!t->x || !t->params || !t->grads || !t->label || !t->key)
        return err_nomem(err);
    /* Numbers of the usual size: zeros would be too easy for nobody, but
     * denormal ones too hard. */
    rng_init(&rng, 1);
    for (size_t i = 0; i < t->n * width; i++)
        t->x[i] = (float)rng_normal(&rng);
    graph_init_params(g, 1, t->params);
    return 0;
}

/* Which of the times an operation belongs to. */
static double *
account(struct times *t, const struct op *o)
{
    return o->layer->type == &layer_conv2d ? &t->pass[o->layer->index][o->pass]
                                           : &t->rest;
}

/* The best time of each operation enters t->trial. */
static void
enter(struct tuner *t, const struct plan *p, const int64_t *best)
{
    memset(t->trial.pass, 0, t->graph->n * sizeof *t->trial.pass);
    memset(t->trial.wino, 0, t->graph->n * sizeof *t->trial.wino);
    t->trial.rest = 0;
    for (size_t i = 0; i < p->n_ops; i++) {
        const struct op *o = &p->op[i];

        *account(&t->trial, o) += (double)best[i] * 1e-9;
        if (strstr(o->how, "wino"))
            t->trial.wino[o->layer->index][o->pass] = true;
    }
}

/* Runs a plan some times. */
static int
time_plan(struct tuner *t, struct plan *p, char *arena, struct err *err)
{
    const struct net_batch b = {
        .n = t->n, .x = t->x, .label = t->label, .key = t->key};
    int steps = t->options->full ? FULL_STEPS : QUICK_STEPS;
    int64_t *spent = mem_alloc(2 * p->n_ops, sizeof *spent);
    int64_t *best = spent + p->n_ops;
    const int64_t start = clock_now_ns();
    struct net_result result;
    int r = spent ? 0 : err_nomem(err);

    p->spent_ns = spent;
    /* The first run finds memory and code cold: at least two. */
    for (int s = 0; r == 0 && s < steps; s++) {
        if (s > 1 && !t->options->full && clock_now_ns() - start > LONG_NS)
            break;
        r = plan_run(p, arena, &b, t->params, t->grads, NULL, &result, err);
        for (size_t i = 0; r == 0 && i < p->n_ops; i++)
            if (s == 0 || spent[i] < best[i])
                best[i] = spent[i];
    }
    if (r == 0)
        enter(t, p, best);
    p->spent_ns = NULL;
    mem_free(spent);
    return r;
}

/* Everything in one way. */
static int
time_way(struct tuner *t, enum images images, enum way way, struct err *err)
{
    struct ways *w = &t->graph->ways;
    char *arena = NULL;
    struct plan *p;
    int r = -1;

    w->images = images;
    for (size_t i = 0; i < t->graph->n; i++)
        memset(w->layer[i].pass, (int)way, sizeof w->layer[i].pass);
    p = plan_new(t->graph, &t->dnn, t->n, true, err);
    if (p) {
        arena = mem_alloc_aligned(p->arena_bytes);
        r = arena ? time_plan(t, p, arena, err) : err_nomem(err);
    }
    mem_free(arena);
    plan_free(p);
    return r;
}

/* Convolutions that compute the same, so that their times are compared
 * together: ten layers are ten measurements. */
static bool
is_like(const struct layer *a, const struct layer *b)
{
    return a->type == b->type && !memcmp(a->opt, b->opt, a->type->opt_size) &&
           !memcmp(&a->out, &b->out, sizeof a->out);
}

static double
sum_of_like(const struct graph *g, double (*pass)[N_PASSES], size_t i, int k)
{
    double sum = 0;

    for (size_t j = 0; j < g->n; j++)
        if (is_like(&g->layer[i], &g->layer[j]))
            sum += pass[j][k];
    return sum;
}

static bool
is_better(const struct tuner *t, const struct times *than, size_t i, int k,
          enum way way)
{
    return t->graph->layer[i].type == &layer_conv2d &&
           (way == WAY_DIRECT ||
            (t->trial.wino[i][k] &&
             sum_of_like(t->graph, t->trial.pass, i, k) <
                 BETTER * sum_of_like(t->graph, than->pass, i, k)));
}

/* The best of all ways with this layout. */
static int
time_images(struct tuner *t, enum images images, struct err *err)
{
    struct times *to = &t->images[images];

    for (int way = 0; way < (t->options->exact ? 1 : N_WAYS); way++) {
        if (way == WAY_WINOGRAD && !dnn_has_winograd())
            continue;
        if (time_way(t, images, (enum way)way, err) != 0)
            return -1;
        if (way == WAY_DIRECT || t->trial.rest < to->rest)
            to->rest = t->trial.rest;
        for (size_t i = 0; i < t->graph->n; i++)
            for (int k = 0; k < N_PASSES; k++)
                if (is_better(t, to, i, k, (enum way)way))
                    to->best[i][k] = (enum way)way;
        for (size_t i = 0; i < t->graph->n; i++)
            for (int k = 0; k < N_PASSES; k++)
                if (to->best[i][k] == (enum way)way)
                    to->pass[i][k] = t->trial.pass[i][k];
    }
    return 0;
}

static double
total(const struct tuner *t, enum images images)
{
    const struct times *x = &t->images[images];
    double sum = x->rest;

    for (size_t i = 0; i < t->graph->n; i++)
        for (int k = 0; k < N_PASSES; k++)
            sum += x->pass[i][k];
    return sum;
}

static int
choose(struct tuner *t, struct err *err)
{
    struct ways *w = &t->graph->ways;
    enum images rule, other, best;

    w->images = IMAGES_RULE;
    rule = plan_choose_images(t->graph) == dnnl_nhwc ? IMAGES_NHWC
                                                     : IMAGES_BLOCKED;
    other = rule == IMAGES_NHWC ? IMAGES_BLOCKED : IMAGES_NHWC;
    if (time_images(t, rule, err) != 0 || time_images(t, other, err) != 0)
        return -1;
    best = total(t, other) < BETTER * total(t, rule) ? other : rule;
    w->images = best;
    for (size_t i = 0; i < t->graph->n; i++)
        for (int k = 0; k < N_PASSES; k++)
            w->layer[i].pass[k] = (unsigned char)t->images[best].best[i][k];
    return 0;
}

int
tune_graph(struct graph *g, const struct tune_options *o, struct err *err)
{
    struct ways before = g->ways;
    int threads = par_set_threads(o->threads), r;
    struct tuner t;

    g->ways = (struct ways){.layer = mem_alloc(g->n, sizeof *before.layer)};
    r = tuner_init(&t, g, o, err);
    if (!g->ways.layer)
        r = err_nomem(err);
    if (r == 0)
        r = choose(&t, err);
    if (r != 0) {
        mem_free(g->ways.layer);
        g->ways = before;
    } else {
        mem_free(before.layer);
    }
    tuner_release(&t);
    par_set_threads(threads);
    return r;
}

void
tune_machine(struct buf *to)
{
    const dnnl_version_t *v = dnnl_version();
    char name[128];

    buf_addf(to, "%s, isa %#x, oneDNN %d.%d.%d %s",
             dnn_processor(name, sizeof name),
             (unsigned)dnnl_get_effective_cpu_isa(), v->major, v->minor,
             v->patch, v->hash);
}
