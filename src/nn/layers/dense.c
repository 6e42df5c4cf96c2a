/* SPDX-License-Identifier: Apache-2.0 */
/* Fully connected: y = W x + b, as PyTorch's Linear.  An image (C, H, W) is
 * read as one vector in that order. */
#include "base/err.h"
#include "base/json.h"
#include "nn/layers/types.h"

struct dense_options {
    bool bias;
};

static int
read_dense(const struct layer_reader *r, struct layer *l, struct err *err)
{
    struct dense_options *o = l->opt;
    struct init init = {.kind = INIT_HE}, bias_init = {.kind = INIT_CONSTANT};
    const int64_t width = (int64_t)shape_count(r->in[0]);
    int64_t units;

    o->bias = true;
    if (jcur_int(r->at, "units", 1, GRAPH_MAX_DIM, &units, err) != 0 ||
        jcur_bool_or(r->at, "bias", &o->bias, err) != 0 ||
        init_read(&init, r->at, "init", err) != 0 ||
        init_read(&bias_init, r->at, "bias_init", err) != 0)
        return -1;
    l->out = (struct shape){1, {units}};
    l->flop = 2.0 * (double)units * (double)width;
    init.fan_in = bias_init.fan_in = (double)width;
    init.fan_out = bias_init.fan_out = (double)units;
    if (layer_add_segment(r, l, "weight", SEGMENT_WEIGHT, 2,
                          (int64_t[]){units, width}, &init, err) != 0)
        return -1;
    return o->bias ? layer_add_segment(r, l, "bias", SEGMENT_BIAS, 1, &units,
                                       &bias_init, err)
                   : 0;
}

static const char *const keys[] = {LAYER_KEYS, "units",     "bias",
                                   "init",     "bias_init", NULL};

const struct layer_type layer_dense = {
    .name = "dense",
    .prefix = "fc",
    .keys = keys,
    .min_inputs = 1,
    .max_inputs = 1,
    .opt_size = sizeof(struct dense_options),
    .read = read_dense,
};
