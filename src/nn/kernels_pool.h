/* SPDX-License-Identifier: Apache-2.0 */
/* Maximum over windows on one image whose pixels are `lanes` floats.  Private
 * to nn/. */
#ifndef EBSP_NN_KERNELS_POOL_H
#define EBSP_NN_KERNELS_POOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* [first, last) */
struct pool_span {
    uint32_t first, last;
};

struct pool_rows {
    size_t in_width, out_width, lanes;
    const struct pool_span *covers; /* input columns of each output column */
};

/* One output row: y = max over the input rows `rows` of image x and the
 * columns that each window covers; NaN wins.  `from` (may be NULL) gets the
 * number of the pixel that it came from, the first of equal ones; or -1, with
 * `rectified`, where the maximum is not positive, because no gradient passes
 * the relu before. */
void kernel_maxpool(const struct pool_rows *r, const float *x,
                    struct pool_span rows, bool rectified, float *y,
                    int32_t *from);

/* One output row: each gradient is added to that of the pixel which its
 * maximum came from; dx is the image. */
void kernel_maxpool_grad(const struct pool_rows *r, const float *g,
                         const int32_t *from, struct pool_span rows, float *dx);

#endif
