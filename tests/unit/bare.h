/* SPDX-License-Identifier: Apache-2.0 */
/* Peers that can say anything: sockets, plain or in the world's TLS.
 *
 * Everything is in one process and one thread: a bare socket's calls do not
 * block, because the kernel takes or holds all that these tests send. */
#ifndef EBSP_BARE_H
#define EBSP_BARE_H

#include "pair.h"

struct bare {
    struct world *w;
    int fd;
    struct tls *tls; /* NULL: plain */
    bool greeted, ended;
    struct buf in; /* what came, decrypted */
};

static void
bare_init(struct bare *b, struct world *w, int fd, const uint8_t *key,
          bool server)
{
    struct tls_ctx *ctx;
    int on = 1;

    *b = (struct bare){.w = w, .fd = fd, .in = BUF_INIT((size_t)1 << 26)};
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (!w->how.tls)
        return;
    ctx = tls_ctx_new(key, server, NULL);
    b->tls = tls_new(ctx, NULL);
    tls_ctx_free(ctx);
}

static struct bare
bare_connect_key(struct world *w, const uint8_t *key)
{
    struct sockaddr_in a = {.sin_family = AF_INET};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct bare b;

    a.sin_port = htons(listener_get_port(w->l));
    a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (fd < 0 || connect(fd, (struct sockaddr *)&a, sizeof a) < 0) {
        printf("Bail out! no socket\n");
        exit(1);
    }
    bare_init(&b, w, fd, key, false);
    return b;
}

static inline struct bare
bare_connect(struct world *w)
{
    return bare_connect_key(w, run_key);
}

static void
bare_close(struct bare *b)
{
    close(b->fd);
    tls_free(b->tls);
    buf_release(&b->in);
}

/* ---- bytes --------------------------------------------------------------- */

/* As they are. */
static void
bare_send_raw(struct bare *b, const void *p, size_t n)
{
    if (n && send(b->fd, p, n, MSG_NOSIGNAL) != (ssize_t)n)
        printf("# short send\n");
}

static void
bare_flush(struct bare *b)
{
    size_t n;
    const void *p = tls_take(b->tls, &n);

    bare_send_raw(b, p, n);
}

/* Takes n bytes that came. */
static void
bare_take(struct bare *b, const void *p, size_t n)
{
    static uint8_t plain[TLS_MAX_PLAIN];
    size_t got;

    if (!b->tls) {
        buf_add(&b->in, p, n);
        return;
    }
    tls_feed(b->tls, p, n);
    if (!b->greeted) {
        b->greeted = tls_greet(b->tls, NULL) == 1;
        bare_flush(b);
    }
    while (b->greeted && tls_read(b->tls, plain, sizeof plain, &got, NULL) == 1)
        buf_add(&b->in, plain, got);
}

/* Takes what has come so far. */
static void
bare_pull(struct bare *b)
{
    static uint8_t some[65536];
    ssize_t n;

    if (b->ended)
        return;
    if (b->tls && !b->greeted)
        bare_take(b, NULL, 0); /* a client speaks first */
    while ((n = recv(b->fd, some, sizeof some, MSG_DONTWAIT)) > 0)
        bare_take(b, some, (size_t)n);
    b->ended = n == 0 || (errno != EAGAIN && errno != EINTR);
}

/* Waits for n bytes; fewer when the other side closes. */
static size_t
bare_recv(struct bare *b, void *to, size_t n)
{
    WAIT(b->w, (bare_pull(b), b->in.len >= n || b->ended));
    n = n < b->in.len ? n : b->in.len;
    if (n) {
        memcpy(to, b->in.data, n);
        memmove(b->in.data, b->in.data + n, b->in.len - n);
        b->in.len -= n;
    }
    return n;
}

static void
bare_greet(struct bare *b)
{
    if (b->tls)
        WAIT(b->w, (bare_pull(b), b->greeted || b->ended));
}

/* Through TLS, if that is how the world speaks. */
static void
bare_send(struct bare *b, const void *p, size_t n)
{
    if (!b->tls) {
        bare_send_raw(b, p, n);
        return;
    }
    bare_greet(b);
    if (tls_write(b->tls, p, n, NULL) < 0)
        printf("# cannot encrypt\n");
    bare_flush(b);
}

/* Ends the sending half. */
static inline void
bare_end(struct bare *b)
{
    if (b->tls && b->greeted) {
        tls_end(b->tls);
        bare_flush(b);
    }
    shutdown(b->fd, SHUT_WR);
}

/* ---- frames -------------------------------------------------------------- */

/* In one piece: when a reset follows, the kernel may still hold a second one,
 * and forgets it. */
static inline void
bare_send_frame(struct bare *b, uint16_t type, const void *body, size_t n)
{
    struct buf frame = BUF_INIT(FRAME_HEAD_BYTES + n);

    frame_encode(buf_grow(&frame, FRAME_HEAD_BYTES), type, body, (uint32_t)n,
                 NULL, 0);
    buf_add(&frame, body, n);
    bare_send(b, frame.data, frame.len);
    buf_release(&frame);
}

/* Reads the CHALLENGE and makes the HELLO that it asks for, as a frame. */
static void
bare_make_hello(struct bare *b, struct buf *frame)
{
    uint8_t in[FRAME_HEAD_BYTES + WIRE_NONCE_BYTES];
    struct msg_hello m = {.rank = 9, .host = "bare", .pid = 1};
    struct auth_talk talk = {.rank = 9};
    struct buf body = BUF_INIT(WIRE_MAX_HELLO);
    uint8_t *head;

    if (bare_recv(b, in, sizeof in) != sizeof in)
        printf("# no CHALLENGE\n");
    memcpy(talk.challenge, in + FRAME_HEAD_BYTES, WIRE_NONCE_BYTES);
    auth_prove_hello(run_key, &talk, m.proof, NULL);
    msg_put_hello(&body, &m);
    buf_clear(frame);
    head = buf_grow(frame, FRAME_HEAD_BYTES);
    frame_encode(head, MSG_HELLO, body.data, (uint32_t)body.len, NULL, 0);
    buf_add(frame, body.data, body.len);
    buf_release(&body);
}

/* A bare socket that is authenticated: w->server is its peer. */
static inline struct bare
bare_meet(struct world *w)
{
    uint8_t welcome[FRAME_HEAD_BYTES + WIRE_PROOF_BYTES];
    struct buf frame = BUF_INIT(1024);
    struct bare b = bare_connect(w);

    bare_make_hello(&b, &frame);
    bare_send(&b, frame.data, frame.len);
    if (bare_recv(&b, welcome, sizeof welcome) != sizeof welcome)
        printf("# no WELCOME\n");
    WAIT(w, w->server.c);
    buf_release(&frame);
    return b;
}

/* ---- strangers ----------------------------------------------------------- */

/* Sends bytes as they are; how the listener takes it. */
static inline const char *
bare_refused(struct world *w, const void *p, size_t n, bool end)
{
    struct bare b = bare_connect(w);
    int before = w->n_refused;
    char byte;

    bare_send_raw(&b, p, n);
    if (end)
        shutdown(b.fd, SHUT_WR);
    WAIT(w, w->n_refused > before);
    WAIT(w, recv(b.fd, &byte, 1, MSG_DONTWAIT) == 0 || errno == ECONNRESET);
    bare_close(&b);
    return w->n_refused == before + 1 ? w->refused.text : "not refused once";
}

/* A coordinator that is none. */
struct fake {
    struct world w;
    int l; /* listens */
    struct bare b;
};

/* A worker has connected to it, and waits for its words for timeout_ms. */
static inline void
fake_init(struct fake *f, int64_t timeout_ms)
{
    struct sockaddr_in a = {.sin_family = AF_INET};
    socklen_t len = sizeof a;
    struct conn_request to;

    a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    world_init(&f->w);
    f->l = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (bind(f->l, (struct sockaddr *)&a, len) < 0 || listen(f->l, 1) < 0 ||
        getsockname(f->l, (struct sockaddr *)&a, &len) < 0)
        printf("# no socket\n");
    to = world_request(&f->w, run_key);
    to.port = ntohs(a.sin_port);
    to.timeout_ms = timeout_ms;
    conn_connect(&f->w.loop, &to, client_on_ready, &f->w.client, NULL);
    bare_init(&f->b, &f->w, accept(f->l, NULL, NULL), run_key, true);
}

/* What the worker says of it, without its address. */
static inline const char *
fake_end(struct fake *f)
{
    static char text[sizeof f->w.client.why.text];
    const char *at = "127.0.0.1:", *after;

    WAIT(&f->w, f->w.client.n_ready);
    snprintf(text, sizeof text, "%s", f->w.client.why.text);
    bare_close(&f->b);
    close(f->l);
    if (!world_end(&f->w))
        return "something is left on the loop";
    if (f->w.client.c || f->w.client.n_ready != 1)
        return "on_ready is wrong";
    after = strstr(text, at);
    after = after ? strchr(after + strlen(at), ' ') : NULL;
    return after ? after + 1 : text;
}

#endif
