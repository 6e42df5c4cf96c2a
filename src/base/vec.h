/* SPDX-License-Identifier: Apache-2.0 */
/* Element-wise kernels on float vectors, compiled for several instruction sets
 * and chosen at load time.  No fused multiply-add and one order of summation:
 * the same input gives the same bits on every machine.  n counts elements. */
#ifndef EBSP_BASE_VEC_H
#define EBSP_BASE_VEC_H

#include <stdbool.h>
#include <stddef.h>

/* gcc writes the dispatch itself; the sanitizers' run time is not up yet when
 * it is resolved, so they get the plain version.  So does clang: version 14
 * names the dispatcher NAME.ifunc, which callers in other files do not find. */
#if defined(__x86_64__) && !defined(__clang__) &&                              \
    !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__) &&         \
    !defined(EBSP_NO_CLONES)
#    define VEC_CLONES                                                         \
        __attribute__((target_clones("avx512f", "avx2", "default")))
#else
#    define VEC_CLONES
#endif

void vec_scale(float *y, float a, size_t n);                      /* y *= a */
void vec_add(float *y, const float *x, size_t n);                 /* y += x */
void vec_axpy(float *y, float a, const float *x, size_t n);       /* y += a x */
void vec_set_scaled(float *y, float a, const float *x, size_t n); /* y = a x */
void vec_sub(float *y, const float *a, const float *b, size_t n); /* y = a-b */
double vec_sumsq(const float *x, size_t n); /* sum of squares, in double */
bool vec_all_finite(const float *x, size_t n);

#endif
