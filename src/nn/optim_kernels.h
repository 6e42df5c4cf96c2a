/* SPDX-License-Identifier: Apache-2.0 */
/* One update of n elements, one pass over memory.  Like base/vec.h: compiled
 * for several instruction sets, no fused multiply-add, every element for
 * itself, so the same input gives the same bits on every machine.
 *
 * p parameters, g gradient, `scale` the factor of clipping that g takes first
 * (1: none), lr learning rate, decay weight decay. */
#ifndef EBSP_NN_OPTIM_KERNELS_H
#define EBSP_NN_OPTIM_KERNELS_H

#include <stddef.h>

struct sgd_factors {
    float scale, lr, decay, momentum;
};

/* Sutskever et al. 2013 as PyTorch has it: v = momentum v + g, then
 * p -= lr v, or with Nesterov p -= lr (g + momentum v). */
void kernel_sgd(float *p, const float *g, const struct sgd_factors *f,
                size_t n);
void kernel_momentum(float *p, const float *g, float *v,
                     const struct sgd_factors *f, size_t n);
void kernel_nesterov(float *p, const float *g, float *v,
                     const struct sgd_factors *f, size_t n);

struct adam_factors {
    float scale;
    float decay;        /* added to the gradient: Adam */
    float keep;         /* 1 - lr decay, on the parameter itself: AdamW */
    float beta1, beta2; /* decay of the moments */
    float rest1, rest2; /* 1 - beta */
    float step;         /* lr / (1 - beta1^t) */
    float unbias;       /* 1 / sqrt(1 - beta2^t) */
    float epsilon;
};

/* Kingma and Ba 2015, Loshchilov and Hutter 2019: m and v are the moments,
 * p = keep p - step m / (sqrt(v) unbias + epsilon). */
void kernel_adam(float *p, const float *g, float *m, float *v,
                 const struct adam_factors *f, size_t n);

/* p += a (g - p): running statistics. */
void kernel_approach(float *p, const float *g, float a, size_t n);
/* g into [-limit, limit]; a NaN stays one, so that it is noticed. */
void kernel_clamp(float *g, float limit, size_t n);

#endif
