/* SPDX-License-Identifier: Apache-2.0 */
/* Maximum and average over windows, as PyTorch's MaxPool2d and AvgPool2d in
 * floor mode, and the average over the whole image. */
#include "nn/layers/pool.h"
#include "base/err.h"
#include "base/json.h"
#include "base/mem.h"
#include "nn/layers/types.h"
#include "nn/plan.h"

static int
read_pool(const struct layer_reader *r, struct layer *l, struct err *err)
{
    struct pool_options *o = l->opt;
    struct window *w = &o->window;
    struct jcur padding = jcur_key(r->at, "padding");

    o->count_include_pad = true;
    if (window_read(w, r, err) != 0 ||
        jcur_bool_or(r->at, "count_include_pad", &o->count_include_pad, err) !=
            0)
        return -1;
    /* Otherwise a window could lie in the padding entirely. */
    for (int i = 0; i < 2; i++)
        if (w->pad[i] >= w->kernel[i] || w->pad_end[i] >= w->kernel[i])
            return jcur_fail(&padding, err,
                             "expected less padding than the kernel %lldx%lld",
                             (long long)w->kernel[0], (long long)w->kernel[1]);
    l->out = (struct shape){3, {r->in[0]->dim[0], w->out[0], w->out[1]}};
    l->flop = (double)shape_count(&l->out) * (double)w->kernel[0] *
              (double)w->kernel[1];
    return 0;
}

static int
read_global(const struct layer_reader *r, struct layer *l, struct err *err)
{
    struct pool_options *o = l->opt;
    const struct shape *in = r->in[0];

    if (layer_need_image(r, err) != 0)
        return -1;
    for (int i = 0; i < 2; i++) {
        o->window.kernel[i] = in->dim[1 + i];
        o->window.stride[i] = o->window.dilation[i] = 1;
        o->window.out[i] = 1;
    }
    l->out = (struct shape){1, {in->dim[0]}};
    l->flop = (double)shape_count(in);
    return 0;
}

/* An average as oneDNN describes it. */
struct average {
    dnnl_alg_kind_t algorithm;
    dnnl_memory_desc_t src, dst;
    dnnl_dims_t stride, kernel, pad, pad_end;
};

static int
average_init(struct average *a, const struct layer *l,
             const dnnl_memory_desc_t *src, struct err *err)
{
    const struct pool_options *o = l->opt;
    const struct window *w = &o->window;
    const dnnl_dim_t dst[4] = {src->dims[0], src->dims[1], w->out[0],
                               w->out[1]};

    a->algorithm = o->count_include_pad ? dnnl_pooling_avg_include_padding
                                        : dnnl_pooling_avg_exclude_padding;
    a->src = *src;
    for (int i = 0; i < 2; i++) {
        a->stride[i] = w->stride[i];
        a->kernel[i] = w->kernel[i];
        a->pad[i] = w->pad[i];
        a->pad_end[i] = w->pad_end[i];
    }
    return dnn_layout(&a->dst, 4, dst, dnnl_format_tag_any, err);
}

static int
forward_average(struct plan *p, const struct layer *l, struct err *err)
{
    struct layer_state *s = plan_state(p, l);
    const struct tensor *x = &plan_in(p, l, 0)->data;
    struct value *out = plan_out(p, l);
    const struct plan_arg args[] = {{DNNL_ARG_SRC, x},
                                    {DNNL_ARG_DST, &out->data}};
    dnnl_pooling_desc_t d;
    struct average a;

    if (average_init(&a, l, &x->md, err) != 0 ||
        dnn_check(
            dnnl_pooling_forward_desc_init(
                &d,
                p->training ? dnnl_forward_training : dnnl_forward_inference,
                a.algorithm, &a.src, &a.dst, a.stride, a.kernel, a.pad,
                a.pad_end),
            "average", err) != 0 ||
        plan_desc(p, &d, NULL, NULL, "average", &s->desc, err) != 0 ||
        plan_new_tensor(p, plan_desc_md(s->desc, dnnl_query_dst_md), &out->data,
                        err) != 0)
        return -1;
    return plan_primitive(p, l, "forward", s->desc, args, ARRAY_LEN(args), err);
}

static int
backward_average(struct plan *p, const struct layer *l, struct err *err)
{
    struct layer_state *s = plan_state(p, l);
    struct value *in = plan_in(p, l, 0);
    struct tensor g, dst, src;
    const struct plan_arg args[] = {{DNNL_ARG_DIFF_DST, &dst},
                                    {DNNL_ARG_DIFF_SRC, &src}};
    dnnl_primitive_desc_t desc;
    dnnl_pooling_desc_t d;
    struct average a;

    if (average_init(&a, l, &in->data.md, err) != 0 ||
        plan_grad(p, l, &g, err) != 0 ||
        plan_as(p, l, &g, &plan_out(p, l)->data.md, &dst, err) != 0 ||
        dnn_check(dnnl_pooling_backward_desc_init(&d, a.algorithm, &a.src,
                                                  &dst.md, a.stride, a.kernel,
                                                  a.pad, a.pad_end),
                  "average", err) != 0 ||
        plan_desc(p, &d, NULL, s->desc, "average", &desc, err) != 0 ||
        plan_new_tensor(p, &a.src, &src, err) != 0 ||
        plan_primitive(p, l, "data", desc, args, ARRAY_LEN(args), err) != 0 ||
        plan_grad_add(p, l, in, &src, false, err) != 0)
        return -1;
    plan_grad_drop(p, l);
    return 0;
}

static const char *const max_keys[] = {LAYER_KEYS, "kernel", "stride",
                                       "padding", NULL};
static const char *const avg_keys[] = {
    LAYER_KEYS, "kernel", "stride", "padding", "count_include_pad", NULL};
static const char *const global_keys[] = {LAYER_KEYS, NULL};

const struct layer_type layer_maxpool = {
    .name = "maxpool",
    .prefix = "maxpool",
    .keys = max_keys,
    .min_inputs = 1,
    .max_inputs = 1,
    .opt_size = sizeof(struct pool_options),
    .read = read_pool,
    .forward = forward_maxpool,
    .backward = backward_maxpool,
};

const struct layer_type layer_avgpool = {
    .name = "avgpool",
    .prefix = "avgpool",
    .keys = avg_keys,
    .min_inputs = 1,
    .max_inputs = 1,
    .opt_size = sizeof(struct pool_options),
    .read = read_pool,
    .forward = forward_average,
    .backward = backward_average,
};

const struct layer_type layer_global_avgpool = {
    .name = "global_avgpool",
    .prefix = "gap",
    .keys = global_keys,
    .min_inputs = 1,
    .max_inputs = 1,
    .opt_size = sizeof(struct pool_options),
    .read = read_global,
    .forward = forward_average,
    .backward = backward_average,
};
