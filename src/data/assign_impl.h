/* SPDX-License-Identifier: Apache-2.0 */
/* Inside of struct assign, for assign.c and assign_state.c. */
#ifndef EBSP_DATA_ASSIGN_IMPL_H
#define EBSP_DATA_ASSIGN_IMPL_H

#include "data/assign.h"
#include "data/cursors.h"

/* How far a shard was handed out: everything before (epoch, first) is taken,
 * waiting in `back`, or done.  first < size; epoch = epochs is the end. */
struct lane {
    uint32_t size;
    uint32_t epoch;
    uint32_t first;
};

struct assign {
    struct lane *lane;
    uint32_t n_lanes, batch, epochs;
    uint32_t epochs_done;
    uint32_t n_behind;    /* shards whose epoch `epochs_done` is not done */
    uint64_t per_epoch;   /* samples */
    uint64_t n_done;      /* samples, all epochs */
    struct cursors taken; /* and neither done nor given back */
    struct cursors back;  /* given back, not handed out again */
};

/* epochs_done and n_behind from everything else. */
void assign_count_epochs(struct assign *a);

#endif
