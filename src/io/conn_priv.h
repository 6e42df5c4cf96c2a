/* SPDX-License-Identifier: Apache-2.0 */
/* What listen.c and connect.c know of a conn beyond conn.h: its life before
 * the peer has authenticated itself. */
#ifndef EBSP_IO_CONN_PRIV_H
#define EBSP_IO_CONN_PRIV_H

#include "io/conn.h"
#include "io/tls.h"

/* A conn without a socket's peer yet, with the limits of a stranger: bodies of
 * WIRE_MAX_HELLO bytes, no bulk, not told why it is refused.  From here on
 * conn_close is the only way to get rid of it. */
struct conn *conn_new(uv_loop_t *loop, struct err *err);
/* To be connected or accepted into. */
uv_tcp_t *conn_get_tcp(struct conn *c);
/* For conn_get_peer, before there is one. */
void conn_set_peer(struct conn *c, const struct sockaddr_storage *a);
/* Before it is started: it will speak TLS. */
int conn_set_tls(struct conn *c, struct tls_ctx *ctx, struct err *err);
/* Its TLS handshake is over, or it needs none. */
bool conn_has_greeted(const struct conn *c);
/* The socket has its peer: sets its options and reads. */
int conn_start(struct conn *c, struct err *err);
/* conn_fail with ERR_SYS "`what` within N s" in `ms`; NULL: never.  N is of
 * limit_ms: `ms` may be what is left of it.  `what` is borrowed. */
void conn_set_deadline(struct conn *c, int64_t ms, int64_t limit_ms,
                       const char *what);
/* The peer is authenticated: full limits; later errors are told to it. */
void conn_set_trusted(struct conn *c);
/* Closes with a reason, unless it is closing. */
void conn_fail(struct conn *c, const struct err *why);
/* Somebody else's handlers are set, or the conn is closing. */
bool conn_is_taken(const struct conn *c);

/* ---- what a test shortens ------------------------------------------------ */

/* Of conn_close(flush): without progress, and for the peer to close. */
void conn_set_patience(struct conn *c, int64_t stall_ms, int64_t linger_ms);

struct tls *conn_get_tls(struct conn *c); /* NULL: plain */

struct listener_limits {
    int64_t auth_ms;  /* from accept to a valid HELLO */
    int64_t grace_ms; /* the same, when others wait and all places are taken:
                       * at most that, less when they are many */
    uint32_t max_pending; /* places */
};
void listener_set_limits(struct listener *l, const struct listener_limits *to);

#endif
