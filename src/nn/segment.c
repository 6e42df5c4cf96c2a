/* SPDX-License-Identifier: Apache-2.0 */
#include "nn/segment.h"

#include "base/rng.h"

#include <string.h>

/* Eight bytes at a time, the length first: no two strings run together. */
static uint64_t
hash_text(uint64_t h, const char *s)
{
    size_t n = strlen(s);

    h = rng_hash(h, n, 0);
    for (size_t i = 0; i < n; i += 8) {
        uint64_t word = 0;

        for (size_t j = 0; j < 8 && i + j < n; j++)
            word |= (uint64_t)(unsigned char)s[i + j] << (8 * j);
        h = rng_hash(h, word, i);
    }
    return h;
}

uint64_t
segtab_fingerprint(const struct segtab *t)
{
    uint64_t h = rng_hash(UINT64_C(0x7365676d656e7473), t->n, t->n_floats);

    for (size_t i = 0; i < t->n; i++) {
        const struct segment *s = &t->seg[i];

        h = hash_text(h, s->name);
        h = rng_hash(h, (uint64_t)s->kind, (uint64_t)s->n_dims);
        for (int d = 0; d < s->n_dims; d++)
            h = rng_hash(h, (uint64_t)s->dim[d], s->offset);
    }
    return h;
}
