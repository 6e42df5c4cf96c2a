/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of the rogue share: rogue.c, which is a worker, and
 * rogue_deeds.c, which knows what else it can do. */
#ifndef EBSP_ROGUE_H
#define EBSP_ROGUE_H

#include "rogue_wire.h"
#include "worker/compute.h"

#include <stdbool.h>

struct deed {
    char what[16], when[16], value[2][16];
    unsigned n, every, lives, seed;
};

struct rogue {
    struct deed deed;
    struct join join;
    struct wire wire;
    struct compute c;
    unsigned orders; /* so far */
    struct msg_order order;
    bool given_back; /* it was cut off since it got its order */
};

void rogue_die(const char *why) __attribute__((noreturn));
bool rogue_does(const struct rogue *r, const char *what);
/* Is it this order's turn?  Before the first one there is one turn. */
bool rogue_is_due(const struct rogue *r);
size_t rogue_vector_bytes(const struct rogue *r);
struct msg_ready rogue_make_ready(const struct rogue *r);
void rogue_send_ready(struct rogue *r, const struct msg_ready *m);

/* Not even the end of the run is a reason to go. */
void rogue_linger(void) __attribute__((noreturn));
/* Closes, and is there until stdin ends. */
void rogue_end(struct rogue *r) __attribute__((noreturn));

/* The deed, if this is its time.  What has an order in it happens when that is
 * answered: the next two. */
void rogue_strike(struct rogue *r, const char *when);
/* Message and bytes of a push that is wrong. */
void rogue_spoil(const struct rogue *r, struct msg_push *m, size_t *n_bytes);
/* Sends v in pieces, as the deed says; bytes of it for the push itself. */
size_t rogue_push_pieces(struct rogue *r, struct msg_push *m, const float *v);
/* Does not return. */
void rogue_push_strangely(struct rogue *r, const struct buf *body,
                          const void *push) __attribute__((noreturn));

#endif
