/* SPDX-License-Identifier: Apache-2.0 */
/* Shared by the parts of the library; not for its users. */
#ifndef EBSP_ZIPLINE_SEARCH_H
#define EBSP_ZIPLINE_SEARCH_H

#include "zipline/tree.h"
#include "zipline/zipline.h"

#include <stdbool.h>

/* Some point of a worker, and its interval: all its points, if it had no end.
 */
struct zl_track {
    int64_t point, interval;
};

/* A decision in the making: input that was checked, and scratch memory. */
struct zl_search {
    const struct zipline_worker *workers;
    size_t n;
    enum zipline_objective objective;
    int64_t base;
    int64_t first_barrier; /* earliest with a point of each worker before it */
    int64_t last_barrier;  /* a superstep may not end later than this */
    int64_t first_end;     /* when the first worker runs out of points */
    double steps;          /* see zl_leap */
    struct zl_node *room_a, *room_b; /* 2 n nodes each */
    struct zl_track *tracks;         /* n */
};

/* Holds the product of two times, and the sum of 2^32 of them. */
__extension__ typedef unsigned __int128 zl_wide;

/* num / den, comparable although num * den does not fit even in 128 bits. */
struct zl_ratio {
    uint64_t whole, rest, den; /* whole + rest / den */
};

static inline struct zl_ratio
zl_ratio_of(zl_wide num, uint64_t den)
{
    return (struct zl_ratio){(uint64_t)(num / den), (uint64_t)(num % den), den};
}

static inline int
zl_ratio_compare(const struct zl_ratio *x, const struct zl_ratio *y)
{
    zl_wide a = (zl_wide)x->rest * y->den, b = (zl_wide)y->rest * x->den;

    if (x->whole != y->whole)
        return x->whole < y->whole ? -1 : 1;
    return a < b ? -1 : a > b;
}

static inline int64_t
zl_point(const struct zipline_worker *w, int64_t index)
{
    return w->last_push + index * w->interval;
}

/* Index of the worker's last point not after t; its first point is not. */
static inline int64_t
zl_index_at(const struct zipline_worker *w, int64_t t)
{
    int64_t i = (t - w->last_push) / w->interval;

    return i < w->max_index ? i : w->max_index;
}

/* Checks everything and fills s, but for the scratch memory. */
enum zipline_status zl_prepare(struct zl_search *s,
                               const struct zipline_worker *workers, size_t n,
                               const struct zipline_goal *goal,
                               size_t *culprit);
/* The plan with that barrier; points[n] become the plan's. */
void zl_plan_at(const struct zl_search *s, int64_t barrier,
                struct zipline_point *points, struct zipline_plan *plan);

/* The best barrier by distance or rate; the first one when that is after the
 * last.  s->steps: how many workers may be asked one by one, per slow worker
 * and period, before a tournament does it.  Affects the time only. */
int64_t zl_leap(const struct zl_search *s);
/* The same by waste; s->steps is not used. */
int64_t zl_waste(const struct zl_search *s);

#endif
