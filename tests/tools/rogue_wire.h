/* SPDX-License-Identifier: Apache-2.0 */
/* A worker's end of a connection that does what it is told, also what no
 * connection of src/io/ would: plain, blocking, one thread. */
#ifndef EBSP_ROGUE_WIRE_H
#define EBSP_ROGUE_WIRE_H

#include "base/buf.h"
#include "wire/join.h"
#include "wire/msg.h"

#include <stdbool.h>

struct wire {
    int fd;
    bool deaf;       /* reads nothing, but gives signs of life */
    int64_t beat_ns; /* when it last gave one */
};

/* Connects and authenticates; small: with a receive window that is soon full.
 * false: not let in. */
bool wire_meet(struct wire *w, const struct join *j, uint32_t rank,
               uint32_t life, bool small);
/* false: the other side is gone. */
bool wire_send_bytes(struct wire *w, const void *p, size_t n);
bool wire_send(struct wire *w, uint16_t type, const struct buf *body,
               const void *bulk, size_t n_bulk);
/* The next frame but BEAT, giving signs of life while it waits for limit_ms
 * (-1: for ever).  Body in `body`, at most n bytes of bulk in `bulk`.  1, 0:
 * nothing came, -1: the other side is gone. */
int wire_next(struct wire *w, int limit_ms, struct frame_head *h,
              struct buf *body, void *bulk, size_t n);
/* Until the other side closes, or is quiet for limit_ms; everything is
 * ignored. */
void wire_drain(struct wire *w, int limit_ms);
/* Closes as who has read everything does: while something is unread, close()
 * resets the connection, and what was sent may be lost.  Waits until the other
 * side closes, or is quiet for limit_ms. */
void wire_finish(struct wire *w, int limit_ms);
/* Closes with a reset, as the kernel of a host that was restarted does. */
void wire_reset(struct wire *w);
void wire_close(struct wire *w);

#endif
