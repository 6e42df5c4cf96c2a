/* SPDX-License-Identifier: Apache-2.0 */
#include "nn/range.h"

#include "base/err.h"
#include "base/mem.h"

#include <assert.h>

size_t
range_most(size_t n_floats)
{
    return n_floats / SEGMENT_ALIGN;
}

/* What n * k / K would overflow on is far beyond any network, but sizes come
 * from files. */
static size_t
begin(size_t units, uint32_t k, uint32_t n)
{
    return units / n * k + units % n * k / n;
}

struct range
range_get(size_t n_floats, uint32_t k, uint32_t n)
{
    size_t units = n_floats / SEGMENT_ALIGN;
    size_t first = begin(units, k, n) * SEGMENT_ALIGN;
    size_t end = begin(units, k + 1, n) * SEGMENT_ALIGN;

    assert(k < n);
    if (k + 1 == n)
        end = n_floats;
    return (struct range){first, end - first};
}

/* What the range has of a segment; false: nothing. */
static bool
clip(const struct segment *s, const struct range *r, struct segment *to)
{
    size_t first = s->offset, end = s->offset + s->count;

    if (first < r->first)
        first = r->first;
    if (end > r->first + r->count)
        end = r->first + r->count;
    if (first >= end)
        return false;
    *to = *s;
    to->offset = first - r->first;
    to->count = end - first;
    return true;
}

int
range_cut(const struct segtab *t, const struct range *r, struct segtab *part,
          struct err *err)
{
    *part = (struct segtab){.n_floats = r->count};
    part->seg = mem_alloc(t->n, sizeof *part->seg);
    if (!part->seg)
        return err_nomem(err);
    for (size_t i = 0; i < t->n; i++) {
        struct segment *s = &part->seg[part->n];

        if (!clip(&t->seg[i], r, s))
            continue;
        part->n++;
        if (s->kind != SEGMENT_STAT)
            part->n_params += s->count;
    }
    return 0;
}

void
range_release(struct segtab *part)
{
    mem_free(part->seg);
    *part = (struct segtab){0};
}
