/* SPDX-License-Identifier: Apache-2.0 */
/* How long iterations take: seeded distributions per worker, for the simulator
 * and for emulation in live runs.
 *
 * Spec: WHO:SPEED;WHO:SPEED;...  (job/ranked.h), where SPEED is one of
 *   constant(X)                  always X; a plain number means the same
 *   uniform(LOW,HIGH)            uniform
 *   lognormal(MEDIAN,SIGMA)      exp(log MEDIAN + SIGMA * normal)
 *   exponential(BASE,MEAN)       BASE + exponential tail of that mean
 *   twoclass(FAST,SLOW,SHARE)    a worker is slow with probability SHARE, for
 *                                good
 *   periodic(BASE,FACTOR,PERIOD,SHARE)  FACTOR times slower in the first SHARE
 *                                of every PERIOD
 *   pause(BASE,EVERY,LENGTH)     stops for LENGTH after every EVERY of time
 *   steps(X,X,...)               one after the other, again and again
 *   trace(FILE)                  the same with the numbers of a file
 * PERIOD, EVERY and LENGTH are milliseconds.  The unit of the other numbers is
 * the caller's: the simulator's is a millisecond, in a live run they are
 * factors of what an iteration takes otherwise.
 *
 * What is drawn for an iteration depends on seed, worker and the iteration's
 * number only; what depends on time (periodic, pause) depends on when it
 * begins, too. */
#ifndef EBSP_JOB_SPEED_H
#define EBSP_JOB_SPEED_H

#include <stddef.h>
#include <stdint.h>

struct buf;
struct err;

enum speed_kind {
    SPEED_CONSTANT,
    SPEED_UNIFORM,
    SPEED_LOGNORMAL,
    SPEED_EXPONENTIAL,
    SPEED_TWOCLASS,
    SPEED_PERIODIC,
    SPEED_PAUSE,
    SPEED_STEPS
};

#define SPEED_MAX_STEPS 32768 /* numbers of a trace */

struct speed {
    enum speed_kind kind;
    double arg[4]; /* as above */
    uint64_t seed;
    uint32_t worker;
    const double *step; /* SPEED_STEPS: borrowed */
    size_t n_steps;
    uint64_t at; /* iterations so far: speed_next */
};

struct speeds {
    uint32_t n;
    struct speed *worker;
    double *step; /* memory of all steps */
    size_t n_steps;
};

/* For workers 0 .. n-1, each of which must have an entry.  trace(FILE) is
 * looked for from the current folder.  ERR_USAGE with the place; a file that
 * cannot be read or understood is ERR_SYS or ERR_CONFIG. */
int speeds_parse(struct speeds *s, uint32_t n, const char *spec, uint64_t seed,
                 struct err *err);
/* What one worker gets from a SPEED without WHO. */
int speeds_parse_one(struct speeds *s, uint32_t worker, const char *speed,
                     uint64_t seed, struct err *err);
/* A spec of which trace(FILE) is looked for in `dir` (NULL: is refused) and
 * becomes steps(...), so that it says everything itself.  Not every worker
 * needs an entry. */
int speeds_inline(struct buf *to, const char *spec, const char *dir,
                  struct err *err);
void speeds_release(struct speeds *s);
/* Starts again, so that each policy sees the same times. */
void speeds_rewind(struct speeds *s, uint64_t seed);

/* 146 years.  No iteration takes longer, so that sums of two fit. */
#define SPEED_MAX_NS (INT64_MAX / 2)
/* As a whole number within 0 .. SPEED_MAX_NS. */
int64_t speed_clamp(double ns);

/* Time that the k-th iteration (from 0) of a worker takes, begun at now_ns (at
 * most SPEED_MAX_NS), when the unit of the spec's numbers is unit_ns: 1 ..
 * SPEED_MAX_NS. */
int64_t speed_time(const struct speed *s, uint64_t k, int64_t now_ns,
                   double unit_ns);
/* Time of the next iteration, the unit is a millisecond. */
int64_t speed_next(struct speed *s, int64_t now_ns);

#endif
