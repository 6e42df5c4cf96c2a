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

/* On the loop. */
struct thinker_handlers {
    void (*on_done)(void *ctx);  /* the set-up, or an order, or it has failed */
    void (*on_final)(void *ctx); /* see thinker_get_final */
};

/* Starts with the set-up.  The join is borrowed.  blob: file with the data set,
 * copied, or NULL: as the join says.  zero_ns: when the run began. */
struct thinker *thinker_new(uv_loop_t *loop, const struct join *j,
                            const char *blob, int64_t zero_ns,
                            const struct thinker_handlers *h, void *ctx,
                            struct err *err);
bool thinker_is_busy(const struct thinker *t);
/* What has failed, or ERR_OK; only when it is not busy. */
const struct err *thinker_get_error(const struct thinker *t);
/* After the set-up, while it is not busy. */
struct compute *thinker_get_compute(struct thinker *t);
/* Takes o->step over.  The parameters are those of `compute`; the first `have`
 * floats of them are there. */
void thinker_order(struct thinker *t, const struct msg_order *o, size_t have);
/* More of them have come: `have` in all. */
void thinker_feed(struct thinker *t, size_t have);
/* The rest of them will not come: an order that waits for it comes to its end,
 * which is no failure, but has no result. */
void thinker_starve(struct thinker *t);
/* The last so many floats of the contribution *v that is being computed are
 * final. */
size_t thinker_get_final(struct thinker *t, const float **v);
/* From now on, also for an order that is being computed; slow: a SPEED
 * (job/speed.h), or NULL. */
int thinker_emulate(struct thinker *t, const char *slow, double pace_ms,
                    struct err *err);
/* Of the last order; *push stays until the next one. */
const struct msg_push *thinker_get_result(const struct thinker *t,
                                          const float **push);
/* No handler is called any more.  A step of a large network takes longer than
 * anybody wants to wait for a result that nobody wants: false when it still
 * computes after half a second, and then everything stays in use until the
 * process ends.  True: frees itself on the loop. */
bool thinker_stop(struct thinker *t);

#endif
