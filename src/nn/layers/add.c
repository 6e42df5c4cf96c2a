/* SPDX-License-Identifier: Apache-2.0 */
/* The sum of 2 to 8 inputs of one shape: where branches meet. */
#include "base/err.h"
#include "base/json.h"
#include "nn/layers/types.h"

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

static const char *const keys[] = {LAYER_KEYS, NULL};

const struct layer_type layer_add = {
    .name = "add",
    .prefix = "add",
    .keys = keys,
    .min_inputs = 2,
    .max_inputs = LAYER_INPUTS,
    .read = read_add,
};
