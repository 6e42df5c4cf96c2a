/* SPDX-License-Identifier: Apache-2.0 */
#include "io/crowd.h"

#include "base/clock.h"
#include "io/conn_priv.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>

#define MIN_GRACE_MS 20
#define NS_PER_MS    (NS_PER_S / 1000)

uint64_t
crowd_source(const uv_tcp_t *conn)
{
    struct sockaddr_storage a;
    int n = sizeof a;
    uint64_t source = 0;

    if (uv_tcp_getpeername(conn, (struct sockaddr *)&a, &n) < 0)
        return 0;
    if (a.ss_family == AF_INET)
        return ((const struct sockaddr_in *)&a)->sin_addr.s_addr;
    memcpy(&source, &((const struct sockaddr_in6 *)&a)->sin6_addr,
           sizeof source);
    return source;
}

uint32_t
crowd_waiting(const uv_tcp_t *listener)
{
    struct tcp_info info = {0};
    socklen_t n = sizeof info;
    uv_os_fd_t fd;

    /* Of a socket that listens, "unacked" is the length of its queue. */
    if (uv_fileno((const uv_handle_t *)listener, &fd) < 0 ||
        getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &n) < 0)
        return 1;
    return info.tcpi_unacked + 1;
}

/* Those who came last are to get their turn as soon as those who came first,
 * so the grace does not grow again while the queue is worked off. */
int64_t
crowd_grace(struct crowd *c, const struct listener_limits *lim,
            uint32_t n_waiting)
{
    int64_t now = clock_now_ns(), drain_ms = 2 * lim->grace_ms;
    int64_t ms = lim->grace_ms;

    if (n_waiting > 2 * lim->max_pending) {
        ms = drain_ms * lim->max_pending / n_waiting;
        ms = ms > MIN_GRACE_MS ? ms : MIN_GRACE_MS;
    }
    if (c->last_ns == 0 || now - c->last_ns > drain_ms * NS_PER_MS ||
        ms < c->grace_ms)
        c->grace_ms = ms;
    c->last_ns = now;
    return c->grace_ms < lim->grace_ms ? c->grace_ms : lim->grace_ms;
}
