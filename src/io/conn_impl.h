/* SPDX-License-Identifier: Apache-2.0 */
/* The inside of a conn, for conn.c and conn_*.c. */
#ifndef EBSP_IO_CONN_IMPL_H
#define EBSP_IO_CONN_IMPL_H

#include "base/err.h"
#include "io/addr.h"
#include "io/conn_priv.h"
#include "io/tls.h"

enum phase {
    PHASE_HEAD,
    PHASE_BODY,
    PHASE_BULK,
    PHASE_FLUSH, /* conn_close(flush): writes the rest, ignores what comes */
    PHASE_CLOSED /* handles are closing */
};

/* A frame on its way out. */
struct send {
    uv_write_t req; /* of a plain conn */
    struct conn *c;
    conn_sent_fn *done;
    void *ctx;
    size_t copied, total;
    struct send *next; /* of a conn with TLS, as all below */
    size_t encrypted;  /* of total */
    const uint8_t *bulk;
    uint8_t bytes[]; /* header, body */
};

struct send_list {
    struct send *first, **end;
};

/* What a conn has when it speaks TLS (conn_tls.c). */
struct sealed {
    struct tls *tls; /* NULL: the conn is plain */
    bool greeted;    /* the TLS handshake is over */
    uint8_t *in;     /* bytes of the peer on their way to `tls` */
    size_t in_cap;
    /* Frames wait until they are encrypted to the end, then until that is
     * written.  At most one write is in flight, so a bulk of any size needs no
     * more memory than that write. */
    struct send_list waiting, leaving;
    size_t unencrypted; /* bytes of those that wait */
    uv_write_t flight;
    size_t n_flight;
    bool in_flight;
    bool at_end; /* flushing, and the last write is in flight or over */
};

struct conn {
    uv_tcp_t tcp;
    uv_timer_t timer; /* deadline, or patience while flushing */
    bool due;         /* it has fired once */
    uv_shutdown_t shutdown;
    int n_handles; /* not yet closed */
    enum phase phase;
    bool trusted, eof, is_shut;

    const struct conn_handlers *handlers; /* may be NULL */
    void *ctx;
    uint32_t max_body;
    uint64_t max_bulk;

    uint8_t raw[FRAME_HEAD_BYTES];
    struct frame_head head; /* raw, decoded */
    uint8_t *body;
    size_t body_cap;
    void *bulk;           /* on_body's */
    struct wire_sum *sum; /* of the bulk so far */
    uint64_t got;         /* bytes of the part that is being read */

    int64_t start_ns, heard_ns;
    uint64_t received, sent;
    size_t copied;        /* bytes of bodies in the queue */
    size_t flush_left;    /* queue when patience was last looked at */
    const char *deadline; /* what the timer is about */
    int64_t deadline_ms;
    int64_t stall_ms, linger_ms;
    int write_error; /* libuv's, of the first write that failed */
    struct err why;
    char peer[ADDR_CAP];
    struct sealed sealed;
    struct shaped *shaped; /* a link is emulated (conn_link.c); or NULL */
};

/* conn_read.c: callbacks of uv_read_start; the body's buffer; where the rest of
 * the part that is being read belongs; n bytes of it have come; nothing more
 * will (libuv's reason). */
void conn_on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buf);
void conn_on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf);
int conn_reserve_body(struct conn *c, size_t n);
uint8_t *conn_get_place(struct conn *c, size_t *n);
void conn_take(struct conn *c, const void *p, size_t n);
void conn_take_all(struct conn *c, const void *p, size_t n); /* of anything */
void conn_on_end(struct conn *c, int status);
/* conn_write.c: a write has failed; a frame's story ends (status 0 or -1). */
void conn_on_write_error(struct conn *c, int status);
void conn_end_send(struct send *s, int status);
/* conn_close.c: without a reason and without flushing, in any phase; ends the
 * sending half after what libuv has to write. */
void conn_close_now(struct conn *c);
void conn_shutdown(struct conn *c);

/* conn_link.c.  Without a link this is uv_write; with one cb is called when all
 * bytes are on their way. */
int conn_write(struct conn *c, uv_write_t *req, const uv_buf_t *part,
               unsigned n, uv_write_cb cb);
/* When `shaped` is set: space for bytes of the socket, bytes of it, its end. */
uint8_t *shaped_get_place(struct conn *c, size_t *n);
void shaped_take(struct conn *c, const void *p, size_t n);
void shaped_end(struct conn *c, int status);
/* With or without: is something to go out, how many bytes; conn_shutdown comes
 * again when all is out, if true; nothing more comes in; closes the timer;
 * frees. */
bool shaped_is_busy(const struct conn *c);
size_t shaped_get_queued(const struct conn *c);
bool shaped_shutdown(struct conn *c);
void shaped_flush(struct conn *c);
void shaped_close(struct conn *c, uv_close_cb on_closed);
void shaped_release(struct conn *c);

/* conn_tls.c, when sealed.tls is set: bytes of the peer, space for them, a
 * frame to be sent. */
uint8_t *sealed_get_place(struct conn *c, size_t *n);
void sealed_take(struct conn *c, const void *p, size_t n);
void sealed_send(struct conn *c, struct send *f);
/* Encrypts and writes what waits, as much as may be in flight. */
void sealed_pump(struct conn *c);
/* Says goodbye if that is possible at once. */
void sealed_close(struct conn *c);
/* Of a closed conn: what was not sent. */
void sealed_release(struct conn *c);

#endif
