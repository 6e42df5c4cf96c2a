/* SPDX-License-Identifier: Apache-2.0 */
/* Who gets which mini-batch (policies.md, common ground).
 *
 * An epoch is a seeded permutation of the training samples, cut into
 * mini-batches of `batch` (the last one may be shorter).  A cursor names a
 * mini-batch.  dynamic: a released worker gets the next unclaimed mini-batch
 * of one global order; static: the next one of its own shard.  A mini-batch
 * goes back to the queue when its worker is lost or its push dropped, and is
 * handed out before new ones, lowest first: in every epoch each sample is used
 * exactly once. */
#ifndef EBSP_DATA_ASSIGN_H
#define EBSP_DATA_ASSIGN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct err;
struct jcur;

struct data_cursor {
    uint32_t epoch;
    uint32_t shard; /* 0 when dynamic */
    uint64_t first; /* position in the epoch's order of that shard */
    uint32_t count; /* samples */
    uint32_t reserved;
};

enum assign_kind { ASSIGN_DYNAMIC, ASSIGN_IID, ASSIGN_DIRICHLET };

/* "assignment" of a job: {"type": "dynamic" | "iid" | "dirichlet", "alpha"};
 * absent: dynamic. */
struct assign_config {
    enum assign_kind kind;
    double alpha; /* dirichlet */
};
int assign_config_parse(struct assign_config *c, const struct jcur *assignment,
                        struct err *err);

/* The shards of a static assignment: shard s holds member[start[s] ..
 * start[s+1] - 1].  With dynamic assignment there is one shard with all
 * samples.  The same on every machine for the same seed and labels. */
struct shards {
    uint32_t n;
    uint32_t *start;  /* n + 1 */
    uint32_t *member; /* sample numbers */
};
/* iid: a seeded permutation cut into n equal parts.  dirichlet: for each class
 * the parts are drawn from Dirichlet(alpha) (Hsu, Qi, Brown 2019); each shard
 * gets at least one sample. */
int shards_init(struct shards *s, const struct assign_config *c,
                uint32_t n_workers, const int32_t *label, size_t n,
                int64_t n_classes, uint64_t seed, struct err *err);
void shards_release(struct shards *s);

struct assign; /* the server's side: cursors and their queue */

/* epochs: how often each sample is to be used. */
struct assign *assign_new(const struct shards *s, uint32_t batch,
                          uint32_t epochs, struct err *err);
void assign_free(struct assign *a);
/* The next mini-batch for the worker (its shard is worker % n when static);
 * false: none is left for it now (or there is no memory to remember one more).
 * batch 0 means the default; another size takes up to that many samples. */
bool assign_take(struct assign *a, uint32_t worker, uint32_t batch,
                 struct data_cursor *c);
/* Would assign_take find one? */
bool assign_has(const struct assign *a, uint32_t worker);
/* Exactly one of these for each cursor taken. */
void assign_done(struct assign *a, const struct data_cursor *c);
int assign_give_back(struct assign *a, const struct data_cursor *c,
                     struct err *err);
uint64_t assign_get_done(const struct assign *a);  /* samples, all epochs */
uint64_t assign_get_total(const struct assign *a); /* samples to be used */
/* Whole epochs of which every sample is done. */
uint32_t assign_get_epochs_done(const struct assign *a);
/* State as JSON text for a checkpoint; what is taken but not done counts as
 * given back.  Load: the shards must be the same, batch and epochs may differ.
 * After an error the assignment is only fit to be freed. */
struct buf;
int assign_save(const struct assign *a, struct buf *to, struct err *err);
int assign_load(struct assign *a, const struct jcur *state, struct err *err);

#endif
