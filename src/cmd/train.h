/* SPDX-License-Identifier: Apache-2.0 */
/* What train.c (options) and train_run.c (the run) share. */
#ifndef EBSP_CMD_TRAIN_H
#define EBSP_CMD_TRAIN_H

#include "cmd/cluster.h"
#include "cmd/emulate.h"
#include "cmd/overrides.h"
#include "cmd/supervise.h"
#include "cmd/train_views.h"
#include "job/job.h"
#include "job/tuning.h"
#include "policy/lib.h"

#include <stdbool.h>
#include <stdint.h>

struct err;

struct train_options {
    const char *job, *run_dir, *data_dir, *resume;
    struct overrides overrides;
    struct emulate_options emulate;
    struct cluster_options cluster;
    bool echo;       /* workers do not compute */
    bool no_sharing; /* of memory with workers on this machine */
    bool json, quiet, dry_run, supervise;
    struct views_options views;
    uint64_t max_coordinator_restarts;
    struct supervised supervised;
    struct tuning tuning;
    bool retune; /* --tune or --exact was given */
    int verbose;
};

/* A run with everything checked. */
struct train {
    const struct train_options *options;
    struct job job;
    struct policy_lib policy;
    struct cluster cluster;
    uint32_t servers; /* processes that hold the parameters; 0: none */
    struct views views;
    struct dataset *data;
    struct augment_config augment;
    int signal; /* set by train_run: what it was interrupted by, or 0 */
};

int train_run(struct train *t, struct err *err);

#endif
