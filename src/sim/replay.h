/* SPDX-License-Identifier: Apache-2.0 */
/* A run again, from its event stream: the recorded order of releases, ADDs and
 * COMMITs is executed on freshly computed contributions.  No policy takes part:
 * the recording is what it decided. */
#ifndef EBSP_SIM_REPLAY_H
#define EBSP_SIM_REPLAY_H

#include "job/evaluate.h"
#include "job/job.h"

#include <stdbool.h>

struct err;

struct replay_result {
    uint64_t samples, updates;
    uint64_t hash;          /* of the parameters reached */
    uint64_t recorded_hash; /* of the run, when it came to its end */
    bool has_recorded;
    struct evaluation eval;
};

/* run: run directory; job: its job.json, loaded. */
int replay_run(const char *run, const struct job *job,
               struct replay_result *result, struct err *err);

#endif
