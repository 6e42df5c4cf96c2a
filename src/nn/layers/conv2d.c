/* SPDX-License-Identifier: Apache-2.0 */
/* 2-D convolution (cross-correlation), as PyTorch's Conv2d. */
#include "nn/layers/conv2d.h"
#include "base/err.h"
#include "base/json.h"
#include "base/mem.h"
#include "nn/layers/types.h"

static int
read_conv2d(const struct layer_reader *r, struct layer *l, struct err *err)
{
    struct conv_options *o = l->opt;
    struct window *w = &o->window;
    struct init init = {.kind = INIT_HE}, bias_init = {.kind = INIT_CONSTANT};
    struct jcur groups = jcur_key(r->at, "groups");
    int64_t dim[4];
    double area;

    w->stride[0] = w->stride[1] = 1;
    o->groups = 1;
    o->bias = true;
    if (window_read(w, r, err) != 0 ||
        jcur_int(r->at, "filters", 1, GRAPH_MAX_DIM, &o->filters, err) != 0 ||
        jcur_int_or(r->at, "groups", 1, GRAPH_MAX_DIM, &o->groups, err) != 0 ||
        jcur_bool_or(r->at, "bias", &o->bias, err) != 0 ||
        init_read(&init, r->at, "init", err) != 0 ||
        init_read(&bias_init, r->at, "bias_init", err) != 0)
        return -1;
    o->channels = r->in[0]->dim[0];
    if (o->channels % o->groups != 0 || o->filters % o->groups != 0)
        return jcur_fail(&groups, err,
                         "%lld groups do not divide %lld channels and %lld "
                         "filters",
                         (long long)o->groups, (long long)o->channels,
                         (long long)o->filters);
    l->out = (struct shape){3, {o->filters, w->out[0], w->out[1]}};
    dim[0] = o->filters;
    dim[1] = o->channels / o->groups;
    dim[2] = w->kernel[0];
    dim[3] = w->kernel[1];
    area = (double)dim[2] * (double)dim[3];
    init.fan_in = bias_init.fan_in = (double)dim[1] * area;
    init.fan_out = bias_init.fan_out = (double)dim[0] * area;
    l->flop = 2.0 * init.fan_in * (double)shape_count(&l->out);
    if (layer_add_segment(r, l, "weight", SEGMENT_WEIGHT, 4, dim, &init, err) !=
        0)
        return -1;
    return o->bias ? layer_add_segment(r, l, "bias", SEGMENT_BIAS, 1, dim,
                                       &bias_init, err)
                   : 0;
}

/* A convolution as oneDNN describes it. */
struct conv {
    const struct conv_options *o;
    dnnl_memory_desc_t src, weights, bias, dst;
    const dnnl_memory_desc_t *has_bias; /* &bias or NULL */
    /* Dimensions of the weights: O, I, kh, kw, or with groups G, O/G, I/G, kh,
     * kw.  The bytes are the same. */
    dnnl_dim_t dim[5];
    int n_dims;
    dnnl_dims_t stride, dilate, pad, pad_end;
};

static int
conv_init(struct conv *c, const struct plan *p, const struct layer *l,
          const dnnl_memory_desc_t *src, struct err *err)
{
    const struct conv_options *o = l->opt;
    const struct window *w = &o->window;
    const dnnl_dim_t dst[4] = {src->dims[0], o->filters, w->out[0], w->out[1]};
    int n = 0;

    c->o = o;
    if (o->groups > 1)
        c->dim[n++] = o->groups;
    c->dim[n++] = o->filters / o->groups;
    c->dim[n++] = o->channels / o->groups;
    c->dim[n++] = w->kernel[0];
    c->dim[n++] = w->kernel[1];
    c->n_dims = n;
    for (int i = 0; i < 2; i++) {
        c->stride[i] = w->stride[i];
        c->dilate[i] = w->dilation[i] - 1;
        c->pad[i] = w->pad[i];
        c->pad_end[i] = w->pad_end[i];
    }
    c->has_bias = o->bias ? &c->bias : NULL;
    if (dnn_relayout(&c->src, src, p->images, err) != 0 ||
        dnn_layout(&c->dst, 4, dst, p->images, err) != 0 ||
        dnn_layout(&c->bias, 1, &o->filters, dnnl_a, err) != 0)
        return -1;
    return dnn_layout(&c->weights, n, c->dim, dnnl_format_tag_any, err);
}

/* The descriptor of a primitive in the way that was chosen, or the direct one
 * where oneDNN has no such. */
static int
conv_desc(struct plan *p, const struct layer *l, enum pass pass,
          dnnl_convolution_desc_t *d, const float *slope,
          dnnl_primitive_desc_t hint, dnnl_primitive_desc_t *desc,
          struct err *err)
{
    if (plan_choose_conv(p, l, pass) == WAY_WINOGRAD) {
        struct err none = ERR_INIT;

        d->alg_kind = dnnl_convolution_winograd;
        if (plan_desc(p, d, slope, hint, "convolution", desc, &none) == 0)
            return 0;
        d->alg_kind = dnnl_convolution_direct;
    }
    return plan_desc(p, d, slope, hint, "convolution", desc, err);
}

static int
forward_conv2d(struct plan *p, const struct layer *l, struct err *err)
{
    const struct conv_options *o = l->opt;
    struct layer_state *s = plan_state(p, l);
    struct value *out = plan_out(p, l);
    const struct tensor *x = &plan_in(p, l, 0)->data;
    struct tensor weights, bias = {.mem = NULL};
    const struct tensor *has_bias = o->bias ? &bias : NULL;
    const struct plan_arg args[] = {{DNNL_ARG_SRC, &s->src},
                                    {DNNL_ARG_WEIGHTS, &s->weights},
                                    {DNNL_ARG_BIAS, has_bias},
                                    {DNNL_ARG_DST, &out->data}};
    dnnl_convolution_desc_t d;
    float slope, *rectifier;
    struct conv c;

    p->pass = PASS_FORWARD;
    s->relu_done = plan_next_relu(p, l, &slope) != NULL;
    rectifier = s->relu_done ? &slope : NULL;
    if (conv_init(&c, p, l, &x->md, err) != 0 ||
        dnn_check(
            dnnl_dilated_convolution_forward_desc_init(
                &d,
                p->training ? dnnl_forward_training : dnnl_forward_inference,
                dnnl_convolution_direct, &c.src, &c.weights, c.has_bias, &c.dst,
                c.stride, c.dilate, c.pad, c.pad_end),
            "convolution", err) != 0 ||
        conv_desc(p, l, PASS_FORWARD, &d, rectifier, NULL, &s->desc, err) !=
            0 ||
        plan_as(p, l, x, plan_desc_md(s->desc, dnnl_query_src_md), &s->src,
                err) != 0 ||
        plan_segment(p, l, SEG_WEIGHT, PLACE_PARAMS, c.n_dims, c.dim, &weights,
                     err) != 0 ||
        plan_new_tensor(p, plan_desc_md(s->desc, dnnl_query_dst_md), &out->data,
                        err) != 0)
        return -1;
    if (o->bias && plan_segment(p, l, SEG_BIAS, PLACE_PARAMS, 1, &o->filters,
                                &bias, err) != 0)
        return -1;
    if (conv_is_own(p, l, PASS_FORWARD, &s->src.md, &out->data.md)) {
        s->weights = weights;
        return conv_own_forward(p, l, &s->src, &weights, has_bias, rectifier,
                                &out->data, err);
    }
    if (plan_as(p, l, &weights, plan_desc_md(s->desc, dnnl_query_weights_md),
                &s->weights, err) != 0)
        return -1;
    return plan_primitive(p, l, "forward", s->desc, args, ARRAY_LEN(args), err);
}

/* By oneDNN. */
static int
primitive_weights(struct plan *p, const struct layer *l, struct conv *c,
                  const struct tensor *g, const struct tensor *end,
                  const struct tensor *bias, struct err *err)
{
    struct layer_state *s = plan_state(p, l);
    struct tensor src, dst, weights;
    const struct plan_arg args[] = {{DNNL_ARG_SRC, &src},
                                    {DNNL_ARG_DIFF_DST, &dst},
                                    {DNNL_ARG_DIFF_WEIGHTS, &weights},
                                    {DNNL_ARG_DIFF_BIAS, bias}};
    dnnl_primitive_desc_t desc;
    dnnl_convolution_desc_t d;

    if (dnn_check(dnnl_dilated_convolution_backward_weights_desc_init(
                      &d, dnnl_convolution_direct, &c->src, &c->weights,
                      c->has_bias, &c->dst, c->stride, c->dilate, c->pad,
                      c->pad_end),
                  "convolution weights", err) != 0 ||
        conv_desc(p, l, PASS_WEIGHTS, &d, NULL, s->desc, &desc, err) != 0 ||
        plan_as(p, l, &s->src, plan_desc_md(desc, dnnl_query_src_md), &src,
                err) != 0 ||
        plan_as(p, l, g, plan_desc_md(desc, dnnl_query_diff_dst_md), &dst,
                err) != 0 ||
        plan_result(p, end, plan_desc_md(desc, dnnl_query_diff_weights_md),
                    &weights, err) != 0 ||
        plan_primitive(p, l, "weights", desc, args, ARRAY_LEN(args), err) != 0)
        return -1;
    return plan_store(p, l, &weights, end, err);
}

static int
backward_weights(struct plan *p, const struct layer *l, struct conv *c,
                 const struct tensor *g, struct err *err)
{
    const struct conv_options *o = l->opt;
    struct layer_state *s = plan_state(p, l);
    const dnnl_memory_desc_t *md = &plan_out(p, l)->data.md;
    struct tensor dst, end, bias = {.mem = NULL};
    const struct tensor *has_bias = o->bias ? &bias : NULL;

    p->pass = PASS_WEIGHTS;
    if (plan_segment(p, l, SEG_WEIGHT, PLACE_GRADS, c->n_dims, c->dim, &end,
                     err) != 0)
        return -1;
    if (o->bias && plan_segment(p, l, SEG_BIAS, PLACE_GRADS, 1, &o->filters,
                                &bias, err) != 0)
        return -1;
    if (!conv_is_own(p, l, PASS_WEIGHTS, &s->src.md, md)) {
        if (primitive_weights(p, l, c, g, &end, has_bias, err) != 0)
            return -1;
    } else if (plan_as(p, l, g, md, &dst, err) != 0 ||
               conv_own_weights(p, l, &s->src, &dst, &end, has_bias, err) !=
                   0) {
        return -1;
    }
    plan_done(p, l, 0, l->n_seg);
    return 0;
}

/* By oneDNN; `plain` are the weights. */
static int
primitive_data(struct plan *p, const struct layer *l, struct conv *c,
               const struct tensor *g, const struct tensor *plain,
               struct tensor *src, struct err *err)
{
    struct layer_state *s = plan_state(p, l);
    struct tensor dst, weights;
    const struct plan_arg args[] = {{DNNL_ARG_DIFF_DST, &dst},
                                    {DNNL_ARG_WEIGHTS, &weights},
                                    {DNNL_ARG_DIFF_SRC, src}};
    const dnnl_memory_desc_t *want;
    dnnl_primitive_desc_t desc;
    dnnl_convolution_desc_t d;

    if (dnn_check(dnnl_dilated_convolution_backward_data_desc_init(
                      &d, dnnl_convolution_direct, &c->src, &c->weights,
                      &c->dst, c->stride, c->dilate, c->pad, c->pad_end),
                  "convolution data", err) != 0 ||
        conv_desc(p, l, PASS_DATA, &d, NULL, s->desc, &desc, err) != 0 ||
        plan_as(p, l, g, plan_desc_md(desc, dnnl_query_diff_dst_md), &dst,
                err) != 0)
        return -1;
    /* Those of the forward primitive when they fit. */
    want = plan_desc_md(desc, dnnl_query_weights_md);
    if (plan_as(p, l, dnn_equal(want, &s->weights.md) ? &s->weights : plain,
                want, &weights, err) != 0 ||
        plan_new_tensor(p, plan_desc_md(desc, dnnl_query_diff_src_md), src,
                        err) != 0)
        return -1;
    return plan_primitive(p, l, "data", desc, args, ARRAY_LEN(args), err);
}

static int
backward_data(struct plan *p, const struct layer *l, struct conv *c,
              const struct tensor *g, struct err *err)
{
    const dnnl_memory_desc_t *x_md = &plan_state(p, l)->src.md;
    const dnnl_memory_desc_t *y_md = &plan_out(p, l)->data.md;
    struct tensor dst, plain, src = {.mem = NULL};

    p->pass = PASS_DATA;
    if (plan_segment(p, l, SEG_WEIGHT, PLACE_PARAMS, c->n_dims, c->dim, &plain,
                     err) != 0)
        return -1;
    if (!conv_is_own(p, l, PASS_DATA, x_md, y_md)) {
        if (primitive_data(p, l, c, g, &plain, &src, err) != 0)
            return -1;
    } else if (plan_as(p, l, g, y_md, &dst, err) != 0 ||
               plan_new_tensor(p, x_md, &src, err) != 0 ||
               conv_own_data(p, l, &dst, &plain, &src, err) != 0) {
        return -1;
    }
    return plan_grad_add(p, l, plan_in(p, l, 0), &src, false, err);
}

/* The weights first: their gradient can travel while the rest is computed. */
static int
backward_conv2d(struct plan *p, const struct layer *l, struct err *err)
{
    struct conv c;
    struct tensor g;

    if (conv_init(&c, p, l, &plan_in(p, l, 0)->data.md, err) != 0 ||
        plan_grad(p, l, &g, err) != 0 ||
        backward_weights(p, l, &c, &g, err) != 0)
        return -1;
    if (plan_in(p, l, 0)->wants_grad && backward_data(p, l, &c, &g, err) != 0)
        return -1;
    plan_grad_drop(p, l);
    return 0;
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
    .forward = forward_conv2d,
    .backward = backward_conv2d,
};
