/* SPDX-License-Identifier: Apache-2.0 */
/* A coordinator's listener and conns to it, on one loop. */
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
#include <errno.h>
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

/* How the worlds to come speak. */
static struct io_security world_how;

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
    w->how = world_how;
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

#endif
