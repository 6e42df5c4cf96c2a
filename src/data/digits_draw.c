/* SPDX-License-Identifier: Apache-2.0 */
/* Like handwriting: a skeleton whose points tremble, bent, sheared, turned,
 * stretched and moved, drawn with a pen of some width, blurred, between specks
 * and on a noisy ground.
 *
 * The bits are the same on every machine: + - * / and sqrt, which IEEE 754
 * defines to the last bit, and base/exact.h; no other function of libm. */
#include "base/exact.h"
#include "base/rng.h"
#include "data/digits.h"

#include <math.h> /* sqrt, floor: exact by definition */
#include <string.h>

#define STEPS 5 /* straight pieces between two points of a skeleton */

/* From the box of a skeleton, [-1, 1]^2, to pixels. */
struct warp {
    double a[2][2], shift[2];
    double bend[2][4]; /* quadratic and cubic terms: slow waves */
};

struct canvas {
    float ink[DIGIT_PIXELS]; /* 0 to 1 */
};

struct point {
    double x, y;
};

static double
between(struct rng *r, double low, double high)
{
    return low + (high - low) * rng_unit(r);
}

static struct warp
draw_warp(struct rng *r)
{
    double turn = 0.03 * rng_normal(r); /* in turns: 11 degrees */
    double c = exact_cos_turns(turn), s = exact_sin_turns(turn);
    double shear = 0.18 * rng_normal(r);
    double high = between(r, 7.6, 10.4), wide = high * between(r, 0.6, 0.95);
    struct warp w;

    /* rotation * shear * scale */
    w.a[0][0] = c * wide;
    w.a[0][1] = (-s - c * shear) * high;
    w.a[1][0] = s * wide;
    w.a[1][1] = (c - s * shear) * high;
    for (int i = 0; i < 2; i++) {
        w.shift[i] = (DIGIT_SIDE - 1) / 2.0 + between(r, -1.9, 1.9);
        for (int j = 0; j < 4; j++)
            w.bend[i][j] = 0.09 * rng_normal(r);
    }
    return w;
}

static struct point
warp(const struct warp *w, double x, double y)
{
    double bent[2];

    for (int i = 0; i < 2; i++) {
        const double *b = w->bend[i];

        bent[i] = (i ? y : x) + b[0] * x * y + b[1] * (i ? x * x : y * y) +
                  b[2] * x * x * y + b[3] * x * y * y;
    }
    return (struct point){
        w->a[0][0] * bent[0] + w->a[0][1] * bent[1] + w->shift[0],
        w->a[1][0] * bent[0] + w->a[1][1] * bent[1] + w->shift[1]};
}

/* Ink where a pen of radius `radius` goes from p to q: full inside, none half
 * a pixel outside, linear between (anti-aliasing). */
static void
draw_line(struct canvas *to, struct point p, struct point q, double radius)
{
    double dx = q.x - p.x, dy = q.y - p.y, len2 = dx * dx + dy * dy;
    double reach = radius + 0.5, inverse = len2 > 0 ? 1 / len2 : 0;
    int x0 = (int)floor((p.x < q.x ? p.x : q.x) - reach) + 1;
    int x1 = (int)floor((p.x < q.x ? q.x : p.x) + reach);
    int y0 = (int)floor((p.y < q.y ? p.y : q.y) - reach) + 1;
    int y1 = (int)floor((p.y < q.y ? q.y : p.y) + reach);

    x0 = x0 < 0 ? 0 : x0;
    y0 = y0 < 0 ? 0 : y0;
    x1 = x1 >= DIGIT_SIDE ? DIGIT_SIDE - 1 : x1;
    y1 = y1 >= DIGIT_SIDE ? DIGIT_SIDE - 1 : y1;
    for (int y = y0; y <= y1; y++) {
        float *row = to->ink + y * DIGIT_SIDE;

        for (int x = x0; x <= x1; x++) {
            double px = x - p.x, py = y - p.y;
            double t = (px * dx + py * dy) * inverse;
            double d2, ink;

            t = t < 0 ? 0 : t > 1 ? 1 : t;
            px -= t * dx;
            py -= t * dy;
            d2 = px * px + py * py;
            if (d2 >= reach * reach)
                continue;
            ink = reach - sqrt(d2);
            ink = ink > 1 ? 1 : ink;
            if (row[x] < (float)ink)
                row[x] = (float)ink;
        }
    }
}

/* Catmull-Rom: the curve from b to c with neighbours a and d. */
static double
spline(double a, double b, double c, double d, double t)
{
    return b +
           0.5 * t *
               (c - a +
                t * (2 * a - 5 * b + 4 * c - d + t * (3 * (b - c) + d - a)));
}

static bool
same(const int8_t a[2], const int8_t b[2])
{
    return a[0] == b[0] && a[1] == b[1];
}

static void
draw_stroke(struct canvas *to, const struct stroke *s, const struct warp *w,
            double tremble, double radius, struct rng *r)
{
    struct point p[STROKE_POINTS];

    for (int i = 0; i < s->n; i++) {
        if (i > 0 && same(s->at[i], s->at[i - 1])) {
            p[i] = p[i - 1];
            continue;
        }
        p[i].x = s->at[i][0] / 50.0 - 1 + tremble * rng_normal(r);
        p[i].y = s->at[i][1] / 50.0 - 1 + tremble * rng_normal(r);
    }
    for (int i = 0; i + 1 < s->n; i++) {
        /* Beyond an end or a corner there is no neighbour to bend towards. */
        bool first = i == 0 || same(s->at[i - 1], s->at[i]);
        bool last = i + 2 >= s->n || same(s->at[i + 1], s->at[i + 2]);
        struct point b = p[i], c = p[i + 1];
        struct point a = first ? b : p[i - 1], d = last ? c : p[i + 2];
        struct point from = warp(w, b.x, b.y);

        if (same(s->at[i], s->at[i + 1]))
            continue;
        for (int k = 1; k <= STEPS; k++) {
            double t = (double)k / STEPS;
            struct point at = warp(w, spline(a.x, b.x, c.x, d.x, t),
                                   spline(a.y, b.y, c.y, d.y, t));

            draw_line(to, from, at, radius);
            from = at;
        }
    }
}

/* Dots and short scratches that belong to no digit. */
static void
draw_specks(struct canvas *to, double noise, struct rng *r)
{
    uint64_t n = rng_below(r, 1 + (uint64_t)(12 * noise));

    for (; n > 0; n--) {
        struct point p = {between(r, 0, DIGIT_SIDE - 1),
                          between(r, 0, DIGIT_SIDE - 1)};
        struct point q = {p.x + between(r, -2.5, 2.5),
                          p.y + between(r, -2.5, 2.5)};

        draw_line(to, p, q, between(r, 0.1, 0.7));
    }
}

/* One pass of a 1-2-1 filter in each direction, mixed in by `amount`. */
static void
blur(struct canvas *c, float amount)
{
    float side = amount / 4, middle = 1 - 2 * side;

    for (int pass = 0; pass < 2; pass++) {
        int along = pass ? DIGIT_SIDE : 1, across = pass ? 1 : DIGIT_SIDE;

        for (int i = 0; i < DIGIT_SIDE; i++) {
            float *p = c->ink + i * across, before = 0;

            for (int j = 0; j < DIGIT_SIDE; j++, p += along) {
                float after = j + 1 < DIGIT_SIDE ? p[along] : 0, here = *p;

                *p = middle * here + side * (before + after);
                before = here;
            }
        }
    }
}

/* Two bytes of noise per pixel make a triangular distribution around 0. */
static void
develop(const struct canvas *c, double ink, double noise, struct rng *r,
        uint8_t image[DIGIT_PIXELS])
{
    float scale = (float)(255 * ink), ground = (float)(0.55 * noise);
    uint64_t bits = 0;

    for (int i = 0; i < DIGIT_PIXELS; i++) {
        int grain;
        float v;

        if (i % 4 == 0)
            bits = rng_u64(r);
        grain = (int)(bits & 255) + (int)(bits >> 8 & 255) - 255;
        bits >>= 16;
        v = c->ink[i] * scale + ground * (float)grain + 0.5f;
        image[i] = (uint8_t)(v < 0 ? 0 : v > 255 ? 255 : v);
    }
}

void
digit_draw(int digit, double noise, struct rng *r, uint8_t image[DIGIT_PIXELS])
{
    const struct digit_ways *ways = &digit_ways[digit];
    const struct glyph *g = &ways->way[rng_below(r, (uint64_t)ways->n)];
    struct warp w = draw_warp(r);
    double tremble = between(r, 0.02, 0.09), radius = between(r, 0.6, 1.7);
    struct canvas c;

    memset(&c, 0, sizeof c);
    for (int i = 0; i < g->n_strokes; i++)
        draw_stroke(&c, &g->stroke[i], &w, tremble, radius, r);
    draw_specks(&c, noise, r);
    blur(&c, (float)rng_unit(r));
    develop(&c, between(r, 0.6, 1.0), noise, r, image);
}
