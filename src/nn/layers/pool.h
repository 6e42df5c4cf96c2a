/* SPDX-License-Identifier: Apache-2.0 */
#ifndef EBSP_NN_LAYERS_POOL_H
#define EBSP_NN_LAYERS_POOL_H

#include "nn/layers/window.h"

struct pool_options {
    struct window window;
    bool count_include_pad; /* averages */
};

/* maxpool.c */
int forward_maxpool(struct plan *p, const struct layer *l, struct err *err);
int backward_maxpool(struct plan *p, const struct layer *l, struct err *err);

#endif
