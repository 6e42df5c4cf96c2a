/* SPDX-License-Identifier: Apache-2.0 */
/* Which policy suits these machines: a ladder of policies and parameters in the
 * simulator, a choice among them, and warnings of what is known to go wrong. */
#ifndef EBSP_STUDY_ADVICE_H
#define EBSP_STUDY_ADVICE_H

#include "job/job.h"
#include "job/speed.h"
#include "sim/sim.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct err;

/* What is known about the machines. */
struct profile {
    uint32_t n;            /* workers */
    struct speeds speeds;  /* milliseconds */
    struct sim_path *path; /* [n]; NULL: transfers cost nothing */
};
void profile_release(struct profile *p);
/* Of a run: iteration times, and transfers that were not hidden, from its
 * events.jsonl.  n 0: as many as it had. */
int profile_load(struct profile *p, uint32_t n, const char *path,
                 struct err *err);
/* Mean time of a worker's iterations, in milliseconds. */
double profile_get_ms(const struct profile *p, uint32_t worker);
/* The slowest worker's mean by the fastest one's. */
double profile_get_spread(const struct profile *p);

enum advice_warning {
    ADVICE_STALE_BATCHNORM, /* asynchronous + momentum + batch normalization */
    ADVICE_STALE_MOMENTUM,
    ADVICE_STALE_SCALED, /* the rate of a round for what comes late */
    ADVICE_BIG_STEP,     /* linear scaling of many, no warm-up */
    ADVICE_EARLY_DECAY,  /* the schedule counts updates */
    ADVICE_NEAR_EQUAL,   /* elasticbsp's distance among equals */
    ADVICE_FAR_AHEAD,    /* ... with a long lookahead */
    ADVICE_WAITING,
    ADVICE_BOUND_HELPS_NOT, /* a bound that the slow one makes a barrier */
    ADVICE_DROPS,           /* the slow worker's own data are never used */
    N_ADVICE_WARNINGS
};
/* "stale-batchnorm", and what is wrong with it and why; static. */
const char *advice_warning_name(enum advice_warning w);
const char *advice_warning_text(enum advice_warning w);

struct candidate {
    const char *spec; /* static */
    struct sim_result r;
    double rate;       /* samples per second */
    double pushes;     /* in an update, on average */
    unsigned warnings; /* bit 1 << enum advice_warning */
};

struct advice {
    struct candidate *candidate;
    size_t n, best;
};

/* A candidate within this share of the highest throughput is as fast. */
#define ADVICE_AS_FAST 0.95

/* The warnings about one candidate (advice_make does it); bsp: its outcome with
 * the policy bsp. */
unsigned advice_warn(const struct job *j, const struct candidate *c,
                     const struct candidate *bsp, double spread);
/* Mean age of a contribution when it is applied, in contributions of others:
 * updates of several count as several, so that policies can be compared. */
double advice_get_age(const struct candidate *c);
/* The youngest contributions among those as fast as the fastest; of equally
 * young ones the faster. */
size_t advice_choose(const struct candidate *c, size_t n);
int advice_make(struct advice *a, const struct job *j, const struct profile *p,
                struct err *err);
void advice_release(struct advice *a);

#endif
