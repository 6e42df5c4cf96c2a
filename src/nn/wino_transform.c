/* SPDX-License-Identifier: Apache-2.0 */
#include "nn/wino_lanes.h"

/* Along one axis; the matrices are those of the paper, written out.  `s` is the
 * distance of neighbours, so that rows and columns are treated alike. */

/* B' d. */
WINO_INLINE void
axis_input(const lanes *d, size_t s, lanes *o, size_t t)
{
    const lanes two = lanes_all(2), four = lanes_all(4), five = lanes_all(5);
    lanes a = d[4 * s] - four * d[2 * s], b = d[3 * s] - four * d[s];
    lanes c = d[4 * s] - d[2 * s], e = two * (d[3 * s] - d[s]);

    o[0] = lanes_fma(four, d[0], d[4 * s] - five * d[2 * s]);
    o[t] = a + b;
    o[2 * t] = a - b;
    o[3 * t] = c + e;
    o[4 * t] = c - e;
    o[5 * t] = lanes_fma(four, d[s], d[5 * s] - five * d[3 * s]);
}

/* G g for n taps: the polynomial of the taps at the points. */
WINO_INLINE void
axis_taps(const lanes *g, size_t s, int n, lanes *o, size_t t)
{
    const lanes sixth = lanes_all(-1.0f / 6), last = lanes_all(1.0f / 24);
    const lanes zero = {0};
    lanes g2 = n > 2 ? g[2 * s] : zero, g3 = n > 3 ? g[3 * s] : zero;
    lanes g4 = n > 4 ? g[4 * s] : zero;
    lanes even = g[0] + g2, odd = g[s];
    lanes even2 = lanes_fma(lanes_all(4), g2, g[0]), odd2 = g[s] + g[s];

    if (n > 3) {
        odd += g3;
        odd2 = lanes_fma(lanes_all(8), g3, odd2);
    }
    if (n > 4) {
        even += g4;
        even2 = lanes_fma(lanes_all(16), g4, even2);
    }
    o[0] = lanes_all(0.25f) * g[0];
    o[t] = sixth * (even + odd);
    o[2 * t] = sixth * (even - odd);
    o[3 * t] = last * (even2 + odd2);
    o[4 * t] = last * (even2 - odd2);
    o[5 * t] = g[(size_t)(n - 1) * s];
}

/* A' m for n outputs. */
WINO_INLINE void
axis_output(const lanes *m, size_t s, int n, lanes *o, size_t t)
{
    lanes sum = m[s] + m[2 * s], diff = m[s] - m[2 * s];
    lanes sum2 = m[3 * s] + m[4 * s], diff2 = m[3 * s] - m[4 * s];

    o[0] = m[0] + sum + sum2;
    o[t] = lanes_fma(lanes_all(2), diff2, diff);
    if (n > 2)
        o[2 * t] = lanes_fma(lanes_all(4), sum2, sum);
    if (n > 3)
        o[3 * t] = lanes_fma(lanes_all(8), diff2, diff);
    if (n > 4)
        o[4 * t] = lanes_fma(lanes_all(16), sum2, sum);
    o[(size_t)(n - 1) * t] += m[5 * s];
}

/* ---- along both axes ---- */

/* Whether all of n x n pixels are there, with all lanes. */
WINO_INLINE bool
is_inside(const struct wino_window *w, long n)
{
    return w->n == WINO_LANES && w->top >= 0 && w->left >= 0 &&
           w->top + n <= w->height && w->left + n <= w->width;
}

/* From a row of pixels to the next, in floats. */
WINO_INLINE size_t
row_floats(const struct wino_window *w)
{
    return (size_t)w->width * w->pixel;
}

/* n x n pixels, or zero where the image has none: for squares at the edges. */
WINO_INLINE void
load_edge(const struct wino_window *w, const float *at, long n, lanes *d)
{
    const lane_mask mask = lanes_first(w->n);
    long top = w->top < 0 ? 0 : w->top, left = w->left < 0 ? 0 : w->left;
    long bottom = w->top + n < w->height ? w->top + n : w->height;
    long right = w->left + n < w->width ? w->left + n : w->width;

    WINO_UNROLL
    for (long i = 0; i < n * n; i++)
        d[i] = (lanes){0};
    for (long y = top; y < bottom; y++) {
        const float *p = at + (size_t)(y * w->width + left) * w->pixel;
        lanes *to = d + (y - w->top) * n;

        for (long x = left; x < right; x++, p += w->pixel)
            to[x - w->left] = lanes_load_some(p, mask);
    }
}

WINO_CODE void
wino_from_input(const struct wino_window *w, const float *at, float *to,
                size_t stride)
{
    lanes d[WINO_SPOTS], e[WINO_SPOTS], o[WINO_EDGE];

    if (is_inside(w, WINO_EDGE)) {
        const float *p = at + (size_t)(w->top * w->width + w->left) * w->pixel;

        for (size_t x = 0; x < WINO_EDGE; x++, p += w->pixel) {
            WINO_UNROLL
            for (size_t y = 0; y < WINO_EDGE; y++)
                o[y] = lanes_load(p + y * row_floats(w));
            axis_input(o, 1, e + x, WINO_EDGE);
        }
    } else {
        load_edge(w, at, WINO_EDGE, d);
        for (size_t x = 0; x < WINO_EDGE; x++)
            axis_input(d + x, WINO_EDGE, e + x, WINO_EDGE);
    }
    for (size_t y = 0; y < WINO_EDGE; y++, to += WINO_EDGE * stride) {
        axis_input(e + y * WINO_EDGE, 1, o, 1);
        WINO_UNROLL
        for (size_t x = 0; x < WINO_EDGE; x++)
            lanes_store(to + x * stride, o[x]);
    }
}

/* n taps in d, row by row; n is a constant where this is inlined. */
WINO_INLINE void
spread_taps(const lanes *d, int n, float *to, size_t stride)
{
    lanes e[WINO_EDGE * 5], o[WINO_EDGE];

    WINO_UNROLL
    for (int x = 0; x < n; x++)
        axis_taps(d + x, (size_t)n, n, e + x, (size_t)n);
    WINO_UNROLL
    for (size_t y = 0; y < WINO_EDGE; y++) {
        axis_taps(e + y * (size_t)n, 1, n, o, 1);
        WINO_UNROLL
        for (size_t x = 0; x < WINO_EDGE; x++)
            lanes_store(to + (y * WINO_EDGE + x) * stride, o[x]);
    }
}

WINO_INLINE void
from_grad(const struct wino_window *w, const float *at, int n, float *to,
          size_t stride)
{
    lanes d[16];

    if (is_inside(w, n)) {
        const float *p = at + (size_t)(w->top * w->width + w->left) * w->pixel;

        WINO_UNROLL
        for (int i = 0; i < n * n; i++)
            d[i] = lanes_load(p + (size_t)(i / n) * row_floats(w) +
                              (size_t)(i % n) * w->pixel);
    } else {
        load_edge(w, at, n, d);
    }
    spread_taps(d, n, to, stride);
}

WINO_CODE void
wino_from_grad(const struct wino_window *w, const float *at, int edge,
               float *to, size_t stride)
{
    if (edge == 4)
        from_grad(w, at, 4, to, stride);
    else
        from_grad(w, at, 2, to, stride);
}

/* n x n outputs, row by row. */
WINO_INLINE void
gather_outputs(const float *from, size_t stride, int n, lanes *o)
{
    lanes m[WINO_EDGE], e[WINO_EDGE * 5];

    WINO_UNROLL
    for (size_t y = 0; y < WINO_EDGE; y++) {
        WINO_UNROLL
        for (size_t x = 0; x < WINO_EDGE; x++)
            m[x] = lanes_load(from + (y * WINO_EDGE + x) * stride);
        axis_output(m, 1, n, e + y * (size_t)n, 1);
    }
    WINO_UNROLL
    for (int x = 0; x < n; x++)
        axis_output(e + x, (size_t)n, n, o + x, (size_t)n);
}

WINO_INLINE void
store_outputs(const struct wino_window *w, float *at, int n, const lanes *o)
{
    float *p = at + (size_t)(w->top * w->width + w->left) * w->pixel;
    const lane_mask mask = lanes_first(w->n);
    bool inside = is_inside(w, n);

    WINO_UNROLL
    for (int i = 0; i < n * n; i++) {
        float *q =
            p + (size_t)(i / n) * row_floats(w) + (size_t)(i % n) * w->pixel;

        if (inside)
            lanes_store(q, o[i]);
        else if (w->top + i / n < w->height && w->left + i % n < w->width)
            lanes_store_some(q, mask, o[i]);
    }
}

WINO_INLINE void
output_tile(const struct wino_window *w, float *at, int n, const float *from,
            size_t stride, const float *bias, const float *slope)
{
    const lanes b = lanes_load(bias), zero = {0};
    lanes o[16];

    gather_outputs(from, stride, n, o);
    WINO_UNROLL
    for (int i = 0; i < n * n; i++) {
        o[i] += b;
        if (slope) {
            lanes low = lanes_all(*slope) * o[i];

            o[i] = lanes_pick(o[i] < zero, low, o[i]);
        }
    }
    store_outputs(w, at, n, o);
}

WINO_CODE void
wino_to_output(const struct wino_window *w, float *at, int edge,
               const float *from, size_t stride, const float *bias,
               const float *slope)
{
    if (edge == 4)
        output_tile(w, at, 4, from, stride, bias, slope);
    else
        output_tile(w, at, 2, from, stride, bias, slope);
}

/* ---- filters ---- */

WINO_INLINE void
from_filter(const float *at, size_t apart, size_t n, int taps, bool flip,
            float *to, size_t stride)
{
    const int area = taps * taps;
    lanes d[25];

    WINO_UNROLL
    for (int i = 0; i < area; i++) {
        const float *p = at + (flip ? area - 1 - i : i);

        d[i] = (lanes){0};
        for (size_t j = 0; j < n; j++)
            d[i][j] = p[j * apart];
    }
    spread_taps(d, taps, to, stride);
}

WINO_CODE void
wino_from_filter(const float *at, size_t apart, size_t n, int taps, bool flip,
                 float *to, size_t stride)
{
    if (taps == 3)
        from_filter(at, apart, n, 3, flip, to, stride);
    else
        from_filter(at, apart, n, 5, flip, to, stride);
}

WINO_INLINE void
to_filter(float *at, size_t apart, size_t n, int taps, const float *from,
          size_t stride)
{
    lanes o[25];

    gather_outputs(from, stride, taps, o);
    WINO_UNROLL
    for (int i = 0; i < taps * taps; i++)
        for (size_t j = 0; j < n; j++)
            at[j * apart + (size_t)i] = o[i][j];
}

WINO_CODE void
wino_to_filter(float *at, size_t apart, size_t n, int taps, const float *from,
               size_t stride)
{
    if (taps == 3)
        to_filter(at, apart, n, 3, from, stride);
    else
        to_filter(at, apart, n, 5, from, stride);
}

WINO_CODE void
wino_add_pixels(const float *at, size_t pixel, size_t n, size_t n_pixels,
                float *sum)
{
    const lane_mask mask = lanes_first(n);
    lanes s = {0};

    for (size_t i = 0; i < n_pixels; i++)
        s += lanes_load_some(at + i * pixel, mask);
    lanes_store(sum, s + lanes_load(sum));
}
