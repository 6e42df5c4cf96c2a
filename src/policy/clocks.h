/* SPDX-License-Identifier: Apache-2.0 */
/* The clocks of all workers and the least of them, every operation in O(1).
 *
 * Workers with the same clock form a group; groups are linked in the order of
 * their clocks.  A clock only ever grows by one, so a worker moves to the next
 * group or to a new one right behind its own, and the least clock is that of
 * the first group. */
#ifndef EBSP_POLICY_CLOCKS_H
#define EBSP_POLICY_CLOCKS_H

#include <stdbool.h>
#include <stdint.h>

struct clock_group {
    uint64_t clock;
    uint32_t n_members;
    uint32_t prev, next; /* groups; `next` also links the free ones */
};

struct clocks {
    uint32_t *group_of; /* of each worker; CLOCKS_NONE: not entered */
    struct clock_group *groups;
    uint32_t first, spare;
};

#define CLOCKS_NONE UINT32_MAX

/* For workers 0 .. n-1.  0, or -1 when out of memory. */
int clocks_init(struct clocks *c, uint32_t n);
void clocks_release(struct clocks *c);

/* The worker starts at the least clock, or at `fallback` when it is alone. */
void clocks_enter(struct clocks *c, uint32_t worker, uint64_t fallback);
/* Its clock grows by one; the new value. */
uint64_t clocks_tick(struct clocks *c, uint32_t worker);
void clocks_leave(struct clocks *c, uint32_t worker);

bool clocks_has(const struct clocks *c, uint32_t worker);
uint64_t clocks_get(const struct clocks *c, uint32_t worker);
uint64_t clocks_least(const struct clocks *c, uint64_t fallback);

#endif
