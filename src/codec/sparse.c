/* SPDX-License-Identifier: Apache-2.0 */
/* k of n numbers: their values (float), and for topk their distances. */
#include "base/rng.h"
#include "base/vec.h"
#include "codec/impl.h"

#include <math.h>

static void
put_float(uint8_t *out, size_t i, float v)
{
    memcpy(out + i * sizeof v, &v, sizeof v);
}

static float
get_float(const uint8_t *in, size_t i)
{
    float v;

    memcpy(&v, in + i * sizeof v, sizeof v);
    return v;
}

/* ---- randomk ---- */

/* The j-th of k strata, sizes alike but for one, and where in it.  n and k have
 * 32 bits, so no product overflows. */
static size_t
draw(size_t n, size_t k, size_t j, uint64_t key, size_t at, size_t *size)
{
    uint64_t first = (uint64_t)j * n / k, end = (uint64_t)(j + 1) * n / k;
    uint64_t word = rng_hash(key, at, j) >> 32;

    *size = (size_t)(end - first);
    return (size_t)(first + (word * (end - first) >> 32));
}

/* owed += v, in passes that stay in the cache; is all of it finite? */
static bool
borrow(const float *v, size_t n, float *owed)
{
    bool finite = true;

    if (!owed)
        return vec_all_finite(v, n);
    for (size_t i = 0; i < n; i += CODEC_CHUNK) {
        size_t some = n - i < CODEC_CHUNK ? n - i : CODEC_CHUNK;

        vec_add(owed + i, v + i, some);
        finite &= vec_all_finite(owed + i, some);
    }
    return finite;
}

void
randomk_encode(const float *v, size_t n, size_t k, uint64_t key, size_t at,
               float *owed, uint8_t *out)
{
    bool finite = borrow(v, n, owed);

    for (size_t j = 0; j < k; j++) {
        size_t size, i = draw(n, k, j, key, at, &size);

        if (!finite) {
            put_float(out, j, NAN);
        } else if (owed) {
            put_float(out, j, owed[i]);
            owed[i] = 0;
        } else {
            put_float(out, j, v[i] * (float)size);
        }
    }
    if (!finite && owed)
        memset(owed, 0, n * sizeof *owed);
}

void
randomk_decode(const uint8_t *in, size_t n, size_t k, uint64_t key, size_t at,
               float *v)
{
    size_t size;

    memset(v, 0, n * sizeof *v);
    for (size_t j = 0; j < k; j++)
        v[draw(n, k, j, key, at, &size)] = get_float(in, j);
}

/* ---- topk ---- */

/* Seven bits of a distance in a byte, the lowest first; all bytes but the last
 * one have the highest bit. */
#define DISTANCE_MAX 5

size_t
topk_bound(size_t k)
{
    return k * (sizeof(float) + DISTANCE_MAX);
}

size_t
topk_encode(const float *v, size_t n, size_t k, float *owed, uint32_t *room,
            uint8_t *out)
{
    uint8_t *to = out + k * sizeof(float);
    uint32_t next = 0;
    bool finite = true;

    topk_select(v, owed, n, k, room);
    if (owed)
        v = owed;
    for (size_t j = 0; j < k; j++) {
        uint32_t i = room[j], distance = i - next;

        finite &= isfinite(v[i]);
        put_float(out, j, v[i]);
        if (owed)
            owed[i] = 0;
        for (; distance >= 128; distance >>= 7)
            *to++ = (uint8_t)(distance | 128);
        *to++ = (uint8_t)distance;
        next = i + 1;
    }
    /* What is not finite is among the largest. */
    if (!finite && owed)
        memset(owed, 0, n * sizeof *owed);
    return (size_t)(to - out);
}

/* The bytes of one distance; 0 when they end early, are more than needed or too
 * many.  The caller sees a distance that is too large. */
static size_t
get_distance(const uint8_t *in, size_t n_bytes, uint64_t *distance)
{
    *distance = 0;
    for (size_t i = 0; i < n_bytes && i < DISTANCE_MAX; i++) {
        *distance |= (uint64_t)(in[i] & 127) << 7 * i;
        if (in[i] < 128)
            return in[i] || i == 0 ? i + 1 : 0;
    }
    return 0;
}

size_t
topk_decode(const uint8_t *in, size_t n_bytes, size_t n, size_t k, float *v)
{
    size_t at = k * sizeof(float);
    uint64_t next = 0;

    memset(v, 0, n * sizeof *v);
    if (n_bytes < at)
        return 0;
    for (size_t j = 0; j < k; j++) {
        uint64_t distance;
        size_t used = get_distance(in + at, n_bytes - at, &distance);

        if (used == 0 || distance >= n - next)
            return 0;
        v[next + distance] = get_float(in, j);
        next += distance + 1;
        at += used;
    }
    return at;
}
