/* SPDX-License-Identifier: Apache-2.0 */
/* What training makes small: the mean over the mini-batch of
 *
 *   softmax_cross_entropy  - sum_k q_k log softmax(x)_k, where q is 1 at the
 *                          label; with label_smoothing e (1 - e) there and
 *                          e / K added everywhere (Szegedy et al. 2016)
 *   mse                    sum_k (x_k - target_k)^2 / K */
#include "base/err.h"
#include "base/json.h"
#include "base/mem.h"
#include "nn/layers/types.h"
#include "nn/plan.h"

#include <math.h>

struct loss_options {
    double label_smoothing;
};

static int
read_softmax(const struct layer_reader *r, struct layer *l, struct err *err)
{
    struct loss_options *o = l->opt;

    if (shape_count(r->in[0]) < 2)
        return jcur_fail(r->at, err, "expected at least 2 classes, got 1");
    l->out = (struct shape){1, {1}};
    l->flop = 4.0 * (double)shape_count(r->in[0]);
    return jcur_num_or(r->at, "label_smoothing", 0.0, 1.0, &o->label_smoothing,
                       err);
}

static int
read_mse(const struct layer_reader *r, struct layer *l, struct err *err)
{
    (void)err;
    l->out = (struct shape){1, {1}};
    l->flop = 3.0 * (double)shape_count(r->in[0]);
    return 0;
}

/* The constants of the operation. */
struct loss_run {
    size_t width; /* K */
    double smoothing;
    bool training; /* write the gradient to place[1] */
};

static bool
is_largest(const float *x, size_t n, int32_t label)
{
    float top = x[label];

    for (size_t k = 0; k < n; k++)
        if (!(x[k] < top) && k != (size_t)label &&
            (x[k] > top || k < (size_t)label))
            return false;
    return top == top; /* NaN is no answer */
}

/* One sample; g may be NULL, else it gets the gradient over n samples.
 * log softmax(x)_k = x_k - max - log sum exp(x - max): nothing overflows, and
 * a NaN among the x is one in the loss. */
static double
softmax_row(const struct loss_run *r, const float *x, int32_t label, float *g,
            double n)
{
    const double spread = r->smoothing / (double)r->width;
    double max = (double)x[0], sum = 0.0, mean = 0.0, log_sum;

    for (size_t k = 1; k < r->width; k++)
        max = (double)x[k] > max ? (double)x[k] : max;
    for (size_t k = 0; k < r->width; k++) {
        float e = expf((float)((double)x[k] - max));

        sum += (double)e;
        mean += (double)x[k];
        if (g)
            g[k] = e;
    }
    log_sum = log(sum);
    mean /= (double)r->width;
    if (g) {
        for (size_t k = 0; k < r->width; k++)
            g[k] = (float)(((double)g[k] / sum - spread) / n);
        g[label] -= (float)((1.0 - r->smoothing) / n);
    }
    return log_sum + max - (1.0 - r->smoothing) * (double)x[label] -
           r->smoothing * mean;
}

static void
run_softmax(const struct plan *p, const struct op *o)
{
    const struct loss_run *r = o->ctx;
    const float *x = plan_at(p, o->place[0]);
    float *g = r->training ? plan_at(p, o->place[1]) : NULL;
    double loss = 0.0;

    p->result->correct = 0;
    for (size_t i = 0; i < p->n; i++, x += r->width) {
        int32_t label = p->batch->label[i];

        loss += softmax_row(r, x, label, g, (double)p->n);
        p->result->correct += is_largest(x, r->width, label);
        if (g)
            g += r->width;
    }
    p->result->loss = loss / (double)p->n;
}

static void
run_mse(const struct plan *p, const struct op *o)
{
    const struct loss_run *r = o->ctx;
    const float *x = plan_at(p, o->place[0]);
    float *g = r->training ? plan_at(p, o->place[1]) : NULL;
    const double all = (double)p->n * (double)r->width;
    const struct net_batch *b = p->batch;
    double loss = 0.0;

    p->result->correct = 0;
    for (size_t i = 0; i < p->n; i++, x += r->width) {
        const float *target = b->target ? b->target + i * r->width : NULL;

        for (size_t k = 0; k < r->width; k++) {
            double want = target ? (double)target[k]
                                 : (double)(b->label[i] == (int32_t)k);
            double d = (double)x[k] - want;

            loss += d * d;
            if (g)
                *g++ = (float)(2.0 * d / all);
        }
        if (!target)
            p->result->correct += is_largest(x, r->width, b->label[i]);
    }
    p->result->loss = loss / all;
}

static int
forward_loss(struct plan *p, const struct layer *l, struct err *err)
{
    const struct loss_options *o = l->opt;
    struct tensor *g = &plan_state(p, l)->work[0];
    const struct tensor *const t[] = {&p->outputs, g};
    bool softmax = l->type->loss == LOSS_SOFTMAX_CROSS_ENTROPY;
    struct loss_run *r;
    struct op *op;

    if (plan_as_rows(p, l, &plan_in(p, l, 0)->data, &p->outputs, err) != 0 ||
        (p->training && plan_new_tensor(p, &p->outputs.md, g, err) != 0))
        return -1;
    op = plan_kernel(p, l, "loss", "double", softmax ? run_softmax : run_mse, t,
                     p->training ? 2 : 1, sizeof *r, err);
    if (!op)
        return -1;
    r = op->ctx;
    r->width = (size_t)p->outputs.md.dims[1];
    r->smoothing = o->label_smoothing;
    r->training = p->training;
    return 0;
}

static int
backward_loss(struct plan *p, const struct layer *l, struct err *err)
{
    return plan_grad_add(p, l, plan_in(p, l, 0), &plan_state(p, l)->work[0],
                         false, err);
}

static const char *const softmax_keys[] = {LAYER_KEYS, "label_smoothing", NULL};
static const char *const mse_keys[] = {LAYER_KEYS, NULL};

const struct layer_type layer_softmax_cross_entropy = {
    .name = "softmax_cross_entropy",
    .prefix = "loss",
    .keys = softmax_keys,
    .min_inputs = 1,
    .max_inputs = 1,
    .is_loss = true,
    .loss = LOSS_SOFTMAX_CROSS_ENTROPY,
    .opt_size = sizeof(struct loss_options),
    .read = read_softmax,
    .forward = forward_loss,
    .backward = backward_loss,
};

const struct layer_type layer_mse = {
    .name = "mse",
    .prefix = "loss",
    .keys = mse_keys,
    .min_inputs = 1,
    .max_inputs = 1,
    .is_loss = true,
    .loss = LOSS_MSE,
    .opt_size = sizeof(struct loss_options),
    .read = read_mse,
    .forward = forward_loss,
    .backward = backward_loss,
};
