/* SPDX-License-Identifier: Apache-2.0 */
/* Which numbers are the k largest: a sample tells a threshold that more than k
 * of them should reach; among those that do the k-th is found exactly, so the
 * sample decides about the time only. */
#include "base/vec.h"
#include "codec/impl.h"

#include <math.h>

#define SAMPLE 2048
#define GROUP  16 /* numbers that are looked at together */

/* The k-th largest of n words, k >= 1, one byte after the other from the
 * highest; no input makes it slow. */
static uint32_t
kth_largest(const uint32_t *x, size_t n, size_t k)
{
    uint32_t prefix = 0, known = 0;

    for (unsigned shift = 24; k > 0; shift -= 8) {
        size_t count[256] = {0};
        uint32_t digit = 255;

        for (size_t i = 0; i < n; i++)
            if ((x[i] & known) == prefix)
                count[x[i] >> shift & 255]++;
        for (; count[digit] < k; digit--)
            k -= count[digit];
        prefix |= digit << shift;
        known |= UINT32_C(255) << shift;
        if (shift == 0)
            break;
    }
    return prefix;
}

/* Reached by about k numbers and four standard deviations more, of a sample. */
static uint32_t
guess(const float *v, const float *owed, size_t n, size_t k)
{
    uint32_t x[SAMPLE];
    double mean = (double)SAMPLE * (double)k / (double)n;
    double rank = mean + 4.0 * sqrt(mean) + 4.0;

    if (n <= SAMPLE || rank >= SAMPLE)
        return 0;
    for (size_t i = 0; i < SAMPLE; i++) {
        size_t at = i * n / SAMPLE;

        x[i] = magnitude(owed ? owed[at] + v[at] : v[at]);
    }
    return kth_largest(x, SAMPLE, (size_t)rank);
}

static inline bool
any(const float *v, uint32_t threshold)
{
    uint32_t max = 0;

    for (size_t i = 0; i < GROUP; i++) {
        uint32_t x = magnitude(v[i]);

        max = x > max ? x : max;
    }
    return max >= threshold;
}

/* Adds the indices, from `at` on, of the numbers that reach the threshold to
 * the `found` that are there.  Most groups have none; within a group there is
 * no branch, because where they are is not to be predicted. */
VEC_CLONES static size_t
collect(const float *v, size_t n, size_t at, uint32_t threshold,
        uint32_t *index, size_t found)
{
    size_t i = 0;

    while (i < n) {
        size_t end = i + GROUP;

        if (end > n)
            end = n;
        else if (!any(v + i, threshold)) {
            i = end;
            continue;
        }
        for (; i < end; i++) {
            index[found] = (uint32_t)(at + i);
            found += magnitude(v[i]) >= threshold;
        }
    }
    return found;
}

void
topk_select(const float *v, float *owed, size_t n, size_t k, uint32_t *room)
{
    const float *from = owed ? owed : v;
    uint32_t *x = room + n, limit, threshold = guess(v, owed, n, k);
    size_t found = 0, above = 0, kept = 0;

    for (size_t i = 0; i < n; i += CODEC_CHUNK) {
        size_t some = n - i < CODEC_CHUNK ? n - i : CODEC_CHUNK;

        if (owed)
            vec_add(owed + i, v + i, some);
        found = collect(from + i, some, i, threshold, room, found);
    }
    if (found < k)
        found = collect(from, n, 0, 0, room, 0);
    for (size_t i = 0; i < found; i++)
        x[i] = magnitude(from[room[i]]);
    limit = kth_largest(x, found, k);
    for (size_t i = 0; i < found; i++)
        above += x[i] > limit;
    for (size_t i = 0, equal = k - above; i < found; i++)
        if (x[i] > limit || (x[i] == limit && equal > 0)) {
            equal -= x[i] == limit;
            room[kept++] = room[i];
        }
}
