/* SPDX-License-Identifier: Apache-2.0 */
#include "zipline/tree.h"

#include <string.h>

void
zl_tree_init(struct zl_tree *t, struct zl_node *room, size_t size)
{
    t->node = room;
    t->size = size;
    for (size_t i = 0; i < size; i++)
        room[size + i] = (struct zl_node){ZL_NONE, i};
    zl_tree_build(t);
}

void
zl_tree_build(struct zl_tree *t)
{
    struct zl_node *node = t->node;

    for (size_t k = t->size - 1; k > 0; k--)
        node[k] = node[2 * k + 1].key < node[2 * k].key ? node[2 * k + 1]
                                                        : node[2 * k];
}

/* Who wins a match is as good as random, so it must not become a branch: masks
 * leave the compiler no choice (gcc and clang both turn some ?: here into one,
 * at twice the time). */
void
zl_tree_set(struct zl_tree *t, size_t leaf, int64_t key)
{
    struct zl_node *node = t->node;
    uint64_t winner = leaf;

    for (size_t k = t->size + leaf;; k >>= 1) {
        const struct zl_node *rival = &node[k ^ 1];
        uint64_t lost = -(uint64_t)(rival->key < key);
        uint64_t next = winner + ((rival->leaf - winner) & lost);

        node[k].key = key;
        node[k].leaf = winner;
        if (k <= 1)
            return;
        key ^= (key ^ rival->key) & (int64_t)lost;
        winner = next;
    }
}

void
zl_tree_grow(struct zl_tree *t, size_t size)
{
    size_t old = t->size;

    memmove(t->node + size, t->node + old, old * sizeof *t->node);
    for (size_t i = old; i < size; i++)
        t->node[size + i] = (struct zl_node){ZL_NONE, i};
    t->size = size;
    zl_tree_build(t);
}
