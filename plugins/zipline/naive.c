/* SPDX-License-Identifier: Apache-2.0 */
#include "zipline/baseline.h"
#include "zipline/search.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* How good the combination `index` is. */
struct merit {
    bool within; /* the longest superstep */
    struct zl_ratio cost;
    int64_t barrier;
    uint64_t sum; /* of the indices: a later point is less waiting */
};

static struct merit
judge(const struct zl_search *s, const struct zipline_point *points)
{
    int64_t start = points[0].time;
    struct merit m = {.barrier = start};
    zl_wide waits = 0;
    uint64_t length = 1;

    for (size_t p = 0; p < s->n; p++) {
        start = points[p].time < start ? points[p].time : start;
        m.barrier = points[p].time > m.barrier ? points[p].time : m.barrier;
        m.sum += points[p].index;
    }
    for (size_t p = 0; p < s->n; p++)
        waits += (uint64_t)(m.barrier - points[p].time);
    if (s->objective != ZIPLINE_DISTANCE)
        length = (uint64_t)(m.barrier - s->base);
    if (s->objective != ZIPLINE_WASTE)
        waits = (uint64_t)(m.barrier - start);
    m.cost = zl_ratio_of(waits, length);
    m.within = m.barrier <= s->last_barrier;
    return m;
}

static bool
is_better(const struct merit *x, const struct merit *y)
{
    int c = zl_ratio_compare(&x->cost, &y->cost);

    if (x->within != y->within)
        return x->within;
    if (!x->within && x->barrier != y->barrier)
        return x->barrier < y->barrier;
    if (c != 0)
        return c < 0;
    if (x->barrier != y->barrier)
        return x->barrier < y->barrier;
    return x->sum > y->sum;
}

/* Counts up like an odometer; false after the last combination. */
static bool
next_combination(const struct zl_search *s, struct zipline_point *points)
{
    for (size_t p = 0; p < s->n; p++) {
        const struct zipline_worker *w = &s->workers[p];

        if (points[p].index < w->max_index) {
            points[p].index++;
            points[p].time += w->interval;
            return true;
        }
        points[p].index = w->min_index;
        points[p].time = zl_point(w, w->min_index);
    }
    return false;
}

enum zipline_status
zipline_naive(const struct zipline_worker *workers, size_t n,
              const struct zipline_goal *goal, struct zipline_point *points,
              struct zipline_plan *plan)
{
    struct zipline_point *trial;
    struct zl_search s;
    struct merit best = {.within = false};
    uint64_t combinations = 1;
    enum zipline_status status;

    memset(plan, 0, sizeof *plan);
    status = zl_prepare(&s, workers, n, goal, &plan->culprit);
    if (status != ZIPLINE_OK)
        return status;
    for (size_t p = 0; p < n; p++) {
        uint64_t r = (uint64_t)workers[p].max_index - workers[p].min_index + 1;

        if (r > ZIPLINE_NAIVE_LIMIT / combinations)
            return ZIPLINE_TOO_MUCH;
        combinations *= r;
    }
    assert(n > 0);
    trial = calloc(n, sizeof *trial);
    if (!trial)
        return ZIPLINE_NO_MEMORY;
    for (size_t p = 0; p < n; p++)
        trial[p] = (struct zipline_point){
            workers[p].min_index, zl_point(&workers[p], workers[p].min_index)};

    for (bool first = true;; first = false) {
        struct merit m = judge(&s, trial);

        if (first || is_better(&m, &best)) {
            best = m;
            memcpy(points, trial, n * sizeof *points);
        }
        if (!next_combination(&s, trial))
            break;
    }
    free(trial);

    plan->points = points;
    plan->barrier = plan->start = best.barrier;
    for (size_t p = 0; p < n; p++)
        if (points[p].time < plan->start)
            plan->start = points[p].time;
    plan->distance = plan->barrier - plan->start;
    return ZIPLINE_OK;
}
