/* SPDX-License-Identifier: Apache-2.0 */
/* Was every sample of every epoch applied exactly once?  Told by the events of
 * a run alone, over all its sessions: what was applied after the checkpoint
 * that a session goes on from does not count. */
#ifndef EBSP_CHAOS_ONCE_H
#define EBSP_CHAOS_ONCE_H

#include "base/json.h"

struct err;
struct once;

struct once *once_new(struct err *err);
void once_free(struct once *o);
/* -1: the events contradict themselves (ERR_FAIL, with what is wrong), or are
 * none (ERR_CONFIG). */
int once_take(struct once *o, const char *event, const struct jcur *e,
              struct err *err);
/* The run is over.  n: training samples.  complete: all epochs are done, so
 * nothing may be missing; else it is only asked that nothing is there twice.
 * -1 with the first thing that is wrong, in ERR_FAIL.  *applied: mini-batches
 * that count. */
int once_check(struct once *o, uint64_t n, uint32_t epochs, bool complete,
               size_t *applied, struct err *err);

#endif
