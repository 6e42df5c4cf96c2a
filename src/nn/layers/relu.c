/* SPDX-License-Identifier: Apache-2.0 */
/* y = x where x > 0, slope * x elsewhere; slope is 0 for relu. */
#include "base/json.h"
#include "nn/layers/types.h"

struct relu_options {
    double slope; /* not negative: the sign of y tells that of x */
};

static int
read_relu(const struct layer_reader *r, struct layer *l, struct err *err)
{
    (void)err;
    layer_same_shape(r, l, 1.0);
    return 0;
}

static int
read_leaky_relu(const struct layer_reader *r, struct layer *l, struct err *err)
{
    struct relu_options *o = l->opt;

    o->slope = 0.01;
    layer_same_shape(r, l, 1.0);
    return jcur_num_or(r->at, "slope", 0.0, 1.0, &o->slope, err);
}

static const char *const relu_keys[] = {LAYER_KEYS, NULL};
static const char *const leaky_keys[] = {LAYER_KEYS, "slope", NULL};

const struct layer_type layer_relu = {
    .name = "relu",
    .prefix = "relu",
    .keys = relu_keys,
    .min_inputs = 1,
    .max_inputs = 1,
    .opt_size = sizeof(struct relu_options),
    .read = read_relu,
};

const struct layer_type layer_leaky_relu = {
    .name = "leaky_relu",
    .prefix = "leaky_relu",
    .keys = leaky_keys,
    .min_inputs = 1,
    .max_inputs = 1,
    .opt_size = sizeof(struct relu_options),
    .read = read_leaky_relu,
};
