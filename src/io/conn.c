/* SPDX-License-Identifier: Apache-2.0 */
#include "io/conn_impl.h"

#include "base/clock.h"
#include "base/mem.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <sys/socket.h>

#define STALL_MS  5000 /* flushing without progress */
#define LINGER_MS 1000 /* for the peer to read the last frame */

struct conn *
conn_new(uv_loop_t *loop, struct err *err)
{
    struct conn *c = mem_alloc(1, sizeof *c);

    if (c)
        c->sum = wire_sum_new();
    if (!c || !c->sum || conn_reserve_body(c, 0) < 0) {
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
    conn_set_patience(c, STALL_MS, LINGER_MS);
    snprintf(c->peer, sizeof c->peer, "?");
    return c;
}

void
conn_set_patience(struct conn *c, int64_t stall_ms, int64_t linger_ms)
{
    c->stall_ms = stall_ms;
    c->linger_ms = linger_ms;
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
    rc = uv_read_start((uv_stream_t *)&c->tcp, conn_on_alloc, conn_on_read);
    if (rc < 0)
        return err_set(err, ERR_SYS, "%s: %s", c->peer, uv_strerror(rc));
    c->heard_ns = clock_now_ns();
    if (c->sealed.tls)
        sealed_take(c, NULL, 0); /* a client speaks first */
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

bool
conn_is_closing(const struct conn *c)
{
    return c->phase >= PHASE_FLUSH;
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
    return c->sealed.unencrypted + shaped_get_queued(c) +
           uv_stream_get_write_queue_size((const uv_stream_t *)&c->tcp);
}

const char *
conn_get_peer(const struct conn *c)
{
    return c->peer;
}
