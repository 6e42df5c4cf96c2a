/* SPDX-License-Identifier: Apache-2.0 */
/* A vector with gaps and statistics, sent in two ranges. */
#ifndef EBSP_TEST_CODEC_RIG_H
#define EBSP_TEST_CODEC_RIG_H

#include "base/err.h"
#include "base/mem.h"
#include "base/rng.h"
#include "codec/codec.h"
#include "tap.h"

#include <math.h>

#define N 5000

/* Odd sizes, gaps, statistics in the middle, nothing at the end. */
static const struct codec_part parts[] = {
    {0, 25, false},   {32, 1007, false},   {1040, 61, true},
    {1104, 1, false}, {1120, 3500, false},
};
#define N_PARTS (sizeof parts / sizeof parts[0])

struct rig {
    struct codec *codec;
    struct codec_memory *memory;
    uint8_t *bytes;
    size_t used;
    float v[N], back[N];
};

static inline bool
is_sent(size_t i, bool *exact)
{
    for (size_t p = 0; p < N_PARTS; p++)
        if (i >= parts[p].first && i < parts[p].first + parts[p].n) {
            *exact = parts[p].exact;
            return true;
        }
    return false;
}

static inline void
rig_init(struct rig *r, const char *name, bool feedback)
{
    struct codec_spec s;
    struct err err = ERR_INIT;

    memset(r, 0, sizeof *r);
    if (codec_spec_parse(&s, name, &err) == 0) {
        s.feedback = feedback;
        r->codec = codec_new(&s, parts, N_PARTS, N, &err);
    }
    if (r->codec)
        r->memory = codec_memory_new(r->codec, &err);
    r->bytes = r->memory ? mem_alloc(codec_bound(r->codec, 0, N), 1) : NULL;
    if (!r->bytes) {
        printf("Bail out! %s: %s\n", name, err.text);
        exit(1);
    }
}

static inline void
rig_release(struct rig *r)
{
    codec_memory_free(r->memory);
    codec_free(r->codec);
    mem_free(r->bytes);
}

/* Magnitudes over many orders, as gradients have; zero in the gaps. */
static inline void
fill(struct rig *r, struct rng *rng)
{
    bool exact;

    for (size_t i = 0; i < N; i++)
        r->v[i] =
            is_sent(i, &exact)
                ? (float)(rng_normal(rng) * ldexp(1, -(int)rng_below(rng, 12)))
                : 0;
}

/* To bytes and back, in ranges that end at `cut`. */
static inline int
through(struct rig *r, uint64_t key, size_t cut)
{
    size_t first[] = {0, cut}, n[] = {cut, N - cut};
    int status = 0;

    r->used = 0;
    for (int i = 0; i < 2; i++) {
        size_t bound = codec_bound(r->codec, first[i], n[i]);
        uint8_t *bytes = mem_alloc(bound, 1); /* no more: ASan watches */
        size_t used = codec_encode(r->codec, r->memory, key, first[i], n[i],
                                   r->v + first[i], bytes);
        uint8_t *exact = mem_alloc(used, 1);

        memcpy(exact, bytes, used);
        memset(r->back + first[i], 0x55, n[i] * sizeof(float));
        if (used > bound || codec_decode(r->codec, key, first[i], n[i], exact,
                                         used, r->back + first[i], NULL) != 0)
            status = -1;
        r->used += used;
        mem_free(bytes);
        mem_free(exact);
    }
    return status;
}

#endif
