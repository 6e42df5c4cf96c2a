/* SPDX-License-Identifier: Apache-2.0 */
/* Timers of a policy: a binary heap by (time, order asked). */
#ifndef EBSP_POLICY_TIMERS_H
#define EBSP_POLICY_TIMERS_H

#include <stddef.h>
#include <stdint.h>

struct timer {
    int64_t at_ns;
    uint64_t seq; /* counts the timers ever asked for */
    uint64_t cookie;
};

struct timers {
    struct timer *v; /* v[0] is the earliest */
    size_t n, cap;
    uint64_t next_seq;
};

void timers_release(struct timers *t);
/* 0, or -1 when out of memory. */
int timers_add(struct timers *t, int64_t at_ns, uint64_t cookie);
/* Takes the earliest out; there must be one. */
struct timer timers_pop(struct timers *t);
/* Time of the earliest, or INT64_MAX. */
int64_t timers_next_ns(const struct timers *t);

#endif
