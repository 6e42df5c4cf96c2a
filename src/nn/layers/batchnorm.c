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
#include "base/mem.h"
#include "nn/layers/types.h"
#include "nn/plan.h"

#include <string.h>

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

enum { WORK_MEAN, WORK_VAR, WORK_RELU };

/* x of (N, K) is normalized per k, an image per channel. */
static int
find_input(struct plan *p, const struct layer *l, struct err *err)
{
    const struct tensor *x = &plan_in(p, l, 0)->data;
    struct layer_state *s = plan_state(p, l);

    if (l->out.n_dims == 1)
        return plan_as_rows(p, l, x, &s->src, err);
    s->src = *x;
    return 0;
}

/* Statistics are computed in training, and otherwise those of the parameters;
 * and what a fused relu notes for its gradient. */
static int
find_work(struct plan *p, const struct layer *l, struct err *err)
{
    struct layer_state *s = plan_state(p, l);
    const dnnl_memory_desc_t *relu =
        plan_desc_md(s->desc, dnnl_query_workspace_md);
    dnnl_memory_desc_t md;

    if (!p->training)
        return plan_segment(p, l, SEG_MEAN, PLACE_PARAMS, 1, &l->out.dim[0],
                            &s->work[WORK_MEAN], err) != 0 ||
                       plan_segment(p, l, SEG_VAR, PLACE_PARAMS, 1,
                                    &l->out.dim[0], &s->work[WORK_VAR], err)
                   ? -1
                   : 0;
    if (dnn_layout(&md, 1, &l->out.dim[0], dnnl_a, err) != 0 ||
        plan_new_tensor(p, &md, &s->work[WORK_MEAN], err) != 0 ||
        plan_new_tensor(p, &md, &s->work[WORK_VAR], err) != 0)
        return -1;
    return relu && dnn_bytes(relu) > 0
               ? plan_new_tensor(p, relu, &s->work[WORK_RELU], err)
               : 0;
}

static unsigned
norm_flags(const struct plan *p, bool relu)
{
    unsigned flags = dnnl_use_scale | dnnl_use_shift;

    if (relu)
        flags |= dnnl_fuse_norm_relu;
    if (!p->training)
        flags |= dnnl_use_global_stats;
    return flags;
}

static int
forward_batchnorm(struct plan *p, const struct layer *l, struct err *err)
{
    const struct batchnorm_options *o = l->opt;
    struct layer_state *s = plan_state(p, l);
    struct value *out = plan_out(p, l);
    struct tensor scale, shift;
    struct plan_arg args[] = {{DNNL_ARG_SRC, &s->src},
                              {DNNL_ARG_DST, &out->data},
                              {DNNL_ARG_SCALE, &scale},
                              {DNNL_ARG_SHIFT, &shift},
                              {DNNL_ARG_MEAN, &s->work[WORK_MEAN]},
                              {DNNL_ARG_VARIANCE, &s->work[WORK_VAR]},
                              {DNNL_ARG_WORKSPACE, NULL}};
    dnnl_batch_normalization_desc_t d;
    float slope;

    s->relu_done = plan_next_relu(p, l, &slope) && slope == 0.0f;
    s->relu_grad_done = s->relu_done;
    if (find_input(p, l, err) != 0 ||
        dnn_check(
            dnnl_batch_normalization_forward_desc_init(
                &d,
                p->training ? dnnl_forward_training : dnnl_forward_inference,
                &s->src.md, (float)o->epsilon, norm_flags(p, s->relu_done)),
            "batch normalization", err) != 0 ||
        plan_desc(p, &d, NULL, NULL, "batch normalization", &s->desc, err) !=
            0 ||
        find_work(p, l, err) != 0 ||
        plan_new_tensor(p, &s->src.md, &out->data, err) != 0 ||
        plan_segment(p, l, SEG_WEIGHT, PLACE_PARAMS, 1, &l->out.dim[0], &scale,
                     err) != 0 ||
        plan_segment(p, l, SEG_BIAS, PLACE_PARAMS, 1, &l->out.dim[0], &shift,
                     err) != 0)
        return -1;
    if (s->work[WORK_RELU].mem)
        args[6].t = &s->work[WORK_RELU];
    return plan_primitive(p, l, "forward", s->desc, args, ARRAY_LEN(args), err);
}

/* The statistics of the mini-batch, as what the running ones move towards. */
struct statistics {
    size_t channels;
    float unbiased; /* m / (m - 1) over m numbers per channel */
};

static void
run_statistics(const struct plan *p, const struct op *o)
{
    const struct statistics *s = o->ctx;
    const float *mean = plan_at(p, o->place[0]);
    const float *var = plan_at(p, o->place[1]);
    float *to_mean = plan_at(p, o->place[2]);
    float *to_var = plan_at(p, o->place[3]);

    memcpy(to_mean, mean, s->channels * sizeof *mean);
    for (size_t c = 0; c < s->channels; c++)
        to_var[c] = var[c] * s->unbiased;
}

static int
append_statistics(struct plan *p, const struct layer *l, struct err *err)
{
    struct layer_state *s = plan_state(p, l);
    const dnnl_memory_desc_t *md = &s->src.md;
    struct tensor mean, var;
    const struct tensor *const t[] = {&s->work[WORK_MEAN], &s->work[WORK_VAR],
                                      &mean, &var};
    struct statistics *x;
    double m = 1.0;
    struct op *op;

    for (int i = 0; i < md->ndims; i++)
        if (i != 1)
            m *= (double)md->dims[i];
    if (plan_segment(p, l, SEG_MEAN, PLACE_GRADS, 1, &l->out.dim[0], &mean,
                     err) != 0 ||
        plan_segment(p, l, SEG_VAR, PLACE_GRADS, 1, &l->out.dim[0], &var,
                     err) != 0)
        return -1;
    op = plan_kernel(p, l, "statistics", "copy", run_statistics, t,
                     ARRAY_LEN(t), sizeof *x, err);
    if (!op)
        return -1;
    x = op->ctx;
    x->channels = (size_t)l->out.dim[0];
    x->unbiased = (float)(m > 1.0 ? m / (m - 1.0) : 1.0);
    return 0;
}

static int
backward_batchnorm(struct plan *p, const struct layer *l, struct err *err)
{
    const struct batchnorm_options *o = l->opt;
    struct layer_state *s = plan_state(p, l);
    struct tensor g, dst, src, scale, shift, to_scale, to_shift;
    const struct plan_arg args[] = {
        {DNNL_ARG_SRC, &s->src},
        {DNNL_ARG_MEAN, &s->work[WORK_MEAN]},
        {DNNL_ARG_VARIANCE, &s->work[WORK_VAR]},
        {DNNL_ARG_DIFF_DST, &dst},
        {DNNL_ARG_SCALE, &scale},
        {DNNL_ARG_SHIFT, &shift}, /* not read, but asked for */
        {DNNL_ARG_WORKSPACE,
         s->work[WORK_RELU].mem ? &s->work[WORK_RELU] : NULL},
        {DNNL_ARG_DIFF_SRC, &src},
        {DNNL_ARG_DIFF_SCALE, &to_scale},
        {DNNL_ARG_DIFF_SHIFT, &to_shift}};
    dnnl_primitive_desc_t desc;
    dnnl_batch_normalization_desc_t d;

    if (plan_grad(p, l, &g, err) != 0 ||
        plan_as(p, l, &g, &s->src.md, &dst, err) != 0 ||
        plan_grad_like(p, &dst, &src, err) != 0 ||
        plan_segment(p, l, SEG_WEIGHT, PLACE_PARAMS, 1, &l->out.dim[0], &scale,
                     err) != 0 ||
        plan_segment(p, l, SEG_BIAS, PLACE_PARAMS, 1, &l->out.dim[0], &shift,
                     err) != 0 ||
        plan_segment(p, l, SEG_WEIGHT, PLACE_GRADS, 1, &l->out.dim[0],
                     &to_scale, err) != 0 ||
        plan_segment(p, l, SEG_BIAS, PLACE_GRADS, 1, &l->out.dim[0], &to_shift,
                     err) != 0 ||
        dnn_check(dnnl_batch_normalization_backward_desc_init(
                      &d, dnnl_backward, &s->src.md, &s->src.md,
                      (float)o->epsilon, norm_flags(p, s->relu_done)),
                  "batch normalization", err) != 0 ||
        plan_desc(p, &d, NULL, s->desc, "batch normalization", &desc, err) !=
            0 ||
        plan_primitive(p, l, "gradients", desc, args, ARRAY_LEN(args), err) !=
            0 ||
        append_statistics(p, l, err) != 0)
        return -1;
    plan_done(p, l, 0, l->n_seg);
    if (plan_grad_add(p, l, plan_in(p, l, 0), &src, false, err) != 0)
        return -1;
    plan_grad_drop(p, l);
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
    .forward = forward_batchnorm,
    .backward = backward_batchnorm,
};
