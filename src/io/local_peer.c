/* SPDX-License-Identifier: Apache-2.0 */
/* One who talks to us: a request, its answer, the next request. */
#include "io/local_impl.h"

#include "base/buf.h"
#include "base/err.h"
#include "base/json.h"
#include "base/mem.h"
#include "io/loop.h"

#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define MAX_ANSWER ((size_t)16 << 20)

struct answer {
    uv_write_t req;
    struct local_peer *peer;
    char text[];
};

static void step(struct local_peer *p);

/* ---- life ---------------------------------------------------------------- */

static void
on_handle_closed(uv_handle_t *handle)
{
    struct local_peer *p = handle->data;
    struct local_server *s = p->server;

    if (--p->n_handles)
        return;
    p->state = LOCAL_FREE;
    s->n_peers--;
    if (s->closing) {
        local_free_if_closed(s);
    } else if (s->waiting) {
        s->waiting = false;
        local_accept(s);
    }
}

static void
close_peer(struct local_peer *p)
{
    struct local_server *s = p->server;

    if (p->state == LOCAL_CLOSED)
        return;
    p->state = LOCAL_CLOSED;
    uv_close((uv_handle_t *)&p->pipe, on_handle_closed);
    uv_close((uv_handle_t *)&p->timer, on_handle_closed);
    if (p->known && !s->closing)
        s->handlers->on_closed(s->ctx, p);
}

/* One that does not deserve an answer, or gets this one and must go. */
static void
refuse(struct local_peer *p, const struct err *why)
{
    struct local_server *s = p->server;

    if (!s->closing)
        s->handlers->on_refused(s->ctx, why);
    p->state = LOCAL_ASKED;
    local_answer_err(p, why);
    if (p->state == LOCAL_WRITING)
        p->state = LOCAL_LEAVING;
}

static void
on_timer(uv_timer_t *timer)
{
    struct local_peer *p = timer->data;
    struct err e = ERR_INIT;

    if (!p->due) {
        /* If it was us who had no time, its bytes may be here: one turn of
         * the loop reads them. */
        p->due = true;
        uv_timer_start(&p->timer, on_timer, 1, 0);
        return;
    }
    if (p->state != LOCAL_READING) {
        close_peer(p);
        return;
    }
    err_set(&e, ERR_PROTO, "no request within %.1f s",
            (double)p->server->idle_ms / 1000);
    refuse(p, &e);
}

/* It is the peer's turn for so long. */
static void
arm(struct local_peer *p, int64_t ms)
{
    p->due = false;
    loop_start_timer(&p->timer, on_timer, ms > 0 ? ms : 1);
}

void
local_peer_leave(struct local_peer *p, int64_t linger_ms)
{
    if (p->state == LOCAL_FREE)
        return;
    if (p->state != LOCAL_WRITING && p->state != LOCAL_LEAVING) {
        close_peer(p);
        return;
    }
    p->state = LOCAL_LEAVING;
    arm(p, linger_ms);
}

/* ---- answers ------------------------------------------------------------- */

static void
on_written(uv_write_t *req, int status)
{
    struct answer *a = (struct answer *)req;
    struct local_peer *p = a->peer;

    mem_free(a);
    if (p->state == LOCAL_CLOSED)
        return;
    if (status < 0 || p->state == LOCAL_LEAVING) {
        close_peer(p);
        return;
    }
    p->state = LOCAL_READING;
    arm(p, p->server->idle_ms);
    step(p);
}

void
local_answer(struct local_peer *p, const char *text, size_t n)
{
    struct answer *a;
    uv_buf_t part;

    if (p->state != LOCAL_ASKED)
        return;
    a = n < MAX_ANSWER ? mem_alloc(1, sizeof *a + n + 1) : NULL;
    if (!a) {
        close_peer(p);
        return;
    }
    a->peer = p;
    memcpy(a->text, text, n);
    a->text[n] = '\n';
    part = uv_buf_init(a->text, (unsigned)n + 1);
    p->state = LOCAL_WRITING;
    arm(p, p->server->idle_ms);
    if (uv_write(&a->req, (uv_stream_t *)&p->pipe, &part, 1, on_written) < 0) {
        mem_free(a);
        close_peer(p);
    }
}

void
local_answer_err(struct local_peer *p, const struct err *why)
{
    struct buf b = BUF_INIT(16 * sizeof why->text);
    json_t *v = json_pack("{s:b, s:i, s:o*}", "ok", 0, "code", (int)why->code,
                          "error", json_text(why->text));

    if (!v || json_dump(v, 0, &b, NULL) < 0)
        close_peer(p);
    else
        local_answer(p, b.data, b.len);
    json_decref(v);
    buf_release(&b);
}

/* ---- requests ------------------------------------------------------------ */

static void
on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
    struct local_peer *p = handle->data;

    (void)suggested;
    *buf =
        uv_buf_init(p->in + p->n_in, (unsigned)(LOCAL_MAX_LINE + 1 - p->n_in));
}

static void
on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
    struct local_peer *p = stream->data;
    struct err e = ERR_INIT;

    (void)buf;
    if (n == UV_EOF && p->n_in) {
        uv_read_stop(stream);
        err_set(&e, ERR_PROTO, "a request without a newline at its end");
        refuse(p, &e);
        return;
    }
    if (n < 0) {
        close_peer(p);
        return;
    }
    p->n_in += (size_t)n;
    step(p);
}

/* Looks for the next request among the bytes that are there; reads on when
 * there is none.  While one is answered nothing is read. */
static void
step(struct local_peer *p)
{
    char *end = p->n_in ? memchr(p->in, '\n', p->n_in) : NULL;
    struct local_server *s = p->server;
    struct err e = ERR_INIT;
    size_t n;

    if (!end && p->n_in <= LOCAL_MAX_LINE) {
        int rc = uv_read_start((uv_stream_t *)&p->pipe, on_alloc, on_read);

        if (rc < 0 && rc != UV_EALREADY)
            close_peer(p);
        return;
    }
    uv_read_stop((uv_stream_t *)&p->pipe);
    if (!end) {
        err_set(&e, ERR_PROTO, "a request of more than %zu bytes",
                LOCAL_MAX_LINE);
        refuse(p, &e);
        return;
    }
    n = (size_t)(end - p->in);
    p->state = LOCAL_ASKED;
    p->known = true;
    uv_timer_stop(&p->timer);
    s->handlers->on_request(s->ctx, p, p->in, n);
    /* Also when it was closed meanwhile: it is freed later. */
    p->n_in -= n + 1;
    memmove(p->in, end + 1, p->n_in);
}

/* ---- who comes ----------------------------------------------------------- */

static int
check_peer(struct local_peer *p, struct err *err)
{
    struct ucred who;
    socklen_t n = sizeof who;
    uv_os_fd_t fd;

    if (uv_fileno((uv_handle_t *)&p->pipe, &fd) < 0 ||
        getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &n) != 0)
        return err_set(err, ERR_SYS, "cannot tell who connects");
    p->uid = who.uid;
    p->pid = who.pid;
    if (who.uid != geteuid() && who.uid != 0)
        return err_set(err, ERR_PROTO,
                       "refused user %u (process %ld), expected user %u or 0",
                       (unsigned)who.uid, (long)who.pid, (unsigned)geteuid());
    if (p->server->n_peers > LOCAL_MAX_PEERS)
        return err_set(err, ERR_SYS, "%d others are connected, try again",
                       LOCAL_MAX_PEERS);
    return 0;
}

static void
init_peer(struct local_peer *p, struct local_server *s)
{
    memset(p, 0, sizeof *p);
    p->server = s;
    p->in = s->in + (size_t)(p - s->peer) * (LOCAL_MAX_LINE + 1);
    /* Neither opens anything yet, so neither can fail. */
    uv_pipe_init(s->pipe.loop, &p->pipe, 0);
    uv_timer_init(s->pipe.loop, &p->timer);
    p->pipe.data = p->timer.data = p;
    p->n_handles = 2;
    p->state = LOCAL_READING;
    s->n_peers++;
}

void
local_accept(struct local_server *s)
{
    struct local_peer *p = s->peer;
    struct err e = ERR_INIT;

    while (p < s->peer + ARRAY_LEN(s->peer) && p->state != LOCAL_FREE)
        p++;
    if (p == s->peer + ARRAY_LEN(s->peer)) {
        s->waiting = true; /* libuv takes no other until it is accepted */
        return;
    }
    init_peer(p, s);
    if (uv_accept((uv_stream_t *)&s->pipe, (uv_stream_t *)&p->pipe) < 0) {
        close_peer(p);
    } else if (check_peer(p, &e) < 0) {
        refuse(p, &e);
    } else {
        arm(p, s->idle_ms);
        step(p);
    }
}

uid_t
local_get_uid(const struct local_peer *p)
{
    return p->uid;
}

pid_t
local_get_pid(const struct local_peer *p)
{
    return p->pid;
}
