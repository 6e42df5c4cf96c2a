/* SPDX-License-Identifier: Apache-2.0 */
/* A flat vector that travels in pieces, so that the first of it can be used
 * while the rest is computed or on its way: parameters from their beginning
 * on, as a forward pass reads them, gradients from their end on, as
 * back-propagation makes them.  Each piece adjoins the one before, so that
 * nothing is missing or there twice when all of it has come. */
#ifndef EBSP_WIRE_PIECES_H
#define EBSP_WIRE_PIECES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct err;

/* Floats of a piece: small enough to be summed and sent while it is in the
 * cache, and to be there soon; large enough that a frame of its own costs
 * nothing. */
#define PIECE_MAX ((size_t)1 << 17)
#define PIECE_MIN ((size_t)1 << 16) /* unless it is the last one */

struct piece {
    size_t first, count; /* floats */
};

struct pieces {
    size_t n;    /* floats of the vector; 0: none is on its way */
    size_t done; /* of them that have been sent, or have come */
    bool from_end;
};

void pieces_begin(struct pieces *p, size_t n, bool from_end);
/* All of a vector that is on its way is done. */
bool pieces_is_whole(const struct pieces *p);
/* Sending: the piece to be sent next when the first `ready` floats (counted
 * from the end, if that is where it begins) can be; false: there is none yet.
 * It is done when it was given to pieces_add.  When all is ready at once every
 * piece but the last has PIECE_MAX floats. */
bool pieces_next(const struct pieces *p, size_t ready, struct piece *next);
/* Receiving: ERR_PROTO unless this one adjoins what is done, and is in the
 * vector.  first and count are hostile. */
int pieces_check(const struct pieces *p, const struct piece *x,
                 struct err *err);
/* The same of a frame whose bulk has n_bytes, hostile as well. */
int pieces_check_frame(const struct pieces *p, const struct piece *x,
                       uint64_t n_bytes, struct err *err);
void pieces_add(struct pieces *p, const struct piece *x);

#endif
