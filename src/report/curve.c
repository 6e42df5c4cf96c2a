/* SPDX-License-Identifier: Apache-2.0 */
#include "report/curve.h"

#include "base/err.h"
#include "base/mem.h"

#include <math.h>
#include <string.h>

#define FIRST_SLOT_S 1e-3

void
curve_release(struct curve *c)
{
    mem_free(c->point);
    memset(c, 0, sizeof *c);
}

static void
join(struct curve_point *to, const struct curve_point *p)
{
    if (to->n == 0) {
        *to = *p;
        return;
    }
    memcpy(to->x, p->x, sizeof to->x);
    to->sum += p->sum;
    to->min = fmin(to->min, p->min);
    to->max = fmax(to->max, p->max);
    to->n += p->n;
}

static void
join_neighbours(struct curve *c)
{
    size_t n = 0;

    for (size_t i = 0; i < c->n; i += 2) {
        struct curve_point p = c->point[i];

        if (i + 1 < c->n)
            join(&p, &c->point[i + 1]);
        c->point[n++] = p;
    }
    c->n = n;
    c->per *= 2;
}

static int
reserve(struct curve *c, struct err *err)
{
    size_t cap = c->cap ? c->cap * 2 : 64;
    struct curve_point *more;

    if (cap > CURVE_POINTS)
        cap = CURVE_POINTS;
    more = mem_resize(c->point, c->cap, cap, sizeof *more);
    if (!more)
        return err_nomem(err);
    c->point = more;
    c->cap = cap;
    return 0;
}

int
curve_add(struct curve *c, double x0, double x1, double y, struct err *err)
{
    struct curve_point p = {
        .x = {x0, x1}, .sum = y, .min = y, .max = y, .n = 1};

    if (!isfinite(y) || !isfinite(x0) || !isfinite(x1))
        return 0;
    if (c->per == 0)
        c->per = 1;
    if (c->n > 0 && c->point[c->n - 1].n < c->per) {
        join(&c->point[c->n - 1], &p);
        return 0;
    }
    if (c->n == CURVE_POINTS) {
        join_neighbours(c);
        return curve_add(c, x0, x1, y, err);
    }
    if (c->n == c->cap && reserve(c, err) != 0)
        return -1;
    c->point[c->n++] = p;
    return 0;
}

void
curve_cut(struct curve *c, int axis, double x)
{
    while (c->n > 0 && c->point[c->n - 1].x[axis] > x)
        c->n--;
}

double
curve_mean(const struct curve_point *p)
{
    return p->sum / (double)p->n;
}

int
curve_thin(const struct curve *c, size_t n, struct curve *to, struct err *err)
{
    size_t each = (c->n + n - 1) / n;

    to->point = mem_alloc(n, sizeof *to->point);
    if (!to->point)
        return err_nomem(err);
    to->cap = n;
    to->per = c->per * each;
    for (size_t i = 0; i < c->n; i++)
        join(&to->point[i / each], &c->point[i]);
    to->n = each ? (c->n + each - 1) / each : 0;
    return 0;
}

static void
double_slots(struct gauge *g)
{
    for (size_t i = 0; i < GAUGE_SLOTS / 2; i++)
        g->sum_s[i] = g->sum_s[2 * i] + g->sum_s[2 * i + 1];
    memset(g->sum_s + GAUGE_SLOTS / 2, 0, sizeof g->sum_s / 2);
    g->slot_s *= 2;
}

void
gauge_reach(struct gauge *g, double end_s)
{
    if (g->slot_s == 0)
        g->slot_s = FIRST_SLOT_S;
    while (isfinite(end_s) && end_s > g->slot_s * GAUGE_SLOTS)
        double_slots(g);
}

void
gauge_add(struct gauge *g, double begin_s, double end_s)
{
    begin_s = fmax(begin_s, 0);
    if (!(end_s > begin_s) || !isfinite(end_s))
        return;
    gauge_reach(g, end_s);
    for (size_t i = (size_t)(begin_s / g->slot_s); i < GAUGE_SLOTS; i++) {
        double from_s = fmax(begin_s, (double)i * g->slot_s);
        double to_s = fmin(end_s, (double)(i + 1) * g->slot_s);

        if (to_s <= from_s && (double)i * g->slot_s >= end_s)
            break;
        g->sum_s[i] += fmax(0, to_s - from_s);
    }
}

void
gauge_cut(struct gauge *g, double end_s)
{
    for (size_t i = 0; i < GAUGE_SLOTS && g->slot_s > 0; i++) {
        double begin_s = (double)i * g->slot_s;

        g->sum_s[i] *= fmin(1, fmax(0, (end_s - begin_s) / g->slot_s));
    }
}
