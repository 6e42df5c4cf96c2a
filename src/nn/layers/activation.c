/* SPDX-License-Identifier: Apache-2.0 */
/* Smooth activations: gelu (by the error function, or its tanh approximation),
 * tanh, sigmoid. */
#include "base/json.h"
#include "nn/layers/types.h"

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
};

const struct layer_type layer_tanh = {
    .name = "tanh",
    .prefix = "tanh",
    .keys = plain_keys,
    .min_inputs = 1,
    .max_inputs = 1,
    .read = read_plain,
};

const struct layer_type layer_sigmoid = {
    .name = "sigmoid",
    .prefix = "sigmoid",
    .keys = plain_keys,
    .min_inputs = 1,
    .max_inputs = 1,
    .read = read_plain,
};
