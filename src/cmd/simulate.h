/* SPDX-License-Identifier: Apache-2.0 */
/* What simulate.c (options) and simulate_run.c share. */
#ifndef EBSP_CMD_SIMULATE_H
#define EBSP_CMD_SIMULATE_H

#include "cmd/overrides.h"
#include "job/job.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct err;

#define SIMULATE_MAX_WORKERS 1000000

struct simulate_options {
    uint32_t n; /* 0: not given */
    const char **policy;
    size_t n_policies;
    const char *speeds, *trace, *train, *data_dir;
    uint64_t iterations, seed, bytes;
    bool has_seed, json, quiet;
    uint32_t batch;
    double latency_ms, gbit_per_s, apply_ms;
    struct overrides overrides;
};

int simulate(const struct simulate_options *o, struct err *err);

#endif
