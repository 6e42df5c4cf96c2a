/* SPDX-License-Identifier: Apache-2.0 */
/* Fully connected: y = W x + b, as PyTorch's Linear.  An image (C, H, W) is
 * read as one vector in that order. */
#include "nn/layers/dense.h"

#include "base/err.h"
#include "base/json.h"
#include "base/mem.h"
#include "nn/layers/types.h"

struct dense_options {
    int64_t units;
    bool bias;
};

enum { SEG_WEIGHT, SEG_BIAS };

static int
read_dense(const struct layer_reader *r, struct layer *l, struct err *err)
{
    struct dense_options *o = l->opt;
    struct init init = {.kind = INIT_HE}, bias_init = {.kind = INIT_CONSTANT};
    int64_t dim[2];

    o->bias = true;
    if (jcur_int(r->at, "units", 1, GRAPH_MAX_DIM, &o->units, err) != 0 ||
        jcur_bool_or(r->at, "bias", &o->bias, err) != 0 ||
        init_read(&init, r->at, "init", err) != 0 ||
        init_read(&bias_init, r->at, "bias_init", err) != 0)
        return -1;
    dim[0] = o->units;
    dim[1] = (int64_t)shape_count(r->in[0]);
    l->out = (struct shape){1, {o->units}};
    l->flop = 2.0 * (double)dim[0] * (double)dim[1];
    init.fan_in = bias_init.fan_in = (double)dim[1];
    init.fan_out = bias_init.fan_out = (double)dim[0];
    if (layer_add_segment(r, l, "weight", SEGMENT_WEIGHT, 2, dim, &init, err) !=
        0)
        return -1;
    return o->bias ? layer_add_segment(r, l, "bias", SEGMENT_BIAS, 1, dim,
                                       &bias_init, err)
                   : 0;
}

/* An inner product as oneDNN describes it: rows (N, K), or an image as it lies
 * and the weights seen as an image for each unit. */
struct product {
    dnnl_memory_desc_t src, weights, bias, dst;
    const dnnl_memory_desc_t *has_bias; /* &bias or NULL */
    dnnl_dim_t dim[4];                  /* of the weights */
    int n_dims;
};

static int
product_init(struct product *d, const struct layer *l,
             const dnnl_memory_desc_t *src, struct err *err)
{
    const struct dense_options *o = l->opt;
    const dnnl_dim_t dst[2] = {src->dims[0], o->units};

    d->src = *src;
    d->n_dims = src->ndims;
    d->dim[0] = o->units;
    for (int i = 1; i < src->ndims; i++)
        d->dim[i] = src->dims[i];
    d->has_bias = o->bias ? &d->bias : NULL;
    if (dnn_layout(&d->bias, 1, &o->units, dnnl_a, err) != 0 ||
        dnn_layout(&d->dst, 2, dst, dnnl_ab, err) != 0)
        return -1;
    return dnn_layout(&d->weights, d->n_dims, d->dim,
                      plan_choose_dense_weights(d->n_dims > 2), err);
}

static int
forward_dense(struct plan *p, const struct layer *l, struct err *err)
{
    const struct dense_options *o = l->opt;
    struct layer_state *s = plan_state(p, l);
    struct value *out = plan_out(p, l);
    const struct tensor *x = &plan_in(p, l, 0)->data;
    struct tensor weights, bias;
    const struct plan_arg args[] = {{DNNL_ARG_SRC, &s->src},
                                    {DNNL_ARG_WEIGHTS, &s->weights},
                                    {DNNL_ARG_BIAS, o->bias ? &bias : NULL},
                                    {DNNL_ARG_DST, &out->data}};
    dnnl_inner_product_desc_t d;
    struct product q;
    float slope;

    s->src = *x;
    if (!plan_choose_dense_image(p, o->units) &&
        plan_as_rows(p, l, x, &s->src, err) != 0)
        return -1;
    s->relu_done = plan_next_relu(p, l, &slope) != NULL;
    if (product_init(&q, l, &s->src.md, err) != 0 ||
        dnn_check(
            dnnl_inner_product_forward_desc_init(
                &d,
                p->training ? dnnl_forward_training : dnnl_forward_inference,
                &q.src, &q.weights, q.has_bias, &q.dst),
            "inner product", err) != 0 ||
        plan_desc(p, &d, s->relu_done ? &slope : NULL, NULL, "inner product",
                  &s->desc, err) != 0 ||
        plan_segment(p, l, SEG_WEIGHT, PLACE_PARAMS, q.n_dims, q.dim, &weights,
                     err) != 0 ||
        plan_as(p, l, &weights, plan_desc_md(s->desc, dnnl_query_weights_md),
                &s->weights, err) != 0 ||
        plan_new_tensor(p, &q.dst, &out->data, err) != 0)
        return -1;
    if (o->bias && plan_segment(p, l, SEG_BIAS, PLACE_PARAMS, 1, &o->units,
                                &bias, err) != 0)
        return -1;
    return plan_primitive(p, l, "forward", s->desc, args, ARRAY_LEN(args), err);
}

static int
backward_weights(struct plan *p, const struct layer *l, struct product *q,
                 const struct tensor *dst, struct err *err)
{
    const struct dense_options *o = l->opt;
    struct layer_state *s = plan_state(p, l);
    struct tensor weights, end, bias;
    const struct plan_arg args[] = {
        {DNNL_ARG_SRC, &s->src},
        {DNNL_ARG_DIFF_DST, dst},
        {DNNL_ARG_DIFF_WEIGHTS, &weights},
        {DNNL_ARG_DIFF_BIAS, o->bias ? &bias : NULL}};
    dnnl_primitive_desc_t desc;
    dnnl_inner_product_desc_t d;

    if (plan_segment(p, l, SEG_WEIGHT, PLACE_GRADS, q->n_dims, q->dim, &end,
                     err) != 0)
        return -1;
    if (o->bias && plan_segment(p, l, SEG_BIAS, PLACE_GRADS, 1, &o->units,
                                &bias, err) != 0)
        return -1;
    if (q->n_dims == 2 && plan_choose_padded_weights(q->dim[1], o->units)) {
        if (dense_padded_weights(p, l, &s->src, dst, &end,
                                 o->bias ? &bias : NULL, err) != 0)
            return -1;
        plan_done(p, l, 0, l->n_seg);
        return 0;
    }
    if (dnn_check(dnnl_inner_product_backward_weights_desc_init(
                      &d, &q->src, &q->weights, q->has_bias, &q->dst),
                  "inner product weights", err) != 0 ||
        plan_desc(p, &d, NULL, s->desc, "inner product weights", &desc, err) !=
            0 ||
        plan_result(p, &end, plan_desc_md(desc, dnnl_query_diff_weights_md),
                    &weights, err) != 0 ||
        plan_primitive(p, l, "weights", desc, args, ARRAY_LEN(args), err) !=
            0 ||
        plan_store(p, l, &weights, &end, err) != 0)
        return -1;
    plan_done(p, l, 0, l->n_seg);
    return 0;
}

static int
backward_data(struct plan *p, const struct layer *l, struct product *q,
              const struct tensor *dst, struct err *err)
{
    struct layer_state *s = plan_state(p, l);
    struct tensor weights, plain, src;
    const struct plan_arg args[] = {{DNNL_ARG_DIFF_DST, dst},
                                    {DNNL_ARG_WEIGHTS, &weights},
                                    {DNNL_ARG_DIFF_SRC, &src}};
    const dnnl_memory_desc_t *want;
    dnnl_primitive_desc_t desc;
    dnnl_inner_product_desc_t d;

    if (plan_segment(p, l, SEG_WEIGHT, PLACE_PARAMS, q->n_dims, q->dim, &plain,
                     err) != 0)
        return -1;
    if (q->n_dims == 2 && plan_choose_padded_data(p, q->dim[1], q->dim[0])) {
        if (plan_new_tensor(p, &q->src, &src, err) != 0 ||
            dense_padded_data(p, l, dst, &plain, &src, err) != 0)
            return -1;
        return plan_grad_add(p, l, plan_in(p, l, 0), &src, false, err);
    }
    if (dnn_check(dnnl_inner_product_backward_data_desc_init(
                      &d, &q->src, &q->weights, &q->dst),
                  "inner product data", err) != 0 ||
        plan_desc(p, &d, NULL, s->desc, "inner product data", &desc, err) != 0)
        return -1;
    want = plan_desc_md(desc, dnnl_query_weights_md);
    if (plan_as(p, l, dnn_equal(want, &s->weights.md) ? &s->weights : &plain,
                want, &weights, err) != 0 ||
        plan_new_tensor(p, &q->src, &src, err) != 0 ||
        plan_primitive(p, l, "data", desc, args, ARRAY_LEN(args), err) != 0)
        return -1;
    return plan_grad_add(p, l, plan_in(p, l, 0), &src, false, err);
}

/* The weights first: their gradient can travel while the rest is computed. */
static int
backward_dense(struct plan *p, const struct layer *l, struct err *err)
{
    struct product q;
    struct tensor g, dst;

    if (product_init(&q, l, &plan_state(p, l)->src.md, err) != 0 ||
        plan_grad(p, l, &g, err) != 0 ||
        plan_as(p, l, &g, &q.dst, &dst, err) != 0 ||
        backward_weights(p, l, &q, &dst, err) != 0)
        return -1;
    if (plan_in(p, l, 0)->wants_grad && backward_data(p, l, &q, &dst, err) != 0)
        return -1;
    plan_grad_drop(p, l);
    return 0;
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
    .forward = forward_dense,
    .backward = backward_dense,
};
