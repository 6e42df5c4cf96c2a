/* SPDX-License-Identifier: Apache-2.0 */
#include "nn/net.h"

#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/vec.h"
#include "nn/par.h"
#include "nn/plan.h"

#include <math.h>
#include <stdatomic.h>
#include <string.h>

/* Plans that are kept: training and evaluation, each with its usual size, the
 * rest of an epoch and some more. */
#define NET_PLANS 8

/* A mini-batch beyond this is a mistake, and sizes stay far from overflow. */
#define NET_MAX_BATCH ((size_t)1 << 20)

struct net {
    const struct graph *graph;
    struct dnn dnn;
    int threads;
    struct {
        struct plan *plan;
        uint64_t used; /* time of the last use, in calls */
    } slot[NET_PLANS];
    uint64_t calls;
    const struct plan *last; /* that ran; NULL after a failure */
    /* One arena for all plans: only one runs at a time. */
    char *arena;
    size_t arena_bytes;
};

struct net *
net_new(const struct graph *graph, const struct net_options *o, struct err *err)
{
    struct net *n = mem_alloc(1, sizeof *n);

    if (!n) {
        err_nomem(err);
        return NULL;
    }
    n->graph = graph;
    n->threads = o->threads;
    if (dnn_open(&n->dnn, err) != 0) {
        mem_free(n);
        return NULL;
    }
    return n;
}

void
net_free(struct net *n)
{
    if (!n)
        return;
    for (size_t i = 0; i < NET_PLANS; i++)
        plan_free(n->slot[i].plan);
    dnn_close(&n->dnn);
    mem_free(n->arena);
    mem_free(n);
}

/* Nothing in the arena outlives a call but the outputs, so that a larger one
 * replaces it. */
static int
grow_arena(struct net *n, size_t bytes, struct err *err)
{
    if (bytes <= n->arena_bytes)
        return 0;
    mem_free(n->arena);
    n->arena_bytes = 0;
    n->arena = mem_alloc_aligned(bytes);
    if (!n->arena)
        return err_nomem(err);
    n->arena_bytes = bytes;
    return 0;
}

/* The plan for so many samples, made on first use in place of the one that
 * was not used for longest. */
static struct plan *
find_plan(struct net *n, size_t samples, bool training, struct err *err)
{
    size_t oldest = 0;
    struct plan *p;

    n->calls++;
    for (size_t i = 0; i < NET_PLANS; i++) {
        p = n->slot[i].plan;
        if (p && p->n == samples && p->training == training) {
            n->slot[i].used = n->calls;
            return p;
        }
        if (n->slot[i].used < n->slot[oldest].used)
            oldest = i;
    }
    p = plan_new(n->graph, &n->dnn, samples, training, err);
    if (!p)
        return NULL;
    plan_free(n->slot[oldest].plan);
    n->slot[oldest].plan = p;
    n->slot[oldest].used = n->calls;
    return p;
}

static int
check_batch(const struct net *n, const struct net_batch *b, struct err *err)
{
    int64_t outputs = graph_get_outputs(n->graph);
    bool labels = graph_get_loss(n->graph) != LOSS_MSE || !b->target;

    if (b->n < 1 || b->n > NET_MAX_BATCH)
        return err_set(err, ERR_CONFIG,
                       "mini-batch of %zu samples, expected 1 to %zu", b->n,
                       NET_MAX_BATCH);
    for (size_t i = 0; labels && i < b->n; i++)
        if (b->label[i] < 0 || b->label[i] >= outputs)
            return err_set(err, ERR_CONFIG,
                           "label %ld of sample %zu, expected 0 to %lld",
                           (long)b->label[i], i, (long long)outputs - 1);
    return 0;
}

struct finite {
    const float *v;
    atomic_bool bad;
};

static void
check_range(void *ctx, size_t begin, size_t end)
{
    struct finite *f = ctx;

    if (!vec_all_finite(f->v + begin, end - begin))
        atomic_store(&f->bad, true);
}

static bool
all_finite(const float *v, size_t n)
{
    struct finite f = {.v = v, .bad = false};

    par_for(n, 16384, check_range, &f);
    return !f.bad;
}

/* oneDNN's relu turns NaN into 0: a network with NaN in its first layer would
 * look healthy.  So what goes in is looked at, too. */
static bool
inputs_finite(const struct net *n, const struct net_batch *b,
              const float *params)
{
    return all_finite(params, graph_get_segments(n->graph)->n_floats) &&
           all_finite(b->x, b->n * shape_count(graph_get_input(n->graph)));
}

static int
run(struct net *n, const struct net_batch *b, bool training,
    const float *params, float *grads, const struct net_progress *progress,
    struct net_result *result, struct err *err)
{
    int before, r = -1;
    struct plan *p;

    n->last = NULL;
    if (check_batch(n, b, err) != 0)
        return -1;
    before = par_set_threads(n->threads);
    p = find_plan(n, b->n, training, err);
    if (p && p->wants_keys && !b->key)
        err_set(err, ERR_CONFIG, "dropout needs a key for each sample");
    else if (p && grow_arena(n, p->arena_bytes, err) == 0)
        r = plan_run(p, n->arena, b, params, grads, progress, result, err);
    if (r == 0) {
        n->last = p;
        if (!inputs_finite(n, b, params))
            result->loss = NAN;
    }
    par_set_threads(before);
    return r;
}

int
net_step(struct net *n, const struct net_batch *b, const float *params,
         float *grads, const struct net_progress *progress,
         struct net_result *result, struct err *err)
{
    return run(n, b, true, params, grads, progress, result, err);
}

int
net_eval(struct net *n, const struct net_batch *b, const float *params,
         struct net_result *result, struct err *err)
{
    return run(n, b, false, params, NULL, NULL, result, err);
}

const float *
net_get_outputs(const struct net *n)
{
    return n->last ? plan_at(n->last, n->last->outputs.place) : NULL;
}

size_t
net_get_memory(const struct net *n)
{
    return n->arena_bytes;
}

void
net_describe(const struct net *n, struct buf *to)
{
    if (n->last)
        plan_describe(n->last, to);
}
