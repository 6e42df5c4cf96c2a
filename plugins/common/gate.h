/* SPDX-License-Identifier: Apache-2.0 */
/* A gate holds workers that are too far ahead of the slowest.
 *
 * Everybody who entered has a clock, a count of iterations that only grows.  A
 * worker may go on while its clock is at most `slack` above the least one; who
 * may not is put on hold and comes out of gate_next when the slowest has caught
 * up, or has left.
 *
 * Clocks in use lie in a window of `width` values above the least, so workers
 * are kept in a ring of lists, one list pair per clock.  Every call costs O(1):
 * the marks `min`, `max` and `held_from` only step over clocks, and the first
 * and the last never turn back except when somebody leaves or the gate empties,
 * so their steps are paid for by pushes. */
#ifndef EBSP_COMMON_GATE_H
#define EBSP_COMMON_GATE_H

#include <stdint.h>

#define GATE_NONE UINT32_MAX

struct gate_list {
    uint32_t first, last; /* workers, longest there first */
};

struct gate_lane {
    struct gate_list free, held;
};

struct gate_worker {
    uint64_t clock;
    uint32_t prev, next; /* in its list */
    uint8_t is_in, is_held;
};

struct gate {
    struct gate_worker *workers; /* by number */
    struct gate_lane *lanes;     /* by clock & mask */
    uint64_t mask;
    uint64_t width, slack;
    uint64_t n;         /* workers that entered */
    uint64_t min, max;  /* clocks in use; of no meaning when n is 0 */
    uint64_t held_from; /* nobody with a lower clock is on hold */
};

/* width > slack + 1.  0, or -1 when out of memory. */
int gate_init(struct gate *g, uint32_t max_workers, uint64_t width,
              uint64_t slack);
void gate_release(struct gate *g);

/* Worker `w` comes in, its clock grows to `clock`: 0, or -1 when that is
 * outside of the window, which no run of the rules above can lead to. */
int gate_enter(struct gate *g, uint32_t w, uint64_t clock);
int gate_move(struct gate *g, uint32_t w, uint64_t clock);
/* No-op for a worker that is not in. */
void gate_leave(struct gate *g, uint32_t w);

/* How far w is ahead of the slowest. */
uint64_t gate_gap(const struct gate *g, uint32_t w);
/* Of the workers with the least clock, the one that went on last: the others
 * are likely to push before it. */
uint32_t gate_slowest(const struct gate *g);

void gate_hold(struct gate *g, uint32_t w);
void gate_unhold(struct gate *g, uint32_t w);
/* Takes one worker off hold that may go on, lowest clock first; else NONE. */
uint32_t gate_next(struct gate *g);

#endif
