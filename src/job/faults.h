/* SPDX-License-Identifier: Apache-2.0 */
/* What a run does when its workers fail: "faults" of a job (ebsp-job(5)). */
#ifndef EBSP_JOB_FAULTS_H
#define EBSP_JOB_FAULTS_H

#include "base/habit.h"

struct err;
struct jcur;

enum on_worker_loss {
    ON_LOSS_REPLACE, /* another process gets the rank, max_restarts times */
    ON_LOSS_DROP,    /* the others go on */
    ON_LOSS_ABORT    /* the run ends */
};

struct faults {
    enum on_worker_loss on_loss;
    uint32_t min_workers;    /* fewer: the run ends */
    uint32_t max_workers;    /* ranks that there can ever be; 0: see below */
    uint32_t max_restarts;   /* of each rank */
    uint32_t max_bad_pushes; /* of each worker, then it is removed */
    double outlier_norm;     /* times the largest: a bad push; 0: never */
    int64_t rejoin_ns;       /* for a worker that is cut off to come back */
    struct habit_bounds silence;   /* between signs of life */
    struct habit_bounds iteration; /* from an order to its push */
};

/* An absent object gives the defaults. */
int faults_parse(struct faults *f, const struct jcur *faults, struct err *err);
/* max_workers, or what is enough to let a run of n workers grow. */
uint32_t faults_max_workers(const struct faults *f, uint32_t n);

#endif
