/* SPDX-License-Identifier: Apache-2.0 */
#include "sim/heap.h"

#include "base/mem.h"

#include <stdbool.h>

static bool
before(const struct sim_event *a, const struct sim_event *b)
{
    return a->t_ns < b->t_ns || (a->t_ns == b->t_ns && a->order < b->order);
}

int
sim_heap_put(struct sim_heap *h, int64_t t_ns, uint32_t worker, uint32_t kind)
{
    struct sim_event e = {t_ns, h->order++, worker, kind};
    size_t i = h->n;

    if (h->n == h->cap) {
        size_t cap = h->cap ? h->cap * 2 : 64;
        struct sim_event *v = mem_resize(h->v, h->cap, cap, sizeof *v);

        if (!v)
            return -1;
        h->v = v;
        h->cap = cap;
    }
    h->n++;
    while (i > 0 && before(&e, &h->v[(i - 1) / 4])) {
        h->v[i] = h->v[(i - 1) / 4];
        i = (i - 1) / 4;
    }
    h->v[i] = e;
    return 0;
}

struct sim_event
sim_heap_take(struct sim_heap *h)
{
    struct sim_event top = h->v[0], last = h->v[--h->n];
    size_t i = 0;

    for (;;) {
        size_t child = 4 * i + 1, least = child;

        if (child >= h->n)
            break;
        for (size_t k = child + 1; k < child + 4 && k < h->n; k++)
            if (before(&h->v[k], &h->v[least]))
                least = k;
        if (!before(&h->v[least], &last))
            break;
        h->v[i] = h->v[least];
        i = least;
    }
    h->v[i] = last;
    return top;
}

void
sim_heap_release(struct sim_heap *h)
{
    mem_free(h->v);
    *h = (struct sim_heap){0};
}
