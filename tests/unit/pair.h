/* SPDX-License-Identifier: Apache-2.0 */
/* A coordinator's listener on one loop, and two kinds of peers of it: conns,
 * and bare sockets that can say anything.
 *
 * Everything is in one process and one thread: a bare socket's calls do not
 * block, because the kernel takes or holds all that these tests send. */
#ifndef EBSP_PAIR_H
#define EBSP_PAIR_H

#include "tap.h"

#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/mem.h"
#include "io/auth.h"
#include "io/conn_priv.h"

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

static const uint8_t run_key[IO_KEY_BYTES] = {1, 2, 3};
static const uint8_t other_key[IO_KEY_BYTES] = {3, 2, 1};

enum place { IN_NOTHING, IN_BODY, IN_FRAME, IN_CLOSED, IN_DONE, IN_READY };

/* One side of a connection, as its handlers see it. */
struct side {
    struct conn *c; /* NULL before, and after on_closed */
    int n_ready, n_body, n_frame, n_closed, n_done, n_failed;
    struct frame_head head; /* of the last frame */
    uint8_t body[1024];
    float bulk[4096]; /* when it fits; else big */
    float *big;
    struct err why;
    /* What to do in a callback. */
    enum place close_in;
    bool flush;
    bool impatient;       /* with a peer that gets in the way of a flush */
    enum err_code refuse; /* in on_frame */
    bool no_bulk;         /* leave *bulk NULL */
};

struct world {
    uv_loop_t loop;
    uv_timer_t tick; /* so that a wait can look at its clock */
    struct listener *l;
    struct io_security how;
    struct side server, client;
    int n_refused, n_peers;
    struct err refused; /* why the last one was */
    struct msg_hello hello;
    bool refuse_peer, close_listener, nobody_takes;
};

/* ---- handlers ------------------------------------------------------------ */

static void
maybe_close(struct side *s, enum place where)
{
    if (s->close_in == where && s->c)
        conn_close(s->c, s->flush);
}

static int
side_on_body(void *ctx, struct conn *c, const struct frame_head *h,
             const void *body, void **bulk, struct err *err)
{
    struct side *s = ctx;

    (void)c;
    (void)err;
    s->n_body++;
    memcpy(s->body, body, h->body_len < 1024 ? h->body_len : 1024);
    if (!s->no_bulk)
        *bulk = h->bulk_len <= sizeof s->bulk ? s->bulk : s->big;
    maybe_close(s, IN_BODY);
    return 0;
}

static int
side_on_frame(void *ctx, struct conn *c, const struct frame_head *h,
              const void *body, void *bulk, struct err *err)
{
    struct side *s = ctx;

    (void)c;
    (void)body;
    (void)bulk;
    s->n_frame++;
    s->head = *h;
    maybe_close(s, IN_FRAME);
    if (s->refuse)
        return err_set(err, s->refuse, "the test refuses this");
    return 0;
}

static void
side_on_closed(void *ctx, struct conn *c, const struct err *why)
{
    struct side *s = ctx;

    (void)c;
    s->n_closed++;
    s->why = *why;
    maybe_close(s, IN_CLOSED);
    s->c = NULL;
}

static const struct conn_handlers side_handlers = {side_on_body, side_on_frame,
                                                   side_on_closed};

static inline void
side_on_done(void *ctx, int status)
{
    struct side *s = ctx;

    s->n_done++;
    s->n_failed += status != 0;
    maybe_close(s, IN_DONE);
}

static void
take(struct side *s, struct conn *c)
{
    s->c = c;
    conn_set_handlers(c, &side_handlers, s);
    if (s->impatient)
        conn_set_patience(c, 100, 100);
    maybe_close(s, IN_READY);
}

static int
world_on_peer(void *ctx, struct conn *c, const struct msg_hello *hello,
              struct err *err)
{
    struct world *w = ctx;

    w->hello = *hello;
    w->n_peers++;
    if (w->close_listener) {
        listener_close(w->l);
        w->l = NULL;
    }
    if (w->refuse_peer)
        return err_set(err, ERR_WORKERS, "rank %u is taken", hello->rank);
    if (!w->nobody_takes)
        take(&w->server, c);
    return 0;
}

static void
world_on_refused(void *ctx, const char *peer, const struct err *why)
{
    struct world *w = ctx;

    (void)peer;
    w->n_refused++;
    w->refused = *why;
    if (w->close_listener) {
        listener_close(w->l);
        w->l = NULL;
    }
}

static const struct listener_handlers world_handlers = {world_on_peer,
                                                        world_on_refused};

static void
client_on_ready(void *ctx, struct conn *c, const struct err *why)
{
    struct side *s = ctx;

    s->n_ready++;
    s->why = *why;
    if (c)
        take(s, c);
}

/* ---- the world ----------------------------------------------------------- */

static void
world_on_tick(uv_timer_t *tick)
{
    (void)tick;
}

/* Runs the loop until the condition holds; 10 s are for ever. */
#define WAIT(w, cond)                                                          \
    do {                                                                       \
        int64_t limit_ = clock_now_ns() + 10 * NS_PER_S;                       \
                                                                               \
        while (!(cond) && clock_now_ns() < limit_)                             \
            uv_run(&(w)->loop, UV_RUN_ONCE);                                   \
    } while (0)

static void
world_init(struct world *w)
{
    struct err e = ERR_INIT;

    memset(w, 0, sizeof *w);
    uv_loop_init(&w->loop);
    uv_timer_init(&w->loop, &w->tick);
    uv_timer_start(&w->tick, world_on_tick, 1, 1);
    w->l = listener_new(&w->loop, "127.0.0.1", 0, run_key, w->how,
                        &world_handlers, w, &e);
    if (!w->l) {
        printf("Bail out! %s\n", e.text);
        exit(1);
    }
}

/* Closes everything; says whether that was all there was on the loop. */
static bool
world_end(struct world *w)
{
    int64_t limit = clock_now_ns() + 10 * NS_PER_S;

    listener_close(w->l);
    if (w->server.c)
        conn_close(w->server.c, false);
    if (w->client.c)
        conn_close(w->client.c, false);
    uv_unref((uv_handle_t *)&w->tick);
    while (uv_loop_alive(&w->loop) && clock_now_ns() < limit)
        uv_run(&w->loop, UV_RUN_ONCE);
    uv_close((uv_handle_t *)&w->tick, NULL);
    uv_run(&w->loop, UV_RUN_NOWAIT);
    return uv_loop_close(&w->loop) == 0;
}

/* What a worker of rank 7 wants. */
static struct conn_request
world_request(struct world *w, const uint8_t *key)
{
    return (struct conn_request){.host = "127.0.0.1",
                                 .port = listener_get_port(w->l),
                                 .how = w->how,
                                 .key = key,
                                 .rank = 7,
                                 .timeout_ms = 5000};
}

static void
world_connect(struct world *w, const uint8_t *key)
{
    struct err e = ERR_INIT;

    struct conn_request to = world_request(w, key);

    if (conn_connect(&w->loop, &to, client_on_ready, &w->client, &e) < 0)
        printf("# %s\n", e.text);
}

/* Both sides are there and know each other. */
static inline bool
world_meet(struct world *w)
{
    world_connect(w, run_key);
    WAIT(w, w->client.n_ready && (w->server.c || w->n_refused));
    return w->client.c && w->server.c;
}

/* ---- bare sockets -------------------------------------------------------- */

static int
bare_connect(struct world *w)
{
    struct sockaddr_in a = {.sin_family = AF_INET};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;

    a.sin_port = htons(listener_get_port(w->l));
    a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (fd < 0 || connect(fd, (struct sockaddr *)&a, sizeof a) < 0) {
        printf("Bail out! no socket\n");
        exit(1);
    }
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    return fd;
}

static void
bare_send(int fd, const void *p, size_t n)
{
    if (n && send(fd, p, n, MSG_NOSIGNAL) != (ssize_t)n)
        printf("# short send\n");
}

/* Waits for n bytes; fewer when the other side closes. */
static size_t
bare_recv(struct world *w, int fd, void *to, size_t n)
{
    ssize_t got = 0;

    WAIT(w, (got = recv(fd, to, n, MSG_PEEK | MSG_DONTWAIT)) == (ssize_t)n ||
                got == 0);
    return got > 0 ? (size_t)recv(fd, to, (size_t)got, 0) : 0;
}

static inline void
bare_send_frame(int fd, uint16_t type, const void *body, size_t n)
{
    uint8_t head[FRAME_HEAD_BYTES];

    frame_encode(head, type, body, (uint32_t)n, NULL, 0);
    bare_send(fd, head, sizeof head);
    bare_send(fd, body, n);
}

/* Reads the CHALLENGE and makes the HELLO that it asks for, as a frame. */
static inline void
bare_make_hello(struct world *w, int fd, struct buf *frame)
{
    uint8_t in[FRAME_HEAD_BYTES + WIRE_NONCE_BYTES];
    struct msg_hello m = {.rank = 9, .host = "bare", .pid = 1};
    struct auth_talk talk = {.rank = 9};
    struct buf b = BUF_INIT(WIRE_MAX_HELLO);
    uint8_t *head;

    if (bare_recv(w, fd, in, sizeof in) != sizeof in)
        printf("# no CHALLENGE\n");
    memcpy(talk.challenge, in + FRAME_HEAD_BYTES, WIRE_NONCE_BYTES);
    auth_prove_hello(run_key, &talk, m.proof, NULL);
    msg_put_hello(&b, &m);
    buf_clear(frame);
    head = buf_grow(frame, FRAME_HEAD_BYTES);
    frame_encode(head, MSG_HELLO, b.data, (uint32_t)b.len, NULL, 0);
    buf_add(frame, b.data, b.len);
    buf_release(&b);
}

/* A bare socket that is authenticated: w->server is its peer. */
static inline int
bare_meet(struct world *w)
{
    uint8_t welcome[FRAME_HEAD_BYTES + WIRE_PROOF_BYTES];
    struct buf frame = BUF_INIT(1024);
    int fd = bare_connect(w);

    bare_make_hello(w, fd, &frame);
    bare_send(fd, frame.data, frame.len);
    if (bare_recv(w, fd, welcome, sizeof welcome) != sizeof welcome)
        printf("# no WELCOME\n");
    WAIT(w, w->server.c);
    buf_release(&frame);
    return fd;
}

#endif
