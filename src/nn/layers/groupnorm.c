/* SPDX-License-Identifier: Apache-2.0 */
/* Group normalization (Wu, He 2018), as PyTorch's GroupNorm: each sample and
 * group of channels has zero mean and unit variance, then scale and shift per
 * channel.  Nothing depends on the other samples of the mini-batch. */
#include "base/err.h"
#include "base/json.h"
#include "nn/layers/types.h"

struct groupnorm_options {
    int64_t groups;
    double epsilon;
};

static int
read_groupnorm(const struct layer_reader *r, struct layer *l, struct err *err)
{
    struct groupnorm_options *o = l->opt;
    const int64_t *channels = &r->in[0]->dim[0];
    struct init init = {.kind = INIT_CONSTANT, .arg = 1.0};
    struct init bias_init = {.kind = INIT_CONSTANT};
    struct jcur groups = jcur_key(r->at, "groups");

    o->epsilon = 1e-5;
    init.fan_in = init.fan_out = bias_init.fan_in = bias_init.fan_out =
        (double)*channels;
    if (jcur_int(r->at, "groups", 1, GRAPH_MAX_DIM, &o->groups, err) != 0 ||
        jcur_num_or(r->at, "epsilon", 1e-12, 1.0, &o->epsilon, err) != 0 ||
        init_read(&init, r->at, "init", err) != 0 ||
        init_read(&bias_init, r->at, "bias_init", err) != 0)
        return -1;
    if (*channels % o->groups != 0)
        return jcur_fail(&groups, err,
                         "%lld groups do not divide %lld channels",
                         (long long)o->groups, (long long)*channels);
    layer_same_shape(r, l, 8.0);
    if (layer_add_segment(r, l, "weight", SEGMENT_BIAS, 1, channels, &init,
                          err) != 0)
        return -1;
    return layer_add_segment(r, l, "bias", SEGMENT_BIAS, 1, channels,
                             &bias_init, err);
}

static const char *const keys[] = {LAYER_KEYS, "groups",    "epsilon",
                                   "init",     "bias_init", NULL};

const struct layer_type layer_groupnorm = {
    .name = "groupnorm",
    .prefix = "gn",
    .keys = keys,
    .min_inputs = 1,
    .max_inputs = 1,
    .opt_size = sizeof(struct groupnorm_options),
    .read = read_groupnorm,
};
