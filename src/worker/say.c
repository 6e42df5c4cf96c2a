/* SPDX-License-Identifier: Apache-2.0 */
/* What a worker says, and the account that it keeps of its time. */
#include "worker/worker_impl.h"

#include "base/buf.h"
#include "base/clock.h"

#include <stdio.h>

void
worker_fail(struct worker *w, const struct err *why)
{
    struct buf body = BUF_INIT(WIRE_TEXT_CAP * 2);
    struct msg_error m = {.code = (uint32_t)why->code};

    snprintf(m.text, sizeof m.text, "%.*s", (int)sizeof m.text - 1, why->text);
    msg_put_error(&body, &m);
    if (w->conn && !w->ending && !body.bad)
        (void)conn_send(w->conn, MSG_ERROR, body.data, body.len, NULL, 0, NULL,
                        NULL, NULL);
    buf_release(&body);
    worker_end(w, why);
}

/* What cannot be sent is a lost connection: on_closed follows. */
static void
say(struct worker *w, uint16_t type, struct buf *body, const void *bulk,
    size_t n, conn_sent_fn *done)
{
    struct err err = ERR_INIT;

    if (buf_ok(body, &err) != 0)
        worker_end(w, &err);
    else if (!conn_is_closing(w->conn) &&
             conn_send(w->conn, type, body->data, body->len, bulk, n, done, w,
                       &err) != 0)
        conn_close(w->conn, false);
    buf_release(body);
}

void
worker_say_ready(struct worker *w)
{
    struct compute *c;
    struct buf body = BUF_INIT(256);
    struct err err = ERR_INIT;
    struct msg_ready m;

    if (!w->conn || w->ready || !w->thinker || thinker_is_busy(w->thinker) ||
        !parts_are_ready(w))
        return;
    if (parts_check(w, &err) != 0) {
        worker_fail(w, &err);
        return;
    }
    c = thinker_get_compute(w->thinker);
    compute_forget(c); /* its last order may be lost: computed or not */
    w->push_sent_ns = clock_now_ns();
    if (w->ready_ns == 0)
        w->ready_ns = w->push_sent_ns;
    m = (struct msg_ready){
        .segments_hash = segtab_fingerprint(c->t),
        .n_floats = c->t->n_floats,
        .data_hash = c->data->hash,
        .setup_ns = w->ready_ns - w->start_ns,
    };
    conn_set_limits(w->conn, FRAME_MAX_BODY, worker_vector_bytes(w));
    msg_put_ready(&body, &m);
    w->ready = true;
    say(w, MSG_READY, &body, NULL, 0, NULL);
}

void
worker_push_is_sent(struct worker *w)
{
    w->push_sent_ns = clock_now_ns();
    w->push_ns = w->push_sent_ns - w->push_start_ns;
    w->total.push_ns += w->push_ns;
}

static void
on_push_sent(void *ctx, int status)
{
    struct worker *w = ctx;

    if (status == 0 && !w->join.served) /* else on_closed, or parts.c */
        worker_push_is_sent(w);
}

static void
send_push(struct worker *w, const void *bulk, size_t n)
{
    struct buf body = BUF_INIT(512);

    w->due = false;
    msg_put_push(&body, &w->push);
    say(w, MSG_PUSH, &body, bulk, n, on_push_sent);
}

/* ---- a contribution in pieces -------------------------------------------- */

static void
on_given(void *ctx)
{
    struct worker *w = ctx;

    w->given = true;
    if (w->due)
        send_push(w, NULL, 0);
}

static void
on_over(void *ctx)
{
    struct worker *w = ctx;

    w->leaving_ns = delivery_get_busy_ns(w->leaving, clock_now_ns());
    w->leaving = NULL;
}

/* The last n floats of v can be sent. */
static void
send_pieces(struct worker *w, const float *v, size_t n)
{
    static const struct delivery_handlers handlers = {.on_given = on_given,
                                                      .on_over = on_over};
    struct err err = ERR_INIT;

    if (!w->leaving)
        w->leaving = delivery_new(w->conn, w->iteration, v,
                                  worker_vector_bytes(w) / sizeof *v, true,
                                  &handlers, w, &err);
    if (w->leaving)
        delivery_ready(w->leaving, n);
    else
        worker_fail(w, &err);
}

void
worker_say_pieces(struct worker *w)
{
    const float *v;
    size_t n = thinker_get_final(w->thinker, &v);

    if (n == 0 || !w->ready || w->ending || w->given ||
        conn_is_closing(w->conn))
        return;
    if (w->join.served)
        parts_push(w, v, n, false);
    else
        send_pieces(w, v, n);
}

/* ---- contributions ------------------------------------------------------- */

/* What a PUSH tells is the exchange before its iteration.  What has moved of
 * the contribution itself so far is hidden behind the computing. */
static void
account(struct worker *w)
{
    struct msg_push *m = &w->push;
    int64_t moved;

    w->push_start_ns = w->push_sent_ns = clock_now_ns();
    w->total.iterations++;
    w->total.data_ns += m->data_ns;
    w->total.compute_ns += m->compute_ns;
    w->total.pull_ns += m->pull_ns;
    m->push_ns = w->push_ns;
    m->wait_ns = w->wait_ns;
    m->pull_ns += w->pull_ns;
    moved = w->pulled_ns - w->ordered_ns;
    m->pull_hidden_ns = moved > m->pull_ns ? moved - m->pull_ns : 0;
    m->push_hidden_ns = w->push_hidden_ns;
    w->push_hidden_ns = w->join.served ? parts_get_busy_ns(w, w->push_start_ns)
                        : w->leaving
                            ? delivery_get_busy_ns(w->leaving, w->push_start_ns)
                            : w->leaving_ns;
    w->total.pull_hidden_ns += m->pull_hidden_ns;
    w->total.push_hidden_ns += w->push_hidden_ns;
}

void
worker_say_push(struct worker *w)
{
    const struct compute *c = thinker_get_compute(w->thinker);
    /* Through a link that is emulated everything goes. */
    bool shared = compute_is_shared(c) && !conn_has_link(w->conn);
    size_t n = worker_vector_bytes(w);
    const float *push;

    w->push = *thinker_get_result(w->thinker, &push);
    account(w);
    if (w->join.served) {
        w->push.flags = MSG_PUSH_SERVED;
        send_push(w, NULL, 0);
        parts_push(w, push, n / sizeof *push, true);
    } else if (shared) {
        w->push.flags = MSG_PUSH_SHARED;
        send_push(w, NULL, 0);
    } else if (c->packer.n_bytes > 0) {
        send_push(w, c->packer.bytes, c->packer.n_bytes);
    } else if (n <= PIECE_MAX * sizeof *push) {
        send_push(w, push, n);
    } else {
        w->push.flags = MSG_PUSH_PIECES;
        w->due = true;
        if (w->given)
            send_push(w, NULL, 0);
        else
            send_pieces(w, push, n / sizeof *push);
    }
}

void
worker_say_bye(struct worker *w)
{
    struct buf body = BUF_INIT(256);
    int64_t now = clock_now_ns();

    /* Idle since its last push: there was nothing left to do for it. */
    if (w->ready && !thinker_is_busy(w->thinker) && now > w->push_sent_ns)
        w->total.wait_ns += now - w->push_sent_ns;
    w->total.wall_ns = w->ready_ns ? now - w->ready_ns : 0;
    msg_put_bye(&body, &w->total);
    say(w, MSG_BYE, &body, NULL, 0, NULL);
    worker_end(w, NULL);
}

void
worker_say_fetch(struct worker *w, const struct msg_fetch *m)
{
    struct buf body = BUF_INIT(64);

    msg_put_fetch(&body, m);
    say(w, MSG_FETCH, &body, NULL, 0, NULL);
}
