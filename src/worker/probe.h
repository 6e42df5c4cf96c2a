/* SPDX-License-Identifier: Apache-2.0 */
/* A process that answers questions about its machine: what ebsp check starts on
 * each host, in the way in which a worker is started.
 *
 * A question is a line on stdin.  The answer on stdout is any number of lines
 * "ebsp-probe KEY VALUE", then "ebsp-probe done QUESTION" or "ebsp-probe failed
 * QUESTION CODE WHY".  Once, at first: "ebsp-probe ready".  One question at a
 * time; it ends when stdin does.
 *
 *   clock                        what this machine takes for the time
 *   machine                      processor, memory, disks, load
 *   data                         opens job and data as a worker would
 *   compute                      steps of the network on its mini-batches
 *   listen ADDRESS PORT HOW      for one other probe; port 0: any
 *   link ADDRESS PORT HOW        delay and bandwidth to one that listens
 *
 * HOW is plain (on the loopback), tls or insecure.
 *
 * ebsp-protocol(7) has the keys. */
#ifndef EBSP_WORKER_PROBE_H
#define EBSP_WORKER_PROBE_H

struct err;
struct join;

/* Until stdin ends.  `j` is borrowed. */
int probe_run(const struct join *j, struct err *err);

#endif
