/* SPDX-License-Identifier: Apache-2.0 */
/* The inside of a store: store.c (life, published vectors, what is added) and
 * store_commit.c (the passes over memory). */
#ifndef EBSP_PS_STORE_IMPL_H
#define EBSP_PS_STORE_IMPL_H

#include "base/shm.h"
#include "ps/store.h"

#include <stddef.h>

struct added {
    const float *push; /* borrowed */
    float weight;
};

struct store {
    const struct segtab *t;
    bool is_hollow; /* counts only */
    struct optim *optim;
    struct crew *crew; /* NULL: no threads */
    struct shm shared; /* slots of published vectors */
    uint32_t n_slots, n_used;
    struct params *now;   /* the store holds one reference of it */
    struct params *spare; /* nobody refers to these */

    /* The accumulator: `sum`, once something had to be read early, and then
     * what was added since. */
    float *sum; /* NULL before it is first needed */
    bool is_summed;
    struct added *added;
    size_t n_added, cap_added;
    double weight_sum; /* of all */
    uint32_t kind;     /* EBSP_PUSH_* of all */
};

/* store.c */
/* A vector for the next version: the current one when only the store refers to
 * it, else a spare one; NULL: out of memory. */
struct params *store_get_writable(struct store *s);
/* It becomes the next version. */
void store_publish(struct store *s, struct params *p);

/* store_commit.c: what was added is read. */
int store_settle(struct store *s, struct err *err);

#endif
