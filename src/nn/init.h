/* SPDX-License-Identifier: Apache-2.0 */
/* Initial values of parameters; private to nn/.
 *
 *   he        normal, std sqrt(2 / fan_in)           (He et al. 2015)
 *   glorot    uniform, +-sqrt(6 / (fan_in + fan_out)) (Glorot, Bengio 2010)
 *   lecun     normal, std sqrt(1 / fan_in)
 *   normal    std
 *   uniform   +-bound; without bound 1 / sqrt(fan_in), PyTorch's default
 *   constant  value */
#ifndef EBSP_NN_INIT_H
#define EBSP_NN_INIT_H

#include <stddef.h>

struct err;
struct jcur;
struct rng;

enum init_kind {
    INIT_HE,
    INIT_GLOROT,
    INIT_LECUN,
    INIT_NORMAL,
    INIT_UNIFORM,
    INIT_CONSTANT
};

struct init {
    enum init_kind kind;
    double arg; /* std, bound (0: by fan_in) or value */
    double fan_in, fan_out;
};

/* The value of `key`, "he" or {"type": "normal", "std": 0.01}, into kind and
 * arg; both stay as they are when the key is absent. */
int init_read(struct init *i, const struct jcur *layer, const char *key,
              struct err *err);
void init_fill(const struct init *i, struct rng *rng, float *to, size_t n);

#endif
