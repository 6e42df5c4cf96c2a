/* SPDX-License-Identifier: Apache-2.0 */
/* Numbers of 16 bits, on integers and without branches, so that the compiler
 * vectorizes them and every processor gives the same bits. */
#include "base/vec.h"
#include "codec/impl.h"

#define F32_INF  UINT32_C(0x7f800000)
#define F32_SIGN UINT32_C(0x80000000)

/* All ones or zero.  Arithmetic on floats of which a choice drops the result
 * becomes a branch, which is not vectorized; so its input is masked. */
static inline uint32_t
mask(bool all)
{
    return 0U - (uint32_t)all;
}

/* Below 2^-14 a half is a whole number of 2^-24.  So is the lowest bit of what
 * is added to 0.5: the addition rounds. */
static inline uint16_t
to_half(float v)
{
    uint32_t bits = float_bits(v), x = bits & ~F32_SIGN;
    uint32_t is_tiny = mask(x < UINT32_C(113) << 23);
    float tiny = bits_float(x & is_tiny) + 0.5f;
    uint32_t h = (x - (UINT32_C(112) << 23) + 0xfff + (x >> 13 & 1)) >> 13;

    h = (h & ~is_tiny) | (float_bits(tiny) - float_bits(0.5f));
    h = h < 0x7bff ? h : 0x7bff; /* the largest, not Inf */
    h = (h & ~mask(x >= F32_INF)) | (0x7c00 & mask(x >= F32_INF)) |
        (0x7e00 & mask(x > F32_INF));
    return (uint16_t)(h | bits >> 16 >> 15 << 15);
}

/* Read as a float, a half's bits are too small by 2^112.  Tiny ones have no
 * leading one: it is put there, and taken away by a subtraction. */
static inline float
from_half(uint16_t h)
{
    uint32_t x = (uint32_t)(h & 0x7fff) << 13;
    uint32_t is_tiny = mask(x < UINT32_C(1) << 23);
    uint32_t one = UINT32_C(113) << 23;
    float tiny = bits_float((x & is_tiny) + one) - bits_float(one);
    uint32_t wide = x + (UINT32_C(112) << 23);

    wide = (wide & ~is_tiny) | float_bits(tiny);
    wide |= F32_INF & mask(x >= UINT32_C(31) << 23);
    return bits_float(wide | (uint32_t)(h >> 15) << 31);
}

static inline uint16_t
to_brain(float v)
{
    uint32_t bits = float_bits(v), x = bits & ~F32_SIGN;
    uint32_t b = (x + 0x7fff + (x >> 16 & 1)) >> 16;

    b = b >= 0x7f80 ? 0x7f7f : b; /* largest, not Inf */
    b = x >= F32_INF ? 0x7f80 : b;
    b = x > F32_INF ? 0x7fc0 : b;
    return (uint16_t)(b | bits >> 16 >> 15 << 15);
}

VEC_CLONES void
fp16_encode(const float *restrict v, size_t n, uint8_t *restrict out)
{
    for (size_t i = 0; i < n; i++) {
        uint16_t h = to_half(v[i]);

        memcpy(out + 2 * i, &h, sizeof h);
    }
}

VEC_CLONES void
fp16_decode(const uint8_t *restrict in, size_t n, float *restrict v)
{
    for (size_t i = 0; i < n; i++) {
        uint16_t h;

        memcpy(&h, in + 2 * i, sizeof h);
        v[i] = from_half(h);
    }
}

VEC_CLONES void
bf16_encode(const float *restrict v, size_t n, uint8_t *restrict out)
{
    for (size_t i = 0; i < n; i++) {
        uint16_t b = to_brain(v[i]);

        memcpy(out + 2 * i, &b, sizeof b);
    }
}

VEC_CLONES void
bf16_decode(const uint8_t *restrict in, size_t n, float *restrict v)
{
    for (size_t i = 0; i < n; i++) {
        uint16_t b;

        memcpy(&b, in + 2 * i, sizeof b);
        v[i] = bits_float((uint32_t)b << 16);
    }
}
