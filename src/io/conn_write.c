/* SPDX-License-Identifier: Apache-2.0 */
#include "io/conn_impl.h"

#include "base/mem.h"

#include <string.h>

#define MAX_COPIED ((size_t)64 << 20) /* queued bodies; bulks are borrowed */

void
conn_on_write_error(struct conn *c, int status)
{
    if (status == UV_ECANCELED || c->write_error)
        return;
    c->write_error = status;
    /* What the peer said before it went away may explain it: let the reader
     * find the end. */
    conn_set_deadline(c, c->linger_ms, c->linger_ms,
                      "no end of the connection");
    if (c->phase == PHASE_FLUSH)
        conn_close_now(c);
}

void
conn_end_send(struct send *s, int status)
{
    s->c->copied -= s->copied;
    if (s->done)
        s->done(s->ctx, status);
    mem_free(s);
}

static void
on_written(uv_write_t *req, int status)
{
    struct send *s = (struct send *)req;

    if (status == 0)
        s->c->sent += s->total;
    else
        conn_on_write_error(s->c, status);
    conn_end_send(s, status == 0 ? 0 : -1);
}

static int
write_plain(struct conn *c, struct send *s, size_t bulk_len)
{
    uv_buf_t part[2];

    part[0].base = (char *)s->bytes;
    part[0].len = s->copied;
    part[1].base = (char *)(uintptr_t)s->bulk; /* libuv only reads it */
    part[1].len = bulk_len;
    return conn_write(c, &s->req, part, bulk_len ? 2 : 1, on_written);
}

int
conn_send_summed(struct conn *c, uint16_t type, const void *body,
                 size_t body_len, const void *bulk, size_t bulk_len,
                 uint64_t bulk_sum, conn_sent_fn *done, void *ctx,
                 struct err *err)
{
    size_t n = FRAME_HEAD_BYTES + body_len;
    struct send *s;
    int rc = 0;

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
    s->bulk = bulk;
    c->copied += n;
    if (c->sealed.tls)
        sealed_send(c, s);
    else
        rc = write_plain(c, s, bulk_len);
    if (rc < 0) {
        c->copied -= n;
        mem_free(s);
        return err_set(err, ERR_SYS, "send %s: %s", msg_name(type),
                       uv_strerror(rc));
    }
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
