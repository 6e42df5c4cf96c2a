/* SPDX-License-Identifier: Apache-2.0 */
/* Eight floats in a register of AVX2, for the sources of wino_kernels.h. */
#ifndef EBSP_NN_WINO_LANES_H
#define EBSP_NN_WINO_LANES_H

#include "nn/wino_kernels.h"

#include <stdint.h>
#include <string.h>

typedef float lanes __attribute__((vector_size(4 * WINO_LANES)));
typedef int32_t lane_mask __attribute__((vector_size(4 * WINO_LANES)));

#if defined(__x86_64__)
#    include <immintrin.h>
#    define WINO_CODE __attribute__((target("avx2,fma")))
#else
#    define WINO_CODE
#endif
#define WINO_INLINE                                                            \
    WINO_CODE static inline __attribute__((always_inline, unused))

/* Before a loop whose bounds are constants: what it indexes lives in registers
 * only when it is unrolled, which compilers do by themselves at -O3. */
#if defined(__clang__)
#    define WINO_UNROLL _Pragma("unroll")
#else
#    define WINO_UNROLL _Pragma("GCC unroll 36")
#endif

/* a * b + c, rounded once.  Written out, since nothing else in the program may
 * be contracted. */
WINO_INLINE lanes
lanes_fma(lanes a, lanes b, lanes c)
{
#if defined(__x86_64__)
    return (lanes)_mm256_fmadd_ps((__m256)a, (__m256)b, (__m256)c);
#else
    return a * b + c;
#endif
}

WINO_INLINE lanes
lanes_all(float x)
{
    return (lanes){x, x, x, x, x, x, x, x};
}

WINO_INLINE lanes
lanes_load(const float *p)
{
    lanes v;

    memcpy(&v, p, sizeof v);
    return v;
}

WINO_INLINE void
lanes_store(float *p, lanes v)
{
    memcpy(p, &v, sizeof v);
}

/* yes where `mask` is -1, no where it is 0. */
WINO_INLINE lanes
lanes_pick(lane_mask mask, lanes yes, lanes no)
{
    return (lanes)((mask & (lane_mask)yes) | (~mask & (lane_mask)no));
}

/* Some of the lanes: the first n. */
WINO_INLINE lane_mask
lanes_first(size_t n)
{
    const lane_mask number = {0, 1, 2, 3, 4, 5, 6, 7};

    return number < (int32_t)n;
}

/* Only lanes of the mask are read; the others are 0. */
WINO_INLINE lanes
lanes_load_some(const float *p, lane_mask mask)
{
#if defined(__x86_64__)
    return (lanes)_mm256_maskload_ps(p, (__m256i)mask);
#else
    lanes v = {0};

    for (size_t i = 0; i < WINO_LANES; i++)
        if (mask[i])
            v[i] = p[i];
    return v;
#endif
}

WINO_INLINE void
lanes_store_some(float *p, lane_mask mask, lanes v)
{
#if defined(__x86_64__)
    _mm256_maskstore_ps(p, (__m256i)mask, (__m256)v);
#else
    for (size_t i = 0; i < WINO_LANES; i++)
        if (mask[i])
            p[i] = v[i];
#endif
}

#endif
