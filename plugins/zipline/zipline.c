/* SPDX-License-Identifier: Apache-2.0 */
#include "zipline/zipline.h"

#include "zipline/search.h"

#include <stdlib.h>
#include <string.h>

/* About what a replay of the tournament costs. */
#define STEPS 32

const char *
zipline_status_text(enum zipline_status status)
{
    switch (status) {
    case ZIPLINE_OK:
        return "no error";
    case ZIPLINE_NO_WORKERS:
        return "no workers, or too many";
    case ZIPLINE_BAD_INTERVAL:
        return "interval is not positive";
    case ZIPLINE_BAD_INDEX:
        return "smallest index is above the largest";
    case ZIPLINE_OUT_OF_RANGE:
        return "predicted time is out of range";
    case ZIPLINE_BAD_BASE:
        return "superstep begins after a point that could end it";
    case ZIPLINE_NO_MEMORY:
        return "out of memory";
    case ZIPLINE_TOO_MUCH:
        return "too many combinations to enumerate";
    }
    return "unknown status";
}

void
zipline_init(struct zipline *z)
{
    memset(z, 0, sizeof *z);
}

void
zipline_release(struct zipline *z)
{
    free(z->points);
    free(z->nodes);
    free(z->tracks);
    zipline_init(z);
}

enum zipline_status
zipline_reserve(struct zipline *z, size_t n)
{
    if (n <= z->cap)
        return ZIPLINE_OK;
    if (n > UINT32_MAX)
        return ZIPLINE_NO_WORKERS;
    /* What it holds is of no use any more: no need to copy it. */
    zipline_release(z);
    z->points = calloc(n, sizeof *z->points);
    z->nodes = calloc(n, 4 * sizeof *z->nodes);
    z->tracks = calloc(n, sizeof *z->tracks);
    if (!z->points || !z->nodes || !z->tracks) {
        zipline_release(z);
        return ZIPLINE_NO_MEMORY;
    }
    z->cap = n;
    return ZIPLINE_OK;
}

static bool
in_range(int64_t t)
{
    return t > -ZIPLINE_TIME_LIMIT && t < ZIPLINE_TIME_LIMIT;
}

/* Checks the workers and collects what the search needs to know of all. */
static enum zipline_status
survey(struct zl_search *s, int64_t *earliest, size_t *culprit)
{
    *earliest = ZIPLINE_TIME_LIMIT;
    s->first_barrier = -ZIPLINE_TIME_LIMIT;
    s->first_end = ZIPLINE_TIME_LIMIT;
    for (size_t p = 0; p < s->n; p++) {
        const struct zipline_worker *w = &s->workers[p];
        int64_t first, end;

        *culprit = p;
        if (w->interval <= 0)
            return ZIPLINE_BAD_INTERVAL;
        if (w->min_index > w->max_index)
            return ZIPLINE_BAD_INDEX;
        if (!in_range(w->last_push) ||
            __builtin_mul_overflow(w->interval, (int64_t)w->max_index, &end) ||
            __builtin_add_overflow(w->last_push, end, &end) || !in_range(end))
            return ZIPLINE_OUT_OF_RANGE;
        first = zl_point(w, w->min_index);
        *earliest = first < *earliest ? first : *earliest;
        s->first_barrier = first > s->first_barrier ? first : s->first_barrier;
        s->first_end = end < s->first_end ? end : s->first_end;
    }
    *culprit = 0;
    return ZIPLINE_OK;
}

enum zipline_status
zl_prepare(struct zl_search *s, const struct zipline_worker *workers, size_t n,
           const struct zipline_goal *goal, size_t *culprit)
{
    static const struct zipline_goal shortest = {ZIPLINE_DISTANCE, 0, 0};
    enum zipline_status status;
    int64_t earliest;

    *culprit = 0;
    goal = goal ? goal : &shortest;
    *s = (struct zl_search){
        .workers = workers,
        .n = n,
        .objective = goal->objective,
        .base = goal->base,
        .last_barrier = ZIPLINE_TIME_LIMIT,
        .steps = STEPS,
    };
    if (n == 0 || n > UINT32_MAX)
        return ZIPLINE_NO_WORKERS;
    status = survey(s, &earliest, culprit);
    if (status != ZIPLINE_OK)
        return status;
    if (goal->max_superstep > 0) {
        if (!in_range(s->base))
            return ZIPLINE_BAD_BASE;
        if (goal->max_superstep < ZIPLINE_TIME_LIMIT - s->base)
            s->last_barrier = s->base + goal->max_superstep;
    }
    if (goal->objective != ZIPLINE_DISTANCE &&
        (!in_range(s->base) || s->base > earliest ||
         s->base >= s->first_barrier))
        return ZIPLINE_BAD_BASE;
    return ZIPLINE_OK;
}

void
zl_plan_at(const struct zl_search *s, int64_t barrier,
           struct zipline_point *points, struct zipline_plan *plan)
{
    int64_t start = barrier;

    for (size_t p = 0; p < s->n; p++) {
        int64_t i = zl_index_at(&s->workers[p], barrier);
        int64_t t = zl_point(&s->workers[p], i);

        points[p] = (struct zipline_point){(uint32_t)i, t};
        start = t < start ? t : start;
    }
    plan->points = points;
    plan->barrier = barrier;
    plan->start = start;
    plan->distance = barrier - start;
}

enum zipline_status
zipline_decide(struct zipline *z, const struct zipline_worker *workers,
               size_t n, const struct zipline_goal *goal,
               struct zipline_plan *plan)
{
    struct zl_search s;
    enum zipline_status status;
    int64_t barrier;

    memset(plan, 0, sizeof *plan);
    status = zl_prepare(&s, workers, n, goal, &plan->culprit);
    if (status == ZIPLINE_OK)
        status = zipline_reserve(z, n);
    if (status != ZIPLINE_OK)
        return status;
    s.room_a = z->nodes;
    s.room_b = z->nodes + 2 * n;
    s.tracks = z->tracks;
    barrier = s.objective == ZIPLINE_WASTE ? zl_waste(&s) : zl_leap(&s);
    zl_plan_at(&s, barrier, z->points, plan);
    return ZIPLINE_OK;
}
