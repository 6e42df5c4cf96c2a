/* SPDX-License-Identifier: Apache-2.0 */
/* Numbers that C and Python make alike: see refdata.py, which says what they
 * are for. */
#ifndef EBSP_TEST_REFDATA_H
#define EBSP_TEST_REFDATA_H

#include "base/rng.h"
#include "nn/segment.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

/* Streams; 0 is the input, 1 + i segment i. */
#define REFDATA_LABELS   (1u << 20)
#define REFDATA_SIGNS    (2u << 20)
#define REFDATA_GRADIENT (3u << 20)

/* Number i of a stream: offset + scale * [-1, 1). */
static inline float
refdata_draw(uint64_t seed, uint64_t stream, uint64_t i, double scale,
             double offset)
{
    double bits = (double)(rng_hash(seed, stream, i) >> 40);

    return (float)(offset + scale * (bits * 0x1p-23 - 1));
}

static inline void
refdata_input(uint64_t seed, float *x, size_t n)
{
    for (size_t i = 0; i < n; i++)
        x[i] = refdata_draw(seed, 0, i, sqrt(3.0), 0);
}

static inline void
refdata_labels(uint64_t seed, int32_t *label, size_t n, uint64_t n_classes)
{
    for (size_t i = 0; i < n; i++)
        label[i] = (int32_t)(rng_hash(seed, REFDATA_LABELS, i) % n_classes);
}

static inline void
refdata_params(uint64_t seed, const struct segtab *t, float *v)
{
    for (size_t i = 0; i < t->n; i++) {
        const struct segment *s = &t->seg[i];
        const char *suffix = strrchr(s->name, '.');
        bool one =
            !strcmp(suffix, ".weight") || !strcmp(suffix, ".running_var");
        double scale = one ? 0.25 : 0.1, offset = one ? 1 : 0;

        if (s->n_dims > 1) {
            scale = sqrt(6.0 * (double)s->dim[0] / (double)s->count);
            offset = 0;
        }
        for (size_t k = 0; k < s->count; k++)
            v[s->offset + k] = refdata_draw(seed, 1 + i, k, scale, offset);
    }
}

#endif
