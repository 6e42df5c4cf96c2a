/* SPDX-License-Identifier: Apache-2.0 */
/* Checkpoints: RUN/checkpoint-VERSION/ with model.safetensors, one
 * optim-PLANE.safetensors for each plane of the optimizer, and state.json.
 * Written to a temporary folder, synced, renamed: a checkpoint that has its
 * name is whole. */
#ifndef EBSP_PS_CHECKPOINT_H
#define EBSP_PS_CHECKPOINT_H

#include "job/job.h"
#include "ps/store.h"

struct assign;
struct err;

/* What a run needs beside parameters, optimizer and cursors. */
struct checkpoint_state {
    uint64_t data_hash;  /* dataset.hash */
    double wall_seconds; /* of training, all sessions */
    uint64_t max_staleness;
    uint64_t bytes_pushed, bytes_pulled;
};

/* *path (may be NULL): the folder, freed with mem_free.  Older checkpoints
 * beyond job->checkpoint_keep are removed afterwards. */
int checkpoint_save(const char *run, const struct job *job, struct store *store,
                    const struct assign *assign,
                    const struct checkpoint_state *state, char **path,
                    struct err *err);
/* Fills store, assign and state from a checkpoint folder.  state->data_hash is
 * given: other data, another seed or parameters whose checksum is not the saved
 * one are refused. */
int checkpoint_load(const char *path, const struct job *job,
                    struct store *store, struct assign *assign,
                    struct checkpoint_state *state, struct err *err);

#endif
