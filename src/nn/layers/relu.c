/* SPDX-License-Identifier: Apache-2.0 */
/* y = x where x > 0, slope * x elsewhere; slope is 0 for relu. */
#include "base/json.h"
#include "nn/layers/types.h"
#include "nn/plan.h"

struct relu_options {
    double slope; /* not negative: the sign of y tells that of x */
};

static int
read_relu(const struct layer_reader *r, struct layer *l, struct err *err)
{
    (void)err;
    layer_same_shape(r, l, 1.0);
    return 0;
}

static int
read_leaky_relu(const struct layer_reader *r, struct layer *l, struct err *err)
{
    struct relu_options *o = l->opt;

    o->slope = 0.01;
    layer_same_shape(r, l, 1.0);
    return jcur_num_or(r->at, "slope", 0.0, 1.0, &o->slope, err);
}

bool
relu_get_slope(const struct layer *l, float *slope)
{
    const struct relu_options *o = l->opt;

    if (l->type != &layer_relu && l->type != &layer_leaky_relu)
        return false;
    *slope = (float)o->slope;
    return true;
}

/* The layer before may have done it already; otherwise in place, or to a new
 * tensor where the input is needed as it is.  The gradient needs no more than
 * the output. */
static int
forward_relu(struct plan *p, const struct layer *l, struct err *err)
{
    const struct value *in = plan_in(p, l, 0);
    const struct tensor *x = &in->data;
    struct value *out = plan_out(p, l);
    const struct layer_state *before =
        in->producer ? plan_state(p, in->producer) : NULL;

    (void)relu_get_slope(l, &out->slope);
    out->rectified = out->kept = out->wants_grad;
    if (before && before->relu_done) {
        plan_share(p, l);
        if (before->relu_grad_done)
            out->rectified = out->kept = false;
        return 0;
    }
    if (plan_out_like(p, l, x, &out->data, err) != 0)
        return -1;
    return plan_sum(p, l, "forward", &out->data, &x, 1, RECT_DATA, out->slope,
                    NULL, err);
}

static const char *const relu_keys[] = {LAYER_KEYS, NULL};
static const char *const leaky_keys[] = {LAYER_KEYS, "slope", NULL};

const struct layer_type layer_relu = {
    .name = "relu",
    .prefix = "relu",
    .keys = relu_keys,
    .min_inputs = 1,
    .max_inputs = 1,
    .opt_size = sizeof(struct relu_options),
    .read = read_relu,
    .forward = forward_relu,
    .backward = plan_grad_pass,
};

const struct layer_type layer_leaky_relu = {
    .name = "leaky_relu",
    .prefix = "leaky_relu",
    .keys = leaky_keys,
    .min_inputs = 1,
    .max_inputs = 1,
    .opt_size = sizeof(struct relu_options),
    .read = read_leaky_relu,
    .forward = forward_relu,
    .backward = plan_grad_pass,
};
