/* SPDX-License-Identifier: Apache-2.0 */
#include "io/conn_impl.h"

#include "base/mem.h"

#include <string.h>

#define MAX_COPIED ((size_t)64 << 20) /* queued bodies; bulks are borrowed */

/* A frame on its way out. */
struct send {
    uv_write_t req;
    struct conn *c;
    conn_sent_fn *done;
    void *ctx;
    size_t copied, total;
    uint8_t bytes[]; /* header, body */
};

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
        conn_set_deadline(c, c->linger_ms, "no end of the connection");
        if (c->phase == PHASE_FLUSH)
            conn_close_now(c);
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
