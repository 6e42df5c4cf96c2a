/* SPDX-License-Identifier: Apache-2.0 */
/* A few threads that do one thing together and sleep in between.  (OpenMP's
 * would go on spinning for a while after each call, on cores that workers
 * want.) */
#ifndef EBSP_BASE_CREW_H
#define EBSP_BASE_CREW_H

struct crew;
struct err;

#define CREW_MAX 64

/* One that is made of the caller and n - 1 threads. */
struct crew *crew_new(unsigned n, struct err *err);
void crew_free(struct crew *c);
unsigned crew_get_size(const struct crew *c); /* 1 when c is NULL */
/* fn(ctx, 0) ... fn(ctx, parts - 1), each once, by whoever is free; returns
 * when all are done.  One call at a time.  NULL: the caller does it alone. */
void crew_run(struct crew *c, unsigned parts,
              void (*fn)(void *ctx, unsigned part), void *ctx);

#endif
