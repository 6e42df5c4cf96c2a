/* SPDX-License-Identifier: Apache-2.0 */
/* --slow RANK:FACTOR: emulated speeds of workers, of train and check. */
#ifndef EBSP_CMD_SLOW_H
#define EBSP_CMD_SLOW_H

#include <argp.h>
#include <stddef.h>
#include <stdint.h>

struct err;

struct slow {
    uint64_t rank;
    double factor; /* >= 1 */
};

struct slows {
    struct slow *v;
    size_t n;
};

/* For a parser of argp: 0 or an errno value. */
int slows_add(struct slows *s, const char *arg, struct argp_state *state);
/* ERR_USAGE when there is no such worker. */
int slows_check(const struct slows *s, uint32_t n_workers, struct err *err);
/* 1 when nothing is said about the worker; of several the last one holds. */
double slows_get(const struct slows *s, uint64_t rank);
void slows_release(struct slows *s);

#endif
