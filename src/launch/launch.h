/* SPDX-License-Identifier: Apache-2.0 */
/* Starting worker processes and learning how they end. */
#ifndef EBSP_LAUNCH_LAUNCH_H
#define EBSP_LAUNCH_LAUNCH_H

#include "base/err.h"
#include "io/loop.h"
#include "wire/join.h"

#include <stdbool.h>

struct launcher;

struct launch_handlers {
    /* A line that a worker has printed; safe for a terminal. */
    void (*on_line)(void *ctx, uint32_t rank, const char *line);
    /* A worker's process is gone. `code` is the exit status for a run that
     * ends because of it, `how` tells people: "killed by signal 9 (Killed)"
     * with the last lines it printed. */
    void (*on_exit)(void *ctx, uint32_t rank, enum err_code code,
                    const char *how);
};

/* For up to n workers. Handlers are copied. */
struct launcher *launcher_new(uv_loop_t *loop, uint32_t n,
                              const struct launch_handlers *h, void *ctx,
                              struct err *err);
/* Starts j->rank on this machine: this same executable as "ebsp worker". */
int launch_local(struct launcher *l, const struct join *j, struct err *err);
/* Processes that have not ended. */
uint32_t launcher_get_running(const struct launcher *l);
/* Orphans them all: they exit by themselves when they are sane. */
void launcher_let_go(struct launcher *l);
void launcher_kill(struct launcher *l, int signal);
/* Only when none is running. */
void launcher_free(struct launcher *l);

#endif
