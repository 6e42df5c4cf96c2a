/* SPDX-License-Identifier: Apache-2.0 */
/* How long a worker's orders take that emulates another machine:
 * job/emulation.h says what is meant. */
#ifndef EBSP_WORKER_EMULATOR_H
#define EBSP_WORKER_EMULATOR_H

#include "job/speed.h"

#include <stdbool.h>
#include <stdint.h>

struct err;

struct emulator {
    uint32_t rank;
    uint64_t seed;
    int64_t zero_ns; /* when the run began, by this machine's clock */
    struct speeds slow;
    bool is_slow; /* slow holds something */
    double pace_ms;
};

/* Emulates nothing yet. */
void emulator_init(struct emulator *e, uint32_t rank, uint64_t seed,
                   int64_t zero_ns);
/* slow: a SPEED, or NULL.  On failure everything is as it was. */
int emulator_set(struct emulator *e, const char *slow, double pace_ms,
                 struct err *err);
void emulator_release(struct emulator *e);

/* An order that has been computed. */
struct emulator_order {
    uint64_t iteration; /* from 1 */
    uint32_t n_steps;
    int64_t start_ns, computed_ns; /* when it began, when it was computed */
    int64_t compute_ns;            /* what that took */
};

/* When it ends; computing is as many times as long as *factor says, the mean of
 * its steps, which is 1 when nothing is emulated. */
int64_t emulator_get_end(const struct emulator *e,
                         const struct emulator_order *o, double *factor);
/* A factor as PUSH has it: in thousandths, 0 for 1. */
uint32_t emulator_round(double factor);

#endif
