/* SPDX-License-Identifier: Apache-2.0 */
/* (C, H, W) seen as one vector in that order. */
#include "nn/layers/types.h"
#include "nn/plan.h"

static int
read_flatten(const struct layer_reader *r, struct layer *l, struct err *err)
{
    (void)err;
    l->out = (struct shape){1, {(int64_t)shape_count(r->in[0])}};
    return 0;
}

/* Who needs the plain order makes it (plan_as_rows). */
static int
forward_flatten(struct plan *p, const struct layer *l, struct err *err)
{
    (void)err;
    plan_share(p, l);
    return 0;
}

static const char *const keys[] = {LAYER_KEYS, NULL};

const struct layer_type layer_flatten = {
    .name = "flatten",
    .prefix = "flatten",
    .keys = keys,
    .min_inputs = 1,
    .max_inputs = 1,
    .read = read_flatten,
    .forward = forward_flatten,
    .backward = plan_grad_pass,
};
