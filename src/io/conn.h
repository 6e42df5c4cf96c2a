/* SPDX-License-Identifier: Apache-2.0 */
/* Framed, authenticated connections on a libuv loop, plain or in TLS.
 *
 * A conn belongs to its loop's thread.  Callbacks come from the loop; a conn
 * may be closed in any of them, it is freed later, after on_closed.
 *
 * The process must ignore SIGPIPE.  Handlers are borrowed, usually static. */
#ifndef EBSP_IO_CONN_H
#define EBSP_IO_CONN_H

#include "wire/msg.h"

#include <stdbool.h>
#include <uv.h>

struct conn;
struct err;
struct link_spec;

#define IO_KEY_BYTES     32
#define IO_AUTH_LIMIT_MS 5000
#define IO_MAX_PENDING   64 /* connections not yet authenticated */

/* How frames travel.  Nothing set: as they are, on the loopback only. */
struct io_security {
    bool tls;      /* in TLS 1.3 with the run key as PSK: anywhere */
    bool insecure; /* without TLS off the loopback, too: everybody on the way
                    * can read and change them, so the caller warns */
};

struct conn_handlers {
    /* A frame's body is there, its sum is right and its type is known.  When
     * the frame has a bulk, set *bulk to memory for bulk_len bytes that stays
     * valid until on_frame or on_closed (left NULL: the bulk is refused), or
     * return -1 to refuse (err filled; the conn closes). */
    int (*on_body)(void *ctx, struct conn *c, const struct frame_head *h,
                   const void *body, void **bulk, struct err *err);
    /* The frame is complete, the bulk's sum is right. -1 closes the conn. */
    int (*on_frame)(void *ctx, struct conn *c, const struct frame_head *h,
                    const void *body, void *bulk, struct err *err);
    /* The last call for this conn.  why->code is ERR_OK when conn_close was
     * called or the peer closed between frames.  In TLS a peer that closes says
     * so; one that is just gone is lost (ERR_SYS). */
    void (*on_closed)(void *ctx, struct conn *c, const struct err *why);
};

/* When the first byte of the frame now being delivered arrived, and when its
 * last one did (clock_now_ns). */
int64_t conn_get_frame_start(const struct conn *c);
int64_t conn_get_last_heard(const struct conn *c);
/* Bytes of the connection, so with TLS a little more than those of frames. */
uint64_t conn_get_received(const struct conn *c);
uint64_t conn_get_sent(const struct conn *c);
/* Bytes not yet written; those of frames, unless they are encrypted already. */
size_t conn_get_queued(const struct conn *c);
const char *conn_get_peer(const struct conn *c); /* "127.0.0.1:4711" */

/* Changes who is called and with what; the limits of bodies and bulks, which
 * are FRAME_MAX_BODY and FRAME_MAX_BULK at first. */
void conn_set_handlers(struct conn *c, const struct conn_handlers *h,
                       void *ctx);
void conn_set_limits(struct conn *c, uint32_t max_body, uint64_t max_bulk);

/* From now on the connection is like that on top of what it is, in both
 * directions (io/link.h); seed says what is lost.  May be changed again; the
 * order of bytes stays. */
int conn_set_link(struct conn *c, const struct link_spec *spec, uint64_t seed,
                  struct err *err);
bool conn_has_link(const struct conn *c);

/* Queues a frame.  The body is copied; the bulk is borrowed until `done`
 * (status 0, or -1: not sent), which may be NULL when there is no bulk.  `done`
 * is called exactly once, later, from the loop, and before on_closed; never
 * when conn_send itself fails. */
typedef void conn_sent_fn(void *ctx, int status);
int conn_send(struct conn *c, uint16_t type, const void *body, size_t body_len,
              const void *bulk, size_t bulk_len, conn_sent_fn *done, void *ctx,
              struct err *err);
/* The same with the bulk's wire_hash given: one bulk, many peers, one hash. */
int conn_send_summed(struct conn *c, uint16_t type, const void *body,
                     size_t body_len, const void *bulk, size_t bulk_len,
                     uint64_t bulk_sum, conn_sent_fn *done, void *ctx,
                     struct err *err);
/* It was closed, or has failed: on_closed follows and tells why. */
bool conn_is_closing(const struct conn *c);
/* No more on_body and on_frame.  Forgets what is queued and closes; with flush
 * what is queued is sent first, as long as the peer takes something every 5 s,
 * and the peer then has 1 s to close its side. */
void conn_close(struct conn *c, bool flush);

/* ---- the coordinator's side: listen and authenticate --------------------- */

struct listener;
struct listener_handlers {
    /* A peer has proved that it knows the key and has been sent WELCOME; hand
     * over or return -1 (err filled: sent to the peer as ERROR, the listener
     * closes the conn).  Set handlers in here. */
    int (*on_peer)(void *ctx, struct conn *c, const struct msg_hello *hello,
                   struct err *err);
    /* Somebody did not: for the log.  May be NULL. */
    void (*on_refused)(void *ctx, const char *peer, const struct err *why);
};
/* host is a numeric address or "localhost", port 0: any; key is copied.  An
 * address that is not loopback (also "0.0.0.0") is ERR_CONFIG unless `how`
 * allows it. */
struct listener *listener_new(uv_loop_t *loop, const char *host, uint16_t port,
                              const uint8_t key[IO_KEY_BYTES],
                              struct io_security how,
                              const struct listener_handlers *h, void *ctx,
                              struct err *err);
uint16_t listener_get_port(const struct listener *l);
/* Frees itself on the loop; no handler is called any more. */
void listener_close(struct listener *l);

/* ---- the worker's side: connect and authenticate ------------------------- */

struct conn_request {
    const char *host; /* of the coordinator: its address or its name */
    uint16_t port;
    struct io_security how;
    const uint8_t *key; /* IO_KEY_BYTES */
    uint32_t rank, life;
    int64_t timeout_ms; /* for everything until on_ready */
};

/* Connects, proves the key, checks the coordinator's proof; then on_ready with
 * err OK, or with what failed (and no conn).  The request is copied.  Of a host
 * with many addresses the first one that answers is taken.  Set handlers in
 * on_ready.  A worker that the coordinator refuses after its proof (on_peer) is
 * ready first and gets an ERROR frame then. */
typedef void connect_fn(void *ctx, struct conn *c, const struct err *why);
int conn_connect(uv_loop_t *loop, const struct conn_request *to,
                 connect_fn *on_ready, void *ctx, struct err *err);

#endif
