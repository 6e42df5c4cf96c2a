/* SPDX-License-Identifier: Apache-2.0 */
/* A vector on its way out over a connection, in pieces (wire/pieces.h), as
 * MSG_PIECE frames.  Few of them are given to the connection at a time: each is
 * summed just before it is sent, while it is in the cache, other frames need
 * not wait for all of it, and a peer that reads slowly costs no memory. */
#ifndef EBSP_IO_DELIVER_H
#define EBSP_IO_DELIVER_H

#include "wire/pieces.h"

#include <stdbool.h>
#include <stdint.h>

struct conn;
struct delivery;
struct err;

struct delivery_handlers {
    /* wire_hash of a piece, when somebody knows it already; may be NULL. */
    uint64_t (*get_sum)(void *ctx, const struct piece *x);
    /* All of it has been given to the connection: what is sent from now on
     * follows it.  May be NULL. */
    void (*on_given)(void *ctx);
    /* The vector is not looked at any more, the delivery is gone. */
    void (*on_over)(void *ctx);
};

/* n floats at v, borrowed until on_over; iteration: of the order that they
 * belong to.  Stop it, if it is not over, when the connection is gone. */
struct delivery *delivery_new(struct conn *c, uint64_t iteration,
                              const float *v, size_t n, bool from_end,
                              const struct delivery_handlers *h, void *ctx,
                              struct err *err);
/* So many of its first floats (pieces.h) can be sent.  Both handlers may be
 * called from in here.  What cannot be sent closes the connection. */
void delivery_ready(struct delivery *d, size_t ready);
/* What has not been given stays here; on_over now or when the rest is sent. */
void delivery_stop(struct delivery *d);
/* The peer has answered it, so all has been sent, of which the connection may
 * not have told yet: on_over now. */
void delivery_end(struct delivery *d);
/* For how long, up to `now_ns`, something of it was waiting to be sent. */
int64_t delivery_get_busy_ns(const struct delivery *d, int64_t now_ns);

#endif
