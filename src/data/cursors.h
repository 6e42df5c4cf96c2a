/* SPDX-License-Identifier: Apache-2.0 */
/* A set of cursors in the order (shard, epoch, first).  Everything is
 * O(log n) expected: a treap (Seidel, Aragon 1996) whose priorities are hashes
 * of the keys, so that the same cursors always make the same tree. */
#ifndef EBSP_DATA_CURSORS_H
#define EBSP_DATA_CURSORS_H

#include "data/assign.h"

struct cursor_node {
    struct data_cursor c;
    uint64_t priority;
    uint32_t left, right; /* of node[]; 0: none */
};

/* Zero is an empty set. */
struct cursors {
    struct cursor_node *node; /* node[0] is nobody */
    size_t cap;
    uint32_t root, spare; /* spare: first of a list through `left` */
    size_t n;
};

void cursors_release(struct cursors *s);
void cursors_clear(struct cursors *s);
/* Room for one more: the next cursors_add cannot fail.  False: no memory. */
bool cursors_reserve(struct cursors *s);
/* False: no memory.  The set has no cursor with this key. */
bool cursors_add(struct cursors *s, const struct data_cursor *c);
/* False: there was none with this key. */
bool cursors_remove(struct cursors *s, const struct data_cursor *key);
/* The first cursor at or after the key (its count does not matter); NULL: none.
 * Valid until the set changes. */
const struct data_cursor *cursors_from(const struct cursors *s, uint32_t shard,
                                       uint32_t epoch, uint64_t first);

#endif
