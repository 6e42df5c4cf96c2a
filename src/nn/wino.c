/* SPDX-License-Identifier: Apache-2.0 */
#include "nn/wino.h"

#include "nn/par.h"
#include "nn/wino_kernels.h"

#include <string.h>

/* Transformed blocks of all 36 matrices should stay in the second-level cache
 * together with what they become. */
#define BLOCK_FLOATS ((size_t)96 * 1024)
/* But a block that is too small reads the filters too often. */
#define MIN_BLOCK ((size_t)48)
#define MAX_BLOCK ((size_t)192)
#define MIN_CHUNK ((size_t)96)
#define MAX_CHUNK ((size_t)512)
/* Matrices are this many floats further apart than they are long: at powers of
 * two all 36 would meet in the same lines of the cache. */
#define GAP ((size_t)16)

static size_t
min_size(size_t a, size_t b)
{
    return a < b ? a : b;
}

static size_t
clamp(size_t v, size_t low, size_t high)
{
    return v < low ? low : min_size(v, high);
}

bool
wino_fits(const dnnl_memory_desc_t *src, const dnnl_memory_desc_t *dst,
          const dnnl_dim_t *kernel, const dnnl_dim_t *stride,
          const dnnl_dim_t *dilation, int64_t groups)
{
    struct dnn_pixels px;

    return wino_has_kernels() && kernel[0] == kernel[1] &&
           (kernel[0] == 3 || kernel[0] == 5) && stride[0] == 1 &&
           stride[1] == 1 && dilation[0] == 1 && dilation[1] == 1 &&
           groups == 1 && src->dims[1] >= WINO_LANES &&
           dst->dims[1] >= WINO_LANES && dnn_get_pixels(src, &px) &&
           dnn_get_pixels(dst, &px);
}

static void
set_image(struct wino_image *m, const dnnl_memory_desc_t *md)
{
    (void)dnn_get_pixels(md, &m->px);
    m->channels = (size_t)md->dims[1];
    m->groups = ((size_t)md->padded_dims[1] + WINO_LANES - 1) / WINO_LANES;
    m->floats = m->px.units / (size_t)md->dims[0] * m->px.height * m->px.width *
                m->px.lanes;
}

/* What follows from the members before. */
static void
divide(struct wino *w)
{
    size_t edge = (size_t)w->edge, per_tile;

    w->tiles[0] = (w->out.px.height + edge - 1) / edge;
    w->tiles[1] = (w->out.px.width + edge - 1) / edge;
    w->n_tiles = w->n * w->tiles[0] * w->tiles[1];
    per_tile = WINO_SPOTS * WINO_LANES * (w->in.groups + w->out.groups);
    w->block = min_size(clamp(BLOCK_FLOATS / per_tile, MIN_BLOCK, MAX_BLOCK),
                        w->n_tiles);
    w->chunk = min_size(
        clamp(2 * BLOCK_FLOATS / per_tile, MIN_CHUNK, MAX_CHUNK), w->n_tiles);
    w->filter_floats =
        WINO_SPOTS * (w->in.channels * w->out.groups * WINO_LANES + GAP);
}

void
wino_init(struct wino *w, const dnnl_memory_desc_t *src,
          const dnnl_memory_desc_t *dst, int taps, const int64_t *pad,
          int threads)
{
    memset(w, 0, sizeof *w);
    w->n = (size_t)src->dims[0];
    set_image(&w->in, src);
    set_image(&w->out, dst);
    w->taps = taps;
    w->edge = WINO_EDGE + 1 - taps;
    w->pad[0] = (long)pad[0];
    w->pad[1] = (long)pad[1];
    w->threads = threads;
    divide(w);
}

void
wino_init_data(struct wino *d, const struct wino *w)
{
    *d = *w;
    d->in = w->out;
    d->out = w->in;
    d->pad[0] = w->taps - 1 - w->pad[0];
    d->pad[1] = w->taps - 1 - w->pad[1];
    divide(d);
}

/* ---- places ---- */

/* Where group g of image i begins. */
static size_t
group_at(const struct wino_image *m, size_t i, size_t g)
{
    size_t c = g * WINO_LANES;

    return i * m->floats +
           c / m->px.lanes * m->px.height * m->px.width * m->px.lanes +
           c % m->px.lanes;
}

/* Channels of group g that are in memory. */
static size_t
group_lanes(const struct wino_image *m, size_t g)
{
    size_t left = m->px.lanes - g * WINO_LANES % m->px.lanes;

    return min_size(left, WINO_LANES);
}

/* The square of tile t, as far as it concerns group g of `m`, and its image;
 * `pad` as in struct wino or 0. */
static struct wino_window
window_of(const struct wino *w, const struct wino_image *m, size_t t, size_t g,
          const long *pad, size_t *image)
{
    size_t per_image = w->tiles[0] * w->tiles[1], at = t % per_image;

    *image = t / per_image;
    return (struct wino_window){
        .top = (long)(at / w->tiles[1]) * w->edge - (pad ? pad[0] : 0),
        .left = (long)(at % w->tiles[1]) * w->edge - (pad ? pad[1] : 0),
        .height = (long)m->px.height,
        .width = (long)m->px.width,
        .pixel = m->px.lanes,
        .n = group_lanes(m, g)};
}

static size_t
panel_columns(const struct wino_image *m, size_t panel)
{
    return min_size(WINO_PANEL, m->groups * WINO_LANES - panel * WINO_PANEL);
}

static size_t
n_panels(const struct wino_image *m)
{
    return (m->groups * WINO_LANES + WINO_PANEL - 1) / WINO_PANEL;
}

static size_t
filter_stride(const struct wino *w)
{
    return w->in.channels * w->out.groups * WINO_LANES + GAP;
}

/* From one of the 36 matrices to the next: `tiles` rows with the channels of
 * m. */
static size_t
spot_stride(const struct wino_image *m, size_t tiles)
{
    return tiles * m->groups * WINO_LANES + GAP;
}

/* ---- filters ---- */

struct filter_job {
    const struct wino *w;
    const float *from;
    float *plain;
    bool exchanged;
    float *to;
};

/* Calls `fn` for every input channel and every group of outputs in [begin,
 * end): with the first of its filters in plain order, the distance of the
 * others, how many there are, and the place in the panels. */
#define PANEL_PLACE(w, c, g)                                                   \
    ((g) / 2 * WINO_PANEL * (w)->in.channels +                                 \
     (c)*panel_columns(&(w)->out, (g) / 2) + (g) % 2 * WINO_LANES)

static void
filter_groups(void *ctx, size_t begin, size_t end)
{
    const struct filter_job *j = ctx;
    const struct wino *w = j->w;
    const size_t area = (size_t)(w->taps * w->taps), c_in = w->in.channels;

    for (size_t g = begin; g < end; g++)
        for (size_t c = 0; c < c_in; c++) {
            size_t first = g * WINO_LANES, k_out = w->out.channels;
            size_t n = first < k_out ? min_size(k_out - first, WINO_LANES) : 0;
            size_t at = j->exchanged ? (c * k_out + first) * area
                                     : (first * c_in + c) * area;

            wino_from_filter(j->from + at, (j->exchanged ? 1 : c_in) * area, n,
                             w->taps, j->exchanged,
                             j->to + PANEL_PLACE(w, c, g), filter_stride(w));
        }
}

void
wino_filters(const struct wino *w, const float *filter, bool exchanged,
             float *to)
{
    struct filter_job j = {
        .w = w, .from = filter, .exchanged = exchanged, .to = to};

    par_for(w->out.groups, 1, filter_groups, &j);
}

static void
plain_groups(void *ctx, size_t begin, size_t end)
{
    const struct filter_job *j = ctx;
    const struct wino *w = j->w;
    const size_t area = (size_t)(w->taps * w->taps), c_in = w->in.channels;

    for (size_t g = begin; g < end; g++)
        for (size_t c = 0; c < c_in; c++) {
            size_t first = g * WINO_LANES, k_out = w->out.channels;

            if (first >= k_out)
                break;
            wino_to_filter(j->plain + (first * c_in + c) * area, c_in * area,
                           min_size(k_out - first, WINO_LANES), w->taps,
                           j->from + PANEL_PLACE(w, c, g), filter_stride(w));
        }
}

/* ---- the convolution ---- */

struct run_job {
    const struct wino *w;
    const float *x, *filters, *bias, *slope;
    float *y, *scratch;
};

static size_t
block_floats(const struct wino *w)
{
    return WINO_SPOTS *
           (spot_stride(&w->in, w->block) + spot_stride(&w->out, w->block));
}

size_t
wino_run_floats(const struct wino *w)
{
    return (size_t)w->threads * block_floats(w);
}

static void
transform_input(const struct wino *w, const float *x, size_t first, size_t n,
                float *to, size_t stride)
{
    size_t row = w->in.groups * WINO_LANES, image;

    for (size_t g = 0; g < w->in.groups; g++)
        for (size_t t = 0; t < n; t++) {
            struct wino_window at =
                window_of(w, &w->in, first + t, g, w->pad, &image);

            wino_from_input(&at, x + group_at(&w->in, image, g),
                            to + t * row + g * WINO_LANES, stride);
        }
}

static void
multiply(const struct wino *w, const float *v, size_t n, const float *filters,
         float *m)
{
    size_t in_row = w->in.groups * WINO_LANES;
    size_t out_row = w->out.groups * WINO_LANES;

    for (size_t spot = 0; spot < WINO_SPOTS; spot++)
        for (size_t p = 0; p < n_panels(&w->out); p++)
            wino_product(v + spot * spot_stride(&w->in, w->block), in_row,
                         filters + spot * filter_stride(w) +
                             p * WINO_PANEL * w->in.channels,
                         m + spot * spot_stride(&w->out, w->block) +
                             p * WINO_PANEL,
                         out_row, n, w->in.channels, panel_columns(&w->out, p));
}

static void
transform_output(const struct run_job *j, size_t first, size_t n,
                 const float *m, size_t stride)
{
    const struct wino *w = j->w;
    size_t row = w->out.groups * WINO_LANES, image;

    for (size_t g = 0; g < w->out.groups; g++) {
        size_t c = g * WINO_LANES;
        float bias[WINO_LANES] = {0};

        if (j->bias && c < w->out.channels)
            memcpy(bias, j->bias + c,
                   min_size(w->out.channels - c, WINO_LANES) * sizeof *bias);
        for (size_t t = 0; t < n; t++) {
            struct wino_window at =
                window_of(w, &w->out, first + t, g, NULL, &image);

            wino_to_output(&at, j->y + group_at(&w->out, image, g), w->edge,
                           m + t * row + c, stride, bias, j->slope);
        }
    }
}

/* Thread number t does its share of the blocks with its share of the scratch
 * memory. */
static void
run_shares(void *ctx, size_t begin, size_t end)
{
    const struct run_job *j = ctx;
    const struct wino *w = j->w;
    size_t threads = (size_t)w->threads;
    size_t n_blocks = (w->n_tiles + w->block - 1) / w->block;

    for (size_t t = begin; t < end; t++) {
        float *v = j->scratch + t * block_floats(w);
        float *m = v + WINO_SPOTS * spot_stride(&w->in, w->block);

        for (size_t b = n_blocks * t / threads;
             b < n_blocks * (t + 1) / threads; b++) {
            size_t first = b * w->block;
            size_t n = min_size(w->block, w->n_tiles - first);

            transform_input(w, j->x, first, n, v,
                            spot_stride(&w->in, w->block));
            multiply(w, v, n, j->filters, m);
            transform_output(j, first, n, m, spot_stride(&w->out, w->block));
        }
    }
}

void
wino_run(const struct wino *w, const float *x, const float *filters,
         const float *bias, const float *slope, float *y, float *scratch)
{
    struct run_job j = {.w = w,
                        .x = x,
                        .filters = filters,
                        .bias = bias,
                        .slope = slope,
                        .y = y,
                        .scratch = scratch};

    par_for((size_t)w->threads, 1, run_shares, &j);
}

/* ---- gradients ---- */

/* A chunk of tiles at a time: all threads transform them, then all multiply,
 * each some of the matrices, and add to the one sum that there is.  So the sum
 * has the same order for any number of threads, and memory does not grow with
 * them. */
struct grad_job {
    const struct wino *w;
    const float *x, *g;
    float *v, *u; /* input and gradient, transformed */
    float *sum;   /* in panels, like filters */
    float *bias;  /* gradient */
    size_t first, n;
};

size_t
wino_grad_floats(const struct wino *w)
{
    return WINO_SPOTS * (spot_stride(&w->in, w->chunk) +
                         spot_stride(&w->out, w->chunk)) +
           w->filter_floats;
}

static void
transform_both(void *ctx, size_t begin, size_t end)
{
    const struct grad_job *j = ctx;
    const struct wino *w = j->w;
    size_t row = w->out.groups * WINO_LANES, image;

    transform_input(w, j->x, j->first + begin, end - begin,
                    j->v + begin * w->in.groups * WINO_LANES,
                    spot_stride(&w->in, w->chunk));
    for (size_t g = 0; g < w->out.groups; g++)
        for (size_t t = begin; t < end; t++) {
            struct wino_window at =
                window_of(w, &w->out, j->first + t, g, NULL, &image);

            wino_from_grad(&at, j->g + group_at(&w->out, image, g), w->edge,
                           j->u + t * row + g * WINO_LANES,
                           spot_stride(&w->out, w->chunk));
        }
}

static void
multiply_spots(void *ctx, size_t begin, size_t end)
{
    const struct grad_job *j = ctx;
    const struct wino *w = j->w;

    for (size_t spot = begin; spot < end; spot++)
        for (size_t p = 0; p < n_panels(&w->out); p++)
            wino_product_add(
                j->v + spot * spot_stride(&w->in, w->chunk),
                w->in.groups * WINO_LANES,
                j->u + spot * spot_stride(&w->out, w->chunk) + p * WINO_PANEL,
                w->out.groups * WINO_LANES,
                j->sum + spot * filter_stride(w) +
                    p * WINO_PANEL * w->in.channels,
                w->in.channels, j->n, panel_columns(&w->out, p), j->first == 0);
}

/* Over an image, then over the images: errors of a long sum stay small. */
static void
bias_groups(void *ctx, size_t begin, size_t end)
{
    const struct grad_job *j = ctx;
    const struct wino_image *m = &j->w->out;

    for (size_t g = begin; g < end; g++) {
        float sum[WINO_LANES] = {0};

        if (g * WINO_LANES >= m->channels)
            break;
        for (size_t i = 0; i < j->w->n; i++)
            wino_add_pixels(j->g + group_at(m, i, g), m->px.lanes,
                            group_lanes(m, g), m->px.height * m->px.width, sum);
        memcpy(j->bias + g * WINO_LANES, sum,
               min_size(m->channels - g * WINO_LANES, WINO_LANES) *
                   sizeof *sum);
    }
}

void
wino_filter_grad(const struct wino *w, const float *x, const float *g,
                 float *to_filter, float *to_bias, float *scratch)
{
    struct grad_job j = {.w = w, .x = x, .g = g, .bias = to_bias};
    struct filter_job f = {.w = w, .plain = to_filter};

    j.v = scratch;
    j.u = j.v + WINO_SPOTS * spot_stride(&w->in, w->chunk);
    j.sum = j.u + WINO_SPOTS * spot_stride(&w->out, w->chunk);
    for (; j.first < w->n_tiles; j.first += w->chunk) {
        j.n = min_size(w->chunk, w->n_tiles - j.first);
        par_for(j.n, 8, transform_both, &j);
        par_for(WINO_SPOTS, 1, multiply_spots, &j);
    }
    f.from = j.sum;
    par_for(w->out.groups, 1, plain_groups, &f);
    if (to_bias)
        par_for(w->out.groups, 1, bias_groups, &j);
}
