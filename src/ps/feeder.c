/* SPDX-License-Identifier: Apache-2.0 */
#include "ps/feeder.h"

#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"
#include "data/blob.h"
#include "io/conn.h"

#include <stdbool.h>

struct feed {
    struct feeder *feeder;
    struct feed *next;
    struct conn *conn;
    uint64_t offset; /* of what comes next */
    feeder_fn *moved;
    void *ctx;
};

struct feeder {
    const struct dataset *data;
    bool has_head;
    uint8_t head[BLOB_HEAD_BYTES];
    uint64_t total;
    struct feed *first;
};

struct feeder *
feeder_new(const struct dataset *d, struct err *err)
{
    struct feeder *f = mem_alloc(1, sizeof *f);

    if (!f) {
        err_nomem(err);
        return NULL;
    }
    f->data = d;
    f->total = BLOB_HEAD_BYTES + (uint64_t)d->n_bytes;
    return f;
}

void
feeder_free(struct feeder *f)
{
    mem_free(f);
}

static void
end(struct feed *e)
{
    struct feed **at = &e->feeder->first;

    while (*at != e)
        at = &(*at)->next;
    *at = e->next;
    mem_free(e);
}

/* The bytes from an offset on, at most one chunk: the head is one of its
 * own. */
static const uint8_t *
chunk_at(const struct feeder *f, uint64_t offset, size_t *n)
{
    uint64_t left = f->total - offset;

    if (offset < BLOB_HEAD_BYTES) {
        *n = (size_t)(BLOB_HEAD_BYTES - offset);
        return f->head + offset;
    }
    *n = (size_t)(left < WIRE_MAX_DATA ? left : WIRE_MAX_DATA);
    return (const uint8_t *)f->data->memory + (offset - BLOB_HEAD_BYTES);
}

static void on_sent(void *ctx, int status);

static int
send_chunk(struct feed *e, struct err *err)
{
    struct msg_data m = {.offset = e->offset, .total = e->feeder->total};
    struct buf body = BUF_INIT(64);
    const uint8_t *bytes;
    size_t n;
    int r;

    bytes = chunk_at(e->feeder, e->offset, &n);
    msg_put_data(&body, &m);
    r = buf_ok(&body, err);
    if (r == 0)
        r = conn_send(e->conn, MSG_DATA, body.data, body.len, bytes, n, on_sent,
                      e, err);
    buf_release(&body);
    if (r == 0)
        e->offset += n;
    return r;
}

static void
on_sent(void *ctx, int status)
{
    struct feed *e = ctx;

    if (status != 0) { /* the connection is gone, which is told elsewhere */
        end(e);
        return;
    }
    e->moved(e->ctx);
    if (e->offset == e->feeder->total || conn_is_closing(e->conn)) {
        end(e);
        return;
    }
    if (send_chunk(e, NULL) != 0) {
        conn_close(e->conn, false);
        end(e);
    }
}

int
feeder_start(struct feeder *f, struct conn *c, const void *body, size_t n,
             feeder_fn *moved, void *ctx, struct err *err)
{
    struct msg_fetch m;
    struct feed *e;

    if (msg_get_fetch(&m, body, n, err) != 0)
        return -1;
    if (m.data_hash != f->data->hash || m.offset >= f->total)
        return err_set(err, ERR_PROTO, "FETCH: no such data here");
    for (e = f->first; e; e = e->next)
        if (e->conn == c)
            return err_set(err, ERR_PROTO, "FETCH while DATA is sent");
    if (!f->has_head) {
        blob_make_head(f->data, f->head);
        f->has_head = true;
    }
    e = mem_alloc(1, sizeof *e);
    if (!e)
        return err_nomem(err);
    *e = (struct feed){.feeder = f,
                       .next = f->first,
                       .conn = c,
                       .offset = m.offset,
                       .moved = moved,
                       .ctx = ctx};
    f->first = e;
    if (send_chunk(e, err) == 0)
        return 0;
    end(e);
    return -1;
}
