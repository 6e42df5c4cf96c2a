/* SPDX-License-Identifier: Apache-2.0 */
/* The scale (float), then one bit for each number, set when it is negative,
 * lowest first.  A scale that is not finite says that the piece is not. */
#include "base/vec.h"
#include "codec/impl.h"

#include <math.h>

#define WORD 32 /* numbers in a word of bits */

size_t
sign_size(size_t n)
{
    return sizeof(float) + (n + 7) / 8;
}

/* Sum of the magnitudes, added to eight running ones (see vec_sumsq). */
VEC_CLONES static void
add_magnitudes(const float *v, size_t n, double sum[8])
{
    size_t i = 0;

    for (; i + 8 <= n; i += 8)
        for (size_t j = 0; j < 8; j++)
            sum[j] += (double)bits_float(magnitude(v[i + j]));
    for (; i < n; i++)
        sum[i % 8] += (double)bits_float(magnitude(v[i]));
}

static inline uint32_t
pack(const float *v, uint32_t n)
{
    uint32_t word = 0;

    for (uint32_t j = 0; j < n; j++)
        word |= float_bits(v[j]) >> 31 << j;
    return word;
}

static inline float
sent(uint32_t scale, uint32_t word, uint32_t j)
{
    return bits_float(scale ^ (word >> j & 1) << 31);
}

static inline void
unpack(uint32_t word, uint32_t n, uint32_t scale, float *v)
{
    for (uint32_t j = 0; j < n; j++)
        v[j] = sent(scale, word, j);
}

static inline void
unpay(uint32_t word, uint32_t n, uint32_t scale, float *owed)
{
    for (uint32_t j = 0; j < n; j++)
        owed[j] -= sent(scale, word, j);
}

/* Whole words in loops of constant length: these are vectorized. */
VEC_CLONES static void
encode_bits(const float *v, size_t n, uint32_t scale, float *owed, uint8_t *out)
{
    uint32_t word, rest = (uint32_t)(n % WORD);
    size_t i = 0;

    for (; i + WORD <= n; i += WORD) {
        word = pack(v + i, WORD);
        memcpy(out + i / 8, &word, sizeof word);
        if (owed)
            unpay(word, WORD, scale, owed + i);
    }
    word = pack(v + i, rest);
    memcpy(out + i / 8, &word, (rest + 7) / 8);
    if (owed)
        unpay(word, rest, scale, owed + i);
}

VEC_CLONES static void
decode_bits(const uint8_t *in, size_t n, uint32_t scale, float *v)
{
    uint32_t word, rest = (uint32_t)(n % WORD);
    size_t i = 0;

    for (; i + WORD <= n; i += WORD) {
        memcpy(&word, in + i / 8, sizeof word);
        unpack(word, WORD, scale, v + i);
    }
    word = 0;
    memcpy(&word, in + i / 8, (rest + 7) / 8);
    unpack(word, rest, scale, v + i);
}

/* The vector, summed while it is paid what is owed to it; its mean magnitude.
 * NaN or Inf when it is not finite. */
static float
prepare(const float *v, size_t n, float *owed)
{
    const float *from = owed ? owed : v;
    double sum[8] = {0};

    for (size_t i = 0; i < n; i += CODEC_CHUNK) {
        size_t some = n - i < CODEC_CHUNK ? n - i : CODEC_CHUNK;

        if (owed)
            vec_add(owed + i, v + i, some);
        add_magnitudes(from + i, some, sum);
    }
    return (float)((((sum[0] + sum[1]) + (sum[2] + sum[3])) +
                    ((sum[4] + sum[5]) + (sum[6] + sum[7]))) /
                   (double)n);
}

void
sign_encode(const float *v, size_t n, float *owed, uint8_t *out)
{
    float scale = prepare(v, n, owed);
    bool finite = isfinite(scale);

    if (!finite)
        scale = NAN;
    memcpy(out, &scale, sizeof scale);
    out += sizeof scale;
    if (finite) {
        encode_bits(owed ? owed : v, n, float_bits(scale), owed, out);
        return;
    }
    memset(out, 0, (n + 7) / 8);
    if (owed)
        memset(owed, 0, n * sizeof *owed);
}

void
sign_decode(const uint8_t *in, size_t n, float *v)
{
    uint32_t scale;

    memcpy(&scale, in, sizeof scale);
    decode_bits(in + sizeof scale, n, scale, v);
}
