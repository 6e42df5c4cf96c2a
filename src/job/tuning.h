/* SPDX-License-Identifier: Apache-2.0 */
/* The ways of a job's network (nn/ways.h), measured on this machine or
 * remembered from before.
 *
 * The memory is a folder of small files, one for each network, size of
 * mini-batch, number of threads, kind of measurement, processor and version:
 * $XDG_CACHE_HOME/ebsp, or ~/.cache/ebsp.  What is no regular file or
 * cannot be read is measured again; a folder that cannot be written is no
 * failure. */
#ifndef EBSP_JOB_TUNING_H
#define EBSP_JOB_TUNING_H

#include "job/job.h"

enum tuning_effort { TUNING_OFF, TUNING_QUICK, TUNING_FULL };

struct tuning {
    enum tuning_effort effort;
    bool exact; /* direct convolutions only */
    /* Called when measuring begins that will take more than about a second, or
     * NULL. */
    void (*slow)(void *ctx);
    void *ctx;
};

enum tuning_source {
    TUNING_RULES,   /* nothing to measure, or not worth it */
    TUNING_JOB,     /* the job has them */
    TUNING_CACHE,   /* remembered */
    TUNING_MEASURED /* now */
};

/* The ways enter the job's graph and document ("ways"), so that whoever gets
 * the effective job takes the same.  A job that has them keeps them.  Before
 * any net of the graph exists. */
int tuning_choose(struct job *j, const struct tuning *t,
                  enum tuning_source *source, struct err *err);
/* A job that has ways has none any more. */
int tuning_forget(struct job *j, struct err *err);

#endif
