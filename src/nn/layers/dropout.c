/* SPDX-License-Identifier: Apache-2.0 */
/* Inverted dropout (Srivastava et al. 2014): in training each element is zero
 * with probability `rate`, the others are divided by 1 - rate. */
#include "base/json.h"
#include "nn/layers/types.h"

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

static const char *const keys[] = {LAYER_KEYS, "rate", NULL};

const struct layer_type layer_dropout = {
    .name = "dropout",
    .prefix = "dropout",
    .keys = keys,
    .min_inputs = 1,
    .max_inputs = 1,
    .opt_size = sizeof(struct dropout_options),
    .read = read_dropout,
};
