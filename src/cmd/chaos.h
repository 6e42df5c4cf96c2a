/* SPDX-License-Identifier: Apache-2.0 */
/* The inside of ebsp chaos: chaos.c reads the command line, chaos_run.c does
 * it and prints. */
#ifndef EBSP_CMD_CHAOS_H
#define EBSP_CMD_CHAOS_H

#include "chaos/chaos.h"

struct err;

struct chaos_options {
    const char *job, *run, *schedule, *check;
    double mtbf_s, duration_s, patience_s, tolerance;
    unsigned actions;
    uint64_t seed;
    bool compare, json, quiet, verbose;
    char *const *train; /* what is behind "--" */
    int n_train;
};

int chaos_cmd_disturb(const struct chaos_options *o, const char *run,
                      const struct script *schedule, struct err *err);
int chaos_cmd_check(const struct chaos_options *o, struct err *err);

#endif
