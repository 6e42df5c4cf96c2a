/* SPDX-License-Identifier: Apache-2.0 */
/* The inside of a conn, for conn.c, conn_read.c, conn_write.c, conn_close.c. */
#ifndef EBSP_IO_CONN_IMPL_H
#define EBSP_IO_CONN_IMPL_H

#include "base/err.h"
#include "io/addr.h"
#include "io/conn_priv.h"

enum phase {
    PHASE_HEAD,
    PHASE_BODY,
    PHASE_BULK,
    PHASE_FLUSH, /* conn_close(flush): writes the rest, ignores what comes */
    PHASE_CLOSED /* handles are closing */
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
};

/* conn_read.c: callbacks of uv_read_start, and the body's buffer. */
void conn_on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buf);
void conn_on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf);
int conn_reserve_body(struct conn *c, size_t n);
/* conn_close.c: without a reason and without flushing, in any phase. */
void conn_close_now(struct conn *c);

#endif
