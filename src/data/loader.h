/* SPDX-License-Identifier: Apache-2.0 */
/* From a cursor to a mini-batch of floats: order, augmentation, scaling.
 *
 * What happens to a sample depends on (seed, epoch, shard, position) only, not
 * on who asks: one mini-batch of k * B samples and k of B see the same.  The
 * key of a sample is rng_hash(seed, epoch << 32 | shard, position).  Images of
 * 8 bits are scaled to 0..1 before "normalize". */
#ifndef EBSP_DATA_LOADER_H
#define EBSP_DATA_LOADER_H

#include "data/assign.h"
#include "data/dataset.h"
#include "nn/net.h"

#define AUGMENT_CHANNELS 16

/* "augment" of a job: {"pad_crop": 4, "flip": true, "normalize": {"mean": m,
 * "std": s}}, m and s a number or one for each channel.  Absent: nothing.
 * normalize applies to evaluation too. */
struct augment_config {
    int pad;    /* pad-crop: zero pixels on each side, then a random crop */
    bool flip;  /* horizontally, with probability 1/2 */
    int n_norm; /* channels of mean and deviation; 1: for all; 0: off */
    float mean[AUGMENT_CHANNELS], deviation[AUGMENT_CHANNELS];
};
int augment_config_parse(struct augment_config *c, const struct jcur *augment,
                         const struct shape *shape, struct err *err);

struct loader;

/* Everything is borrowed.  One thread at a time. */
struct loader *loader_new(const struct dataset *d, const struct shards *s,
                          const struct augment_config *a, uint64_t seed,
                          struct err *err);
void loader_free(struct loader *l);
/* The mini-batch of a cursor; valid until the next call.  The permutation of
 * an epoch is made on first use; the last two are kept. */
int loader_train(struct loader *l, const struct data_cursor *c,
                 struct net_batch *b, struct err *err);
/* Samples first .. first + n - 1 of a split in their own order, not
 * augmented. */
int loader_plain(struct loader *l, const struct data_split *split, size_t first,
                 size_t n, struct net_batch *b, struct err *err);

#endif
