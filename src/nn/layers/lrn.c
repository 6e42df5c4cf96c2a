/* SPDX-License-Identifier: Apache-2.0 */
/* Local response normalization across channels (Krizhevsky et al. 2012), as
 * PyTorch's LocalResponseNorm: y = x (k + alpha / size * sum x^2)^-beta over
 * `size` neighbouring channels. */
#include "base/err.h"
#include "base/json.h"
#include "base/mem.h"
#include "nn/layers/types.h"
#include "nn/plan.h"

struct lrn_options {
    int64_t size;
    double alpha, beta, k;
};

static int
read_lrn(const struct layer_reader *r, struct layer *l, struct err *err)
{
    struct lrn_options *o = l->opt;
    struct jcur size = jcur_key(r->at, "size");

    *o = (struct lrn_options){.size = 5, .alpha = 1e-4, .beta = 0.75, .k = 1.0};
    if (layer_need_image(r, err) != 0 ||
        jcur_int_or(r->at, "size", 1, 255, &o->size, err) != 0 ||
        jcur_num_or(r->at, "alpha", 0.0, 1e6, &o->alpha, err) != 0 ||
        jcur_num_or(r->at, "beta", 0.0, 1e3, &o->beta, err) != 0 ||
        jcur_num_or(r->at, "k", 1e-6, 1e6, &o->k, err) != 0)
        return -1;
    if (o->size % 2 == 0)
        return jcur_fail(&size, err, "expected an odd number, got %lld",
                         (long long)o->size);
    layer_same_shape(r, l, 2.0 * (double)o->size + 3.0);
    return 0;
}

static int
forward_lrn(struct plan *p, const struct layer *l, struct err *err)
{
    const struct lrn_options *o = l->opt;
    struct layer_state *s = plan_state(p, l);
    const struct tensor *x = &plan_in(p, l, 0)->data;
    struct value *out = plan_out(p, l);
    struct tensor *work = &s->work[0];
    struct plan_arg args[] = {{DNNL_ARG_SRC, x},
                              {DNNL_ARG_DST, &out->data},
                              {DNNL_ARG_WORKSPACE, NULL}};
    const dnnl_memory_desc_t *md;
    dnnl_lrn_desc_t d;

    if (plan_new_tensor(p, &x->md, &out->data, err) != 0 ||
        dnn_check(
            dnnl_lrn_forward_desc_init(
                &d,
                p->training ? dnnl_forward_training : dnnl_forward_inference,
                dnnl_lrn_across_channels, &x->md, o->size, (float)o->alpha,
                (float)o->beta, (float)o->k),
            "lrn", err) != 0 ||
        plan_desc(p, &d, NULL, NULL, "lrn", &s->desc, err) != 0)
        return -1;
    md = plan_desc_md(s->desc, dnnl_query_workspace_md);
    if (md && dnn_bytes(md) > 0) {
        if (plan_new_tensor(p, md, work, err) != 0)
            return -1;
        args[2].t = work;
    }
    return plan_primitive(p, l, "forward", s->desc, args, ARRAY_LEN(args), err);
}

static int
backward_lrn(struct plan *p, const struct layer *l, struct err *err)
{
    const struct lrn_options *o = l->opt;
    struct layer_state *s = plan_state(p, l);
    const struct tensor *x = &plan_in(p, l, 0)->data;
    struct tensor g, dst, src;
    const struct plan_arg args[] = {
        {DNNL_ARG_SRC, x},
        {DNNL_ARG_DIFF_DST, &dst},
        {DNNL_ARG_DIFF_SRC, &src},
        {DNNL_ARG_WORKSPACE, s->work[0].mem ? &s->work[0] : NULL}};
    dnnl_primitive_desc_t desc;
    dnnl_lrn_desc_t d;

    if (plan_grad(p, l, &g, err) != 0 ||
        plan_as(p, l, &g, &x->md, &dst, err) != 0 ||
        plan_new_tensor(p, &x->md, &src, err) != 0 ||
        dnn_check(dnnl_lrn_backward_desc_init(
                      &d, dnnl_lrn_across_channels, &x->md, &x->md, o->size,
                      (float)o->alpha, (float)o->beta, (float)o->k),
                  "lrn", err) != 0 ||
        plan_desc(p, &d, NULL, s->desc, "lrn", &desc, err) != 0 ||
        plan_primitive(p, l, "data", desc, args, ARRAY_LEN(args), err) != 0 ||
        plan_grad_add(p, l, plan_in(p, l, 0), &src, false, err) != 0)
        return -1;
    plan_grad_drop(p, l);
    return 0;
}

static const char *const keys[] = {LAYER_KEYS, "size", "alpha",
                                   "beta",     "k",    NULL};

const struct layer_type layer_lrn = {
    .name = "lrn",
    .prefix = "lrn",
    .keys = keys,
    .min_inputs = 1,
    .max_inputs = 1,
    .opt_size = sizeof(struct lrn_options),
    .read = read_lrn,
    .forward = forward_lrn,
    .backward = backward_lrn,
};
