/* SPDX-License-Identifier: Apache-2.0 */
/* A thread that follows the event stream of a run beside the process that
 * writes it: for metrics and TensorBoard.
 *
 * It reads the file, as anybody could, and shares nothing with the training: it
 * can neither slow it down nor see a state that is none.  It is at most
 * VIEWER_LAG_MS behind the file. */
#ifndef EBSP_VIEW_VIEWER_H
#define EBSP_VIEW_VIEWER_H

#include <stdint.h>

struct board;
struct buf;
struct err;
struct viewer;

#define VIEWER_LAG_MS 250

/* The events of the run directory behind the first `skip` bytes.  start_ns:
 * clock_now_ns at their t = 0.  The board, which may be NULL, is the thread's
 * until viewer_stop. */
struct viewer *viewer_new(const char *run, int64_t skip, int64_t start_ns,
                          struct board *board, struct err *err);
/* Appends the metrics of now; from any thread. */
void viewer_put_metrics(struct viewer *v, struct buf *to);
/* When the stream has ended: follows it to its end, ends the thread; -1 when
 * it could not be followed so far.  NULL is fine. */
int viewer_stop(struct viewer *v, struct err *err);
void viewer_free(struct viewer *v);

#endif
