/* SPDX-License-Identifier: Apache-2.0 */
/* Where each buffer of a plan lies.  Two buffers may share bytes when no
 * operation falls into the lives of both.  Largest first, each at the lowest
 * place that is free during its life: within a few percent of the best known
 * for networks (Pisarchyk, Lee, "Efficient memory management for deep neural
 * net inference", 2020). */
#include "base/err.h"
#include "base/mem.h"
#include "nn/plan.h"

#include <stdlib.h>

#define ALIGN ((size_t)64) /* a cache line, and what the kernels like */

static void
find_lives(struct plan *p)
{
    for (size_t i = 0; i < p->n_buffers; i++) {
        p->buffer[i].first = SIZE_MAX;
        p->buffer[i].last = 0;
    }
    for (size_t i = 0; i < p->n_ops; i++)
        for (size_t k = 0; k < p->op[i].n_places; k++) {
            const struct place *at = &p->op[i].place[k];
            struct buffer *b = &p->buffer[at->at];

            if (at->kind != PLACE_ARENA)
                continue;
            if (b->first == SIZE_MAX)
                b->first = i;
            b->last = i;
        }
    /* The outputs are read after the run. */
    if (p->outputs.place.kind == PLACE_ARENA)
        p->buffer[p->outputs.place.at].last = p->n_ops;
}

static int
by_size(const void *a, const void *b)
{
    const struct buffer *x = *(struct buffer *const *)a;
    const struct buffer *y = *(struct buffer *const *)b;

    if (x->bytes != y->bytes)
        return x->bytes < y->bytes ? 1 : -1;
    return (x->first > y->first) - (x->first < y->first);
}

/* The lowest offset for b beside the n buffers that are placed, which are in
 * order of their offsets. */
static size_t
find_gap(const struct buffer *b, struct buffer *const *placed, size_t n)
{
    size_t at = 0;

    for (size_t i = 0; i < n; i++) {
        const struct buffer *q = placed[i];

        if (q->last < b->first || b->last < q->first)
            continue;
        if (q->offset >= at + b->bytes)
            break;
        if (q->offset + q->bytes > at)
            at = q->offset + q->bytes;
    }
    return at;
}

int
plan_lay_out(struct plan *p, struct err *err)
{
    struct buffer **todo, **placed;
    size_t n = 0, n_placed = 0;

    todo = mem_alloc(2 * p->n_buffers, sizeof *todo);
    if (!todo)
        return err_nomem(err);
    placed = todo + p->n_buffers;
    find_lives(p);
    for (size_t i = 0; i < p->n_buffers; i++) {
        struct buffer *b = &p->buffer[i];

        b->bytes = (b->bytes + ALIGN - 1) / ALIGN * ALIGN;
        if (b->first != SIZE_MAX)
            todo[n++] = b;
    }
    qsort(todo, n, sizeof *todo, by_size);
    for (size_t i = 0; i < n; i++) {
        struct buffer *b = todo[i];
        size_t k = n_placed;

        b->offset = find_gap(b, placed, n_placed);
        if (b->offset + b->bytes > p->arena_bytes)
            p->arena_bytes = b->offset + b->bytes;
        for (; k > 0 && placed[k - 1]->offset > b->offset; k--)
            placed[k] = placed[k - 1];
        placed[k] = b;
        n_placed++;
    }
    mem_free(todo);
    return 0;
}
