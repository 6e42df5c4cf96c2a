/* SPDX-License-Identifier: Apache-2.0 */
/* Checkpoints: RUN/checkpoint-VERSION/ with model.safetensors, one
 * optim-PLANE.safetensors for each plane of the optimizer, state.json and
 * manifest.json.  Written to a draft, synced, renamed.  Whatever happens while
 * one is written, those before it stay whole. */
#ifndef EBSP_PS_CHECKPOINT_H
#define EBSP_PS_CHECKPOINT_H

#include "job/job.h"
#include "policy/host.h"
#include "ps/store.h"

struct assign;
struct err;
struct log;

/* What a run needs beside parameters, optimizer and cursors: sums over all its
 * sessions. */
struct checkpoint_state {
    uint64_t data_hash;  /* dataset.hash */
    double wall_seconds; /* of training */
    uint64_t bytes_pushed, bytes_pulled;
    uint64_t pushes, dropped, applied;
    uint64_t max_staleness, sum_staleness; /* of applied pushes */
    uint64_t max_gap;
    uint64_t failed_checkpoints;
    double best_accuracy; /* NaN: none yet */
    uint64_t histogram[HOST_HISTOGRAM];
};

/* Everything that a checkpoint holds, at one moment: a reference of the
 * parameters, a copy of the rest.  Made and freed on the store's thread, read
 * on any. */
struct snapshot;

struct snapshot *snapshot_new(const struct job *job, struct store *store,
                              const struct assign *assign,
                              const struct checkpoint_state *state,
                              struct err *err);
/* Of a hollow store (store_is_hollow) the numbers are missing: where they
 * belong, the parameters (0), then each plane of the optimizer; NULL after
 * the last. */
float *snapshot_get_vector(struct snapshot *s, int i);
void snapshot_free(struct snapshot *s);
uint64_t snapshot_get_version(const struct snapshot *s);

/* Where to write.  Everything is borrowed. */
struct checkpoint_place {
    const char *run;           /* run directory */
    const char *job_text;      /* job_dump: goes into the model file */
    const struct segtab *t;    /* of the parameters */
    uint32_t keep;             /* checkpoints, the new one too; at least 1 */
    const uint64_t *last_good; /* the last one known to be whole, or NULL */
};

/* Writes run/checkpoint-VERSION, then removes older ones beyond `keep` and
 * those between last_good and it (they were passed over as damaged).  A whole
 * one of this version stays as it is. */
int checkpoint_write(const struct checkpoint_place *place,
                     const struct snapshot *s, struct err *err);

/* Reads all of a checkpoint folder and compares with its manifest. */
int checkpoint_check(const char *path, struct err *err);
/* Path of the newest whole checkpoint of a run, freed with mem_free; NULL when
 * it has no checkpoint at all.  Damaged ones are passed over with a warning;
 * that all are damaged is an error. */
int checkpoint_find(const char *run, struct log *log, char **path,
                    struct err *err);
/* Fills store, assign and state from a checkpoint folder that was checked.
 * state->data_hash is given: other data, another seed, other shards or
 * parameters whose checksum is not the saved one are refused. */
int checkpoint_load(const char *path, const struct job *job,
                    struct store *store, struct assign *assign,
                    struct checkpoint_state *state, struct err *err);

#endif
