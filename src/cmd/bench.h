/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of ebsp bench share. */
#ifndef EBSP_CMD_BENCH_H
#define EBSP_CMD_BENCH_H

#include "cmd/overrides.h"
#include "study/study.h"

#include <stdbool.h>
#include <stdio.h>

struct err;

struct bench_options {
    const char *job, *data_dir, *out, *baseline, *conventions;
    char **policy; /* specs as they were given */
    size_t n_policies;
    const char **scenario;
    size_t n_scenarios;
    uint64_t workers, seeds, seed, jobs; /* jobs 0: one per processor */
    bool has_seed, is_virtual, json, quiet;
    double pace_ms, target; /* NAN: not given */
    struct overrides overrides;
};

struct bench {
    const struct bench_options *options;
    struct study study;
    struct folder folder;
    uint64_t samples; /* of a run */
    bool stopped;     /* somebody wants the end */
    int signal;       /* that said so */
};

/* bench_run.c: all cells that are missing. */
int bench_run(struct bench *b, struct err *err);
/* bench_live.c: one cell with `ebsp train`.  *result as by virtual_run, NULL
 * when it was interrupted. */
int bench_live(struct bench *b, const struct cell *c, json_t **result,
               struct err *err);
/* bench_print.c: bench.json as tables. */
void bench_print(FILE *to, const json_t *bench);

#endif
