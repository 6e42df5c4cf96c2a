/* SPDX-License-Identifier: Apache-2.0 */
/* A parameter server: a process that holds one range of the parameters, adds
 * up what workers push to it and sends them what they pull.  The coordinator
 * tells all of them the same commands in the same order, so together they do
 * what one store would have done, bit by bit.  What a push is, whether it is
 * taken and when there is an update is decided by the coordinator alone. */
#ifndef EBSP_SERVE_SERVE_H
#define EBSP_SERVE_SERVE_H

struct err;
struct join;

/* Serves until the coordinator says STOP or is gone. */
int serve_run(const struct join *j, struct err *err);

#endif
