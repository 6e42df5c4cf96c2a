/* SPDX-License-Identifier: Apache-2.0 */
/* Sends the data set to workers that have no copy of it: FETCH in, DATA out,
 * one chunk on its way at a time for each, straight from where the data lie. */
#ifndef EBSP_PS_FEEDER_H
#define EBSP_PS_FEEDER_H

#include <stddef.h>

struct conn;
struct dataset;
struct err;
struct feeder;

/* The data set is borrowed. */
struct feeder *feeder_new(const struct dataset *d, struct err *err);
/* When no connection that it was given is open any more. */
void feeder_free(struct feeder *f);

/* Body of a FETCH that has come over `c`: sends from there to the end.  `moved`
 * is called each time a chunk is with the kernel, as long as the connection
 * lives.  ERR_PROTO when it is nonsense or one is still being answered. */
typedef void feeder_fn(void *ctx);
int feeder_start(struct feeder *f, struct conn *c, const void *body, size_t n,
                 feeder_fn *moved, void *ctx, struct err *err);

#endif
