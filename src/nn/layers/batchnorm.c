/* SPDX-License-Identifier: Apache-2.0 */
/* Batch normalization (Ioffe, Szegedy 2015) over N, H, W per channel, as
 * PyTorch's BatchNorm1d and BatchNorm2d.
 *
 * Training normalizes with the biased variance of the mini-batch; what enters
 * the running variance is the unbiased one.  The statistics of the mini-batch
 * leave with the gradients and an update moves the running ones towards them
 * by `momentum` (segment.h). */
#include "base/err.h"
#include "base/json.h"
#include "nn/layers/types.h"

struct batchnorm_options {
    double epsilon;
};

enum { SEG_WEIGHT, SEG_BIAS, SEG_MEAN, SEG_VAR };

static int
read_batchnorm(const struct layer_reader *r, struct layer *l, struct err *err)
{
    struct batchnorm_options *o = l->opt;
    struct segtab *t = &r->graph->segments;
    const int64_t *channels = &r->in[0]->dim[0];
    const struct init zero = {.kind = INIT_CONSTANT},
                      one = {.kind = INIT_CONSTANT, .arg = 1.0};
    struct init init = one, bias_init = zero;
    double momentum = 0.1;

    o->epsilon = 1e-5;
    init.fan_in = init.fan_out = bias_init.fan_in = bias_init.fan_out =
        (double)*channels;
    if (jcur_num_or(r->at, "epsilon", 1e-12, 1.0, &o->epsilon, err) != 0 ||
        jcur_num_or(r->at, "momentum", 0.0, 1.0, &momentum, err) != 0 ||
        init_read(&init, r->at, "init", err) != 0 ||
        init_read(&bias_init, r->at, "bias_init", err) != 0 ||
        layer_add_segment(r, l, "weight", SEGMENT_BIAS, 1, channels, &init,
                          err) != 0 ||
        layer_add_segment(r, l, "bias", SEGMENT_BIAS, 1, channels, &bias_init,
                          err) != 0 ||
        layer_add_segment(r, l, "running_mean", SEGMENT_STAT, 1, channels,
                          &zero, err) != 0 ||
        layer_add_segment(r, l, "running_var", SEGMENT_STAT, 1, channels, &one,
                          err) != 0)
        return -1;
    t->seg[l->seg + SEG_MEAN].momentum = momentum;
    t->seg[l->seg + SEG_VAR].momentum = momentum;
    layer_same_shape(r, l, 2.0);
    return 0;
}

static const char *const keys[] = {LAYER_KEYS, "epsilon",   "momentum",
                                   "init",     "bias_init", NULL};

const struct layer_type layer_batchnorm = {
    .name = "batchnorm",
    .prefix = "bn",
    .keys = keys,
    .min_inputs = 1,
    .max_inputs = 1,
    .opt_size = sizeof(struct batchnorm_options),
    .read = read_batchnorm,
};
