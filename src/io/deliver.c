/* SPDX-License-Identifier: Apache-2.0 */
#include "io/deliver.h"

#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/mem.h"
#include "io/conn.h"

/* Given to the connection at a time: when one has been sent the kernel has the
 * next one already. */
#define FLYING 3

struct delivery {
    struct conn *c;
    uint64_t iteration;
    const float *v;
    struct pieces at;
    size_t ready;
    unsigned flying;
    bool given, stopped;
    int64_t busy_ns, since_ns;         /* of `flying` */
    const struct delivery_handlers *h; /* NULL: on_over was called */
    void *ctx;
};

struct delivery *
delivery_new(struct conn *c, uint64_t iteration, const float *v, size_t n,
             bool from_end, const struct delivery_handlers *h, void *ctx,
             struct err *err)
{
    struct delivery *d = mem_alloc(1, sizeof *d);

    if (!d) {
        err_nomem(err);
        return NULL;
    }
    d->c = c;
    d->iteration = iteration;
    d->v = v;
    d->h = h;
    d->ctx = ctx;
    pieces_begin(&d->at, n, from_end);
    return d;
}

static void on_sent(void *ctx, int status);

static int
send_piece(struct delivery *d, const struct piece *x, struct err *err)
{
    struct msg_piece m = {
        .iteration = d->iteration, .first = x->first, .count = x->count};
    struct buf body = BUF_INIT(64);
    size_t n = x->count * sizeof *d->v;
    int r;

    msg_put_piece(&body, &m);
    r = buf_ok(&body, err);
    if (r == 0)
        r = conn_send_summed(d->c, MSG_PIECE, body.data, body.len,
                             d->v + x->first, n,
                             d->h->get_sum ? d->h->get_sum(d->ctx, x)
                                           : wire_hash(d->v + x->first, n),
                             on_sent, d, err);
    buf_release(&body);
    return r;
}

/* Gives what can be given. */
static void
pump(struct delivery *d)
{
    struct err err = ERR_INIT;
    struct piece x;

    while (!d->stopped && d->flying < FLYING &&
           pieces_next(&d->at, d->ready, &x)) {
        if (conn_is_closing(d->c)) {
            d->stopped = true;
        } else if (send_piece(d, &x, &err) != 0) {
            d->stopped = true;
            conn_close(d->c, false);
        } else {
            pieces_add(&d->at, &x);
            if (d->flying++ == 0)
                d->since_ns = clock_now_ns();
        }
    }
    if (d->h && !d->given && pieces_is_whole(&d->at)) {
        d->given = true;
        if (d->h->on_given)
            d->h->on_given(d->ctx);
    }
}

static void
settle(struct delivery *d)
{
    if (d->flying > 0 || !(d->given || d->stopped))
        return;
    if (d->h)
        d->h->on_over(d->ctx);
    mem_free(d);
}

static void
on_sent(void *ctx, int status)
{
    struct delivery *d = ctx;

    if (--d->flying == 0)
        d->busy_ns += clock_now_ns() - d->since_ns;
    d->stopped |= status != 0;
    pump(d);
    settle(d);
}

void
delivery_ready(struct delivery *d, size_t ready)
{
    d->ready = ready;
    pump(d);
    settle(d);
}

void
delivery_stop(struct delivery *d)
{
    d->stopped = true;
    settle(d);
}

void
delivery_end(struct delivery *d)
{
    d->stopped = true;
    d->h->on_over(d->ctx);
    d->h = NULL;
    settle(d);
}

int64_t
delivery_get_busy_ns(const struct delivery *d, int64_t now_ns)
{
    return d->busy_ns + (d->flying > 0 ? now_ns - d->since_ns : 0);
}
