/* SPDX-License-Identifier: Apache-2.0 */
#ifndef EBSP_NN_LAYERS_CONV2D_H
#define EBSP_NN_LAYERS_CONV2D_H

#include "nn/layers/window.h"
#include "nn/plan.h"

struct conv_options {
    struct window window;
    int64_t channels, filters, groups;
    bool bias;
};

enum { SEG_WEIGHT, SEG_BIAS };

/* ---- our own algorithm (conv2d_wino.c) ---- */

/* Whether that was chosen for `pass` and there is one for these layouts. */
bool conv_is_own(const struct plan *p, const struct layer *l, enum pass pass,
                 const dnnl_memory_desc_t *src, const dnnl_memory_desc_t *dst);
/* All tensors have these layouts; weights, bias (or NULL) and their gradients
 * are segments.  `slope`: of the rectifier behind, or NULL. */
int conv_own_forward(struct plan *p, const struct layer *l,
                     const struct tensor *src, const struct tensor *weights,
                     const struct tensor *bias, const float *slope,
                     const struct tensor *dst, struct err *err);
int conv_own_data(struct plan *p, const struct layer *l,
                  const struct tensor *dst, const struct tensor *weights,
                  const struct tensor *src, struct err *err);
int conv_own_weights(struct plan *p, const struct layer *l,
                     const struct tensor *src, const struct tensor *dst,
                     const struct tensor *weights, const struct tensor *bias,
                     struct err *err);

#endif
