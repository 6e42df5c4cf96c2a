/* SPDX-License-Identifier: Apache-2.0 */
/* The worker process: one thread talks (loop, heartbeats, orphan watch), the
 * other computes. */
#ifndef EBSP_WORKER_WORKER_H
#define EBSP_WORKER_WORKER_H

#include <stdbool.h>

struct err;

/* Reads what it is told from stdin (wire/join.h), works until the coordinator
 * says STOP.  -1 with err filled when anything went wrong; the coordinator was
 * told then, if it could be.  *computing: the computing thread is in the middle
 * of a long step and still runs; the caller is to leave with _exit. */
int worker_run(bool *computing, struct err *err);

#endif
