/* SPDX-License-Identifier: Apache-2.0 */
#include "ref_rig.h"

#include "base/err.h"
#include "base/mem.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* The engine adds up to a few thousand products in single precision (6e-8
 * each, growing like the square root of their number), in any order and, where
 * Winograd's algorithm is chosen, with some ten times more error.  Against the
 * largest number of a tensor that is about 1e-6, and a hundred times more where
 * the terms of a gradient cancel, as they do in front of a normalization.  A
 * wrong term is of the order of 1. */
#define TOLERANCE 5e-4
#define KINK      2e-6 /* several times the error of a number */

/* Weights keep the variance of what passes, norms scale by about 1. */
static void
fill_params(struct rig *g, struct rng *r)
{
    for (size_t i = 0; i < g->t->n; i++) {
        const struct segment *s = &g->t->seg[i];
        bool one = s->n_dims == 1 && (strstr(s->name, ".weight") ||
                                      strstr(s->name, ".running_var"));
        double scale = s->n_dims == 1
                           ? 0.25
                           : sqrt(3.0 * (double)s->dim[0] / (double)s->count);

        for (size_t k = s->offset; k < s->offset + s->count; k++)
            g->params[k] =
                (float)((one ? 1 : 0) + scale * (2 * rng_unit(r) - 1));
    }
}

static void
to_double(double *to, const float *from, size_t n)
{
    for (size_t i = 0; i < n; i++)
        to[i] = from[i];
}

void
rig_release(struct rig *g)
{
    net_free(g->net);
    if (g->ref)
        ref_free(g->ref);
    graph_free(g->graph);
    json_doc_release(&g->doc);
    mem_free(g->x);
    mem_free(g->target);
    mem_free(g->params);
    mem_free(g->grads);
    mem_free(g->ref_x);
    mem_free(g->ref_target);
    mem_free(g->ref_params);
    mem_free(g->ref_grads);
}

static struct ref_batch
ref_batch_of(const struct rig *g)
{
    return (struct ref_batch){.n = g->n,
                              .x = g->ref_x,
                              .label = g->label,
                              .target = g->use_target ? g->ref_target : NULL,
                              .key = g->key};
}

/* Samples that stay clear of all kinks: where a relu's input or the difference
 * of two candidates of a maximum is as small as an error of rounding, both
 * implementations are right and do not agree. */
static void
draw_samples(struct rig *g, struct rng *r)
{
    struct ref_batch rb = ref_batch_of(g);

    for (int tries = 0; tries < 100; tries++) {
        for (size_t i = 0; i < g->n * g->n_in; i++)
            g->x[i] = (float)rng_normal(r);
        to_double(g->ref_x, g->x, g->n * g->n_in);
        ref_step(g->ref, &rb, g->ref_params, true, NULL);
        if (ref_margin(g->ref) > KINK)
            return;
    }
}

int
rig_init(struct rig *g, const char *job, size_t n, int threads, struct rng *r)
{
    struct net_options o = {.threads = threads};
    struct err err = ERR_INIT;
    struct jcur root;
    size_t n_floats;

    memset(g, 0, sizeof *g);
    if (json_doc_parse(&g->doc, "job", job, strlen(job), &err) != 0)
        goto fail;
    root = jcur_root(&g->doc);
    g->graph = graph_new(&root, &err);
    if (!g->graph)
        goto fail;
    g->net = net_new(g->graph, &o, &err);
    if (!g->net)
        goto fail;
    g->t = graph_get_segments(g->graph);
    g->ref = ref_new(job, g->t);
    g->n = n;
    g->n_in = shape_count(graph_get_input(g->graph));
    g->n_out = (size_t)graph_get_outputs(g->graph);
    n_floats = g->t->n_floats;
    g->x = mem_alloc_aligned(n * g->n_in * sizeof(float));
    g->target = mem_alloc_aligned(n * g->n_out * sizeof(float));
    g->params = mem_alloc_aligned(n_floats * sizeof(float));
    g->grads = mem_alloc_aligned(n_floats * sizeof(float));
    g->ref_x = mem_alloc(n * g->n_in, sizeof(double));
    g->ref_target = mem_alloc(n * g->n_out, sizeof(double));
    g->ref_params = mem_alloc(n_floats, sizeof(double));
    g->ref_grads = mem_alloc(n_floats, sizeof(double));
    for (size_t i = 0; i < n * g->n_out; i++)
        g->target[i] = (float)rng_normal(r);
    for (size_t i = 0; i < n; i++) {
        g->label[i] = (int32_t)rng_below(r, g->n_out);
        g->key[i] = rng_u64(r);
    }
    g->use_target =
        graph_get_loss(g->graph) == LOSS_MSE && rng_below(r, 4) != 0;
    fill_params(g, r);
    memset(g->grads, 0xff, n_floats * sizeof(float)); /* NaN */
    to_double(g->ref_target, g->target, n * g->n_out);
    to_double(g->ref_params, g->params, n_floats);
    draw_samples(g, r);
    return 0;
fail:
    printf("# %s\n# %s\n", err.text, job);
    rig_release(g);
    return -1;
}

struct net_batch
rig_batch(const struct rig *g)
{
    return (struct net_batch){.n = g->n,
                              .x = g->x,
                              .label = g->label,
                              .target = g->use_target ? g->target : NULL,
                              .key = g->key};
}

/* ---- checks: each returns false with a "# reason" ---- */

static double
largest(const double *v, size_t n)
{
    double most = 0;

    for (size_t i = 0; i < n; i++)
        most = fmax(most, fabs(v[i]));
    return most;
}

/* All within the tolerance of the largest, or of `floor` where all are small;
 * NaN is not. */
static bool
agree(const char *what, const float *got, const double *want, size_t n,
      double floor, double *worst)
{
    double scale = fmax(largest(want, n), floor);

    for (size_t i = 0; i < n; i++) {
        double off = fabs(got[i] - want[i]) / scale;

        *worst = fmax(*worst, off);
        if (off <= TOLERANCE)
            continue;
        printf("# %s[%zu of %zu]: %.8g, reference %.8g\n", what, i, n, got[i],
               want[i]);
        return false;
    }
    return true;
}

static bool
gaps_are_zero(const struct rig *g)
{
    size_t at = 0;

    for (size_t i = 0; i <= g->t->n; i++) {
        size_t end = i < g->t->n ? g->t->seg[i].offset : g->t->n_floats;

        for (; at < end; at++)
            if (g->grads[at] != 0) {
                printf("# gap at %zu holds %g\n", at, g->grads[at]);
                return false;
            }
        if (i < g->t->n)
            at += g->t->seg[i].count;
    }
    return true;
}

bool
rig_training_agrees(struct rig *g, double *worst)
{
    struct net_batch b = rig_batch(g);
    struct ref_batch rb = ref_batch_of(g);
    struct net_result res;
    struct err err = ERR_INIT;
    double want = ref_step(g->ref, &rb, g->ref_params, true, g->ref_grads);
    double floor;

    if (net_step(g->net, &b, g->params, g->grads, NULL, &res, &err) != 0) {
        printf("# %s\n", err.text);
        return false;
    }
    if (!(fabs(res.loss - want) <= TOLERANCE * fmax(fabs(want), 1))) {
        printf("# loss %.9g, reference %.9g\n", res.loss, want);
        return false;
    }
    floor = fmax(0.1 * largest(g->ref_grads, g->t->n_floats), 1e-6);
    for (size_t i = 0; i < g->t->n; i++) {
        const struct segment *s = &g->t->seg[i];

        if (!agree(s->name, g->grads + s->offset, g->ref_grads + s->offset,
                   s->count, floor, worst))
            return false;
    }
    return gaps_are_zero(g);
}

bool
rig_evaluation_agrees(struct rig *g, double *worst)
{
    struct net_batch b = rig_batch(g);
    struct ref_batch rb = ref_batch_of(g);
    struct net_result res;
    struct err err = ERR_INIT;
    double want = ref_step(g->ref, &rb, g->ref_params, false, NULL);
    const double *y = ref_outputs(g->ref);
    uint64_t correct = 0;

    if (net_eval(g->net, &b, g->params, &res, &err) != 0) {
        printf("# %s\n", err.text);
        return false;
    }
    if (!(fabs(res.loss - want) <= TOLERANCE * fmax(fabs(want), 1))) {
        printf("# loss in evaluation %.9g, reference %.9g\n", res.loss, want);
        return false;
    }
    for (size_t i = 0; i < g->n; i++) {
        size_t best = 0;

        for (size_t k = 1; k < g->n_out; k++)
            if (y[i * g->n_out + k] > y[i * g->n_out + best])
                best = k;
        correct += best == (size_t)g->label[i];
    }
    if (!g->use_target && res.correct != correct) {
        printf("# %llu correct, reference %llu\n",
               (unsigned long long)res.correct, (unsigned long long)correct);
        return false;
    }
    return agree("output", net_get_outputs(g->net), y, g->n * g->n_out, 1e-3,
                 worst);
}

/* A direction inside segment s; returns its length. */
static double
direction(const struct segment *s, struct rng *r, double *d)
{
    double sum = 0;

    for (size_t k = 0; k < s->count; k++) {
        d[k] = rng_normal(r);
        sum += d[k] * d[k];
    }
    return sqrt(sum);
}

/* The reference itself, in double precision: with steps of 1e-7 the difference
 * of two losses is good to about 1e-8. */
bool
rig_reference_is_right(struct rig *g, struct rng *r)
{
    const double h = 1e-7;
    struct ref_batch rb = ref_batch_of(g);

    for (size_t i = 0; i < g->t->n; i++) {
        const struct segment *s = &g->t->seg[i];
        double *p = g->ref_params + s->offset, *d, length, up, down, slope = 0;

        if (s->kind == SEGMENT_STAT)
            continue;
        d = mem_alloc(s->count, sizeof *d);
        length = direction(s, r, d);
        for (size_t k = 0; k < s->count; k++) {
            slope += g->ref_grads[s->offset + k] * d[k] / length;
            p[k] = g->params[s->offset + k] + h * d[k] / length;
        }
        up = ref_step(g->ref, &rb, g->ref_params, true, NULL);
        for (size_t k = 0; k < s->count; k++)
            p[k] = g->params[s->offset + k] - h * d[k] / length;
        down = ref_step(g->ref, &rb, g->ref_params, true, NULL);
        to_double(p, g->params + s->offset, s->count);
        mem_free(d);
        if (fabs((up - down) / (2 * h) - slope) > 1e-6 * fmax(fabs(slope), 1)) {
            printf("# %s: slope %.9g, gradient says %.9g\n", s->name,
                   (up - down) / (2 * h), slope);
            return false;
        }
    }
    return true;
}

/* Slope of the engine's loss along d (of that length) in segment s, from steps
 * of h to both sides.  The parameters are as before afterwards. */
static double
engine_slope(struct rig *g, const struct segment *s, const float *d,
             double length, double h, float *spoiled)
{
    struct net_batch b = rig_batch(g);
    float *p = g->params + s->offset;
    struct net_result res[2] = {{NAN, 0}, {NAN, 0}};

    for (int side = 0; side < 2; side++) {
        double step = (side ? -h : h) / length;

        for (size_t k = 0; k < s->count; k++)
            p[k] = (float)(g->ref_params[s->offset + k] + step * d[k]);
        net_step(g->net, &b, g->params, spoiled, NULL, &res[side], NULL);
    }
    for (size_t k = 0; k < s->count; k++)
        p[k] = (float)g->ref_params[s->offset + k];
    return (res[0].loss - res[1].loss) / (2 * h);
}

/* Along the gradient's own direction, where the loss changes most.  Losses of
 * single precision are good to some 1e-7 and allow no small steps, large ones
 * meet curvature and kinks: one of these lengths has to fit. */
bool
rig_engine_is_right(struct rig *g)
{
    static const double steps[] = {1e-2, 1e-3, 1e-4};
    float *spoiled = mem_alloc_aligned(g->t->n_floats * sizeof(float));
    bool good = spoiled != NULL;

    for (size_t i = 0; i < g->t->n && good; i++) {
        const struct segment *s = &g->t->seg[i];
        const float *d = g->grads + s->offset;
        double length = 0, slope[3] = {0};

        for (size_t k = 0; k < s->count; k++)
            length += (double)d[k] * d[k];
        length = sqrt(length);
        if (s->kind == SEGMENT_STAT || length < 1e-3)
            continue;
        good = false;
        for (int k = 0; k < 3 && !good; k++) {
            slope[k] = engine_slope(g, s, d, length, steps[k], spoiled);
            good = fabs(slope[k] - length) <= 0.02 * length + 1e-3;
        }
        if (!good)
            printf("# %s: slopes %.6g %.6g %.6g, gradient says %.6g\n", s->name,
                   slope[0], slope[1], slope[2], length);
    }
    mem_free(spoiled);
    return good;
}

bool
rig_training_repeats(struct rig *g)
{
    struct net_batch b = rig_batch(g);
    size_t n = g->t->n_floats;
    float *again = mem_alloc_aligned(n * sizeof *again);
    struct net_result res;
    bool same =
        again && net_step(g->net, &b, g->params, again, NULL, &res, NULL) == 0;

    for (size_t i = 0; i < n && same; i++)
        if (memcmp(&again[i], &g->grads[i], sizeof(float)) != 0) {
            printf("# gradient[%zu]: %.9g, then %.9g\n", i, g->grads[i],
                   again[i]);
            same = false;
        }
    mem_free(again);
    return same;
}

bool
rig_network_agrees(const char *job, size_t n, int threads, bool slopes,
                   struct rng *r, double *worst)
{
    struct rig g;
    bool good;

    if (rig_init(&g, job, n, threads, r) != 0)
        return false;
    good = rig_training_agrees(&g, worst) && rig_evaluation_agrees(&g, worst) &&
           rig_training_repeats(&g) && rig_reference_is_right(&g, r) &&
           (!slopes || rig_engine_is_right(&g));
    if (!good)
        printf("# %zu samples, %d threads: %s\n", n, threads, job);
    rig_release(&g);
    return good;
}
