/* SPDX-License-Identifier: Apache-2.0 */
/* Inverted dropout (Srivastava et al. 2014): in training each element is zero
 * with probability `rate`, the others are divided by 1 - rate. */
#include "base/json.h"
#include "base/mem.h"
#include "base/rng.h"
#include "nn/kernels.h"
#include "nn/layers/types.h"
#include "nn/par.h"
#include "nn/plan.h"

struct dropout_options {
    double rate;
};

static int
read_dropout(const struct layer_reader *r, struct layer *l, struct err *err)
{
    struct dropout_options *o = l->opt;

    o->rate = 0.5;
    layer_same_shape(r, l, 1.0);
    return jcur_num_or(r->at, "rate", 0.0, 0.99, &o->rate, err);
}

/* The constants of an operation, and its addresses when it runs. */
struct drop {
    uint64_t layer;
    size_t width;  /* numbers per sample */
    uint32_t drop; /* of 2^32 */
    float scale;
};
struct drop_job {
    const struct drop *d;
    const uint64_t *key;
    const float *x;
    float *y;
};

#define BLOCK 512 /* numbers; even */

/* Two numbers from one hash of (key of the sample, layer, place): who computes
 * a sample, beside which others, and in which layout does not matter. */
static void
drop_samples(void *ctx, size_t begin, size_t end)
{
    const struct drop_job *j = ctx;
    const struct drop *d = j->d;
    uint32_t bits[BLOCK];

    for (size_t s = begin; s < end; s++)
        for (size_t at = 0, n; at < d->width; at += n) {
            size_t i = s * d->width + at;

            n = d->width - at < BLOCK ? d->width - at : BLOCK;
            for (size_t k = 0; k < n; k += 2) {
                uint64_t h = rng_hash(j->key[s], d->layer, (at + k) / 2);

                bits[k] = (uint32_t)h;
                bits[k + 1] = (uint32_t)(h >> 32);
            }
            kernel_drop(j->y + i, j->x + i, bits, d->drop, d->scale, n);
        }
}

static void
run_drop(const struct plan *p, const struct op *o)
{
    struct drop_job j = {.d = o->ctx,
                         .key = p->batch->key,
                         .x = plan_at(p, o->place[0]),
                         .y = plan_at(p, o->place[1])};

    par_for(p->n, 1, drop_samples, &j);
}

/* Forward and backward are the same function of what they are given. */
static int
append_drop(struct plan *p, const struct layer *l, const char *what,
            const struct tensor *x, const struct tensor *y, struct err *err)
{
    const struct dropout_options *o = l->opt;
    const struct tensor *const t[] = {x, y};
    struct drop *d;
    struct op *op = plan_kernel(p, l, what, "hash", run_drop, t, ARRAY_LEN(t),
                                sizeof *d, err);

    if (!op)
        return -1;
    d = op->ctx;
    d->layer = l->index;
    d->width = shape_count(&l->out);
    d->drop = (uint32_t)(o->rate * 0x1p32 + 0.5);
    d->scale = (float)(1.0 / (1.0 - (double)d->drop * 0x1p-32));
    p->wants_keys = true;
    return 0;
}

static int
forward_dropout(struct plan *p, const struct layer *l, struct err *err)
{
    const struct dropout_options *o = l->opt;
    struct value *out = plan_out(p, l);
    struct tensor x;

    if (!p->training || o->rate == 0.0) {
        plan_share(p, l);
        return 0;
    }
    if (plan_as_plain(p, l, &plan_in(p, l, 0)->data, &x, err) != 0 ||
        plan_out_like(p, l, &x, &out->data, err) != 0)
        return -1;
    return append_drop(p, l, "forward", &x, &out->data, err);
}

static int
backward_dropout(struct plan *p, const struct layer *l, struct err *err)
{
    const struct dropout_options *o = l->opt;
    struct tensor g, plain, to;

    if (o->rate == 0.0)
        return plan_grad_pass(p, l, err);
    if (plan_grad(p, l, &g, err) != 0 ||
        plan_as_plain(p, l, &g, &plain, err) != 0 ||
        plan_grad_like(p, &plain, &to, err) != 0 ||
        append_drop(p, l, "data", &plain, &to, err) != 0 ||
        plan_grad_add(p, l, plan_in(p, l, 0), &to, false, err) != 0)
        return -1;
    plan_grad_drop(p, l);
    return 0;
}

static const char *const keys[] = {LAYER_KEYS, "rate", NULL};

const struct layer_type layer_dropout = {
    .name = "dropout",
    .prefix = "dropout",
    .keys = keys,
    .min_inputs = 1,
    .max_inputs = 1,
    .opt_size = sizeof(struct dropout_options),
    .read = read_dropout,
    .forward = forward_dropout,
    .backward = backward_dropout,
};
