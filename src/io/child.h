/* SPDX-License-Identifier: Apache-2.0 */
/* Child processes on a libuv loop: what is written to stdin, lines from stderr
 * and stdout, how they ended. */
#ifndef EBSP_IO_CHILD_H
#define EBSP_IO_CHILD_H

#include <stddef.h>
#include <stdint.h>
#include <uv.h>

struct child;
struct err;

enum child_stream { CHILD_OUT = 1, CHILD_ERR = 2 };

struct child_handlers {
    /* One line of stdout or stderr, without the newline, escaped (str_escape),
     * cut at 500 characters. */
    void (*on_line)(void *ctx, enum child_stream from, const char *line);
    /* The time of child_set_alarm is over.  May be NULL. */
    void (*on_alarm)(void *ctx);
    /* The process is gone and its output is read to the end; status is the exit
     * status, signal 0 or what killed it.  The child is freed after this. */
    void (*on_exit)(void *ctx, int64_t status, int signal);
};

#define CHILD_LAST_LINES 8

/* argv[0] is looked up in PATH.  stdin stays open until child_close_stdin or
 * our own death: that is how a worker learns that it is orphaned.  The
 * environment is inherited.  The child gets its own process group, so that
 * Ctrl-C reaches only us. */
struct child *child_new(uv_loop_t *loop, const char *const *argv,
                        const struct child_handlers *h, void *ctx,
                        struct err *err);
/* The same; fd[0] .. fd[n - 1] become its descriptors 3 and following. */
#define CHILD_MAX_FDS 3
struct child *child_new_with(uv_loop_t *loop, const char *const *argv,
                             const int *fd, int n,
                             const struct child_handlers *h, void *ctx,
                             struct err *err);
/* Queues bytes for its stdin; they are copied, and overwritten after use: a key
 * may be among them.  A child that does not read them is no error. */
int child_write(struct child *c, const void *bytes, size_t n, struct err *err);
/* Calls on_alarm once, after so many milliseconds; 0: never mind.  Only while
 * the process lives. */
void child_set_alarm(struct child *c, uint64_t ms);
/* After what is queued. */
void child_close_stdin(struct child *c);
int child_kill(struct child *c, int signal);
int child_get_pid(const struct child *c);
/* The last lines it printed, oldest first, without empty ones; NULL beyond. */
const char *child_get_last_line(const struct child *c, int i);

#endif
