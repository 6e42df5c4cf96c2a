/* SPDX-License-Identifier: Apache-2.0 */
/* Local response normalization across channels (Krizhevsky et al. 2012), as
 * PyTorch's LocalResponseNorm: y = x (k + alpha / size * sum x^2)^-beta over
 * `size` neighbouring channels. */
#include "base/err.h"
#include "base/json.h"
#include "nn/layers/types.h"

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
};
