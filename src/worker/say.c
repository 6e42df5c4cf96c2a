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
    struct compute *c = thinker_get_compute(w->thinker);
    struct buf body = BUF_INIT(256);
    struct msg_ready m;

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

static void
on_push_sent(void *ctx, int status)
{
    struct worker *w = ctx;

    if (status != 0)
        return; /* on_closed follows */
    w->push_sent_ns = clock_now_ns();
    w->push_ns = w->push_sent_ns - w->push_start_ns;
    w->total.push_ns += w->push_ns;
}

void
worker_say_push(struct worker *w)
{
    struct buf body = BUF_INIT(512);
    const float *push;
    struct msg_push m = *thinker_get_result(w->thinker, &push);
    bool shared = compute_is_shared(thinker_get_compute(w->thinker));

    m.flags = shared ? MSG_PUSH_SHARED : 0;
    m.push_ns = w->push_ns;
    m.wait_ns = w->wait_ns;
    m.pull_ns = w->pull_ns;
    w->total.iterations++;
    w->total.data_ns += m.data_ns;
    w->total.compute_ns += m.compute_ns;
    msg_put_push(&body, &m);
    w->push_start_ns = w->push_sent_ns = clock_now_ns();
    say(w, MSG_PUSH, &body, shared ? NULL : push,
        shared ? 0 : worker_vector_bytes(w), on_push_sent);
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
