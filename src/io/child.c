/* SPDX-License-Identifier: Apache-2.0 */
#include "io/child.h"

#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"

#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <sys/wait.h>

#define LINE_CHARS 500 /* a line is cut here */
/* How long output may go on after the process is gone: something that it left
 * behind can hold the pipe open for ever (ssh's connection sharing does). */
#define DRAIN_MS 1000

enum { IN, OUT, ERR, N_PIPES };

/* Bytes of a line that has no end yet. */
struct line {
    char text[LINE_CHARS];
    size_t len; /* more than LINE_CHARS: the rest is ignored */
    bool open;  /* the pipe */
};

/* What is on its way to stdin. */
struct input {
    uv_write_t req; /* data: the child */
    size_t n;
    char bytes[]; /* may hold a key: overwritten after use */
};

struct child {
    uv_process_t process;
    uv_pipe_t pipe[N_PIPES];
    uv_timer_t timer;
    int n_handles; /* not yet closed */
    int pid;
    bool exited, reported;
    bool stdin_done; /* to be closed once it is written */

    unsigned n_writes; /* not yet with the kernel */

    int64_t status;
    int signal;
    struct line line[N_PIPES];
    char last[CHILD_LAST_LINES][LINE_CHARS + 1]; /* a ring */
    unsigned n_last;                             /* lines put there so far */
    char read_to[4096];

    const struct child_handlers *handlers;
    void *ctx;
};

/* ---- life ---------------------------------------------------------------- */

static void
on_closed(uv_handle_t *handle)
{
    struct child *c = handle->data;

    if (--c->n_handles == 0)
        mem_free(c);
}

static void
close_handle(uv_handle_t *handle)
{
    if (!uv_is_closing(handle))
        uv_close(handle, on_closed);
}

static void
close_all(struct child *c)
{
    close_handle((uv_handle_t *)&c->process);
    close_handle((uv_handle_t *)&c->timer);
    for (int i = 0; i < N_PIPES; i++)
        close_handle((uv_handle_t *)&c->pipe[i]);
}

/* Once the process is gone and nothing more is to be read. */
static void
report_exit(struct child *c)
{
    if (c->reported)
        return;
    c->reported = true;
    if (c->handlers->on_exit)
        c->handlers->on_exit(c->ctx, c->status, c->signal);
    close_all(c);
}

static void
report_if_done(struct child *c)
{
    if (c->exited && !c->line[OUT].open && !c->line[ERR].open)
        report_exit(c);
}

/* ---- output -------------------------------------------------------------- */

static void
end_line(struct child *c, struct line *l)
{
    char *to = c->last[c->n_last % CHILD_LAST_LINES];
    size_t n = l->len < LINE_CHARS ? l->len : LINE_CHARS;

    if (n && l->text[n - 1] == '\r' && l->len <= LINE_CHARS)
        n--;
    str_escape(to, LINE_CHARS + 1, l->text, n);
    c->n_last += *to != '\0'; /* an empty one says nothing */
    l->len = 0;
    if (c->handlers->on_line)
        c->handlers->on_line(c->ctx, l == &c->line[OUT] ? CHILD_OUT : CHILD_ERR,
                             to);
}

static void
add_bytes(struct child *c, struct line *l, const char *p, size_t n)
{
    while (n) {
        const char *end = memchr(p, '\n', n);
        size_t part = end ? (size_t)(end - p) : n;
        size_t room = l->len < LINE_CHARS ? LINE_CHARS - l->len : 0;

        memcpy(l->text + LINE_CHARS - room, p, part < room ? part : room);
        l->len += part;
        if (end)
            end_line(c, l);
        part += end ? 1 : 0;
        p += part;
        n -= part;
    }
}

static void
on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
    struct child *c = handle->data;

    (void)suggested;
    buf->base = c->read_to;
    buf->len = sizeof c->read_to;
}

static void
on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
    struct child *c = stream->data;
    struct line *l = &c->line[(uv_pipe_t *)stream - c->pipe];

    if (n > 0)
        add_bytes(c, l, buf->base, (size_t)n);
    if (n >= 0)
        return;
    if (l->len) /* the last line has no newline */
        end_line(c, l);
    l->open = false;
    close_handle((uv_handle_t *)stream);
    report_if_done(c);
}

static void
on_drained(uv_timer_t *timer)
{
    struct child *c = timer->data;

    for (int i = OUT; i <= ERR; i++)
        if (c->line[i].len)
            end_line(c, &c->line[i]);
    report_exit(c);
}

static void
on_process_exit(uv_process_t *process, int64_t status, int signal)
{
    struct child *c = process->data;

    c->exited = true;
    c->status = status;
    c->signal = signal;
    uv_timer_start(&c->timer, on_drained, DRAIN_MS, 0);
    report_if_done(c);
}

/* ---- input --------------------------------------------------------------- */

static void
free_input(struct input *in)
{
    explicit_bzero(in->bytes, in->n);
    mem_free(in);
}

static void
close_stdin_if_done(struct child *c)
{
    if (c->stdin_done && c->n_writes == 0)
        close_handle((uv_handle_t *)&c->pipe[IN]);
}

static void
on_written(uv_write_t *req, int status)
{
    struct child *c = req->data;

    /* A child that does not read its input is about to tell us why. */
    (void)status;
    free_input((struct input *)req);
    c->n_writes--;
    close_stdin_if_done(c);
}

int
child_write(struct child *c, const void *bytes, size_t n, struct err *err)
{
    struct input *in;
    uv_buf_t part;
    int rc;

    if (c->stdin_done || uv_is_closing((uv_handle_t *)&c->pipe[IN]))
        return err_set(err, ERR_SYS, "stdin of process %d is closed", c->pid);
    in = mem_alloc(1, sizeof *in + n);
    if (!in)
        return err_nomem(err);
    memcpy(in->bytes, bytes, n);
    in->n = n;
    in->req.data = c;
    part.base = in->bytes;
    part.len = n;
    rc = uv_write(&in->req, (uv_stream_t *)&c->pipe[IN], &part, 1, on_written);
    if (rc < 0) {
        free_input(in);
        return err_set(err, ERR_SYS, "stdin of process %d: %s", c->pid,
                       uv_strerror(rc));
    }
    c->n_writes++;
    return 0;
}

void
child_close_stdin(struct child *c)
{
    c->stdin_done = true;
    close_stdin_if_done(c);
}

/* ---- start --------------------------------------------------------------- */

static struct child *
child_alloc(uv_loop_t *loop, struct err *err)
{
    struct child *c = mem_alloc(1, sizeof *c);

    if (!c) {
        err_nomem(err);
        return NULL;
    }
    uv_timer_init(loop, &c->timer);
    c->timer.data = c->process.data = c;
    for (int i = 0; i < N_PIPES; i++) {
        uv_pipe_init(loop, &c->pipe[i], 0);
        c->pipe[i].data = c;
    }
    c->n_handles = 2 + N_PIPES;
    return c;
}

static int
spawn(struct child *c, uv_loop_t *loop, const char *const *argv, const int *fd,
      int n)
{
    uv_stdio_container_t stdio[N_PIPES + CHILD_MAX_FDS];
    uv_process_options_t o = {0};

    for (int i = 0; i < N_PIPES; i++) {
        stdio[i].flags =
            UV_CREATE_PIPE | (i == IN ? UV_READABLE_PIPE : UV_WRITABLE_PIPE);
        stdio[i].data.stream = (uv_stream_t *)&c->pipe[i];
    }
    for (int i = 0; i < n; i++) {
        stdio[N_PIPES + i].flags = UV_INHERIT_FD;
        stdio[N_PIPES + i].data.fd = fd[i];
    }
    o.file = argv[0];
    o.args = (char **)(uintptr_t)argv; /* execvp's old signature */
    o.stdio = stdio;
    o.stdio_count = N_PIPES + n;
    o.exit_cb = on_process_exit;
    /* A session of its own: a terminal's signals reach only us. */
    o.flags = UV_PROCESS_DETACHED;
    return uv_spawn(loop, &c->process, &o);
}

/* Too few of something that a limit of the shell may be the cause of. */
static const char *
advice(int rc)
{
    switch (rc) {
    case UV_EMFILE:
        return ": see \"ulimit -n\"";
    case UV_ENFILE:
        return ": see /proc/sys/fs/file-max";
    case UV_EAGAIN:
        return ": see \"ulimit -u\"";
    default:
        return "";
    }
}

struct child *
child_new(uv_loop_t *loop, const char *const *argv,
          const struct child_handlers *h, void *ctx, struct err *err)
{
    return child_new_with(loop, argv, NULL, 0, h, ctx, err);
}

struct child *
child_new_with(uv_loop_t *loop, const char *const *argv, const int *fd, int n,
               const struct child_handlers *h, void *ctx, struct err *err)
{
    struct child *c = child_alloc(loop, err);
    int rc;

    if (!c)
        return NULL;
    c->handlers = h;
    c->ctx = ctx;
    rc = spawn(c, loop, argv, fd, n);
    if (rc < 0) {
        err_set(err, ERR_SYS, "start \"%s\": %s%s", argv[0], uv_strerror(rc),
                advice(rc));
        close_all(c);
        return NULL;
    }
    c->pid = c->process.pid;
    for (int i = OUT; i <= ERR && !rc; i++) {
        rc = uv_read_start((uv_stream_t *)&c->pipe[i], on_alloc, on_read);
        c->line[i].open = rc == 0;
    }
    if (rc < 0) {
        err_set(err, ERR_SYS, "pipes of \"%s\": %s", argv[0], uv_strerror(rc));
        (void)child_kill(c, SIGKILL);
        (void)waitpid(c->pid, NULL, 0); /* libuv forgets it now */
        close_all(c);
        return NULL;
    }
    return c;
}

static void
on_alarm(uv_timer_t *timer)
{
    struct child *c = timer->data;

    if (c->handlers->on_alarm)
        c->handlers->on_alarm(c->ctx);
}

void
child_set_alarm(struct child *c, uint64_t ms)
{
    if (c->exited) /* the timer has another use */
        return;
    uv_timer_stop(&c->timer);
    if (ms > 0)
        uv_timer_start(&c->timer, on_alarm, ms, 0);
}

int
child_kill(struct child *c, int signal)
{
    if (c->exited)
        return -1;
    /* The whole group: what the child has started goes too.  As long as its
     * end is not reported the number cannot belong to anybody else. */
    return kill(-c->pid, signal);
}

int
child_get_pid(const struct child *c)
{
    return c->pid;
}

const char *
child_get_last_line(const struct child *c, int i)
{
    unsigned n = c->n_last < CHILD_LAST_LINES ? c->n_last : CHILD_LAST_LINES;

    if (i < 0 || (unsigned)i >= n)
        return NULL;
    return c->last[(c->n_last - n + (unsigned)i) % CHILD_LAST_LINES];
}
