/* SPDX-License-Identifier: Apache-2.0 */
/* What writing (checkpoint.c) and reading (checkpoint_read.c) share. */
#ifndef EBSP_PS_CHECKPOINT_IMPL_H
#define EBSP_PS_CHECKPOINT_IMPL_H

#include "ps/checkpoint.h"

#include <stddef.h>

#define CHECKPOINT_FORMAT 1
#define CHECKPOINT_MODEL  "model.safetensors"
#define CHECKPOINT_STATE  "state.json"

/* Sums that are whole numbers, by the name that they have in state.json. */
struct checkpoint_sum {
    const char *key;
    size_t offset; /* of a uint64_t in struct checkpoint_state */
};
#define CHECKPOINT_SUMS 9
extern const struct checkpoint_sum checkpoint_sums[CHECKPOINT_SUMS];

/* "optim-momentum.safetensors"; freed with mem_free. */
char *checkpoint_plane_name(const char *plane);

#endif
