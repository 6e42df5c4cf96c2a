/* SPDX-License-Identifier: Apache-2.0 */
#include "data/cursors.h"

#include "base/mem.h"
#include "base/rng.h"

#include <string.h>

void
cursors_release(struct cursors *s)
{
    mem_free(s->node);
    memset(s, 0, sizeof *s);
}

void
cursors_clear(struct cursors *s)
{
    s->root = 0;
    s->n = 0;
    s->spare = 0;
    for (size_t i = s->cap; i > 1; i--) {
        s->node[i - 1].left = s->spare;
        s->spare = (uint32_t)(i - 1);
    }
}

bool
cursors_reserve(struct cursors *s)
{
    size_t cap = s->cap ? s->cap * 2 : 64;
    struct cursor_node *more;

    if (s->spare)
        return true;
    if (cap > UINT32_MAX)
        return false;
    more = mem_resize(s->node, s->cap, cap, sizeof *more);
    if (!more)
        return false;
    s->node = more;
    for (size_t i = cap; i > (s->cap ? s->cap : 1); i--) {
        more[i - 1].left = s->spare;
        s->spare = (uint32_t)(i - 1);
    }
    s->cap = cap;
    return true;
}

static bool
before(const struct data_cursor *a, const struct data_cursor *b)
{
    if (a->shard != b->shard)
        return a->shard < b->shard;
    if (a->epoch != b->epoch)
        return a->epoch < b->epoch;
    return a->first < b->first;
}

/* Those before the key to *low, the others to *high.  `at` is walked once; the
 * two links to fill move down along the cut. */
static void
split(struct cursors *s, uint32_t at, const struct data_cursor *key,
      uint32_t *low, uint32_t *high)
{
    while (at) {
        struct cursor_node *n = &s->node[at];

        if (before(&n->c, key)) {
            *low = at;
            low = &n->right;
            at = n->right;
        } else {
            *high = at;
            high = &n->left;
            at = n->left;
        }
    }
    *low = 0;
    *high = 0;
}

/* All of low are before all of high. */
static uint32_t
join(struct cursors *s, uint32_t low, uint32_t high)
{
    uint32_t root = 0, *link = &root;

    while (low && high) {
        struct cursor_node *a = &s->node[low], *b = &s->node[high];

        if (a->priority > b->priority) {
            *link = low;
            link = &a->right;
            low = a->right;
        } else {
            *link = high;
            link = &b->left;
            high = b->left;
        }
    }
    *link = low ? low : high;
    return root;
}

bool
cursors_add(struct cursors *s, const struct data_cursor *c)
{
    uint32_t *link = &s->root, fresh;
    struct cursor_node *n;

    if (!cursors_reserve(s))
        return false;
    fresh = s->spare;
    n = &s->node[fresh];
    s->spare = n->left;
    n->c = *c;
    n->priority = rng_hash(c->shard, c->epoch, c->first);
    /* Down to the first node that has to be below the new one. */
    while (*link && s->node[*link].priority >= n->priority) {
        struct cursor_node *at = &s->node[*link];

        link = before(&at->c, c) ? &at->right : &at->left;
    }
    split(s, *link, c, &n->left, &n->right);
    *link = fresh;
    s->n++;
    return true;
}

bool
cursors_remove(struct cursors *s, const struct data_cursor *key)
{
    uint32_t *link = &s->root;

    while (*link) {
        struct cursor_node *at = &s->node[*link];

        if (before(&at->c, key)) {
            link = &at->right;
        } else if (before(key, &at->c)) {
            link = &at->left;
        } else {
            uint32_t gone = *link;

            *link = join(s, at->left, at->right);
            at->left = s->spare;
            s->spare = gone;
            s->n--;
            return true;
        }
    }
    return false;
}

const struct data_cursor *
cursors_from(const struct cursors *s, uint32_t shard, uint32_t epoch,
             uint64_t first)
{
    struct data_cursor key = {.epoch = epoch, .shard = shard, .first = first};
    const struct data_cursor *found = NULL;

    for (uint32_t i = s->root; i;) {
        const struct cursor_node *n = &s->node[i];

        if (before(&n->c, &key)) {
            i = n->right;
        } else {
            found = &n->c;
            i = n->left;
        }
    }
    return found;
}
