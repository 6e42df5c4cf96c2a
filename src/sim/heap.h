/* SPDX-License-Identifier: Apache-2.0 */
/* The event queue of the simulator: a 4-ary heap ordered by (time, order of
 * asking), so that equal times have one order on every machine. */
#ifndef EBSP_SIM_HEAP_H
#define EBSP_SIM_HEAP_H

#include <stddef.h>
#include <stdint.h>

struct sim_event {
    int64_t t_ns;
    uint64_t order;
    uint32_t worker, kind;
};

struct sim_heap {
    struct sim_event *v;
    size_t n, cap;
    uint64_t order;
};

/* -1 when out of memory */
int sim_heap_put(struct sim_heap *h, int64_t t_ns, uint32_t worker,
                 uint32_t kind);
/* The earliest; the heap is not empty. */
struct sim_event sim_heap_take(struct sim_heap *h);
void sim_heap_release(struct sim_heap *h);

#endif
