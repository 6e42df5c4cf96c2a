/* SPDX-License-Identifier: Apache-2.0 */
/* A run as a TensorBoard event file: RUN/tensorboard/events.out.tfevents.*.
 *
 * The step of a point counts samples, so that runs with other policies, numbers
 * of workers and mini-batches lie over each other. */
#ifndef EBSP_VIEW_BOARD_H
#define EBSP_VIEW_BOARD_H

struct board;
struct err;
struct tally;

/* In a run directory; a file of its own for each session.  start_s: Unix time
 * at t = 0 of its events. */
struct board *board_new(const char *run, double start_s, struct err *err);
/* After each event that the tally was fed: a point when one is due.  What
 * cannot be written waits, and is tried again. */
void board_follow(struct board *b, const struct tally *t, const char *event);
/* Writes what waits. */
void board_flush(struct board *b);
/* The same, once more, and the end; -1 when something was lost.  NULL is fine.
 */
int board_free(struct board *b, struct err *err);

#endif
