/* SPDX-License-Identifier: Apache-2.0 */
/* Loops of our own, where oneDNN has none or a slow one.  Pointers do not
 * overlap.  NaN stays NaN.  Private to nn/. */
#ifndef EBSP_NN_KERNELS_H
#define EBSP_NN_KERNELS_H

#include <stddef.h>
#include <stdint.h>

/* y <- slope * y where y < 0 */
void kernel_relu(float *y, float slope, size_t n);
/* g <- slope * g where y <= 0 */
void kernel_relu_grad(float *g, const float *y, float slope, size_t n);

/* y <- x * scale, or 0 where bits < drop; x may be y */
void kernel_drop(float *y, const float *x, const uint32_t *bits, uint32_t drop,
                 float scale, size_t n);

/* Sums in double, in a fixed order. */
double kernel_total(const float *x, size_t n);
double kernel_spread(const float *x, double mean, size_t n); /* (x - mean)^2 */
double kernel_dot(const float *g, const float *x, double mean,
                  size_t n); /* g (x - mean) */
/* y <- (x - mean) * scale + shift */
void kernel_affine(float *y, const float *x, float mean, float scale,
                   float shift, size_t n);
/* dx <- g * scale - (x - mean) * slope - shift */
void kernel_norm_grad(float *dx, const float *g, const float *x, float scale,
                      float mean, float slope, float shift, size_t n);

#endif
