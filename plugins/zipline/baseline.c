/* SPDX-License-Identifier: Apache-2.0 */
#include "zipline/baseline.h"

#include "zipline/search.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* ---- ZipLine of the paper ---- */

struct dot {
    int64_t time;
    uint32_t worker, index;
};

static int
compare_dots(const void *va, const void *vb)
{
    const struct dot *a = va, *b = vb;

    if (a->time != b->time)
        return a->time < b->time ? -1 : 1;
    return a->worker < b->worker ? -1 : a->worker > b->worker;
}

/* One dot more at the right end of the set, its worker's older one out: the
 * linear search is what makes the algorithm O(R n^2). */
static size_t
add_dot(struct dot *set, size_t n_set, const struct dot *dot)
{
    size_t i = 0;

    while (i < n_set && set[i].worker != dot->worker)
        i++;
    if (i < n_set)
        memmove(&set[i], &set[i + 1], (--n_set - i) * sizeof *set);
    set[n_set] = *dot;
    return n_set + 1;
}

/* All points on one time line, each with the colour of its worker.  The set Z
 * slides over it from left to right and holds the last point of each colour;
 * once it has all colours, the difference of its ends is a candidate. */
enum zipline_status
zipline_paper(const struct zipline_worker *workers, size_t n,
              struct zipline_point *points, struct zipline_plan *plan)
{
    struct zl_search s;
    struct dot *line = NULL, *set = NULL;
    size_t n_line = 0, n_set = 0;
    uint64_t total = 0;
    int64_t best = INT64_MAX, barrier = 0;
    enum zipline_status status;

    memset(plan, 0, sizeof *plan);
    status = zl_prepare(&s, workers, n, NULL, &plan->culprit);
    if (status != ZIPLINE_OK)
        return status;
    for (size_t p = 0; p < n; p++) /* n and R below 2^32: no overflow */
        total += (uint64_t)workers[p].max_index - workers[p].min_index + 1;
    assert(total > 0);
    line = calloc(total, sizeof *line);
    set = calloc(n, sizeof *set);
    if (!line || !set) {
        status = ZIPLINE_NO_MEMORY;
        goto out;
    }
    for (size_t p = 0; p < n; p++)
        for (uint64_t i = workers[p].min_index; i <= workers[p].max_index; i++)
            line[n_line++] = (struct dot){zl_point(&workers[p], (int64_t)i),
                                          (uint32_t)p, (uint32_t)i};
    qsort(line, n_line, sizeof *line, compare_dots);

    for (size_t k = 0; k < n_line; k++) {
        n_set = add_dot(set, n_set, &line[k]);
        if (n_set == n && line[k].time - set[0].time < best) {
            best = line[k].time - set[0].time;
            barrier = line[k].time;
        }
    }
    zl_plan_at(&s, barrier, points, plan);
out:
    free(line);
    free(set);
    return status;
}

/* ---- GridScan, FullGridScan ---- */

/* The paper compares ZipLine with these two heuristics by name and cost.  This
 * is our reading: take a base point and let every worker choose its point
 * nearest to it.  GridScan tries the points of one worker, here the slowest,
 * of which each plan holds one; FullGridScan those of all workers.  Neither is
 * exact: the nearest point may lie on the wrong side of the base point. */
static struct zipline_point
nearest(const struct zipline_worker *w, int64_t t)
{
    int64_t i = w->min_index, time = zl_point(w, i);

    if (t > time) {
        i = zl_index_at(w, t);
        time = zl_point(w, i);
        if (i < w->max_index && time + w->interval - t < t - time) {
            i++;
            time += w->interval;
        }
    }
    return (struct zipline_point){(uint32_t)i, time};
}

static void
plan_around(const struct zl_search *s, int64_t t, struct zipline_plan *plan)
{
    plan->start = INT64_MAX;
    plan->barrier = INT64_MIN;
    for (size_t p = 0; p < s->n; p++) {
        int64_t time = nearest(&s->workers[p], t).time;

        plan->start = time < plan->start ? time : plan->start;
        plan->barrier = time > plan->barrier ? time : plan->barrier;
    }
    plan->distance = plan->barrier - plan->start;
}

/* Improves *best by the points of one worker as base points. */
static void
scan_grid(const struct zl_search *s, const struct zipline_worker *w,
          struct zipline_plan *best, int64_t *best_base)
{
    for (uint64_t i = w->min_index; i <= w->max_index; i++) {
        int64_t base = zl_point(w, (int64_t)i);
        struct zipline_plan plan;

        plan_around(s, base, &plan);
        if (plan.distance < best->distance ||
            (plan.distance == best->distance && plan.barrier < best->barrier)) {
            best->distance = plan.distance;
            best->start = plan.start;
            best->barrier = plan.barrier;
            *best_base = base;
        }
    }
}

static enum zipline_status
gridscan(const struct zipline_worker *workers, size_t n, bool full,
         struct zipline_point *points, struct zipline_plan *plan)
{
    const struct zipline_worker *slowest = workers;
    struct zl_search s;
    int64_t base = 0;
    enum zipline_status status;

    memset(plan, 0, sizeof *plan);
    status = zl_prepare(&s, workers, n, NULL, &plan->culprit);
    if (status != ZIPLINE_OK)
        return status;
    plan->distance = INT64_MAX;
    for (size_t p = 0; p < n; p++) {
        if (workers[p].interval > slowest->interval)
            slowest = &workers[p];
        if (full)
            scan_grid(&s, &workers[p], plan, &base);
    }
    if (!full)
        scan_grid(&s, slowest, plan, &base);
    for (size_t p = 0; p < n; p++)
        points[p] = nearest(&workers[p], base);
    plan->points = points;
    return ZIPLINE_OK;
}

enum zipline_status
zipline_gridscan(const struct zipline_worker *workers, size_t n,
                 struct zipline_point *points, struct zipline_plan *plan)
{
    return gridscan(workers, n, false, points, plan);
}

enum zipline_status
zipline_fullgridscan(const struct zipline_worker *workers, size_t n,
                     struct zipline_point *points, struct zipline_plan *plan)
{
    return gridscan(workers, n, true, points, plan);
}
