/* SPDX-License-Identifier: Apache-2.0 */
/* Smooth activations: gelu (by the error function, or its tanh approximation),
 * tanh, sigmoid. */
#include "base/err.h"
#include "base/json.h"
#include "base/mem.h"
#include "nn/layers/types.h"
#include "nn/plan.h"

struct gelu_options {
    int approximate;
};

static int
read_gelu(const struct layer_reader *r, struct layer *l, struct err *err)
{
    static const char *const names[] = {"none", "tanh", NULL};
    struct gelu_options *o = l->opt;

    layer_same_shape(r, l, 1.0);
    return jcur_enum_or(r->at, "approximate", names, &o->approximate, err);
}

static int
read_plain(const struct layer_reader *r, struct layer *l, struct err *err)
{
    (void)err;
    layer_same_shape(r, l, 1.0);
    return 0;
}

/* tanh and sigmoid: the gradient is computed from the output. */
static bool
from_output(const struct layer *l)
{
    return l->type != &layer_gelu;
}

/* oneDNN's name of the function, and of that which gives its gradient. */
static dnnl_alg_kind_t
algorithm(const struct layer *l, bool backward)
{
    const struct gelu_options *o = l->opt;

    if (l->type == &layer_tanh)
        return backward ? dnnl_eltwise_tanh_use_dst_for_bwd : dnnl_eltwise_tanh;
    if (l->type == &layer_sigmoid)
        return backward ? dnnl_eltwise_logistic_use_dst_for_bwd
                        : dnnl_eltwise_logistic;
    return o->approximate ? dnnl_eltwise_gelu_tanh : dnnl_eltwise_gelu_erf;
}

static int
forward_activation(struct plan *p, const struct layer *l, struct err *err)
{
    struct layer_state *s = plan_state(p, l);
    const struct tensor *x = &plan_in(p, l, 0)->data;
    struct value *out = plan_out(p, l);
    const struct plan_arg args[] = {{DNNL_ARG_SRC, x},
                                    {DNNL_ARG_DST, &out->data}};
    dnnl_eltwise_desc_t d;

    /* In place only where the input is not needed again. */
    if ((p->training && !from_output(l)
             ? plan_new_tensor(p, &x->md, &out->data, err)
             : plan_out_like(p, l, x, &out->data, err)) != 0)
        return -1;
    out->kept = p->training && from_output(l);
    if (dnn_check(
            dnnl_eltwise_forward_desc_init(
                &d,
                p->training ? dnnl_forward_training : dnnl_forward_inference,
                algorithm(l, false), &x->md, 0.0f, 0.0f),
            l->type->name, err) != 0 ||
        plan_desc(p, &d, NULL, NULL, l->type->name, &s->desc, err) != 0)
        return -1;
    return plan_primitive(p, l, "forward", s->desc, args, ARRAY_LEN(args), err);
}

static int
backward_activation(struct plan *p, const struct layer *l, struct err *err)
{
    struct layer_state *s = plan_state(p, l);
    const struct tensor *data =
        from_output(l) ? &plan_out(p, l)->data : &plan_in(p, l, 0)->data;
    struct tensor g, dst, src;
    const struct plan_arg args[] = {
        {from_output(l) ? DNNL_ARG_DST : DNNL_ARG_SRC, data},
        {DNNL_ARG_DIFF_DST, &dst},
        {DNNL_ARG_DIFF_SRC, &src}};
    dnnl_primitive_desc_t desc;
    dnnl_eltwise_desc_t d;

    if (plan_grad(p, l, &g, err) != 0 ||
        plan_as(p, l, &g, &data->md, &dst, err) != 0 ||
        plan_grad_like(p, &dst, &src, err) != 0 ||
        dnn_check(dnnl_eltwise_backward_desc_init(
                      &d, algorithm(l, true), &data->md, &data->md, 0.0f, 0.0f),
                  l->type->name, err) != 0 ||
        plan_desc(p, &d, NULL, s->desc, l->type->name, &desc, err) != 0 ||
        plan_primitive(p, l, "data", desc, args, ARRAY_LEN(args), err) != 0 ||
        plan_grad_add(p, l, plan_in(p, l, 0), &src, false, err) != 0)
        return -1;
    plan_grad_drop(p, l);
    return 0;
}

static const char *const gelu_keys[] = {LAYER_KEYS, "approximate", NULL};
static const char *const plain_keys[] = {LAYER_KEYS, NULL};

const struct layer_type layer_gelu = {
    .name = "gelu",
    .prefix = "gelu",
    .keys = gelu_keys,
    .min_inputs = 1,
    .max_inputs = 1,
    .opt_size = sizeof(struct gelu_options),
    .read = read_gelu,
    .forward = forward_activation,
    .backward = backward_activation,
};

const struct layer_type layer_tanh = {
    .name = "tanh",
    .prefix = "tanh",
    .keys = plain_keys,
    .min_inputs = 1,
    .max_inputs = 1,
    .read = read_plain,
    .forward = forward_activation,
    .backward = backward_activation,
};

const struct layer_type layer_sigmoid = {
    .name = "sigmoid",
    .prefix = "sigmoid",
    .keys = plain_keys,
    .min_inputs = 1,
    .max_inputs = 1,
    .read = read_plain,
    .forward = forward_activation,
    .backward = backward_activation,
};
