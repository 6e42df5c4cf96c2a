/* SPDX-License-Identifier: Apache-2.0 */
/* What synchronizing costs at least: the same traffic of memory by bare loops
 * on all processors, without processes, messages or a policy. */
#ifndef EBSP_CMD_BENCH_MEMORY_H
#define EBSP_CMD_BENCH_MEMORY_H

#include <stddef.h>

struct err;

struct memory_bound {
    double workers_s; /* each of n reads a vector and writes one */
    double server_s;  /* n vectors are added up, and moved by one more */
};

/* Best of `rounds`, n_workers vectors of n_floats each. */
int memory_measure(struct memory_bound *b, size_t n_floats, unsigned n_workers,
                   unsigned rounds, struct err *err);

#endif
