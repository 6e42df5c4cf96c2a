/* SPDX-License-Identifier: Apache-2.0 */
#include "nn/kernels.h"

#include "base/vec.h"

/* Conditions choose between values that are there already instead of skipping
 * work: compilers turn that into masks. */

/* With slope 0 an infinite y or g gives 0, not the NaN of 0 times it. */

VEC_CLONES void
kernel_relu(float *restrict y, float slope, size_t n)
{
    if (slope == 0.0f) {
        for (size_t i = 0; i < n; i++)
            y[i] = y[i] < 0.0f ? 0.0f : y[i];
        return;
    }
    for (size_t i = 0; i < n; i++) {
        float low = slope * y[i];

        y[i] = y[i] < 0.0f ? low : y[i];
    }
}

VEC_CLONES void
kernel_relu_grad(float *restrict g, const float *restrict y, float slope,
                 size_t n)
{
    if (slope == 0.0f) {
        for (size_t i = 0; i < n; i++)
            g[i] = y[i] <= 0.0f ? 0.0f : g[i];
        return;
    }
    for (size_t i = 0; i < n; i++) {
        float low = slope * g[i];

        g[i] = y[i] <= 0.0f ? low : g[i];
    }
}

VEC_CLONES void
kernel_drop(float *y, const float *x, const uint32_t *restrict bits,
            uint32_t drop, float scale, size_t n)
{
    for (size_t i = 0; i < n; i++)
        y[i] = bits[i] < drop ? 0.0f : x[i] * scale;
}

/* Eight running sums in a fixed pattern, as in base/vec.c: the same bits
 * whatever the width of the registers. */
#define LANES 8

static double
fold(const double s[LANES])
{
    return ((s[0] + s[1]) + (s[2] + s[3])) + ((s[4] + s[5]) + (s[6] + s[7]));
}

VEC_CLONES double
kernel_total(const float *x, size_t n)
{
    double s[LANES] = {0};
    size_t i = 0;

    for (; i + LANES <= n; i += LANES)
        for (size_t j = 0; j < LANES; j++)
            s[j] += (double)x[i + j];
    for (; i < n; i++)
        s[i % LANES] += (double)x[i];
    return fold(s);
}

VEC_CLONES double
kernel_spread(const float *x, double mean, size_t n)
{
    double s[LANES] = {0};
    size_t i = 0;

    for (; i + LANES <= n; i += LANES)
        for (size_t j = 0; j < LANES; j++)
            s[j] += ((double)x[i + j] - mean) * ((double)x[i + j] - mean);
    for (; i < n; i++)
        s[i % LANES] += ((double)x[i] - mean) * ((double)x[i] - mean);
    return fold(s);
}

VEC_CLONES double
kernel_dot(const float *g, const float *x, double mean, size_t n)
{
    double s[LANES] = {0};
    size_t i = 0;

    for (; i + LANES <= n; i += LANES)
        for (size_t j = 0; j < LANES; j++)
            s[j] += (double)g[i + j] * ((double)x[i + j] - mean);
    for (; i < n; i++)
        s[i % LANES] += (double)g[i] * ((double)x[i] - mean);
    return fold(s);
}

VEC_CLONES void
kernel_affine(float *restrict y, const float *restrict x, float mean,
              float scale, float shift, size_t n)
{
    for (size_t i = 0; i < n; i++)
        y[i] = (x[i] - mean) * scale + shift;
}

VEC_CLONES void
kernel_norm_grad(float *restrict dx, const float *restrict g,
                 const float *restrict x, float scale, float mean, float slope,
                 float shift, size_t n)
{
    for (size_t i = 0; i < n; i++)
        dx[i] = g[i] * scale - (x[i] - mean) * slope - shift;
}
