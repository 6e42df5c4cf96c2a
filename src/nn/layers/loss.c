/* SPDX-License-Identifier: Apache-2.0 */
/* What training makes small: the mean over the mini-batch of
 *
 *   softmax_cross_entropy  - sum_k q_k log softmax(x)_k, where q is 1 at the
 *                          label; with label_smoothing e (1 - e) there and
 *                          e / K added everywhere (Szegedy et al. 2016)
 *   mse                    sum_k (x_k - target_k)^2 / K */
#include "base/err.h"
#include "base/json.h"
#include "nn/layers/types.h"

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
};
