/* SPDX-License-Identifier: Apache-2.0 */
/* Seeded random numbers: xoshiro256** (Blackman, Vigna 2018), seeded through
 * splitmix64.  The same seed gives the same numbers on every machine.
 *
 * Streams are derived from keys instead of being handed around: what a sample
 * draws depends on (seed, purpose, epoch, sample) only, never on which worker
 * draws it or in which order. */
#ifndef EBSP_BASE_RNG_H
#define EBSP_BASE_RNG_H

#include <stddef.h>
#include <stdint.h>

struct rng {
    uint64_t s[4];
};

/* Purposes, so that no two uses of a seed share a stream. */
enum rng_stream {
    RNG_INIT = 1, /* parameter initialization: (segment, 0) */
    RNG_SHUFFLE,  /* permutation: (epoch, shard) */
    RNG_AUGMENT,  /* (epoch, position in the epoch) */
    RNG_DROPOUT,  /* (layer, hash of epoch and position) */
    RNG_DATA,     /* generated data sets: (split, sample) */
    RNG_SHARD,    /* static assignment */
    RNG_POLICY,   /* host->random */
    RNG_SPEED,    /* emulated speeds: (worker, iteration + 1) */
    RNG_TEST,
    RNG_LINK, /* losses on an emulated link: (connection and direction, 0) */
    RNG_CODEC /* what of a push is sent: (epoch and shard, position) */
};

void rng_init(struct rng *r, uint64_t seed);
void rng_init_key(struct rng *r, uint64_t seed, enum rng_stream stream,
                  uint64_t a, uint64_t b);
uint64_t rng_u64(struct rng *r);
uint64_t rng_below(struct rng *r, uint64_t n); /* 0 .. n-1, unbiased; n > 0 */
double rng_unit(struct rng *r);                /* [0, 1) */
double rng_normal(struct rng *r);              /* mean 0, deviation 1 */
double rng_gamma(struct rng *r, double shape); /* scale 1; shape > 0 */
/* Fisher-Yates. */
void rng_shuffle(struct rng *r, uint32_t *v, size_t n);
/* One well mixed word from a key: a counter-based generator. */
uint64_t rng_hash(uint64_t a, uint64_t b, uint64_t c);
/* n_bytes from the kernel, for keys; 0 or -1. */
int rng_secret(void *to, size_t n_bytes);

#endif
