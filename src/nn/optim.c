/* SPDX-License-Identifier: Apache-2.0 */
#include "nn/optim.h"

#include "base/err.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/vec.h"
#include "nn/optim_kernels.h"

#include <math.h>
#include <string.h>

#define MAX_PLANES 2

/* Rates beyond it are typing errors, and all stay finite as floats. */
#define MAX_RATE 1e6

/* As in torch.nn.utils.clip_grad_norm_: a norm of 0 divides nothing. */
#define NORM_EPSILON 1e-6

struct optim {
    struct optim_config config;
    struct segtab table;
    float *plane[MAX_PLANES];
    int n_planes;
    uint64_t count; /* updates done */
};

/* ---- "optimizer" of a job ---- */

static const char *const kind_names[] = {"sgd", "adam", "adamw", NULL};

static const char *const sgd_keys[] = {
    "type",         "lr",        "momentum",   "nesterov",
    "weight_decay", "clip_norm", "clip_value", NULL};
static const char *const adam_keys[] = {
    "type",         "lr",        "beta1",      "beta2", "epsilon",
    "weight_decay", "clip_norm", "clip_value", NULL};

static int
above_zero(const struct jcur *c, const char *key, double v, struct err *err)
{
    struct jcur at = jcur_key(c, key);

    /* in single precision, in which the update computes */
    return (float)v > 0
               ? 0
               : jcur_fail(&at, err, "expected a number above 0, got %g", v);
}

/* A factor that remembers: 1 would never forget. */
static int
below_one(const struct jcur *c, const char *key, double *v, struct err *err)
{
    struct jcur at = jcur_key(c, key);

    if (jcur_num_or(c, key, 0, 1, v, err) != 0)
        return -1;
    return (float)*v < 1
               ? 0
               : jcur_fail(&at, err, "expected a number below 1, got %g", *v);
}

int
optim_config_parse(struct optim_config *c, const struct jcur *o,
                   struct err *err)
{
    int kind = OPTIM_SGD;

    *c = (struct optim_config){.beta1 = 0.9, .beta2 = 0.999, .epsilon = 1e-8};
    if (jcur_enum_or(o, "type", kind_names, &kind, err) != 0 ||
        jcur_object(o, kind == OPTIM_SGD ? sgd_keys : adam_keys, err) != 0)
        return -1;
    c->kind = (enum optim_kind)kind;
    if (c->kind == OPTIM_ADAMW)
        c->weight_decay = 0.01; /* what PyTorch and its paper's users expect */
    if (jcur_num(o, "lr", 0, MAX_RATE, &c->lr, err) != 0 ||
        above_zero(o, "lr", c->lr, err) != 0 ||
        below_one(o, "momentum", &c->momentum, err) != 0 ||
        jcur_bool_or(o, "nesterov", &c->nesterov, err) != 0 ||
        jcur_num_or(o, "weight_decay", 0, MAX_RATE, &c->weight_decay, err) !=
            0 ||
        below_one(o, "beta1", &c->beta1, err) != 0 ||
        below_one(o, "beta2", &c->beta2, err) != 0 ||
        jcur_num_or(o, "epsilon", 0, 1, &c->epsilon, err) != 0 ||
        above_zero(o, "epsilon", c->epsilon, err) != 0 ||
        jcur_num_or(o, "clip_norm", 0, INFINITY, &c->clip_norm, err) != 0 ||
        jcur_num_or(o, "clip_value", 0, MAX_RATE, &c->clip_value, err) != 0)
        return -1;
    if (c->nesterov && !(c->momentum > 0)) {
        struct jcur at = jcur_key(o, "nesterov");

        return jcur_fail(&at, err, "needs a \"momentum\" above 0");
    }
    return 0;
}

/* ---- state ---- */

static int
planes_of(const struct optim_config *c)
{
    if (c->kind != OPTIM_SGD)
        return 2;
    return c->momentum > 0 ? 1 : 0;
}

struct optim *
optim_new(const struct optim_config *c, const struct segtab *t, struct err *err)
{
    struct optim *o = mem_alloc(1, sizeof *o);

    if (!o) {
        err_nomem(err);
        return NULL;
    }
    o->config = *c;
    o->table = *t;
    o->n_planes = planes_of(c);
    for (int i = 0; i < o->n_planes; i++) {
        o->plane[i] = mem_alloc_aligned(t->n_floats * sizeof(float));
        if (!o->plane[i]) {
            err_nomem(err);
            optim_free(o);
            return NULL;
        }
    }
    return o;
}

void
optim_free(struct optim *o)
{
    if (!o)
        return;
    for (int i = 0; i < MAX_PLANES; i++)
        mem_free(o->plane[i]);
    mem_free(o);
}

int
optim_planes(const struct optim *o)
{
    return o->n_planes;
}

const char *
optim_plane_name(const struct optim *o, int plane)
{
    if (o->config.kind == OPTIM_SGD)
        return "momentum";
    return plane == 0 ? "first_moment" : "second_moment";
}

float *
optim_plane(struct optim *o, int plane)
{
    return o->plane[plane];
}

uint64_t
optim_get_count(const struct optim *o)
{
    return o->count;
}

void
optim_set_count(struct optim *o, uint64_t n_updates)
{
    o->count = n_updates;
}

/* ---- updates ---- */

double
optim_norm(const struct segtab *t, const float *grad)
{
    double sum = 0;

    for (size_t i = 0; i < t->n; i++)
        if (t->seg[i].kind != SEGMENT_STAT)
            sum += vec_sumsq(grad + t->seg[i].offset, t->seg[i].count);
    return sqrt(sum);
}

/* base^n by squaring: pow() of two C libraries may differ in the last bit. */
static double
power(double base, uint64_t n)
{
    double r = 1;

    for (; n > 0; n >>= 1) {
        if (n & 1)
            r *= base;
        base *= base;
    }
    return r;
}

bool
optim_is_clipping_norm(const struct optim *o)
{
    return o->config.clip_norm > 0;
}

double
optim_clip_factor(const struct optim *o, double norm)
{
    double factor = o->config.clip_norm / (norm + NORM_EPSILON);

    return factor < 1 || isnan(factor) ? factor : 1;
}

void
optim_clip_value(const struct optim *o, const struct segment *s, float *g,
                 size_t n)
{
    if (o->config.clip_value > 0 && s->kind != SEGMENT_STAT)
        kernel_clamp(g, (float)o->config.clip_value, n);
}

void
optim_begin(struct optim *o, double lr, double clip_factor,
            struct optim_step *step)
{
    const struct optim_config *c = &o->config;
    uint64_t t = ++o->count;

    step->lr = lr;
    step->sgd = (struct sgd_factors){.scale = (float)clip_factor,
                                     .lr = (float)lr,
                                     .momentum = (float)c->momentum};
    step->adam = (struct adam_factors){
        .scale = (float)clip_factor,
        .keep = 1,
        .beta1 = (float)c->beta1,
        .beta2 = (float)c->beta2,
        .rest1 = (float)(1 - c->beta1),
        .rest2 = (float)(1 - c->beta2),
        .step = (float)(lr / (1 - power(c->beta1, t))),
        .unbias = (float)(1 / sqrt(1 - power(c->beta2, t))),
        .epsilon = (float)c->epsilon,
    };
}

static void
sgd_move(struct optim *o, const struct sgd_factors *f, size_t at, size_t n,
         float *p, const float *g)
{
    if (o->n_planes == 0)
        kernel_sgd(p, g, f, n);
    else if (o->config.nesterov)
        kernel_nesterov(p, g, o->plane[0] + at, f, n);
    else
        kernel_momentum(p, g, o->plane[0] + at, f, n);
}

void
optim_move(struct optim *o, const struct optim_step *step,
           const struct segment *s, size_t first, size_t n, float *p, float *g)
{
    const struct optim_config *c = &o->config;
    double decay = s->kind == SEGMENT_WEIGHT ? c->weight_decay : 0;
    struct sgd_factors sgd = step->sgd;
    struct adam_factors adam = step->adam;
    size_t at = s->offset + first;

    if (s->kind == SEGMENT_STAT) {
        kernel_approach(p, g, (float)s->momentum, n);
        return;
    }
    optim_clip_value(o, s, g, n);
    sgd.decay = (float)decay;
    adam.decay = c->kind == OPTIM_ADAM ? (float)decay : 0;
    adam.keep = c->kind == OPTIM_ADAMW ? (float)(1 - step->lr * decay) : 1;
    if (c->kind == OPTIM_SGD)
        sgd_move(o, &sgd, at, n, p, g);
    else
        kernel_adam(p, g, o->plane[0] + at, o->plane[1] + at, &adam, n);
}

void
optim_update(struct optim *o, float *params, float *grad, double lr)
{
    const struct segtab *t = &o->table;
    struct optim_step step;
    double factor = 1;

    if (optim_is_clipping_norm(o)) {
        for (size_t i = 0; i < t->n; i++)
            optim_clip_value(o, &t->seg[i], grad + t->seg[i].offset,
                             t->seg[i].count);
        factor = optim_clip_factor(o, optim_norm(t, grad));
    }
    optim_begin(o, lr, factor, &step);
    for (size_t i = 0; i < t->n; i++) {
        const struct segment *s = &t->seg[i];

        optim_move(o, &step, s, 0, s->count, params + s->offset,
                   grad + s->offset);
    }
}
