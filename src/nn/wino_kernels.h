/* SPDX-License-Identifier: Apache-2.0 */
/* The inner loops of our Winograd convolutions (wino.h), for processors with
 * AVX2 and FMA; eight channels at a time.
 *
 * Everything is built on six points: 0, 1, -1, 2, -2 and infinity.  A filter of
 * r taps and m = 7 - r outputs need six products instead of r * m (Winograd
 * 1980; Lavin, Gray, "Fast algorithms for convolutional neural networks", 2016,
 * section 4.1).  The transform of the input depends on the points only, so that
 * 3 taps with 4 outputs, 5 taps with 2 and the gradients of both (4 or 2 taps
 * with 3 or 5 outputs) have it in common.
 *
 * What is transformed is kept as 36 matrices (positions of the 6 x 6 points),
 * `stride` floats from one to the next. */
#ifndef EBSP_NN_WINO_KERNELS_H
#define EBSP_NN_WINO_KERNELS_H

#include <stdbool.h>
#include <stddef.h>

#define WINO_EDGE  6  /* points along an axis */
#define WINO_SPOTS 36 /* matrices */
#define WINO_LANES 8  /* channels that are handled together */
#define WINO_PANEL 16 /* columns of a panel of filters; the last may have 8 */

/* A square of an image that may reach beyond it: `top` and `left` are those of
 * the square, pixels outside are zero and are not written.  `at` points to
 * pixel (0, 0) of the image, whose pixels are `pixel` floats apart; `n` of its
 * channels are there (1 to 8). */
struct wino_window {
    long top, left, height, width;
    size_t pixel, n;
};

/* 6 x 6 pixels, transformed as input. */
void wino_from_input(const struct wino_window *w, const float *at, float *to,
                     size_t stride);
/* edge x edge pixels (2 or 4), transformed as if they were a filter: gradients
 * of outputs on the way to the gradient of the filter. */
void wino_from_grad(const struct wino_window *w, const float *at, int edge,
                    float *to, size_t stride);
/* edge x edge outputs (2 or 4) plus `bias` (8 floats); then, if `slope` is
 * given, times it where negative. */
void wino_to_output(const struct wino_window *w, float *at, int edge,
                    const float *from, size_t stride, const float *bias,
                    const float *slope);

/* taps x taps (3 or 5) of up to 8 filters that lie `apart` floats from each
 * other; `flip`ped: turned by 180 degrees, for the gradient of the input. */
void wino_from_filter(const float *at, size_t apart, size_t n, int taps,
                      bool flip, float *to, size_t stride);
void wino_to_filter(float *at, size_t apart, size_t n, int taps,
                    const float *from, size_t stride);

/* c = a * b: a is rows x depth with its rows `lda` floats apart, b a panel of
 * depth x columns (columns: 8 or 16), c has rows `ldc` apart. */
void wino_product(const float *a, size_t lda, const float *b, float *c,
                  size_t ldc, size_t rows, size_t depth, size_t columns);
/* c += a' * b: a is depth x rows, b depth x columns, rows of them lda and ldb
 * apart; c is a panel of rows x columns.  `first`: c = a' * b. */
void wino_product_add(const float *a, size_t lda, const float *b, size_t ldb,
                      float *c, size_t rows, size_t depth, size_t columns,
                      bool first);

/* Sums of pixels: 8 channels (n of them there) over height x width pixels are
 * added to `sum`. */
void wino_add_pixels(const float *at, size_t pixel, size_t n, size_t n_pixels,
                     float *sum);

/* Whether this processor has what the functions above need. */
bool wino_has_kernels(void);

#endif
