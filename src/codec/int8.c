/* SPDX-License-Identifier: Apache-2.0 */
/* Blocks of 256 numbers: the scale (float), then one byte each.  The error of a
 * number is at most half of its scale, which is largest / 127. */
#include "base/vec.h"
#include "codec/impl.h"

#define BLOCK 256

/* 1.5 * 2^23: the lowest bit of a float of this size is a one, so to add it
 * rounds to the nearest whole number, which is in the lowest bits then. */
#define ROUND 12582912.0f

/* Where 127 / largest would not be finite any more: sent as zero. */
#define NOTHING 1e-36f

size_t
int8_size(size_t n)
{
    return n + (n + BLOCK - 1) / BLOCK * sizeof(float);
}

static inline uint32_t
largest(const float *v, size_t n)
{
    uint32_t max = 0;

    for (size_t i = 0; i < n; i++) {
        uint32_t x = magnitude(v[i]);

        max = x > max ? x : max;
    }
    return max;
}

VEC_CLONES static void
encode_block(const float *restrict v, size_t n, uint8_t *restrict out)
{
    uint32_t bits = largest(v, n);
    float max = bits_float(bits), scale, factor;

    if (bits >= UINT32_C(0x7f800000)) { /* the decoder's product is as bad */
        memcpy(out, &max, sizeof max);
        memset(out + sizeof max, 1, n);
        return;
    }
    scale = max < NOTHING ? 0.0f : max / 127.0f;
    factor = max < NOTHING ? 0.0f : 127.0f / max;
    memcpy(out, &scale, sizeof scale);
    out += sizeof scale;
    for (size_t i = 0; i < n; i++)
        out[i] = (uint8_t)float_bits(v[i] * factor + ROUND);
}

VEC_CLONES static void
decode_block(const uint8_t *restrict in, size_t n, float *restrict v)
{
    float scale;

    memcpy(&scale, in, sizeof scale);
    in += sizeof scale;
    for (size_t i = 0; i < n; i++)
        v[i] = (float)(int8_t)in[i] * scale;
}

void
int8_encode(const float *v, size_t n, uint8_t *out)
{
    for (; n > BLOCK; n -= BLOCK, v += BLOCK, out += int8_size(BLOCK))
        encode_block(v, BLOCK, out);
    if (n > 0)
        encode_block(v, n, out);
}

void
int8_decode(const uint8_t *in, size_t n, float *v)
{
    for (; n > BLOCK; n -= BLOCK, v += BLOCK, in += int8_size(BLOCK))
        decode_block(in, BLOCK, v);
    if (n > 0)
        decode_block(in, n, v);
}
