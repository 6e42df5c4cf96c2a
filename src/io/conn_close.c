/* SPDX-License-Identifier: Apache-2.0 */
/* Ends of a conn: on purpose, for a reason, after a deadline. */
#include "io/conn_impl.h"

#include "base/buf.h"
#include "base/mem.h"
#include "io/loop.h"

#include <stdio.h>

static void
on_handle_closed(uv_handle_t *handle)
{
    struct conn *c = handle->data;

    if (--c->n_handles)
        return;
    /* libuv has given back every write by now. */
    shaped_release(c);
    sealed_release(c);
    if (c->handlers && c->handlers->on_closed)
        c->handlers->on_closed(c->ctx, c, &c->why);
    wire_sum_free(c->sum);
    mem_free(c->body);
    mem_free(c);
}

void
conn_close_now(struct conn *c)
{
    if (c->phase == PHASE_CLOSED)
        return;
    if (c->sealed.tls)
        sealed_close(c);
    c->phase = PHASE_CLOSED;
    uv_close((uv_handle_t *)&c->tcp, on_handle_closed);
    uv_close((uv_handle_t *)&c->timer, on_handle_closed);
    shaped_close(c, on_handle_closed);
}

static void on_timer(uv_timer_t *timer);

static void
start_timer(struct conn *c, int64_t ms)
{
    c->due = false;
    loop_start_timer(&c->timer, on_timer, ms);
}

static void
on_shutdown(uv_shutdown_t *req, int status)
{
    struct conn *c = req->data;

    if (c->phase == PHASE_CLOSED)
        return;
    c->is_shut = true;
    if (status < 0 || c->eof)
        conn_close_now(c);
    else
        start_timer(c, c->linger_ms);
}

void
conn_shutdown(struct conn *c)
{
    if (shaped_shutdown(c))
        return;
    c->shutdown.data = c;
    if (uv_shutdown(&c->shutdown, (uv_stream_t *)&c->tcp, on_shutdown) < 0)
        conn_close_now(c); /* it is not connected */
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
    start_timer(c, c->stall_ms);
    shaped_flush(c);
    if (c->sealed.tls)
        sealed_pump(c); /* which ends it */
    else
        conn_shutdown(c);
}

void
conn_close(struct conn *c, bool flush)
{
    if (!flush)
        conn_close_now(c);
    else if (c->phase < PHASE_FLUSH)
        close_flushed(c);
}

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
    /* The peer learns why, unless it is a stranger, cannot be reached, has
     * closed the connection or has just told us an error itself. */
    bool tell = c->trusted && why->code != ERR_OK && why->code != ERR_SYS &&
                c->head.type != MSG_ERROR &&
                !(c->sealed.tls && tls_is_broken(c->sealed.tls));

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

    if (!c->due) {
        /* If it was us who had no time, the peer may have done its part
         * meanwhile: one turn of the loop finds out. */
        c->due = true;
        uv_timer_start(&c->timer, on_timer, 1, 0);
    } else if (c->phase < PHASE_FLUSH) {
        if (c->write_error)
            err_set(&e, ERR_SYS, "connection lost: %s",
                    uv_strerror(c->write_error));
        err_set(&e, ERR_SYS, "%s within %.1f s", c->deadline,
                (double)c->deadline_ms / 1000);
        conn_fail(c, &e);
    } else if (c->is_shut || left == c->flush_left) {
        conn_close_now(c);
    } else {
        c->flush_left = left;
        start_timer(c, c->stall_ms);
    }
}

void
conn_set_deadline(struct conn *c, int64_t ms, int64_t limit_ms,
                  const char *what)
{
    if (c->phase >= PHASE_FLUSH)
        return;
    c->deadline = what;
    c->deadline_ms = limit_ms;
    if (what)
        start_timer(c, ms);
    else
        uv_timer_stop(&c->timer);
}
