/* SPDX-License-Identifier: Apache-2.0 */
/* Our Winograd convolutions against plain loops in double precision: random
 * shapes, layouts and numbers of threads.
 *
 * Tolerance: the transforms add up numbers some ten times the size of their
 * inputs and take differences of them, along two axes, so that the errors are
 * tens of units in the last place of the largest term where those of a direct
 * sum are few: 5e-5 of the largest result covers them (measured: up to 1e-5),
 * while a wrong coefficient is off by percents. */
#include "base/err.h"
#include "base/mem.h"
#include "base/rng.h"
#include "nn/par.h"
#include "nn/wino.h"
#include "tap.h"

#include <math.h>
#include <string.h>

#define TOLERANCE 5e-5

/* One convolution; plain copies of everything beside what it works on. */
struct trial {
    int n, c, k, h, w, oh, ow, taps, pad[2], threads;
    dnnl_format_tag_t tag;
    dnnl_memory_desc_t src, dst;
    float *x, *g, *filter, *bias; /* plain, random */
    struct wino wino;
};

static void
die(const char *what)
{
    printf("Bail out! %s\n", what);
    exit(1);
}

static float *
floats(size_t n, struct rng *r)
{
    float *v = mem_alloc_aligned((n + 16) * sizeof *v);

    if (!v)
        die("memory");
    for (size_t i = 0; r && i < n; i++)
        v[i] = (float)rng_normal(r);
    return v;
}

static dnnl_memory_desc_t
layout(int n, int c, int h, int w, dnnl_format_tag_t tag)
{
    const dnnl_dim_t dim[4] = {n, c, h, w};
    struct err e = ERR_INIT;
    dnnl_memory_desc_t md;

    if (dnn_layout(&md, 4, dim, tag, &e) != 0)
        die(e.text);
    return md;
}

static size_t
volume(const struct trial *t, bool out)
{
    return (size_t)t->n *
           (size_t)(out ? t->k * t->oh * t->ow : t->c * t->h * t->w);
}

/* Between plain order and that of md. */
static size_t
place(const dnnl_memory_desc_t *md, int i, int c, int y, int x)
{
    const dnnl_blocking_desc_t *b = &md->format_desc.blocking;
    int block = b->inner_nblks ? (int)b->inner_blks[0] : 1;

    return (size_t)(i * b->strides[0] + c / block * b->strides[1] +
                    y * b->strides[2] + x * b->strides[3] + c % block);
}

static void
convert(const dnnl_memory_desc_t *md, float *plain, float *laid, bool to_plain)
{
    const dnnl_dim_t *d = md->dims;

    for (int i = 0; i < d[0]; i++)
        for (int c = 0; c < d[1]; c++)
            for (int y = 0; y < d[2]; y++)
                for (int x = 0; x < d[3]; x++, plain++)
                    if (to_plain)
                        *plain = laid[place(md, i, c, y, x)];
                    else
                        laid[place(md, i, c, y, x)] = *plain;
}

/* ---- plain loops ---- */

enum what { OUTPUT, INPUT_GRAD, FILTER_GRAD, BIAS_GRAD };

/* Adds every product of a convolution to where it belongs. */
static void
reference(const struct trial *t, enum what what, double *to)
{
    for (int i = 0; i < t->n; i++)
        for (int k = 0; k < t->k; k++)
            for (int y = 0; y < t->oh; y++)
                for (int x = 0; x < t->ow; x++) {
                    size_t o =
                        (size_t)(((i * t->k + k) * t->oh + y) * t->ow + x);

                    if (what == OUTPUT)
                        to[o] += (double)t->bias[k];
                    if (what == BIAS_GRAD)
                        to[k] += (double)t->g[o];
                    for (int c = 0; c < t->c; c++)
                        for (int q = 0; q < t->taps * t->taps; q++) {
                            int sy = y - t->pad[0] + q / t->taps;
                            int sx = x - t->pad[1] + q % t->taps;
                            size_t s =
                                (size_t)(((i * t->c + c) * t->h + sy) * t->w +
                                         sx);
                            size_t f =
                                (size_t)((k * t->c + c) * t->taps * t->taps +
                                         q);

                            if (sy < 0 || sy >= t->h || sx < 0 || sx >= t->w)
                                continue;
                            if (what == OUTPUT)
                                to[o] += (double)t->x[s] * (double)t->filter[f];
                            else if (what == INPUT_GRAD)
                                to[s] += (double)t->g[o] * (double)t->filter[f];
                            else if (what == FILTER_GRAD)
                                to[f] += (double)t->x[s] * (double)t->g[o];
                        }
                }
}

static double
error_of(const struct trial *t, enum what what, const float *got, size_t n)
{
    double *want = mem_alloc(n, sizeof *want), worst = 0, top = 1e-30;

    if (!want)
        die("memory");
    reference(t, what, want);
    for (size_t i = 0; i < n; i++) {
        double off = fabs((double)got[i] - want[i]);

        top = fmax(top, fabs(want[i]));
        worst = off <= worst ? worst : off; /* NaN is an error */
    }
    mem_free(want);
    return worst / top;
}

/* ---- the trials ---- */

static void
trial_init(struct trial *t, struct rng *r)
{
    static const dnnl_format_tag_t tags[] = {dnnl_nhwc, dnnl_nChw8c,
                                             dnnl_nChw16c};
    int64_t pad[2];

    memset(t, 0, sizeof *t);
    t->taps = rng_below(r, 2) ? 5 : 3;
    t->n = 1 + (int)rng_below(r, 3);
    t->c = 8 + (int)rng_below(r, 26);
    t->k = 8 + (int)rng_below(r, 26);
    t->h = t->taps + (int)rng_below(r, 12);
    t->w = t->taps + (int)rng_below(r, 12);
    for (int i = 0; i < 2; i++)
        pad[i] = t->pad[i] = (int)rng_below(r, (uint64_t)t->taps);
    t->oh = t->h + 2 * t->pad[0] - t->taps + 1;
    t->ow = t->w + 2 * t->pad[1] - t->taps + 1;
    t->threads = 1 + (int)rng_below(r, 3);
    t->tag = tags[rng_below(r, 3)];
    t->src = layout(t->n, t->c, t->h, t->w, t->tag);
    t->dst = layout(t->n, t->k, t->oh, t->ow, t->tag);
    t->x = floats(volume(t, false), r);
    t->g = floats(volume(t, true), r);
    t->filter = floats((size_t)(t->k * t->c * t->taps * t->taps), r);
    t->bias = floats((size_t)t->k, r);
    wino_init(&t->wino, &t->src, &t->dst, t->taps, pad, t->threads);
}

static void
trial_release(struct trial *t)
{
    mem_free(t->x);
    mem_free(t->g);
    mem_free(t->filter);
    mem_free(t->bias);
}

/* What fills a block is zero, as other primitives expect. */
static bool
is_padded(const dnnl_memory_desc_t *md, const float *laid)
{
    const dnnl_dim_t *d = md->dims;

    for (int i = 0; i < d[0]; i++)
        for (int c = (int)d[1]; c < md->padded_dims[1]; c++)
            for (int y = 0; y < d[2]; y++)
                for (int x = 0; x < d[3]; x++)
                    if (laid[place(md, i, c, y, x)] != 0)
                        return false;
    return true;
}

/* Runs `w` from `in` to a plain `out`. */
static bool
run(const struct wino *w, const struct trial *t, bool data,
    const dnnl_memory_desc_t *from, float *in, const dnnl_memory_desc_t *to,
    float *out)
{
    float *x = floats(dnn_bytes(from) / 4, NULL);
    float *y = floats(dnn_bytes(to) / 4, NULL);
    float *filters = floats(w->filter_floats, NULL);
    float *scratch = floats(wino_run_floats(w), NULL);
    bool padded;

    memset(y, 0xff, dnn_bytes(to));
    convert(from, in, x, false);
    wino_filters(w, t->filter, data, filters);
    wino_run(w, x, filters, data ? NULL : t->bias, NULL, y, scratch);
    convert(to, out, y, true);
    padded = is_padded(to, y);
    mem_free(x);
    mem_free(y);
    mem_free(filters);
    mem_free(scratch);
    return padded;
}

static void
gradients(const struct trial *t, float *to_filter, float *to_bias)
{
    float *x = floats(dnn_bytes(&t->src) / 4, NULL);
    float *g = floats(dnn_bytes(&t->dst) / 4, NULL);
    float *scratch = floats(wino_grad_floats(&t->wino), NULL);

    convert(&t->src, t->x, x, false);
    convert(&t->dst, t->g, g, false);
    wino_filter_grad(&t->wino, x, g, to_filter, to_bias, scratch);
    mem_free(x);
    mem_free(g);
    mem_free(scratch);
}

static bool
agrees(const struct trial *t, double worst[4])
{
    size_t n_filter = (size_t)(t->k * t->c * t->taps * t->taps);
    float *y = floats(volume(t, true), NULL),
          *dx = floats(volume(t, false), NULL);
    float *df = floats(n_filter, NULL), *db = floats((size_t)t->k, NULL);
    double off[4];
    struct wino d;
    bool good;

    wino_init_data(&d, &t->wino);
    good = run(&t->wino, t, false, &t->src, t->x, &t->dst, y);
    good &= run(&d, t, true, &t->dst, t->g, &t->src, dx);
    gradients(t, df, db);
    off[OUTPUT] = error_of(t, OUTPUT, y, volume(t, true));
    off[INPUT_GRAD] = error_of(t, INPUT_GRAD, dx, volume(t, false));
    off[FILTER_GRAD] = error_of(t, FILTER_GRAD, df, n_filter);
    off[BIAS_GRAD] = error_of(t, BIAS_GRAD, db, (size_t)t->k);
    for (int i = 0; i < 4; i++) {
        worst[i] = fmax(worst[i], off[i]);
        good &= off[i] < TOLERANCE;
    }
    mem_free(y);
    mem_free(dx);
    mem_free(df);
    mem_free(db);
    return good;
}

/* The same bits with any number of threads. */
static bool
threads_agree(struct trial *t)
{
    size_t n_out = volume(t, true),
           n_filter = (size_t)(t->k * t->c * t->taps * t->taps);
    float *y[2], *df[2], db[64];
    bool same;

    for (int i = 0; i < 2; i++) {
        t->wino.threads = 1 + 3 * i;
        par_set_threads(t->wino.threads);
        y[i] = floats(n_out, NULL);
        df[i] = floats(n_filter, NULL);
        run(&t->wino, t, false, &t->src, t->x, &t->dst, y[i]);
        gradients(t, df[i], db);
    }
    same = !memcmp(y[0], y[1], n_out * sizeof *y[0]) &&
           !memcmp(df[0], df[1], n_filter * sizeof *df[0]);
    for (int i = 0; i < 2; i++) {
        mem_free(y[i]);
        mem_free(df[i]);
    }
    return same;
}

int
main(void)
{
    uint64_t seed = tap_seed(1);
    double worst[4] = {0};
    int bad = 0, unlike = 0;
    struct rng r;

    rng_init(&r, seed);
    if (!wino_fits(&(dnnl_memory_desc_t){0}, &(dnnl_memory_desc_t){0},
                   (dnnl_dim_t[]){3, 3}, (dnnl_dim_t[]){2, 2},
                   (dnnl_dim_t[]){1, 1}, 1))
        ok(true, "stride 2 is left to oneDNN");
    for (int i = 0; i < 60; i++) {
        struct trial t;

        trial_init(&t, &r);
        if (!wino_fits(&t.src, &t.dst, (dnnl_dim_t[]){t.taps, t.taps},
                       (dnnl_dim_t[]){1, 1}, (dnnl_dim_t[]){1, 1}, 1)) {
            skip("no AVX2 here");
            trial_release(&t);
            return done();
        }
        par_set_threads(t.threads);
        if (!agrees(&t, worst)) {
            bad++;
            printf("# trial %d: n %d c %d k %d %dx%d taps %d pad %d %d "
                   "threads %d tag %d\n",
                   i, t.n, t.c, t.k, t.h, t.w, t.taps, t.pad[0], t.pad[1],
                   t.threads, (int)t.tag);
        }
        unlike += !threads_agree(&t);
        trial_release(&t);
    }
    ok(bad == 0,
       "60 convolutions and their gradients agree (worst: output %.1e, input "
       "%.1e, filters %.1e, bias %.1e)",
       worst[0], worst[1], worst[2], worst[3]);
    is_int(unlike, 0, "1 and 4 threads give the same bits");
    return done();
}
