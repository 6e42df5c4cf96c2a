/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/timers.h"

#include "base/mem.h"

#include <stdbool.h>

void
timers_release(struct timers *t)
{
    mem_free(t->v);
    *t = (struct timers){0};
}

static bool
is_before(const struct timer *a, const struct timer *b)
{
    return a->at_ns != b->at_ns ? a->at_ns < b->at_ns : a->seq < b->seq;
}

int
timers_add(struct timers *t, int64_t at_ns, uint64_t cookie)
{
    struct timer added = {at_ns, t->next_seq, cookie};
    size_t i = t->n;

    if (t->n == t->cap) {
        size_t cap = t->cap ? 2 * t->cap : 16;
        struct timer *v = mem_resize(t->v, t->cap, cap, sizeof *v);

        if (!v)
            return -1;
        t->v = v;
        t->cap = cap;
    }
    t->next_seq++;
    t->n++;
    for (; i > 0 && is_before(&added, &t->v[(i - 1) / 2]); i = (i - 1) / 2)
        t->v[i] = t->v[(i - 1) / 2];
    t->v[i] = added;
    return 0;
}

struct timer
timers_pop(struct timers *t)
{
    struct timer first = t->v[0], last = t->v[--t->n];
    size_t i = 0, child;

    while ((child = 2 * i + 1) < t->n) {
        if (child + 1 < t->n && is_before(&t->v[child + 1], &t->v[child]))
            child++;
        if (!is_before(&t->v[child], &last))
            break;
        t->v[i] = t->v[child];
        i = child;
    }
    t->v[i] = last;
    return first;
}

int64_t
timers_next_ns(const struct timers *t)
{
    return t->n > 0 ? t->v[0].at_ns : INT64_MAX;
}
