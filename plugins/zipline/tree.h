/* SPDX-License-Identifier: Apache-2.0 */
/* A tournament: which of n keys is the least?  The winner is at [1], the leaf
 * of key i at [size + i], the winner of [2k] and [2k + 1] at [k].
 *
 * A new key for a leaf replays one path of log2(n) matches.  The nodes on the
 * path are known beforehand and a match is two conditional moves, so nothing
 * waits for memory or for a guessed branch; a heap takes two to three times as
 * long, where every step depends on the last. */
#ifndef EBSP_ZIPLINE_TREE_H
#define EBSP_ZIPLINE_TREE_H

#include <stddef.h>
#include <stdint.h>

#define ZL_NONE INT64_MAX /* the key of a leaf that does not take part */

struct zl_node {
    int64_t key;
    uint64_t leaf;
};

struct zl_tree {
    struct zl_node *node; /* room for 2 * size */
    size_t size;          /* leaves, at least 1 */
};

/* All leaves have ZL_NONE. */
void zl_tree_init(struct zl_tree *t, struct zl_node *room, size_t size);
/* Sets a leaf without a replay; zl_tree_build does them all. */
static inline void
zl_tree_put(struct zl_tree *t, size_t leaf, int64_t key)
{
    t->node[t->size + leaf].key = key;
}
void zl_tree_build(struct zl_tree *t);
void zl_tree_set(struct zl_tree *t, size_t leaf, int64_t key);
/* The room must hold 2 * size nodes. */
void zl_tree_grow(struct zl_tree *t, size_t size);

#endif
