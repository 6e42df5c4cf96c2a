/* SPDX-License-Identifier: Apache-2.0 */
#ifndef EBSP_NN_LAYERS_DENSE_H
#define EBSP_NN_LAYERS_DENSE_H

#include "nn/plan.h"

/* The gradients of y = W x + b, where plan_choose_padded says that rows should
 * lie farther apart.  For n samples, k inputs and m units: src (n, k), dst
 * (n, m) and weights (m, k) are plain, as are their gradients. */

/* weights = dst' src; bias (m), or NULL, is the sum of the rows of dst. */
int dense_padded_weights(struct plan *p, const struct layer *l,
                         const struct tensor *src, const struct tensor *dst,
                         const struct tensor *weights,
                         const struct tensor *bias, struct err *err);
/* src = dst weights */
int dense_padded_data(struct plan *p, const struct layer *l,
                      const struct tensor *dst, const struct tensor *weights,
                      const struct tensor *src, struct err *err);

#endif
