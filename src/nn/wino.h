/* SPDX-License-Identifier: Apache-2.0 */
/* Convolution by Winograd's minimal filtering, for machines where oneDNN has
 * none (2.6: single precision only with AVX-512): 3x3 filters in tiles of 4x4
 * outputs, 5x5 in tiles of 2x2; stride 1, no dilation, no groups.  A quarter
 * (3x3) or 36 % (5x5) of the multiplications of the direct algorithm.
 *
 * Images have neighbouring channels next to each other (dnn_get_pixels).
 * Filters are plain (O, I, k, k).  Bits do not depend on the number of threads.
 *
 * Rounding: the transforms add and subtract numbers with factors up to 10 along
 * each axis, so that errors are two to seven times those of a direct sum;
 * bench/NOTES.md has what was measured. */
#ifndef EBSP_NN_WINO_H
#define EBSP_NN_WINO_H

#include "nn/dnn.h"

struct wino {
    size_t n; /* images */
    struct wino_image {
        struct dnn_pixels px;
        size_t channels; /* without those that fill a block */
        size_t groups;   /* of eight channels, with them */
        size_t floats;   /* of one image */
    } in, out;
    int taps;        /* 3 or 5: height and width of the filters */
    int edge;        /* 4 or 2: outputs of a tile along each axis */
    long pad[2];     /* rows above, columns to the left of the input */
    size_t tiles[2]; /* of an image: rows, columns */
    size_t n_tiles;  /* of all images */
    size_t block;    /* tiles that a thread handles at a time */
    size_t chunk;    /* tiles that all threads handle at a time: gradients */
    int threads;
    size_t filter_floats; /* of all filters, transformed */
};

/* Whether there is such an algorithm for this convolution on this machine. */
bool wino_fits(const dnnl_memory_desc_t *src, const dnnl_memory_desc_t *dst,
               const dnnl_dim_t *kernel, const dnnl_dim_t *stride,
               const dnnl_dim_t *dilation, int64_t groups);
/* For one that fits; `pad` as above. */
void wino_init(struct wino *w, const dnnl_memory_desc_t *src,
               const dnnl_memory_desc_t *dst, int taps, const int64_t *pad,
               int threads);
/* The convolution that computes the gradient of w's input: its own input is
 * the gradient of w's output, and its filters are w's, turned and with their
 * two first dimensions exchanged. */
void wino_init_data(struct wino *d, const struct wino *w);

/* Floats of scratch memory of wino_run, and of wino_filter_grad. */
size_t wino_run_floats(const struct wino *w);
size_t wino_grad_floats(const struct wino *w);

/* Transforms the filters; `exchanged` for wino_init_data: (I, O, k, k). */
void wino_filters(const struct wino *w, const float *filter, bool exchanged,
                  float *to);
/* y = filters * x + bias, then times *slope where negative; bias (`channels`
 * of the output) and slope may be NULL. */
void wino_run(const struct wino *w, const float *x, const float *filters,
              const float *bias, const float *slope, float *y, float *scratch);
/* The gradients of the filters and (if not NULL) of the bias from the input
 * and the gradient g of the output. */
void wino_filter_grad(const struct wino *w, const float *x, const float *g,
                      float *to_filter, float *to_bias, float *scratch);

#endif
