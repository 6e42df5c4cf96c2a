/* SPDX-License-Identifier: Apache-2.0 */
/* Each part of a frame is read straight into its place: the header into the
 * conn, the body into the conn's buffer, the bulk into the memory that on_body
 * names.  libuv (or TLS, which decrypts) is given exactly the rest of the part,
 * so nothing is copied and nothing of the next frame can get there. */
#include "io/conn_impl.h"

#include "base/clock.h"
#include "base/mem.h"

#include <string.h>

#define MIN_BODY ((size_t)256)       /* first size of the body's buffer */
#define SCRATCH  ((size_t)16 << 10)  /* its size to read what is ignored */
#define MAX_READ ((size_t)256 << 10) /* small enough to be summed in cache */

int
conn_reserve_body(struct conn *c, size_t n)
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

/* A stranger who speaks TLS where it is not spoken. */
static bool
is_client_hello(const uint8_t raw[FRAME_HEAD_BYTES])
{
    return raw[0] == 22 && raw[1] == 3;
}

static int
take_head(struct conn *c, struct err *err)
{
    if (!c->trusted && is_client_hello(c->raw))
        return err_set(err, ERR_PROTO,
                       "peer speaks TLS, expected plain frames");
    if (frame_decode(&c->head, c->raw, c->max_body, c->max_bulk, err) < 0)
        return -1;
    if (conn_reserve_body(c, c->head.body_len) < 0)
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
    if (c->head.type < MSG_CHALLENGE || c->head.type > MSG_LAST)
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

void
conn_on_end(struct conn *c, int status)
{
    bool between = c->phase == PHASE_HEAD && c->got == 0;
    const struct sealed *s = &c->sealed;
    struct err e = ERR_INIT;

    if (c->write_error)
        err_set(&e, ERR_SYS, "connection lost: %s",
                uv_strerror(c->write_error));
    else if (status != UV_EOF)
        err_set(&e, ERR_SYS, "connection lost: %s", uv_strerror(status));
    else if (!between)
        err_set(&e, ERR_SYS, "connection lost in the middle of a message");
    else if (c->trusted && s->tls && !tls_is_ended(s->tls))
        err_set(&e, ERR_SYS, "connection lost: the peer has not ended it");
    conn_fail(c, &e);
}

uint8_t *
conn_get_place(struct conn *c, size_t *n)
{
    uint8_t *to = c->bulk;
    uint64_t size = c->head.bulk_len;

    if (c->phase == PHASE_HEAD) {
        to = c->raw;
        size = FRAME_HEAD_BYTES;
    } else if (c->phase == PHASE_BODY) {
        to = c->body;
        size = c->head.body_len;
    }
    size -= c->got;
    *n = size < MAX_READ ? (size_t)size : MAX_READ;
    return to + c->got;
}

void
conn_take(struct conn *c, const void *p, size_t n)
{
    if (c->phase == PHASE_HEAD && c->got == 0)
        c->start_ns = c->heard_ns;
    if (c->phase == PHASE_BULK)
        wire_sum_add(c->sum, p, n);
    c->got += n;
    advance(c);
}

void
conn_take_all(struct conn *c, const void *p, size_t n)
{
    const uint8_t *from = p;

    c->heard_ns = clock_now_ns();
    c->received += n;
    if (c->sealed.tls) {
        sealed_take(c, p, n);
        return;
    }
    while (n > 0 && c->phase < PHASE_FLUSH) {
        size_t room;
        uint8_t *to = conn_get_place(c, &room);

        room = room < n ? room : n;
        memcpy(to, from, room);
        conn_take(c, to, room);
        from += room;
        n -= room;
    }
}

/* ---- libuv's callbacks --------------------------------------------------- */

/* NULL: no memory, which conn_on_read is told. */
void
conn_on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
    struct conn *c = handle->data;
    uint8_t *to = NULL;
    size_t n = SCRATCH;

    (void)suggested;
    if (c->phase == PHASE_FLUSH)
        to = conn_reserve_body(c, SCRATCH) < 0 ? NULL : c->body;
    else if (c->shaped)
        to = shaped_get_place(c, &n);
    else if (c->sealed.tls)
        to = sealed_get_place(c, &n);
    else
        to = conn_get_place(c, &n);
    buf->base = (char *)to;
    buf->len = to ? n : 0;
}

void
conn_on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
    struct conn *c = stream->data;

    if (n == 0) /* nothing there after all */
        return;
    if (c->phase == PHASE_FLUSH) {
        c->eof |= n < 0;
        if (n < 0)
            uv_read_stop(stream);
        if (n < 0 && c->is_shut)
            conn_close_now(c);
        return;
    }
    if (c->shaped) {
        if (n < 0)
            shaped_end(c, (int)n);
        else
            shaped_take(c, buf->base, (size_t)n);
        return;
    }
    if (n < 0) {
        conn_on_end(c, (int)n);
        return;
    }
    c->heard_ns = clock_now_ns();
    c->received += (uint64_t)n;
    if (c->sealed.tls)
        sealed_take(c, buf->base, (size_t)n);
    else
        conn_take(c, buf->base, (size_t)n);
}
