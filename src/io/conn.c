/* SPDX-License-Identifier: Apache-2.0 */
/* Each part of a frame is read straight into its place: the header into the
 * conn, the body into the conn's buffer, the bulk into the memory that on_body
 * names.  libuv is given exactly the rest of the part, so nothing is copied and
 * nothing of the next frame can get there. */
#include "io/conn.h"

#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/mem.h"
#include "io/addr.h"
#include "io/conn_priv.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#define MIN_BODY   ((size_t)256)       /* first size of the body's buffer */
#define SCRATCH    ((size_t)16 << 10)  /* its size to read what is ignored */
#define MAX_COPIED ((size_t)64 << 20)  /* queued bodies; bulks are borrowed */
#define MAX_READ   ((size_t)256 << 10) /* small enough to be summed in cache */
#define STALL_MS   5000                /* flushing without progress */
#define LINGER_MS  1000                /* for the peer to read the last frame */

enum phase {
    PHASE_HEAD,
    PHASE_BODY,
    PHASE_BULK,
    PHASE_FLUSH, /* conn_close(flush): writes the rest, ignores what comes */
    PHASE_CLOSED /* handles are closing */
};

struct conn {
    uv_tcp_t tcp;
    uv_timer_t timer; /* deadline, or patience while flushing */
    uv_shutdown_t shutdown;
    int n_handles; /* not yet closed */
    enum phase phase;
    bool trusted, eof, is_shut;

    const struct conn_handlers *handlers; /* may be NULL */
    void *ctx;
    uint32_t max_body;
    uint64_t max_bulk;

    uint8_t raw[FRAME_HEAD_BYTES];
    struct frame_head head; /* raw, decoded */
    uint8_t *body;
    size_t body_cap;
    void *bulk;           /* on_body's */
    struct wire_sum *sum; /* of the bulk so far */
    uint64_t got;         /* bytes of the part that is being read */

    int64_t start_ns, heard_ns;
    uint64_t received, sent;
    size_t copied;        /* bytes of bodies in the queue */
    size_t flush_left;    /* queue when patience was last looked at */
    const char *deadline; /* what the timer is about */
    int64_t deadline_ms;
    int write_error; /* libuv's, of the first write that failed */
    struct err why;
    char peer[ADDR_CAP];
};

/* A frame on its way out. */
struct send {
    uv_write_t req;
    struct conn *c;
    conn_sent_fn *done;
    void *ctx;
    size_t copied, total;
    uint8_t bytes[]; /* header, body */
};

/* ---- closing ------------------------------------------------------------- */

static void
on_handle_closed(uv_handle_t *handle)
{
    struct conn *c = handle->data;

    if (--c->n_handles)
        return;
    /* libuv has given back every write by now. */
    if (c->handlers && c->handlers->on_closed)
        c->handlers->on_closed(c->ctx, c, &c->why);
    wire_sum_free(c->sum);
    mem_free(c->body);
    mem_free(c);
}

static void
close_now(struct conn *c)
{
    if (c->phase == PHASE_CLOSED)
        return;
    c->phase = PHASE_CLOSED;
    uv_close((uv_handle_t *)&c->tcp, on_handle_closed);
    uv_close((uv_handle_t *)&c->timer, on_handle_closed);
}

static void on_timer(uv_timer_t *timer);

static void
on_shutdown(uv_shutdown_t *req, int status)
{
    struct conn *c = req->data;

    if (c->phase == PHASE_CLOSED)
        return;
    c->is_shut = true;
    if (status < 0 || c->eof)
        close_now(c);
    else
        uv_timer_start(&c->timer, on_timer, LINGER_MS, 0);
}

/* Writes what is queued, then shuts down the sending half and waits for the
 * peer to do the same.  Closing at once would do harm: bytes of the peer that
 * nobody has read make the kernel send a reset, and a reset can destroy our
 * last words on their way. */
static void
close_flushed(struct conn *c)
{
    c->phase = PHASE_FLUSH;
    c->flush_left = conn_get_queued(c);
    c->shutdown.data = c;
    if (uv_shutdown(&c->shutdown, (uv_stream_t *)&c->tcp, on_shutdown) < 0)
        close_now(c); /* it is not connected */
    else
        uv_timer_start(&c->timer, on_timer, STALL_MS, 0);
}

void
conn_close(struct conn *c, bool flush)
{
    if (!flush)
        close_now(c);
    else if (c->phase < PHASE_FLUSH)
        close_flushed(c);
}

/* The peer learns why, unless the reason is that it cannot be reached or that
 * it has just told us why itself. */
static void
tell_peer(struct conn *c)
{
    struct msg_error m = {.code = c->why.code};
    struct buf b = BUF_INIT(WIRE_TEXT_CAP + 8);

    snprintf(m.text, sizeof m.text, "%.*s", WIRE_TEXT_CAP - 1, c->why.text);
    msg_put_error(&b, &m);
    if (buf_ok(&b, NULL) == 0)
        (void)conn_send(c, MSG_ERROR, b.data, b.len, NULL, 0, NULL, NULL, NULL);
    buf_release(&b);
}

void
conn_fail(struct conn *c, const struct err *why)
{
    bool tell = c->trusted && why->code != ERR_SYS && c->head.type != MSG_ERROR;

    if (c->phase >= PHASE_FLUSH)
        return;
    c->why = *why;
    if (tell)
        tell_peer(c);
    conn_close(c, tell);
}

static void
on_timer(uv_timer_t *timer)
{
    struct conn *c = timer->data;
    size_t left = conn_get_queued(c);
    struct err e = ERR_INIT;

    if (c->phase < PHASE_FLUSH) {
        if (c->write_error)
            err_set(&e, ERR_SYS, "connection lost: %s",
                    uv_strerror(c->write_error));
        err_set(&e, ERR_SYS, "%s within %.1f s", c->deadline,
                (double)c->deadline_ms / 1000);
        conn_fail(c, &e);
    } else if (c->is_shut || left == c->flush_left) {
        close_now(c);
    } else {
        c->flush_left = left;
        uv_timer_start(&c->timer, on_timer, STALL_MS, 0);
    }
}

void
conn_set_deadline(struct conn *c, int64_t ms, const char *what)
{
    if (c->phase >= PHASE_FLUSH)
        return;
    c->deadline = what;
    c->deadline_ms = ms;
    if (what)
        uv_timer_start(&c->timer, on_timer, (uint64_t)ms, 0);
    else
        uv_timer_stop(&c->timer);
}

/* ---- reading ------------------------------------------------------------- */

static int
reserve_body(struct conn *c, size_t n)
{
    uint8_t *p;

    if (n < MIN_BODY)
        n = MIN_BODY;
    if (n <= c->body_cap)
        return 0;
    p = mem_resize(c->body, c->body_cap, n, 1);
    if (!p)
        return -1;
    c->body = p;
    c->body_cap = n;
    return 0;
}

static int
take_head(struct conn *c, struct err *err)
{
    if (frame_decode(&c->head, c->raw, c->max_body, c->max_bulk, err) < 0)
        return -1;
    if (reserve_body(c, c->head.body_len) < 0)
        return err_nomem(err);
    c->phase = PHASE_BODY;
    c->got = 0;
    return 0;
}

static int
take_body(struct conn *c, struct err *err)
{
    const struct conn_handlers *h = c->handlers;
    const char *name = msg_name(c->head.type);
    void *bulk = NULL;

    if (frame_check_body(&c->head, c->raw, c->body, err) < 0)
        return -1;
    if (c->head.type < MSG_CHALLENGE || c->head.type > MSG_ERROR)
        return err_set(err, ERR_PROTO, "message of unknown type %u",
                       (unsigned)c->head.type);
    if (h && h->on_body &&
        h->on_body(c->ctx, c, &c->head, c->body, &bulk, err) < 0)
        return err_set(err, ERR_FAIL, "%s refused", name);
    if (c->phase != PHASE_BODY) /* closed in the callback */
        return 0;
    if (c->head.bulk_len && !bulk)
        return err_set(err, ERR_PROTO, "%s: has a bulk, expected none", name);
    wire_sum_clear(c->sum);
    c->bulk = bulk;
    c->phase = PHASE_BULK;
    c->got = 0;
    return 0;
}

static int
take_frame(struct conn *c, struct err *err)
{
    const struct conn_handlers *h = c->handlers;
    const char *name = msg_name(c->head.type);
    void *bulk = c->bulk;

    if (c->head.bulk_len &&
        frame_check_bulk(&c->head, wire_sum_get(c->sum), err) < 0)
        return err_wrap(err, "%s", name);
    /* Before the callback, which may close. */
    c->bulk = NULL;
    c->phase = PHASE_HEAD;
    c->got = 0;
    if (h && h->on_frame &&
        h->on_frame(c->ctx, c, &c->head, c->body, bulk, err) < 0)
        return err_set(err, ERR_FAIL, "%s refused", name);
    return 0;
}

/* Parts that have become complete; an empty part is complete at once. */
static void
advance(struct conn *c)
{
    struct err e = ERR_INIT;
    int rc = 0;

    if (c->phase == PHASE_HEAD && c->got == FRAME_HEAD_BYTES)
        rc = take_head(c, &e);
    if (!rc && c->phase == PHASE_BODY && c->got == c->head.body_len)
        rc = take_body(c, &e);
    if (!rc && c->phase == PHASE_BULK && c->got == c->head.bulk_len)
        rc = take_frame(c, &e);
    if (rc < 0)
        conn_fail(c, &e);
}

static void
on_end(struct conn *c, int status)
{
    bool between = c->phase == PHASE_HEAD && c->got == 0;
    struct err e = ERR_INIT;

    if (c->write_error)
        err_set(&e, ERR_SYS, "connection lost: %s",
                uv_strerror(c->write_error));
    else if (status != UV_EOF)
        err_set(&e, ERR_SYS, "connection lost: %s", uv_strerror(status));
    else if (!between)
        err_set(&e, ERR_SYS,
                "connection lost: the peer closed it within a "
                "message");
    conn_fail(c, &e);
}

static void
on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
    struct conn *c = handle->data;
    uint8_t *to = c->bulk;
    uint64_t n = c->head.bulk_len;

    (void)suggested;
    if (c->phase == PHASE_HEAD) {
        to = c->raw;
        n = FRAME_HEAD_BYTES;
    } else if (c->phase == PHASE_BODY) {
        to = c->body;
        n = c->head.body_len;
    } else if (c->phase == PHASE_FLUSH) {
        /* No memory: on_read is told so. */
        to = reserve_body(c, SCRATCH) < 0 ? NULL : c->body;
        n = to ? SCRATCH : 0;
        c->got = 0;
    }
    n -= to ? c->got : 0;
    buf->base = to ? (char *)to + c->got : NULL;
    buf->len = n < MAX_READ ? n : MAX_READ;
}

static void
on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
    struct conn *c = stream->data;

    if (n == 0) /* nothing there after all */
        return;
    if (c->phase == PHASE_FLUSH) {
        c->eof |= n < 0;
        if (n < 0)
            uv_read_stop(stream);
        if (n < 0 && c->is_shut)
            close_now(c);
        return;
    }
    if (n < 0) {
        on_end(c, (int)n);
        return;
    }
    c->heard_ns = clock_now_ns();
    if (c->phase == PHASE_HEAD && c->got == 0)
        c->start_ns = c->heard_ns;
    if (c->phase == PHASE_BULK)
        wire_sum_add(c->sum, buf->base, (size_t)n);
    c->received += (uint64_t)n;
    c->got += (uint64_t)n;
    advance(c);
}

/* ---- writing ------------------------------------------------------------- */

static void
on_written(uv_write_t *req, int status)
{
    struct send *s = (struct send *)req;
    struct conn *c = s->c;

    c->copied -= s->copied;
    if (status == 0)
        c->sent += s->total;
    if (status < 0 && status != UV_ECANCELED && !c->write_error) {
        c->write_error = status;
        /* What the peer said before it went away may explain it: let the
         * reader find the end. */
        conn_set_deadline(c, LINGER_MS, "no end of the connection");
        if (c->phase == PHASE_FLUSH)
            close_now(c);
    }
    if (s->done)
        s->done(s->ctx, status == 0 ? 0 : -1);
    mem_free(s);
}

int
conn_send_summed(struct conn *c, uint16_t type, const void *body,
                 size_t body_len, const void *bulk, size_t bulk_len,
                 uint64_t bulk_sum, conn_sent_fn *done, void *ctx,
                 struct err *err)
{
    size_t n = FRAME_HEAD_BYTES + body_len;
    struct send *s;
    uv_buf_t part[2];
    int rc;

    if (c->phase >= PHASE_FLUSH)
        return err_set(err, ERR_SYS, "the connection is closing");
    if (body_len > FRAME_MAX_BODY || bulk_len > FRAME_MAX_BULK || bulk_len % 4)
        return err_set(err, ERR_BUG, "%s: body of %zu and bulk of %zu bytes",
                       msg_name(type), body_len, bulk_len);
    if (c->copied > MAX_COPIED - n)
        return err_set(err, ERR_SYS, "the peer does not read: %zu bytes wait",
                       conn_get_queued(c));
    s = mem_alloc(1, sizeof *s + n);
    if (!s)
        return err_nomem(err);
    s->c = c;
    s->done = done;
    s->ctx = ctx;
    s->copied = n;
    s->total = n + bulk_len;
    frame_encode_summed(s->bytes, type, body, (uint32_t)body_len, bulk_len,
                        bulk_sum);
    if (body_len)
        memcpy(s->bytes + FRAME_HEAD_BYTES, body, body_len);
    part[0].base = (char *)s->bytes;
    part[0].len = n;
    part[1].base = (char *)(uintptr_t)bulk; /* libuv only reads it */
    part[1].len = bulk_len;
    rc = uv_write(&s->req, (uv_stream_t *)&c->tcp, part, bulk_len ? 2 : 1,
                  on_written);
    if (rc < 0) {
        mem_free(s);
        return err_set(err, ERR_SYS, "send %s: %s", msg_name(type),
                       uv_strerror(rc));
    }
    c->copied += n;
    return 0;
}

int
conn_send(struct conn *c, uint16_t type, const void *body, size_t body_len,
          const void *bulk, size_t bulk_len, conn_sent_fn *done, void *ctx,
          struct err *err)
{
    return conn_send_summed(c, type, body, body_len, bulk, bulk_len,
                            wire_hash(bulk, bulk_len), done, ctx, err);
}

/* ---- life ---------------------------------------------------------------- */

struct conn *
conn_new(uv_loop_t *loop, struct err *err)
{
    struct conn *c = mem_alloc(1, sizeof *c);

    if (c)
        c->sum = wire_sum_new();
    if (!c || !c->sum || reserve_body(c, MIN_BODY) < 0) {
        if (c)
            wire_sum_free(c->sum);
        mem_free(c);
        err_nomem(err);
        return NULL;
    }
    /* Neither opens anything yet, so neither can fail. */
    uv_tcp_init(loop, &c->tcp);
    uv_timer_init(loop, &c->timer);
    c->tcp.data = c->timer.data = c;
    c->n_handles = 2;
    c->max_body = WIRE_MAX_HELLO;
    snprintf(c->peer, sizeof c->peer, "?");
    return c;
}

uv_tcp_t *
conn_get_tcp(struct conn *c)
{
    return &c->tcp;
}

void
conn_set_peer(struct conn *c, const struct sockaddr_storage *a)
{
    addr_format(c->peer, a);
}

/* A loop that stays on this machine has no bottleneck to probe for: bbr, where
 * it is the default, paces it to half of its speed.  Reno is always allowed. */
static void
set_congestion(int fd)
{
    if (setsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, "cubic", 5) < 0)
        (void)setsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, "reno", 4);
}

int
conn_start(struct conn *c, struct err *err)
{
    struct sockaddr_storage a;
    int rc, n = sizeof a;
    uv_os_fd_t fd;

    /* It may be gone already: the reader will find out. */
    if (uv_tcp_getpeername(&c->tcp, (struct sockaddr *)&a, &n) == 0)
        conn_set_peer(c, &a);
    if (uv_fileno((uv_handle_t *)&c->tcp, &fd) == 0)
        set_congestion(fd);
    (void)uv_tcp_nodelay(&c->tcp, 1); /* slower without, not wrong */
    rc = uv_read_start((uv_stream_t *)&c->tcp, on_alloc, on_read);
    if (rc < 0)
        return err_set(err, ERR_SYS, "%s: %s", c->peer, uv_strerror(rc));
    c->heard_ns = clock_now_ns();
    return 0;
}

void
conn_set_trusted(struct conn *c)
{
    c->trusted = true;
    conn_set_limits(c, FRAME_MAX_BODY, FRAME_MAX_BULK);
}

bool
conn_is_taken(const struct conn *c)
{
    return c->handlers || c->phase >= PHASE_FLUSH;
}

void
conn_set_handlers(struct conn *c, const struct conn_handlers *h, void *ctx)
{
    c->handlers = h;
    c->ctx = ctx;
}

void
conn_set_limits(struct conn *c, uint32_t max_body, uint64_t max_bulk)
{
    c->max_body = max_body;
    c->max_bulk = max_bulk;
}

int64_t
conn_get_frame_start(const struct conn *c)
{
    return c->start_ns;
}

int64_t
conn_get_last_heard(const struct conn *c)
{
    return c->heard_ns;
}

uint64_t
conn_get_received(const struct conn *c)
{
    return c->received;
}

uint64_t
conn_get_sent(const struct conn *c)
{
    return c->sent;
}

size_t
conn_get_queued(const struct conn *c)
{
    return uv_stream_get_write_queue_size((const uv_stream_t *)&c->tcp);
}

const char *
conn_get_peer(const struct conn *c)
{
    return c->peer;
}
