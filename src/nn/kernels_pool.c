/* SPDX-License-Identifier: Apache-2.0 */
#include "nn/kernels_pool.h"

#include "base/vec.h"

#include <string.h>

/* Eight lanes at a time in the vector types that gcc and clang share; on
 * narrower machines they become several registers.  A comparison gives -1
 * where it holds. */
#define WIDE 8
typedef float vfloat __attribute__((vector_size(4 * WIDE)));
typedef int32_t vint __attribute__((vector_size(4 * WIDE)));

#define INLINE static inline __attribute__((always_inline))

/* n lanes of memory, WIDE nearly always. */
INLINE void
load(void *v, const void *p, size_t n)
{
    if (n == WIDE)
        memcpy(v, p, sizeof(vfloat));
    else
        memcpy(v, p, n * 4);
}

INLINE void
store(void *p, const void *v, size_t n)
{
    if (n == WIDE)
        memcpy(p, v, sizeof(vfloat));
    else
        memcpy(p, v, n * 4);
}

INLINE void
max_lanes(const struct pool_rows *r, const float *x, struct pool_span rows,
          struct pool_span cols, size_t n, bool rectified, float *y,
          int32_t *from)
{
    size_t pixel = rows.first * r->in_width + cols.first;
    vfloat best = {0}, v = {0};
    vint at = (vint){0} + (int32_t)pixel;

    load(&best, x + pixel * r->lanes, n);
    for (size_t h = rows.first; h < rows.last; h++)
        for (size_t w = cols.first; w < cols.last; w++) {
            vint take, bits, old;

            pixel = h * r->in_width + w;
            load(&v, x + pixel * r->lanes, n);
            take = (v > best) | (v != v); /* NaN; NOLINT(misc-redundant-*) */
            bits = (vint)v;
            old = (vint)best;
            best = (vfloat)((take & bits) | (~take & old));
            at = (take & (int32_t)pixel) | (~take & at);
        }
    store(y, &best, n);
    if (from) {
        if (rectified)
            at |= (best <= 0.0f);
        store(from, &at, n);
    }
}

/* The last group of n lanes overlaps the one before when they do not divide:
 * it computes the same again. */
INLINE size_t
group(size_t lanes, size_t c, size_t n)
{
    return c + n <= lanes ? c : lanes - n;
}

INLINE void
max_row(const struct pool_rows *r, size_t n, const float *x,
        struct pool_span rows, bool rectified, float *y, int32_t *from)
{
    for (size_t ow = 0; ow < r->out_width; ow++)
        for (size_t c = 0; c < r->lanes; c += n) {
            size_t lane = group(r->lanes, c, n), at = ow * r->lanes + lane;

            max_lanes(r, x + lane, rows, r->covers[ow], n, rectified, y + at,
                      from ? from + at : NULL);
        }
}

/* Twice, so that the usual number is a constant in the inner loop. */
VEC_CLONES void
kernel_maxpool(const struct pool_rows *r, const float *x, struct pool_span rows,
               bool rectified, float *y, int32_t *from)
{
    if (r->lanes >= WIDE)
        max_row(r, WIDE, x, rows, rectified, y, from);
    else
        max_row(r, r->lanes, x, rows, rectified, y, from);
}

/* `skip` is -1 in lanes whose gradient was added with another group. */
INLINE void
grad_lanes(const struct pool_rows *r, const float *g, const int32_t *from,
           const vint *skip, struct pool_span rows, struct pool_span cols,
           size_t n, float *dx)
{
    vfloat sum = {0}, v = {0};
    vint at = {0};

    load(&v, g, n);
    load(&at, from, n);
    at |= *skip;
    for (size_t h = rows.first; h < rows.last; h++)
        for (size_t w = cols.first; w < cols.last; w++) {
            size_t pixel = h * r->in_width + w;

            load(&sum, dx + pixel * r->lanes, n);
            sum += (vfloat)((at == (int32_t)pixel) & (vint)v);
            store(dx + pixel * r->lanes, &sum, n);
        }
}

INLINE void
grad_row(const struct pool_rows *r, size_t n, const float *g,
         const int32_t *from, struct pool_span rows, float *dx)
{
    const vint number = {0, 1, 2, 3, 4, 5, 6, 7};

    for (size_t ow = 0; ow < r->out_width; ow++)
        for (size_t c = 0; c < r->lanes; c += n) {
            size_t lane = group(r->lanes, c, n), at = ow * r->lanes + lane;
            vint skip = number < (int32_t)(c - lane);

            grad_lanes(r, g + at, from + at, &skip, rows, r->covers[ow], n,
                       dx + lane);
        }
}

VEC_CLONES void
kernel_maxpool_grad(const struct pool_rows *r, const float *g,
                    const int32_t *from, struct pool_span rows, float *dx)
{
    if (r->lanes >= WIDE)
        grad_row(r, WIDE, g, from, rows, dx);
    else
        grad_row(r, r->lanes, g, from, rows, dx);
}
