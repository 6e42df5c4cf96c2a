/* SPDX-License-Identifier: Apache-2.0 */
/* The conformance suite for policies (`ebsp policy check`): thousands of random
 * schedules with random options.  Of each schedule it is checked that
 *   - every action is legal, no promise is broken, there is no deadlock, and
 *     all that struct schedule makes sure of (progress, no work lost);
 *   - the same events give the same actions again, with structs that are longer
 *     than this ABI's and with events of unknown kinds in between;
 *   - two objects that live at the same time do not disturb each other. */
#ifndef EBSP_POLICY_CONFORM_H
#define EBSP_POLICY_CONFORM_H

#include <stdint.h>

struct err;

struct conform_config {
    const char *spec; /* options given here stay, the others are varied */
    uint64_t seed;
    uint64_t first, n_schedules; /* numbers first .. first + n_schedules-1 */
    /* Called before each schedule, so that a caller can watch for plugins that
     * crash or never return; may be NULL. */
    void (*begins)(void *ctx, uint64_t schedule);
    void *ctx;
};

struct conform_report {
    uint64_t n_schedules; /* that were run to their end */
    uint64_t n_refused;   /* policy did not want this combination of options */
    uint64_t n_events;    /* delivered, all runs together */
    uint64_t failed;      /* number of the schedule that failed */
    uint64_t max_staleness, max_gap; /* seen in any of them */
};

/* 0, or -1: err tells the violation (ERR_POLICY) and how to repeat it. */
int conform_run(const struct conform_config *c, struct conform_report *report,
                struct err *err);

#endif
