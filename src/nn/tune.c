/* SPDX-License-Identifier: Apache-2.0 */
/* The whole network is run in each way, so that caches are as full and the
 * layouts of neighbours as they will be; the time of every operation is taken,
 * and each computation of each layer gets the way that was best for it.  The
 * time for all of that is limited; what was not reached stays as the rules
 * have it. */
#include "nn/tune.h"

#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/rng.h"
#include "nn/layers/types.h"
#include "nn/par.h"
#include "nn/plan.h"
#include "nn/tune_times.h"

#include <stdint.h>
#include <string.h>

/* Quick: mini-batches of at most so many operations; more where a layer would
 * be too small to judge. */
#define QUICK_FLOP    1e10
#define QUICK_SAMPLES ((size_t)16)
#define QUICK_STEPS   4
#define LONG_NS       (NS_PER_S / 4) /* but after that only two */
#define FULL_STEPS    8
/* Time for everything; on a machine with other load, so many times as much of
 * the time of day. */
#define QUICK_NS (5 * NS_PER_S)
#define FULL_NS  (60 * NS_PER_S)
#define BUSY     4
/* What a thread of an ordinary machine computes in a second, and how often the
 * network is run in all: where the time is too short, on fewer samples. */
#define USUAL_FLOPS 6e10
#define USUAL_RUNS  8
#define SLOW_S      1.0 /* people are told */
/* Parameters of a layer that are drawn. */
#define DRAWN ((size_t)4099)
/* A step below this is not worth it. */
#define USEFUL_FLOP 2e8
/* Another layout must take less than this part of the time of the rule's. */
/* What takes so many times as long at first is not tried again. */
#define HOPELESS 1.5

struct tuner {
    struct graph *graph;
    const struct tune_options *options;
    size_t n;
    struct dnn dnn;
    float *x, *params, *grads;
    int32_t *label;
    uint64_t *key;
    struct tune_times trial, images[N_IMAGES];
    int64_t limit_ns, start, day_start; /* plan_clock_ns, clock_now_ns */
    int to_try;                         /* ways that were not tried yet */
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

static int64_t
limit_ns(const struct tune_options *o)
{
    if (o->limit_ns > 0)
        return o->limit_ns;
    return o->full ? FULL_NS : QUICK_NS;
}

/* Of all threads in a second. */
static double
usual_flops(const struct tune_options *o)
{
    return USUAL_FLOPS * (o->threads > 1 ? o->threads : 1);
}

static int
count_ways(const struct tune_options *o)
{
    return o->exact ? 1 : 2 + dnn_has_winograd();
}

size_t
tune_samples(const struct graph *g, const struct tune_options *o)
{
    double step = 3 * g->flop;
    double quick = QUICK_FLOP / step;
    double most = (double)limit_ns(o) / 1e9 * usual_flops(o) / USUAL_RUNS;
    size_t n = o->batch;

    if (!o->full && n > QUICK_SAMPLES && (double)n > quick)
        n = quick > (double)QUICK_SAMPLES ? (size_t)quick : QUICK_SAMPLES;
    if ((double)n * step > most)
        n = most > step ? (size_t)(most / step) : 1;
    return n;
}

double
tune_seconds(const struct graph *g, const struct tune_options *o)
{
    const double limit = (double)limit_ns(o) / 1e9;
    double run = (double)tune_samples(g, o) * 3 * g->flop / usual_flops(o);
    double runs = (o->full ? FULL_STEPS : QUICK_STEPS) * run;
    const double few = (double)LONG_NS / 1e9 + run;

    if (!o->full && runs > few)
        runs = few > 2 * run ? few : 2 * run;
    runs *= 2 * count_ways(o);
    return runs < limit ? runs : limit;
}

static void
tuner_release(struct tuner *t)
{
    tune_times_release(&t->trial);
    for (int i = 0; i < N_IMAGES; i++)
        tune_times_release(&t->images[i]);
    mem_free(t->x);
    mem_free(t->params);
    mem_free(t->grads);
    mem_free(t->label);
    mem_free(t->key);
    dnn_close(&t->dnn);
}

/* Of the size that the layers begin with, but repeated: to draw a hundred
 * million takes longer than to measure. */
static void
fill_params(const struct graph *g, struct rng *rng, float *to)
{
    for (size_t i = 0; i < g->segments.n; i++) {
        const struct segment *s = &g->segments.seg[i];
        size_t n = s->count < DRAWN ? s->count : DRAWN;

        init_fill(&g->init[i], rng, to + s->offset, n);
        for (size_t k = n; k < s->count; k++)
            to[s->offset + k] = to[s->offset + k - n];
    }
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
    t->n = tune_samples(g, o);
    t->limit_ns = limit_ns(o);
    t->to_try = 2 * count_ways(o);
    if (dnn_open(&t->dnn, err) != 0 || tune_times_init(&t->trial, g, err) != 0)
        return -1;
    for (int i = 0; i < N_IMAGES; i++)
        if (tune_times_init(&t->images[i], g, err) != 0)
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
    fill_params(g, &rng, t->params);
    return 0;
}

static int64_t
spent_ns(const struct tuner *t)
{
    int64_t own = plan_clock_ns() - t->start;
    int64_t day = (clock_now_ns() - t->day_start) / BUSY;

    return own > day ? own : day;
}

static bool
is_over(void *ctx)
{
    const struct tuner *t = ctx;

    return spent_ns(t) >= t->limit_ns;
}

/* Whether a plan that was run s times since `start` is run again.  `share`:
 * its part of the time that is left; `than`: what was best, or NULL. */
static bool
goes_on(struct tuner *t, int s, int64_t start, int64_t share,
        const struct tune_times *than)
{
    int64_t spent = spent_ns(t) - start;

    if (s == 0)
        return true;
    if (s >= (t->options->full ? FULL_STEPS : QUICK_STEPS) ||
        spent + spent / s > share)
        return false;
    if (spent <= LONG_NS)
        return true;
    /* The first run finds memory and code cold: at least two. */
    return t->options->full ||
           (s < 2 && (!than || tune_times_wins_any(&t->trial, than, HOPELESS)));
}

/* Runs a plan some times; the best time of each operation enters t->trial. */
static int
time_plan(struct tuner *t, struct plan *p, char *arena,
          const struct tune_times *than, struct err *err)
{
    const struct net_batch b = {
        .n = t->n, .x = t->x, .label = t->label, .key = t->key};
    int64_t *spent = mem_alloc(2 * p->n_ops, sizeof *spent);
    int64_t *best = spent + p->n_ops;
    const int64_t start = spent_ns(t);
    const int64_t share = (t->limit_ns - start) / t->to_try;
    struct net_result result;
    int r = spent ? 0 : err_nomem(err);
    size_t n_ran = 0;

    p->spent_ns = spent;
    p->stop = is_over;
    p->stop_ctx = t;
    for (int s = 0; r == 0 && goes_on(t, s, start, share, than); s++) {
        r = plan_run(p, arena, &b, t->params, t->grads, NULL, &result, err);
        for (size_t i = 0; r == 0 && i < p->n_ran; i++)
            if (s == 0 || spent[i] < best[i])
                best[i] = spent[i];
        n_ran = s == 0 ? p->n_ran : n_ran;
        tune_times_enter(&t->trial, p, best, n_ran);
    }
    p->spent_ns = NULL;
    p->stop = NULL;
    mem_free(spent);
    return r;
}

/* Whether a plan has what a way is about. */
static bool
has_way(const struct plan *p, enum way way)
{
    for (size_t i = 0; i < p->n_ops; i++)
        if (strstr(p->op[i].how, "wino"))
            return true;
    return way == WAY_DIRECT;
}

/* Everything in one way, compared with what was best. */
static int
time_way(struct tuner *t, enum images images, enum way way, struct err *err)
{
    struct tune_times *to = &t->images[images];
    struct ways *w = &t->graph->ways;
    char *arena = NULL;
    struct plan *p;
    int r = 0;

    w->images = images;
    for (size_t i = 0; i < t->graph->n; i++)
        memset(w->layer[i].pass, (int)way, sizeof w->layer[i].pass);
    p = plan_new(t->graph, &t->dnn, t->n, true, err);
    if (!p)
        return -1;
    if (has_way(p, way)) {
        arena = mem_alloc_aligned(p->arena_bytes);
        r = arena ? time_plan(t, p, arena, way == WAY_DIRECT ? NULL : to, err)
                  : err_nomem(err);
        if (r == 0)
            tune_times_take(to, &t->trial, way);
    }
    t->to_try--;
    mem_free(arena);
    plan_free(p);
    return r;
}

/* The other ways with this layout. */
static int
time_others(struct tuner *t, enum images images, struct err *err)
{
    for (int way = WAY_DIRECT + 1; !t->options->exact && way < N_WAYS; way++) {
        if (way == WAY_WINOGRAD && !dnn_has_winograd())
            continue;
        if (is_over(t))
            break;
        if (time_way(t, images, (enum way)way, err) != 0)
            return -1;
    }
    return 0;
}

/* A layout that was not measured to its end was not measured. */
static int
choose_images(struct tuner *t, enum images rule, enum images *best,
              struct err *err)
{
    enum images other = rule == IMAGES_NHWC ? IMAGES_BLOCKED : IMAGES_NHWC;
    double direct;

    *best = rule;
    if (time_way(t, rule, WAY_DIRECT, err) != 0)
        return -1;
    direct = tune_times_total(&t->images[rule]);
    if (time_others(t, rule, err) != 0)
        return -1;
    if (is_over(t))
        return 0;
    if (time_way(t, other, WAY_DIRECT, err) != 0)
        return -1;
    if (is_over(t) || tune_times_total(&t->images[other]) > HOPELESS * direct)
        return 0;
    if (time_others(t, other, err) != 0)
        return -1;
    if (!is_over(t) && tune_times_total(&t->images[other]) <
                           BETTER * tune_times_total(&t->images[rule]))
        *best = other;
    return 0;
}

static int
choose(struct tuner *t, struct err *err)
{
    struct ways *w = &t->graph->ways;
    enum images best;

    t->start = plan_clock_ns();
    t->day_start = clock_now_ns();
    w->images = IMAGES_RULE;
    if (choose_images(t,
                      plan_choose_images(t->graph) == dnnl_nhwc
                          ? IMAGES_NHWC
                          : IMAGES_BLOCKED,
                      &best, err) != 0)
        return -1;
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

    if (o->slow && tune_seconds(g, o) > SLOW_S)
        o->slow(o->ctx);
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
