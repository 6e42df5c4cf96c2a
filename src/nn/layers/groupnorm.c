/* SPDX-License-Identifier: Apache-2.0 */
/* Group normalization (Wu, He 2018), as PyTorch's GroupNorm: each sample and
 * group of channels has zero mean and unit variance, then scale and shift per
 * channel.  Nothing depends on the other samples of the mini-batch. */
#include "base/err.h"
#include "base/json.h"
#include "base/mem.h"
#include "nn/kernels.h"
#include "nn/layers/types.h"
#include "nn/par.h"
#include "nn/plan.h"

#include <math.h>

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

enum { SEG_WEIGHT, SEG_BIAS };
enum { WORK_MEAN, WORK_SCALE }; /* tensors of the layer's state */

/* The constants of an operation.  In plain order the channels of a group are
 * neighbours: a sample is groups x (channels per group) x area. */
struct norm {
    size_t samples, groups, per_group, area;
    double epsilon;
};

/* Its addresses when it runs. */
struct norm_job {
    const struct norm *d;
    const float *x, *weight, *bias, *g;
    float *y, *dx;
    /* Per sample and group: mean, and 1 / sqrt(variance + epsilon). */
    float *mean, *scale;
    /* Per sample and channel: sum of g * (x - mean) * scale, sum of g. */
    float *sums;
    float *to_weight, *to_bias;
};

static void
forward_groups(void *ctx, size_t begin, size_t end)
{
    const struct norm_job *j = ctx;
    const struct norm *d = j->d;
    const size_t n = d->per_group * d->area;

    for (size_t i = begin; i < end; i++) {
        const float *x = j->x + i * n;
        size_t channel = i % d->groups * d->per_group;
        double mean = kernel_total(x, n) / (double)n;
        double var = kernel_spread(x, mean, n) / (double)n;
        double scale = 1.0 / sqrt(var + d->epsilon);

        j->mean[i] = (float)mean;
        j->scale[i] = (float)scale;
        for (size_t c = 0; c < d->per_group; c++)
            kernel_affine(j->y + i * n + c * d->area, x + c * d->area,
                          (float)mean, (float)scale * j->weight[channel + c],
                          j->bias[channel + c], d->area);
    }
}

static void
run_forward(const struct plan *p, const struct op *o)
{
    struct norm_job j = {.d = o->ctx,
                         .x = plan_at(p, o->place[0]),
                         .weight = plan_at(p, o->place[1]),
                         .bias = plan_at(p, o->place[2]),
                         .mean = plan_at(p, o->place[3]),
                         .scale = plan_at(p, o->place[4]),
                         .y = plan_at(p, o->place[5])};

    par_for(j.d->samples * j.d->groups, 1, forward_groups, &j);
}

/* With h = (x - mean) * scale and m numbers in the group:
 * dx = scale * (w g - mean(w g) - h * mean(w g h)). */
static void
backward_groups(void *ctx, size_t begin, size_t end)
{
    const struct norm_job *j = ctx;
    const struct norm *d = j->d;
    const size_t area = d->area, n = d->per_group * area;

    for (size_t i = begin; i < end; i++) {
        const float *w = j->weight + i % d->groups * d->per_group;
        const double mean = (double)j->mean[i], scale = (double)j->scale[i];
        float *sums = j->sums + 2 * i * d->per_group;
        double wg = 0.0, wgh = 0.0;

        for (size_t c = 0; c < d->per_group; c++) {
            size_t at = i * n + c * area;
            double sum = kernel_total(j->g + at, area);
            double dot = kernel_dot(j->g + at, j->x + at, mean, area) * scale;

            sums[2 * c] = (float)dot;
            sums[2 * c + 1] = (float)sum;
            wg += (double)w[c] * sum;
            wgh += (double)w[c] * dot;
        }
        wg /= (double)n;
        wgh /= (double)n;
        for (size_t c = 0; c < d->per_group; c++) {
            size_t at = i * n + c * area;

            kernel_norm_grad(j->dx + at, j->g + at, j->x + at,
                             (float)(scale * (double)w[c]), (float)mean,
                             (float)(scale * scale * wgh), (float)(scale * wg),
                             area);
        }
    }
}

static void
run_backward(const struct plan *p, const struct op *o)
{
    struct norm_job j = {.d = o->ctx,
                         .x = plan_at(p, o->place[0]),
                         .weight = plan_at(p, o->place[1]),
                         .mean = plan_at(p, o->place[2]),
                         .scale = plan_at(p, o->place[3]),
                         .g = plan_at(p, o->place[4]),
                         .dx = plan_at(p, o->place[5]),
                         .sums = plan_at(p, o->place[6]),
                         .to_weight = plan_at(p, o->place[7]),
                         .to_bias = plan_at(p, o->place[8])};
    const size_t channels = j.d->groups * j.d->per_group;

    par_for(j.d->samples * j.d->groups, 1, backward_groups, &j);
    for (size_t c = 0; c < channels; c++) {
        double weight = 0.0, bias = 0.0;

        for (size_t s = 0; s < j.d->samples; s++) {
            weight += (double)j.sums[2 * (s * channels + c)];
            bias += (double)j.sums[2 * (s * channels + c) + 1];
        }
        j.to_weight[c] = (float)weight;
        j.to_bias[c] = (float)bias;
    }
}

static void
set_norm(const struct plan *p, const struct layer *l, struct norm *d)
{
    const struct groupnorm_options *o = l->opt;

    d->samples = p->n;
    d->groups = (size_t)o->groups;
    d->per_group = (size_t)l->out.dim[0] / d->groups;
    d->area = shape_count(&l->out) / (size_t)l->out.dim[0];
    d->epsilon = o->epsilon;
}

static int
forward_groupnorm(struct plan *p, const struct layer *l, struct err *err)
{
    const struct groupnorm_options *o = l->opt;
    struct layer_state *s = plan_state(p, l);
    struct value *out = plan_out(p, l);
    struct tensor weight, bias;
    const struct tensor *const t[] = {
        &s->src,   &weight, &bias, &s->work[WORK_MEAN], &s->work[WORK_SCALE],
        &out->data};
    const dnnl_dim_t per_group[2] = {(dnnl_dim_t)p->n, o->groups};
    dnnl_memory_desc_t md;
    struct op *op;

    if (plan_as_plain(p, l, &plan_in(p, l, 0)->data, &s->src, err) != 0 ||
        plan_segment(p, l, SEG_WEIGHT, PLACE_PARAMS, 1, &l->out.dim[0], &weight,
                     err) != 0 ||
        plan_segment(p, l, SEG_BIAS, PLACE_PARAMS, 1, &l->out.dim[0], &bias,
                     err) != 0 ||
        dnn_layout(&md, 2, per_group, dnnl_ab, err) != 0 ||
        plan_new_tensor(p, &md, &s->work[WORK_MEAN], err) != 0 ||
        plan_new_tensor(p, &md, &s->work[WORK_SCALE], err) != 0 ||
        plan_new_tensor(p, &s->src.md, &out->data, err) != 0)
        return -1;
    op = plan_kernel(p, l, "forward", "own", run_forward, t, ARRAY_LEN(t),
                     sizeof(struct norm), err);
    if (!op)
        return -1;
    set_norm(p, l, op->ctx);
    return 0;
}

static int
backward_groupnorm(struct plan *p, const struct layer *l, struct err *err)
{
    struct layer_state *s = plan_state(p, l);
    struct tensor g, plain, src, sums, weight, to_weight, to_bias;
    const struct tensor *const t[] = {&s->src,
                                      &weight,
                                      &s->work[WORK_MEAN],
                                      &s->work[WORK_SCALE],
                                      &plain,
                                      &src,
                                      &sums,
                                      &to_weight,
                                      &to_bias};
    const dnnl_dim_t per_channel[2] = {(dnnl_dim_t)p->n, 2 * l->out.dim[0]};
    dnnl_memory_desc_t md;
    struct op *op;

    if (plan_grad(p, l, &g, err) != 0 ||
        plan_as(p, l, &g, &s->src.md, &plain, err) != 0 ||
        plan_new_tensor(p, &s->src.md, &src, err) != 0 ||
        dnn_layout(&md, 2, per_channel, dnnl_ab, err) != 0 ||
        plan_new_tensor(p, &md, &sums, err) != 0 ||
        plan_segment(p, l, SEG_WEIGHT, PLACE_PARAMS, 1, &l->out.dim[0], &weight,
                     err) != 0 ||
        plan_segment(p, l, SEG_WEIGHT, PLACE_GRADS, 1, &l->out.dim[0],
                     &to_weight, err) != 0 ||
        plan_segment(p, l, SEG_BIAS, PLACE_GRADS, 1, &l->out.dim[0], &to_bias,
                     err) != 0)
        return -1;
    op = plan_kernel(p, l, "gradients", "own", run_backward, t, ARRAY_LEN(t),
                     sizeof(struct norm), err);
    if (!op)
        return -1;
    set_norm(p, l, op->ctx);
    plan_done(p, l, 0, l->n_seg);
    if (plan_grad_add(p, l, plan_in(p, l, 0), &src, false, err) != 0)
        return -1;
    plan_grad_drop(p, l);
    return 0;
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
    .forward = forward_groupnorm,
    .backward = backward_groupnorm,
};
