/* SPDX-License-Identifier: Apache-2.0 */
/* The first words between a worker process and whoever has started it. */
#ifndef EBSP_WORKER_GREET_H
#define EBSP_WORKER_GREET_H

struct err;
struct join;

/* Asks the kernel to kill this process when its parent ends: the coordinator,
 * or sshd's process of the session.  A worker that runs notices the end of its
 * stdin anyway; one that is stopped (SIGSTOP) or stuck would stay for ever.
 *
 * A parent that has ended before this call is not told about any more; that is
 * found out by worker_greet, whose answer nobody gives then. */
int worker_die_with_parent(struct err *err);

/* Says "ebsp-worker PROTOCOL VERSION" (wire/join.h) on stdout, then reads from
 * stdin what to join.  Nothing is read from stdin beyond that.  join_release is
 * the caller's after 0. */
int worker_greet(struct join *j, struct err *err);

#endif
