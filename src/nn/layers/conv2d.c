/* SPDX-License-Identifier: Apache-2.0 */
/* 2-D convolution (cross-correlation), as PyTorch's Conv2d. */
#include "base/err.h"
#include "base/json.h"
#include "nn/layers/types.h"
#include "nn/layers/window.h"

struct conv_options {
    struct window window;
    int64_t groups;
    bool bias;
};

static int
read_conv2d(const struct layer_reader *r, struct layer *l, struct err *err)
{
    struct conv_options *o = l->opt;
    struct init init = {.kind = INIT_HE}, bias_init = {.kind = INIT_CONSTANT};
    const struct shape *in = r->in[0];
    struct jcur groups = jcur_key(r->at, "groups");
    int64_t filters;

    o->window.stride[0] = o->window.stride[1] = 1;
    o->groups = 1;
    o->bias = true;
    if (window_read(&o->window, r, err) != 0 ||
        jcur_int(r->at, "filters", 1, GRAPH_MAX_DIM, &filters, err) != 0 ||
        jcur_int_or(r->at, "groups", 1, GRAPH_MAX_DIM, &o->groups, err) != 0 ||
        jcur_bool_or(r->at, "bias", &o->bias, err) != 0 ||
        init_read(&init, r->at, "init", err) != 0 ||
        init_read(&bias_init, r->at, "bias_init", err) != 0)
        return -1;
    if (in->dim[0] % o->groups != 0 || filters % o->groups != 0)
        return jcur_fail(&groups, err,
                         "%lld groups do not divide %lld channels and %lld "
                         "filters",
                         (long long)o->groups, (long long)in->dim[0],
                         (long long)filters);
    l->out = (struct shape){3, {filters, o->window.out[0], o->window.out[1]}};

    const int64_t dim[4] = {filters, in->dim[0] / o->groups,
                            o->window.kernel[0], o->window.kernel[1]};
    const double area = (double)dim[2] * (double)dim[3];

    init.fan_in = bias_init.fan_in = (double)dim[1] * area;
    init.fan_out = bias_init.fan_out = (double)dim[0] * area;
    l->flop = 2.0 * init.fan_in * (double)filters * (double)l->out.dim[1] *
              (double)l->out.dim[2];
    if (layer_add_segment(r, l, "weight", SEGMENT_WEIGHT, 4, dim, &init, err) !=
        0)
        return -1;
    return o->bias ? layer_add_segment(r, l, "bias", SEGMENT_BIAS, 1, dim,
                                       &bias_init, err)
                   : 0;
}

static const char *const keys[] = {LAYER_KEYS, "filters",   "kernel", "stride",
                                   "padding",  "dilation",  "groups", "bias",
                                   "init",     "bias_init", NULL};

const struct layer_type layer_conv2d = {
    .name = "conv2d",
    .prefix = "conv",
    .keys = keys,
    .min_inputs = 1,
    .max_inputs = 1,
    .opt_size = sizeof(struct conv_options),
    .read = read_conv2d,
};
