/* SPDX-License-Identifier: Apache-2.0 */
/* Other ways to choose a plan, to compare zipline_decide with.
 *
 * points[n] is the caller's and becomes the plan's.  Refusals are those of
 * zipline_decide; memory is taken and given back by each call. */
#ifndef EBSP_ZIPLINE_BASELINE_H
#define EBSP_ZIPLINE_BASELINE_H

#include "zipline/zipline.h"

/* Combinations that zipline_naive is willing to try. */
#define ZIPLINE_NAIVE_LIMIT UINT64_C(200000000)

/* Every combination of one point per worker: the definition itself, for any
 * goal.  Time O(R^n); ZIPLINE_TOO_MUCH above the limit. */
enum zipline_status zipline_naive(const struct zipline_worker *workers,
                                  size_t n, const struct zipline_goal *goal,
                                  struct zipline_point *points,
                                  struct zipline_plan *plan);

/* ZipLine as published: exact, for the distance; time O(R n^2), memory O(R n).
 */
enum zipline_status zipline_paper(const struct zipline_worker *workers,
                                  size_t n, struct zipline_point *points,
                                  struct zipline_plan *plan);

/* Heuristics for the distance: the points nearest to each point of the slowest
 * worker, O(R n), or to each point of every worker, O(R n^2). */
enum zipline_status zipline_gridscan(const struct zipline_worker *workers,
                                     size_t n, struct zipline_point *points,
                                     struct zipline_plan *plan);
enum zipline_status zipline_fullgridscan(const struct zipline_worker *workers,
                                         size_t n, struct zipline_point *points,
                                         struct zipline_plan *plan);

#endif
