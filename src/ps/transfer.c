/* SPDX-License-Identifier: Apache-2.0 */
/* Vectors of a worker on their way over its connection: parameters to it,
 * contributions from it.  Short ones are the bulk of their message, others
 * travel in pieces. */
#include "base/buf.h"
#include "base/mem.h"
#include "io/deliver.h"
#include "ps/server_impl.h"

#include <ebsp/policy.h>

static size_t
n_floats(const struct session *w)
{
    return w->server->t->n_floats;
}

/* ---- parameters ---------------------------------------------------------- */

uint32_t
transfer_flag(const struct session *w)
{
    return n_floats(w) > PIECE_MAX ? MSG_ORDER_PIECES : MSG_ORDER_PARAMS;
}

static void
on_over(void *ctx)
{
    store_unref(ctx);
}

static void
on_sent(void *ctx, int status)
{
    (void)status; /* a failure closes the connection, which is told */
    store_unref(ctx);
}

static uint64_t
get_sum(void *ctx, const struct piece *x)
{
    return store_get_sum(ctx, x);
}

int
transfer_params(struct session *w, const struct buf *order, struct params *p,
                struct err *err)
{
    static const struct delivery_handlers handlers = {.get_sum = get_sum,
                                                      .on_over = on_over};
    struct piece all = {0, n_floats(w)};
    struct delivery *d = NULL;
    int r;

    if (transfer_flag(w) == MSG_ORDER_PARAMS) {
        r = conn_send_summed(w->conn, MSG_ORDER, order->data, order->len, p->v,
                             all.count * sizeof *p->v, get_sum(p, &all),
                             on_sent, p, err);
    } else {
        r = conn_send(w->conn, MSG_ORDER, order->data, order->len, NULL, 0,
                      NULL, NULL, err);
        if (r == 0)
            d = delivery_new(w->conn, w->share.iteration, p->v, all.count,
                             false, &handlers, p, err);
        r = d ? 0 : -1;
        if (d)
            delivery_ready(d, all.count);
    }
    if (r != 0)
        store_unref(p);
    return r;
}

/* ---- contributions ------------------------------------------------------- */

/* A compressed one is not cut: what is sent of a tensor depends on all of it.
 */
static bool
is_packed(const struct session *w)
{
    return w->server->codec && w->share.contribution != EBSP_PUSH_MODEL;
}

static uint64_t
packed_bound(const struct server *s)
{
    return s->codec ? codec_bound(s->codec, 0, s->t->n_floats) : 0;
}

uint64_t
transfer_max_bulk(const struct server *s)
{
    uint64_t plain = (uint64_t)s->t->n_floats * sizeof(float);

    if (s->fleet)
        return 0;
    return packed_bound(s) > plain ? packed_bound(s) : plain;
}

void
transfer_expect(struct session *w)
{
    bool elsewhere = is_packed(w) || w->server->fleet;

    w->answered = w->share.iteration;
    w->pushed = false;
    w->ranges = 0;
    pieces_begin(&w->coming, elsewhere ? 0 : n_floats(w), true);
}

int
transfer_on_push(struct session *w, const struct frame_head *h, void **bulk,
                 struct err *err)
{
    uint64_t most = n_floats(w) * sizeof *w->push, least = most;

    if (h->bulk_len == 0)
        return 0; /* it is there already, or goes elsewhere */
    if (is_packed(w)) {
        most = packed_bound(w->server);
        least = 1;
    }
    if (h->bulk_len < least || h->bulk_len > most)
        return err_set(err, ERR_PROTO, "push of %llu bytes, expected %llu",
                       (unsigned long long)h->bulk_len,
                       (unsigned long long)most);
    if (is_packed(w) && !w->packed && !(w->packed = mem_alloc(most, 1)))
        return err_nomem(err);
    *bulk = is_packed(w) ? (void *)w->packed : w->push;
    return 0;
}

static int
unpack(struct session *w, size_t n_bytes, struct err *err)
{
    const struct server *s = w->server;
    const struct data_cursor *at = &w->share.cursor[0];
    uint64_t key = job_codec_key(s->c.job, at->epoch, at->shard, at->first);

    if (codec_decode(s->codec, key, 0, n_floats(w), w->packed, n_bytes, w->push,
                     err) != 0)
        return err_wrap(err, "PUSH");
    return 0;
}

static int
get_piece(struct msg_piece *m, struct piece *x, const struct frame_head *h,
          const void *body, struct err *err)
{
    if (msg_get_piece(m, body, h->body_len, err) != 0)
        return -1;
    *x = (struct piece){m->first, m->count};
    return 0;
}

int
transfer_on_body(struct session *w, const struct frame_head *h,
                 const void *body, void **bulk, struct err *err)
{
    struct msg_piece m;
    struct piece x;

    if (get_piece(&m, &x, h, body, err) != 0)
        return -1;
    if (m.iteration != w->answered)
        return err_set(
            err, ERR_PROTO, "a piece of iteration %llu, expected %llu",
            (unsigned long long)m.iteration, (unsigned long long)w->answered);
    if (pieces_check_frame(&w->coming, &x, h->bulk_len, err) != 0)
        return -1;
    *bulk = w->push + x.first;
    return 0;
}

int
transfer_on_piece(struct session *w, const struct frame_head *h,
                  const void *body, struct err *err)
{
    struct msg_piece m;
    struct piece x;

    if (get_piece(&m, &x, h, body, err) != 0)
        return -1;
    pieces_add(&w->coming, &x);
    return 0;
}

int
transfer_take_push(struct session *w, const struct msg_push *m,
                   const struct frame_head *h, struct err *err)
{
    if ((m->flags == MSG_PUSH_BULK) != (h->bulk_len > 0) ||
        (m->flags == MSG_PUSH_SHARED && !w->shared.base) ||
        (m->flags == MSG_PUSH_SERVED) != (w->server->fleet != NULL))
        return err_set(err, ERR_PROTO, "PUSH: flags and bulk disagree");
    if (m->flags == MSG_PUSH_PIECES ? !pieces_is_whole(&w->coming)
                                    : w->coming.done > 0)
        return err_set(err, ERR_PROTO,
                       "PUSH: %zu of %zu numbers have come in pieces",
                       w->coming.done, w->coming.n);
    return h->bulk_len > 0 && is_packed(w) ? unpack(w, (size_t)h->bulk_len, err)
                                           : 0;
}
