/* SPDX-License-Identifier: Apache-2.0 */
/* The socket itself: made, listened on, removed. */
#include "io/local_impl.h"

#include "base/err.h"
#include "base/mem.h"

#include <errno.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#define BACKLOG   16
#define LINGER_MS 1000 /* for answers, when the server closes */

void
local_free_if_closed(struct local_server *s)
{
    if (!s->is_closed || s->n_peers)
        return;
    mem_free(s->in);
    mem_free(s->path);
    mem_free(s);
}

static void
on_pipe_closed(uv_handle_t *handle)
{
    struct local_server *s = handle->data;

    s->is_closed = true;
    local_free_if_closed(s);
}

/* Only our own socket: somebody may have replaced it meanwhile. */
void
local_server_hide(struct local_server *s)
{
    struct stat st;

    if (!s || !s->bound)
        return;
    s->bound = false;
    if (lstat(s->path, &st) == 0 && st.st_dev == s->dev && st.st_ino == s->ino)
        (void)unlink(s->path);
}

void
local_server_close(struct local_server *s)
{
    if (!s || s->closing)
        return;
    s->closing = true;
    local_server_hide(s);
    uv_close((uv_handle_t *)&s->pipe, on_pipe_closed);
    for (size_t i = 0; i < ARRAY_LEN(s->peer); i++)
        local_peer_leave(&s->peer[i], LINGER_MS);
}

static void
on_connection(uv_stream_t *stream, int status)
{
    struct local_server *s = stream->data;
    struct err e = ERR_INIT;

    if (status == 0) {
        local_accept(s);
        return;
    }
    err_set(&e, ERR_SYS, "accept: %s", uv_strerror(status));
    s->handlers->on_refused(s->ctx, &e);
}

/* A socket that a dead process has left is in the way: connecting to it is
 * refused.  Whoever listens has accepted or will, so it is his. */
static int
remove_stale(const char *path, const struct sockaddr_un *a, struct err *err)
{
    struct stat st;
    int fd, why;

    if (lstat(path, &st) != 0)
        return errno == ENOENT ? 0 : err_errno(err, "%s", path);
    if (!S_ISSOCK(st.st_mode))
        return err_set(err, ERR_SYS, "%s is in the way: not a socket", path);
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return err_errno(err, "socket");
    why = connect(fd, (const struct sockaddr *)a, sizeof *a) == 0 ? 0 : errno;
    close(fd);
    if (why == 0 || why == EAGAIN)
        return err_set(err, ERR_SYS, "%s: another process listens there", path);
    errno = why;
    if (why != ECONNREFUSED)
        return err_errno(err, "%s", path);
    if (unlink(path) != 0 && errno != ENOENT)
        return err_errno(err, "remove %s", path);
    return 0;
}

/* The file gets the mode that the descriptor has when it is bound, so it never
 * has another one; and nobody can connect before listen. */
static int
bind_socket(struct local_server *s, int fd, const struct sockaddr_un *a,
            struct err *err)
{
    struct stat st;

    if (fchmod(fd, S_IRUSR | S_IWUSR) != 0 ||
        bind(fd, (const struct sockaddr *)a, sizeof *a) != 0)
        return err_errno(err, "socket %s", s->path);
    if (lstat(s->path, &st) != 0)
        return err_errno(err, "socket %s", s->path);
    s->bound = true;
    s->dev = st.st_dev;
    s->ino = st.st_ino;
    if (!S_ISSOCK(st.st_mode) || (st.st_mode & (S_IRWXG | S_IRWXO)))
        return err_set(err, ERR_SYS, "socket %s: got mode %o, expected 600",
                       s->path, (unsigned)st.st_mode & 07777);
    return 0;
}

static int
open_socket(struct local_server *s, struct err *err)
{
    struct sockaddr_un a;
    int fd, dir, rc = -1;

    if (local_address(&a, &dir, s->path, err) < 0)
        return -1;
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        err_errno(err, "socket");
    else if (remove_stale(s->path, &a, err) == 0 &&
             bind_socket(s, fd, &a, err) == 0)
        rc = 0;
    if (dir >= 0)
        close(dir);
    if (rc == 0 && (rc = uv_pipe_open(&s->pipe, fd)) == 0)
        rc = uv_listen((uv_stream_t *)&s->pipe, BACKLOG, on_connection);
    else if (fd >= 0)
        close(fd);
    if (rc < 0)
        err_set(err, ERR_SYS, "listen on %s: %s", s->path, uv_strerror(rc));
    return rc;
}

struct local_server *
local_server_new(uv_loop_t *loop, const char *path,
                 const struct local_handlers *h, void *ctx, struct err *err)
{
    struct local_server *s = mem_alloc(1, sizeof *s);

    if (s)
        s->path = mem_strdup(path);
    if (s && s->path)
        s->in = mem_alloc(ARRAY_LEN(s->peer), LOCAL_MAX_LINE + 1);
    if (!s || !s->in) {
        if (s)
            mem_free(s->path);
        mem_free(s);
        err_nomem(err);
        return NULL;
    }
    uv_pipe_init(loop, &s->pipe, 0);
    s->pipe.data = s;
    s->idle_ms = LOCAL_IDLE_MS;
    s->handlers = h;
    s->ctx = ctx;
    if (open_socket(s, err) < 0) {
        local_server_close(s);
        return NULL;
    }
    return s;
}

void
local_server_set_idle(struct local_server *s, int64_t idle_ms)
{
    s->idle_ms = idle_ms;
}
