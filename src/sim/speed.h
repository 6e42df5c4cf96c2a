/* SPDX-License-Identifier: Apache-2.0 */
/* How long an iteration takes: seeded distributions per worker.
 *
 * Spec: WHO:SPEED;WHO:SPEED;...  where WHO is "all", a worker, or a range
 * "2-5", the later entry wins, and SPEED (milliseconds) is one of
 *   constant(MS)                 always MS
 *   uniform(LOW,HIGH)            uniform
 *   lognormal(MEDIAN,SIGMA)      exp(log MEDIAN + SIGMA * normal)
 *   exponential(BASE,MEAN)       BASE + exponential tail of that mean
 *   twoclass(FAST,SLOW,SHARE)    a worker is slow with probability SHARE, for
 *                                good
 *   periodic(BASE,FACTOR,PERIOD,SHARE)  FACTOR times slower in the first SHARE
 *                                of every PERIOD
 *   pause(BASE,EVERY,LENGTH)     stops for LENGTH after every EVERY of time
 * A plain number means constant.  "trace" speeds repeat measured times. */
#ifndef EBSP_SIM_SPEED_H
#define EBSP_SIM_SPEED_H

#include "base/rng.h"

#include <stddef.h>
#include <stdint.h>

struct err;

enum speed_kind {
    SPEED_CONSTANT,
    SPEED_UNIFORM,
    SPEED_LOGNORMAL,
    SPEED_EXPONENTIAL,
    SPEED_TWOCLASS,
    SPEED_PERIODIC,
    SPEED_PAUSE,
    SPEED_TRACE
};

struct speed {
    enum speed_kind kind;
    double arg[4];        /* as above, milliseconds */
    struct rng rng;       /* the worker's own stream */
    const int64_t *trace; /* SPEED_TRACE: nanoseconds, borrowed */
    size_t n_trace, at;
    int64_t next_pause_ns; /* SPEED_PAUSE */
};

struct speeds {
    uint32_t n;
    struct speed *worker;
    int64_t *trace; /* memory of all traces */
};

int speeds_parse(struct speeds *s, uint32_t n, const char *spec, uint64_t seed,
                 struct err *err);
/* Measured iteration times (data + compute) of the pushes in an event stream;
 * worker i repeats those of rank i modulo the ranks found. */
int speeds_load_trace(struct speeds *s, uint32_t n, const char *path,
                      struct err *err);
void speeds_release(struct speeds *s);
/* Starts all streams again, so that each policy sees the same times. */
void speeds_rewind(struct speeds *s, uint64_t seed);

/* 146 years.  No iteration takes longer, so that sums of two fit. */
#define SPEED_MAX_NS (INT64_MAX / 2)
/* As a whole number within 0 .. SPEED_MAX_NS. */
int64_t speed_clamp(double ns);

/* Time that the next iteration of a worker takes, begun at now_ns (at most
 * SPEED_MAX_NS): 1 .. SPEED_MAX_NS. */
int64_t speed_next(struct speed *s, int64_t now_ns);

#endif
