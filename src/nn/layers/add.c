/* SPDX-License-Identifier: Apache-2.0 */
/* The sum of 2 to 8 inputs of one shape: where branches meet. */
#include "base/err.h"
#include "base/json.h"
#include "nn/layers/types.h"
#include "nn/plan.h"

#include <string.h>

static int
read_add(const struct layer_reader *r, struct layer *l, struct err *err)
{
    struct jcur input = jcur_key(r->at, "input");
    char a[64], b[64];

    layer_same_shape(r, l, (double)(l->n_in - 1));
    for (size_t i = 1; i < l->n_in; i++)
        if (r->in[i]->n_dims != l->out.n_dims ||
            memcmp(r->in[i]->dim, l->out.dim,
                   (size_t)l->out.n_dims * sizeof l->out.dim[0]) != 0)
            return jcur_fail(&input, err, "shapes differ: %s and %s (%s)",
                             shape_text(&l->out, a), shape_text(r->in[i], b),
                             l->inputs);
    return 0;
}

/* In place of an input that nobody needs any more, if there is one. */
static int
forward_add(struct plan *p, const struct layer *l, struct err *err)
{
    struct layer_state *s = plan_state(p, l);
    struct value *out = plan_out(p, l);
    const dnnl_memory_desc_t *md = &plan_in(p, l, 0)->data.md;
    const struct tensor *in[LAYER_INPUTS];
    struct tensor t[LAYER_INPUTS];
    bool placed = false;
    float slope = 0.0f;

    for (size_t i = 0; i < l->n_in; i++) {
        const struct value *v = plan_in(p, l, i);

        if (plan_as(p, l, &v->data, md, &t[i], err) != 0)
            return -1;
        in[i] = &t[i];
        if (!placed && plan_may_overwrite(p, v)) {
            out->data = t[i];
            placed = true;
        }
    }
    if (!placed && plan_new_tensor(p, md, &out->data, err) != 0)
        return -1;
    s->relu_done = plan_next_relu(p, l, &slope) != NULL;
    return plan_sum(p, l, "forward", &out->data, in, l->n_in,
                    s->relu_done ? RECT_DATA : RECT_NONE, slope, NULL, err);
}

static const char *const keys[] = {LAYER_KEYS, NULL};

const struct layer_type layer_add = {
    .name = "add",
    .prefix = "add",
    .keys = keys,
    .min_inputs = 2,
    .max_inputs = LAYER_INPUTS,
    .read = read_add,
    .forward = forward_add,
    .backward = plan_grad_pass,
};
