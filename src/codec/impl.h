/* SPDX-License-Identifier: Apache-2.0 */
/* Inside of codec/: one piece is what a range and a part have in common.  All
 * pointers to bytes may be unaligned. */
#ifndef EBSP_CODEC_IMPL_H
#define EBSP_CODEC_IMPL_H

#include "codec/codec.h"

#include <string.h>

/* Numbers that are worked on while they are in the first-level cache. */
#define CODEC_CHUNK 2048

static inline uint32_t
float_bits(float v)
{
    uint32_t bits;

    memcpy(&bits, &v, sizeof bits);
    return bits;
}

static inline float
bits_float(uint32_t bits)
{
    float v;

    memcpy(&v, &bits, sizeof v);
    return v;
}

/* Order of magnitudes as that of whole numbers; Inf and NaN are the largest. */
static inline uint32_t
magnitude(float v)
{
    return float_bits(v) & UINT32_C(0x7fffffff);
}

/* How many of n numbers are sent. */
size_t codec_keep(const struct codec_spec *s, size_t n);

void fp16_encode(const float *v, size_t n, uint8_t *out);
void fp16_decode(const uint8_t *in, size_t n, float *v);
void bf16_encode(const float *v, size_t n, uint8_t *out);
void bf16_decode(const uint8_t *in, size_t n, float *v);

size_t int8_size(size_t n);
void int8_encode(const float *v, size_t n, uint8_t *out);
void int8_decode(const uint8_t *in, size_t n, float *v);

/* owed: what error feedback remembers of these numbers, changed; or NULL. */
size_t sign_size(size_t n);
void sign_encode(const float *v, size_t n, float *owed, uint8_t *out);
void sign_decode(const uint8_t *in, size_t n, float *v);

/* `at`: where the piece is in the vector, so that no two draw the same. */
void randomk_encode(const float *v, size_t n, size_t k, uint64_t key, size_t at,
                    float *owed, uint8_t *out);
void randomk_decode(const uint8_t *in, size_t n, size_t k, uint64_t key,
                    size_t at, float *v);

/* room: 2 n words. */
size_t topk_bound(size_t k);
size_t topk_encode(const float *v, size_t n, size_t k, float *owed,
                   uint32_t *room, uint8_t *out);
/* Bytes read from `in`, 0 when they are wrong. */
size_t topk_decode(const uint8_t *in, size_t n_bytes, size_t n, size_t k,
                   float *v);

/* Indices of the k largest magnitudes among v[0..n-1], ascending; of equal ones
 * the first.  They are at the beginning of `room`.  When something is owed v is
 * added to it, and what is owed then is selected from. */
void topk_select(const float *v, float *owed, size_t n, size_t k,
                 uint32_t *room);

#endif
