/* SPDX-License-Identifier: Apache-2.0 */
#include "ref_layers.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- options and elements ---- */

static double
number(const struct ref_layer *l, const char *key, double fallback)
{
    const json_t *v = jcur_key(l->at, key).v;

    return v ? json_number_value(v) : fallback;
}

/* "kernel": 3 or [3, 5] */
static int64_t
side(const struct ref_layer *l, const char *key, int i, int64_t fallback)
{
    const json_t *v = jcur_key(l->at, key).v;

    if (!v)
        return fallback;
    return json_integer_value(json_is_array(v) ? json_array_get(v, (size_t)i)
                                               : v);
}

static bool
is(const struct ref_layer *l, const char *type)
{
    return !strcmp(l->type, type);
}

static double *
at(double *v, const struct ref_value *s, int64_t n, int64_t c, int64_t y,
   int64_t x)
{
    return v + ((n * s->c + c) * s->h + y) * s->w + x;
}

static int64_t
count(const struct ref_value *s)
{
    return s->c * s->h * s->w;
}

/* ---- windows ---- */

struct window {
    int64_t kernel[2], stride[2], dilation[2], pad[2], pad_end[2];
};

static struct window
window_of(const struct ref_layer *l)
{
    const int64_t in[2] = {l->in[0]->h, l->in[0]->w};
    bool conv = is(l, "conv2d"), same;
    struct window w;

    same = json_is_string(jcur_key(l->at, "padding").v);
    for (int i = 0; i < 2; i++) {
        int64_t extent, need;

        w.kernel[i] = side(l, "kernel", i, 0);
        w.stride[i] = side(l, "stride", i, conv ? 1 : w.kernel[i]);
        w.dilation[i] = side(l, "dilation", i, 1);
        w.pad[i] = w.pad_end[i] = same ? 0 : side(l, "padding", i, 0);
        if (!same)
            continue;
        extent = (w.kernel[i] - 1) * w.dilation[i] + 1;
        need = ((in[i] + w.stride[i] - 1) / w.stride[i] - 1) * w.stride[i] +
               extent - in[i];
        w.pad[i] = need > 0 ? need / 2 : 0;
        w.pad_end[i] = need > 0 ? need - need / 2 : 0;
    }
    return w;
}

static int64_t
window_out(const struct window *w, int i, int64_t in)
{
    return (in + w->pad[i] + w->pad_end[i] -
            ((w->kernel[i] - 1) * w->dilation[i] + 1)) /
               w->stride[i] +
           1;
}

/* Row (i = 0) or column of the input under a tap of the kernel, or -1. */
static int64_t
under(const struct window *w, int i, int64_t out, int64_t tap, int64_t in)
{
    int64_t p = out * w->stride[i] - w->pad[i] + tap * w->dilation[i];

    return p >= 0 && p < in ? p : -1;
}

/* What a window does at one place: called for each (sample, output channel,
 * output row, column). */
struct place {
    int64_t n, c, y, x;
};
typedef void place_fn(const struct ref_layer *l, const struct window *w,
                      struct place p);

static void
each_place(const struct ref_layer *l, place_fn *fn)
{
    struct window w = window_of(l);
    struct place p;

    for (p.n = 0; p.n < l->n; p.n++)
        for (p.c = 0; p.c < l->out->c; p.c++)
            for (p.y = 0; p.y < l->out->h; p.y++)
                for (p.x = 0; p.x < l->out->w; p.x++)
                    fn(l, &w, p);
}

/* ---- convolution, dense ---- */

static void
conv_place(const struct ref_layer *l, const struct window *w, struct place p,
           bool back)
{
    const struct ref_value *in = l->in[0];
    int64_t groups = side(l, "groups", 0, 1), per = in->c / groups;
    int64_t first = p.c / (l->out->c / groups) * per;
    double sum = l->bias ? l->bias[p.c] : 0;
    double d = back ? *at(l->out->d, l->out, p.n, p.c, p.y, p.x) : 0;

    for (int64_t c = 0; c < per; c++)
        for (int64_t ky = 0; ky < w->kernel[0]; ky++)
            for (int64_t kx = 0; kx < w->kernel[1]; kx++) {
                int64_t y = under(w, 0, p.y, ky, in->h);
                int64_t x = under(w, 1, p.x, kx, in->w);
                int64_t k =
                    ((p.c * per + c) * w->kernel[0] + ky) * w->kernel[1] + kx;

                if (y < 0 || x < 0)
                    continue;
                if (back) {
                    l->d_weight[k] += d * *at(in->v, in, p.n, first + c, y, x);
                    *at(in->d, in, p.n, first + c, y, x) += d * l->weight[k];
                } else {
                    sum += l->weight[k] * *at(in->v, in, p.n, first + c, y, x);
                }
            }
    if (!back)
        *at(l->out->v, l->out, p.n, p.c, p.y, p.x) = sum;
    else if (l->d_bias)
        l->d_bias[p.c] += d;
}

static void
conv_forward(const struct ref_layer *l, const struct window *w, struct place p)
{
    conv_place(l, w, p, false);
}

static void
conv_backward(const struct ref_layer *l, const struct window *w, struct place p)
{
    conv_place(l, w, p, true);
}

static void
dense(const struct ref_layer *l, bool back)
{
    int64_t k = count(l->in[0]), u = l->out->c;

    for (int64_t n = 0; n < l->n; n++)
        for (int64_t o = 0; o < u; o++) {
            const double *x = l->in[0]->v + n * k, *w = l->weight + o * k;
            double sum = l->bias ? l->bias[o] : 0;
            double d = back ? l->out->d[n * u + o] : 0;

            for (int64_t i = 0; i < k; i++) {
                sum += w[i] * x[i];
                if (back) {
                    l->d_weight[o * k + i] += d * x[i];
                    l->in[0]->d[n * k + i] += d * w[i];
                }
            }
            if (!back)
                l->out->v[n * u + o] = sum;
            else if (l->d_bias)
                l->d_bias[o] += d;
        }
}

/* ---- pooling ---- */

struct peak {
    int64_t y, x; /* of the first largest number */
    double gap;   /* to the next one that differs */
};

static struct peak
find_peak(const struct ref_layer *l, const struct window *w, struct place p)
{
    const struct ref_value *in = l->in[0];
    struct peak best = {-1, -1, INFINITY};
    double most = 0;

    for (int64_t ky = 0; ky < w->kernel[0]; ky++)
        for (int64_t kx = 0; kx < w->kernel[1]; kx++) {
            int64_t y = under(w, 0, p.y, ky, in->h);
            int64_t x = under(w, 1, p.x, kx, in->w);
            double v;

            if (y < 0 || x < 0)
                continue;
            v = *at(in->v, in, p.n, p.c, y, x);
            if (best.y < 0 || v > most) {
                best.gap = best.y < 0 ? INFINITY : v - most;
                best.y = y;
                best.x = x;
                most = v;
            } else if (v < most) {
                best.gap = fmin(best.gap, most - v);
            }
        }
    return best;
}

static void
max_place(const struct ref_layer *l, const struct window *w, struct place p,
          bool back)
{
    const struct ref_value *in = l->in[0];
    struct peak best = find_peak(l, w, p);

    if (back)
        *at(in->d, in, p.n, p.c, best.y, best.x) +=
            *at(l->out->d, l->out, p.n, p.c, p.y, p.x);
    else
        *at(l->out->v, l->out, p.n, p.c, p.y, p.x) =
            *at(in->v, in, p.n, p.c, best.y, best.x);
}

static void
max_forward(const struct ref_layer *l, const struct window *w, struct place p)
{
    max_place(l, w, p, false);
}

static void
max_backward(const struct ref_layer *l, const struct window *w, struct place p)
{
    max_place(l, w, p, true);
}

static void
avg_place(const struct ref_layer *l, const struct window *w, struct place p,
          bool back)
{
    const struct ref_value *in = l->in[0];
    const json_t *all = jcur_key(l->at, "count_include_pad").v;
    double sum = 0, d, n = 0;

    for (int pass = 0; pass < 2; pass++) { /* n first, then what it divides */
        d = back ? *at(l->out->d, l->out, p.n, p.c, p.y, p.x) / n : 0;
        for (int64_t ky = 0; ky < w->kernel[0]; ky++)
            for (int64_t kx = 0; kx < w->kernel[1]; kx++) {
                int64_t y = under(w, 0, p.y, ky, in->h);
                int64_t x = under(w, 1, p.x, kx, in->w);

                if (pass == 0)
                    n += (y >= 0 && x >= 0) || !json_is_false(all);
                else if (y < 0 || x < 0)
                    continue;
                else if (back)
                    *at(in->d, in, p.n, p.c, y, x) += d;
                else
                    sum += *at(in->v, in, p.n, p.c, y, x);
            }
    }
    if (!back)
        *at(l->out->v, l->out, p.n, p.c, p.y, p.x) = sum / n;
}

static void
avg_forward(const struct ref_layer *l, const struct window *w, struct place p)
{
    avg_place(l, w, p, false);
}

static void
avg_backward(const struct ref_layer *l, const struct window *w, struct place p)
{
    avg_place(l, w, p, true);
}

static void
global_avg(const struct ref_layer *l, bool back)
{
    int64_t area = l->in[0]->h * l->in[0]->w;

    for (int64_t k = 0; k < l->n * l->in[0]->c; k++) {
        double sum = 0;

        for (int64_t i = k * area; i < (k + 1) * area; i++) {
            sum += l->in[0]->v[i];
            if (back)
                l->in[0]->d[i] += l->out->d[k] / (double)area;
        }
        if (!back)
            l->out->v[k] = sum / (double)area;
    }
}

/* ---- kinks ---- */

double
ref_layer_margin(const struct ref_layer *l)
{
    double margin = INFINITY;
    struct window w;
    struct place p;

    if (is(l, "relu") || is(l, "leaky_relu"))
        for (int64_t i = 0; i < l->n * count(l->out); i++)
            margin = fmin(margin, fabs(l->in[0]->v[i]));
    if (!is(l, "maxpool"))
        return margin;
    w = window_of(l);
    for (p.n = 0; p.n < l->n; p.n++)
        for (p.c = 0; p.c < l->out->c; p.c++)
            for (p.y = 0; p.y < l->out->h; p.y++)
                for (p.x = 0; p.x < l->out->w; p.x++)
                    margin = fmin(margin, find_peak(l, &w, p).gap);
    return margin;
}

/* ---- all of them ---- */

static void
copy(const struct ref_layer *l, bool back)
{
    for (int64_t i = 0; i < l->n * count(l->out); i++) {
        if (!back)
            l->out->v[i] = 0;
        for (int k = 0; k < l->n_in; k++)
            if (back)
                l->in[k]->d[i] += l->out->d[i];
            else
                l->out->v[i] += l->in[k]->v[i];
    }
}

void
ref_shape(struct ref_layer *l)
{
    const struct ref_value *in = l->in[0];
    struct ref_value *out = l->out;

    *out = (struct ref_value){.c = in->c, .h = in->h, .w = in->w};
    if (is(l, "conv2d") || is(l, "maxpool") || is(l, "avgpool")) {
        struct window w = window_of(l);

        out->c = (int64_t)number(l, "filters", (double)in->c);
        out->h = window_out(&w, 0, in->h);
        out->w = window_out(&w, 1, in->w);
    } else if (is(l, "dense") || is(l, "flatten") || is(l, "global_avgpool")) {
        out->c = is(l, "dense")     ? (int64_t)number(l, "units", 0)
                 : is(l, "flatten") ? count(in)
                                    : in->c;
        out->h = out->w = 1;
    }
}

static void
run(const struct ref_layer *l, bool back)
{
    if (is(l, "conv2d")) {
        each_place(l, back ? conv_backward : conv_forward);
    } else if (is(l, "dense")) {
        dense(l, back);
    } else if (is(l, "maxpool")) {
        each_place(l, back ? max_backward : max_forward);
    } else if (is(l, "avgpool")) {
        each_place(l, back ? avg_backward : avg_forward);
    } else if (is(l, "global_avgpool")) {
        global_avg(l, back);
    } else if (is(l, "batchnorm") || is(l, "groupnorm")) {
        ref_norm(l, back);
    } else if (is(l, "lrn")) {
        ref_lrn(l, back);
    } else if (is(l, "dropout")) {
        ref_dropout(l, back);
    } else if (is(l, "add") || is(l, "flatten")) {
        copy(l, back);
    } else if (is(l, "relu") || is(l, "leaky_relu") || is(l, "gelu") ||
               is(l, "tanh") || is(l, "sigmoid")) {
        ref_activation(l, back);
    } else {
        printf("Bail out! the reference has no \"%s\"\n", l->type);
        exit(1);
    }
}

void
ref_forward(const struct ref_layer *l)
{
    run(l, false);
}

void
ref_backward(const struct ref_layer *l)
{
    run(l, true);
}
