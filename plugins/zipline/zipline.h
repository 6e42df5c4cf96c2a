/* SPDX-License-Identifier: Apache-2.0 */
/* ZIPLINE: when should workers of unequal speed meet?
 *
 * Worker p is predicted to push at last_push + i * interval, for each index i
 * from min_index to max_index.  A plan chooses one of these points per worker.
 * The latest point is the barrier, the earliest is the start, their difference
 * is the distance: the longest time that any worker waits.
 *
 * zipline_decide finds the best plan exactly.  For a given barrier the best
 * choice of every worker is its last point that is not after it, so a plan is
 * named by its barrier; of equally good ones the earliest wins.
 *
 * Time O(R n log n) for n workers with R points each, usually close to O(n);
 * memory O(n), kept from call to call.  The problem is that of Zhao et al.,
 * "Elastic Bulk Synchronous Parallel Model for Distributed Deep Learning",
 * ICDM 2019, arXiv 2001.01347; the algorithm is described in leap.c.
 *
 * Needs nothing but libc.  Times are integers of any one unit. */
#ifndef EBSP_ZIPLINE_H
#define EBSP_ZIPLINE_H

#include <stddef.h>
#include <stdint.h>

/* Every time must lie strictly between -ZIPLINE_TIME_LIMIT and this. */
#define ZIPLINE_TIME_LIMIT (INT64_C(1) << 62)

enum zipline_status {
    ZIPLINE_OK = 0,
    ZIPLINE_NO_WORKERS,   /* n is 0, or more than 2^32 - 1 */
    ZIPLINE_BAD_INTERVAL, /* an interval is zero or negative */
    ZIPLINE_BAD_INDEX,    /* min_index > max_index */
    ZIPLINE_OUT_OF_RANGE, /* a predicted time reaches ZIPLINE_TIME_LIMIT */
    ZIPLINE_BAD_BASE,     /* the superstep would not begin before it ends */
    ZIPLINE_NO_MEMORY,
    ZIPLINE_TOO_MUCH /* enumeration only: too many combinations */
};

/* What the words above say, for people. */
const char *zipline_status_text(enum zipline_status status);

struct zipline_worker {
    int64_t last_push;
    int64_t interval;   /* between two pushes, > 0 */
    uint32_t min_index; /* 0: may stop where it is; 1: one iteration at least */
    uint32_t max_index; /* so R = max_index - min_index + 1 */
};

enum zipline_objective {
    ZIPLINE_DISTANCE, /* barrier - start: the paper's */
    ZIPLINE_RATE,     /* distance / superstep length */
    ZIPLINE_WASTE     /* sum of all waits / (n * superstep length) */
};

/* What makes a plan good.  All zero means: the shortest distance.
 *
 * `base` is when the superstep began, so that its length is barrier - base.
 * The objectives with a length in them need base < barrier for every possible
 * barrier and base <= every worker's first point. */
struct zipline_goal {
    enum zipline_objective objective;
    int64_t base;
    /* Longest superstep, 0 for any.  When not even the earliest possible
     * barrier is within it, that one is the plan. */
    int64_t max_superstep;
};

struct zipline_point {
    uint32_t index;
    int64_t time;
};

struct zipline_plan {
    int64_t distance, start, barrier;
    /* One per worker, in the order of the workers.  Borrowed: valid until the
     * next call with the same struct zipline. */
    const struct zipline_point *points;
    /* When a worker is the reason of a refusal: which one; else 0. */
    size_t culprit;
};

/* Memory that is used again by each decision. */
struct zipline {
    size_t cap; /* workers that fit */
    struct zipline_point *points;
    struct zl_node *nodes; /* 4 per worker */
    struct zl_track *tracks;
};

void zipline_init(struct zipline *z);
void zipline_release(struct zipline *z);
/* Makes room for n workers: the decisions that follow allocate nothing. */
enum zipline_status zipline_reserve(struct zipline *z, size_t n);

/* The best plan for n workers.  `goal` NULL means the shortest distance. */
enum zipline_status zipline_decide(struct zipline *z,
                                   const struct zipline_worker *workers,
                                   size_t n, const struct zipline_goal *goal,
                                   struct zipline_plan *plan);

#endif
