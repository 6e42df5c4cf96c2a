/* SPDX-License-Identifier: Apache-2.0 */
/* A Unix socket through which the user of this machine talks to a process:
 * requests and answers are lines.
 *
 * Who may: the file has mode 0600, and a peer must have our user id or be root,
 * as the kernel says.  A peer sends one request after the other; the next one
 * is looked at when the answer to the last is with the kernel, so no peer can
 * make us hoard memory or keep the loop to itself.  A peer whose turn it is
 * has LOCAL_IDLE_MS.  What is refused here is answered by local_answer_err. */
#ifndef EBSP_IO_LOCAL_H
#define EBSP_IO_LOCAL_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <uv.h>

struct buf;
struct err;

#define LOCAL_MAX_LINE  ((size_t)64 << 10) /* a request, without newline */
#define LOCAL_MAX_PEERS 8
#define LOCAL_IDLE_MS   10000

struct local_server;
struct local_peer;

struct local_handlers {
    /* A request, without its newline; any bytes, gone after the call.  To be
     * answered exactly once, now or later (local_answer, local_answer_err). */
    void (*on_request)(void *ctx, struct local_peer *p, const char *line,
                       size_t n);
    /* A peer of which there was a request is gone: never answer it. */
    void (*on_closed)(void *ctx, struct local_peer *p);
    /* Somebody was refused: for the log. */
    void (*on_refused)(void *ctx, const struct err *why);
};

/* ---- on a libuv loop ----------------------------------------------------- */

/* Creates the socket.  One that nobody listens on any more is replaced;
 * anything else at `path` is left alone and ERR_SYS.  The path may be longer
 * than an address of a socket holds.  Handlers are borrowed. */
struct local_server *local_server_new(uv_loop_t *loop, const char *path,
                                      const struct local_handlers *h, void *ctx,
                                      struct err *err);
/* Removes the socket, but who is here may still ask and be answered. */
void local_server_hide(struct local_server *s);
/* Removes the socket, lets what is answered go out (1 s), closes and frees
 * itself on the loop.  No handler is called any more. */
void local_server_close(struct local_server *s);

/* The text must hold no newline; it is copied and one is added. */
void local_answer(struct local_peer *p, const char *text, size_t n);
/* {"ok": false, "code": err->code, "error": err->text} */
void local_answer_err(struct local_peer *p, const struct err *why);
/* Whom the kernel says it is. */
uid_t local_get_uid(const struct local_peer *p);
pid_t local_get_pid(const struct local_peer *p);

/* What a test shortens. */
void local_server_set_idle(struct local_server *s, int64_t idle_ms);

/* ---- the other end, for a command: blocks until a deadline --------------- */

/* A descriptor, or -1 with errno: ENOENT: there is no such socket;
 * ECONNREFUSED: nobody listens on it any more; EACCES: another user's. */
int local_connect(const char *path, int64_t deadline_ns, struct err *err);
/* Sends a request (no newline in it) and appends the answer, without its
 * newline.  The deadline is of clock_now_ns. */
int local_ask(int fd, const char *request, size_t n, int64_t deadline_ns,
              struct buf *answer, struct err *err);

#endif
