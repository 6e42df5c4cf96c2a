/* SPDX-License-Identifier: Apache-2.0 */
/* The thread of a worker that computes, so that the one that talks always has
 * an ear for the coordinator.  It sets up the network first, then executes one
 * order after another.  All calls are the loop's; what is computed with belongs
 * to the thread while it is busy. */
#ifndef EBSP_WORKER_THINKER_H
#define EBSP_WORKER_THINKER_H

#include "io/loop.h"
#include "worker/compute.h"

#include <stdbool.h>

struct err;
struct join;
struct thinker;

/* On the loop: the set-up, or an order, is done or has failed. */
typedef void thinker_fn(void *ctx);

/* Starts with the set-up.  The join is borrowed.  blob: file with the data set,
 * copied, or NULL: as the join says. */
struct thinker *thinker_new(uv_loop_t *loop, const struct join *j,
                            const char *blob, thinker_fn *on_done, void *ctx,
                            struct err *err);
bool thinker_is_busy(const struct thinker *t);
/* What has failed, or ERR_OK; only when it is not busy. */
const struct err *thinker_get_error(const struct thinker *t);
/* After the set-up, while it is not busy. */
struct compute *thinker_get_compute(struct thinker *t);
/* Takes o->step over; the parameters are in compute.params. */
void thinker_order(struct thinker *t, const struct msg_order *o);
/* Of the last order; *push stays until the next one. */
const struct msg_push *thinker_get_result(const struct thinker *t,
                                          const float **push);
/* No on_done any more.  A step of a large network takes longer than anybody
 * wants to wait for a result that nobody wants: false when it still computes
 * after half a second, and then everything stays in use until the process
 * ends.  True: frees itself on the loop. */
bool thinker_stop(struct thinker *t);

#endif
