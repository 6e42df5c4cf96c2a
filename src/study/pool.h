/* SPDX-License-Identifier: Apache-2.0 */
/* Cells in virtual time, several at once, each in a process of its own: a
 * policy that crashes takes one cell with it, and nothing is shared that would
 * have to be locked.  What comes out of a cell does not depend on it.
 *
 * One thread; the processes end with it. */
#ifndef EBSP_STUDY_POOL_H
#define EBSP_STUDY_POOL_H

#include <stdbool.h>

struct cell;
struct err;
struct pool;
struct study;

#define POOL_MAX 1024

/* Of at most n (1 to POOL_MAX) at a time; pool_free. */
struct pool *pool_new(const struct study *s, unsigned n, struct err *err);
/* virtual_prepare, in a process of its own, too: threads that it leaves would
 * not survive in those of the cells.  When it fails, the cells tell why. */
int pool_prepare(const struct pool *p, struct err *err);
/* Ends what still runs. */
void pool_free(struct pool *p);
bool pool_has_room(const struct pool *p);
bool pool_is_idle(const struct pool *p);
/* There must be room. */
int pool_start(struct pool *p, struct cell *c, struct err *err);
/* Waits for the next cell to finish; there must be one that runs.  *which has
 * its result; when it could not be run it has none, and -1 says why. */
int pool_wait(struct pool *p, struct cell **which, struct err *err);

#endif
