/* SPDX-License-Identifier: Apache-2.0 */
/* Starting worker processes, here and over SSH, and learning how they end.
 *
 * A process is started, says who it is (wire/join.h), is told what to join and
 * is from then on the server's business until it ends.  Nobody is told anything
 * who speaks another protocol.  Whatever ends this process, however suddenly,
 * ends them all. */
#ifndef EBSP_LAUNCH_LAUNCH_H
#define EBSP_LAUNCH_LAUNCH_H

#include "base/err.h"
#include "io/loop.h"
#include "wire/join.h"

#include <stdbool.h>

struct launcher;
struct ssh;

#define LAUNCH_FANOUT     16
#define LAUNCH_MAX_FANOUT 1024

struct launch_options {
    const struct ssh *ssh; /* how other hosts are reached */
    uint32_t fanout;       /* how many are being started at once, >= 1 */
};

struct launch_handlers {
    /* A line that a worker (or ssh) has printed; safe for a terminal. */
    void (*on_line)(void *ctx, uint32_t rank, const char *line);
    /* A worker's process is gone, or could not be started: once for each
     * launch_start that has returned 0, never from within a call below.  `life`
     * is the join's, so that the end of one that was replaced is not taken for
     * its successor's.  `code` is the exit status for a run that ends because
     * of it, `how` tells people: "killed by signal 9 (Killed)" with the last
     * lines it printed, and the host when it is not this one.  launch_start may
     * be called in it. */
    void (*on_exit)(void *ctx, uint32_t rank, uint32_t life, enum err_code code,
                    const char *how);
};

/* Handlers and options are copied, *options->ssh is borrowed. */
struct launcher *launcher_new(uv_loop_t *loop,
                              const struct launch_options *options,
                              const struct launch_handlers *h, void *ctx,
                              struct err *err);
/* Starts j->rank on a host (HOST_LOCAL: here, this same executable), or queues
 * it when enough are being started.  The join's strings are borrowed until
 * on_exit.  A process that this rank still has from an earlier life is
 * killed.  With j->shared a process on this machine inherits the
 * descriptors `shared` as JOIN_FD_PARAMS and following; they are copied. */
int launch_start(struct launcher *l, const char *host, const struct join *j,
                 const int shared[JOIN_FDS], struct err *err);
/* Its newest process has said who it is and was told what to join. */
bool launcher_has_joined(const struct launcher *l, uint32_t rank);
/* How far the newest process of a rank is on its way, for people. */
const char *launcher_describe(const struct launcher *l, uint32_t rank);
/* More for the stdin of the newest process of a rank, which has joined: what
 * one that was started for JOIN_PROBE is asked. */
int launcher_tell(struct launcher *l, uint32_t rank, const char *text,
                  struct err *err);
/* Sends a signal to the newest process of a rank, if it has one.  On another
 * host it is ssh that gets it, and the worker ends when ssh does: only signals
 * that end a process make sense there. */
void launcher_kill_rank(struct launcher *l, uint32_t rank, int signal);
void launcher_kill(struct launcher *l, int signal); /* all */
/* Processes that have not ended, queued ones too. */
uint32_t launcher_get_running(const struct launcher *l);
/* Orphans them all: they exit by themselves when they are sane. */
void launcher_let_go(struct launcher *l);
/* Only when none is running. */
void launcher_free(struct launcher *l);

#endif
