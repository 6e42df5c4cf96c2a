/* SPDX-License-Identifier: Apache-2.0 */
#include "nn/optim_kernels.h"

#include "base/vec.h"

#include <math.h>

/* The factors are copied to locals: the compiler cannot know that the stores
 * to p leave *f alone. */

VEC_CLONES void
kernel_sgd(float *restrict p, const float *restrict g,
           const struct sgd_factors *f, size_t n)
{
    const float scale = f->scale, lr = f->lr, decay = f->decay;

    for (size_t i = 0; i < n; i++) {
        float d = g[i] * scale + decay * p[i];

        p[i] -= lr * d;
    }
}

VEC_CLONES void
kernel_momentum(float *restrict p, const float *restrict g, float *restrict v,
                const struct sgd_factors *f, size_t n)
{
    const float scale = f->scale, lr = f->lr, decay = f->decay;
    const float momentum = f->momentum;

    for (size_t i = 0; i < n; i++) {
        float d = g[i] * scale + decay * p[i];

        v[i] = momentum * v[i] + d;
        p[i] -= lr * v[i];
    }
}

VEC_CLONES void
kernel_nesterov(float *restrict p, const float *restrict g, float *restrict v,
                const struct sgd_factors *f, size_t n)
{
    const float scale = f->scale, lr = f->lr, decay = f->decay;
    const float momentum = f->momentum;

    for (size_t i = 0; i < n; i++) {
        float d = g[i] * scale + decay * p[i];

        v[i] = momentum * v[i] + d;
        p[i] -= lr * (d + momentum * v[i]);
    }
}

VEC_CLONES void
kernel_adam(float *restrict p, const float *restrict g, float *restrict m,
            float *restrict v, const struct adam_factors *f, size_t n)
{
    const struct adam_factors c = *f;

    for (size_t i = 0; i < n; i++) {
        float d = g[i] * c.scale + c.decay * p[i];

        m[i] = c.beta1 * m[i] + c.rest1 * d;
        v[i] = c.beta2 * v[i] + c.rest2 * (d * d);
        p[i] = c.keep * p[i] -
               c.step * m[i] / (sqrtf(v[i]) * c.unbias + c.epsilon);
    }
}

VEC_CLONES void
kernel_approach(float *restrict p, const float *restrict g, float a, size_t n)
{
    for (size_t i = 0; i < n; i++)
        p[i] += a * (g[i] - p[i]);
}

VEC_CLONES void
kernel_clamp(float *g, float limit, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        float x = g[i] > limit ? limit : g[i];

        g[i] = x < -limit ? -limit : x;
    }
}
