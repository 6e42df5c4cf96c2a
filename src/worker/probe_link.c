/* SPDX-License-Identifier: Apache-2.0 */
/* Delay and bandwidth between two probes, over connections as those between
 * worker and coordinator: same handshake, same frames, same TLS.
 *
 * Once they trust each other one side asks and the other answers: BEAT by BEAT
 * (its body: where the asker was seen), DATA with a bulk by BEAT, FETCH (its
 * body: a number of bytes) by DATA with as many. */
#include "base/buf.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/rd.h"
#include "base/rng.h"
#include "base/str.h"
#include "io/conn.h"
#include "worker/probe_impl.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_BULK   ((uint32_t)16 << 20)
#define FIRST_BULK ((uint32_t)64 << 10)
#define ROUNDS     50 /* of small frames, as long as they take no longer than */
#define ROUNDS_NS  (NS_PER_S / 5)
#define MIN_ROUNDS 3
#define BULK_NS    (NS_PER_S / 20) /* one that takes this long is told */
#define LIMIT_MS   12000           /* of everything */
#define CONNECT_MS 6000

enum stage { ROUND, UP, DOWN };

/* The side that asks. */
struct asking {
    struct conn *conn;
    enum stage stage;
    bool busy;
    int64_t sent_ns;
    int64_t begun_ns;
    int64_t round_ns[ROUNDS];
    size_t n_rounds;
    int64_t median_ns;
    uint32_t n_bytes; /* of the bulk on its way */
    uint32_t wanted;  /* of the bulk that may come */
    char seen_as[64];
};

struct links {
    uv_loop_t *loop;
    const struct join *join;
    struct listener *listener;
    struct conn *peer; /* that asks here; one at a time */
    uv_timer_t limit;
    struct asking a;
    bool closing;
    uint8_t *bulk;
};

/* ---- words of a question ------------------------------------------------- */

/* "ADDRESS PORT plain|tls|insecure" */
static int
parse(const char *args, char host[64], uint16_t *port, struct io_security *how,
      struct err *err)
{
    char word[16], number[8];
    uint64_t n;

    if (sscanf(args, "%63s %7s %15s", host, number, word) != 3 ||
        !str_u64(number, &n) || n > UINT16_MAX)
        return err_set(err, ERR_PROTO, "malformed question \"%s\"", args);
    *port = (uint16_t)n;
    *how = (struct io_security){.tls = strcmp(word, "tls") == 0,
                                .insecure = strcmp(word, "insecure") == 0};
    return 0;
}

/* Closes, and wants to hear no more of it. */
static void
forget(struct conn *c)
{
    static const struct conn_handlers none = {.on_closed = NULL};

    conn_set_handlers(c, &none, NULL);
    conn_close(c, false);
}

/* ---- the side that answers ----------------------------------------------- */

static int
reply(struct links *l, struct conn *c, uint16_t type, const char *text,
      uint32_t n_bulk, struct err *err)
{
    return conn_send(c, type, text, strlen(text), n_bulk ? l->bulk : NULL,
                     n_bulk, NULL, NULL, err);
}

static int
on_asked_body(void *ctx, struct conn *c, const struct frame_head *h,
              const void *body, void **bulk, struct err *err)
{
    struct links *l = ctx;

    (void)c;
    (void)body;
    if (h->bulk_len == 0)
        return 0;
    if (h->type != MSG_DATA || h->bulk_len > MAX_BULK)
        return err_set(err, ERR_PROTO, "unexpected %s", msg_name(h->type));
    *bulk = l->bulk;
    return 0;
}

static int
on_asked(void *ctx, struct conn *c, const struct frame_head *h,
         const void *body, void *bulk, struct err *err)
{
    struct links *l = ctx;
    struct rd r;
    uint32_t n;

    (void)bulk;
    rd_init(&r, body, h->body_len);
    switch (h->type) {
    case MSG_BEAT:
        return reply(l, c, MSG_BEAT, conn_get_peer(c), 0, err);
    case MSG_DATA:
        return reply(l, c, MSG_BEAT, "", 0, err);
    case MSG_FETCH:
        n = rd_u32(&r);
        if (rd_done(&r) && n > 0 && n <= MAX_BULK && n % 4 == 0)
            return reply(l, c, MSG_DATA, "", n, err);
        return err_set(err, ERR_PROTO, "FETCH of %u bytes", n);
    default:
        return err_set(err, ERR_PROTO, "unexpected %s", msg_name(h->type));
    }
}

static void
on_peer_closed(void *ctx, struct conn *c, const struct err *why)
{
    struct links *l = ctx;

    (void)c;
    (void)why;
    l->peer = NULL;
}

static int
on_peer(void *ctx, struct conn *c, const struct msg_hello *hello,
        struct err *err)
{
    static const struct conn_handlers h = {.on_body = on_asked_body,
                                           .on_frame = on_asked,
                                           .on_closed = on_peer_closed};
    struct links *l = ctx;

    (void)hello;
    if (l->peer) /* its asker has given up, perhaps without a word */
        return err_set(err, ERR_SYS, "another link is being measured");
    l->peer = c;
    conn_set_limits(c, 64, MAX_BULK);
    conn_set_handlers(c, &h, l);
    return 0;
}

static void
stop_listening(struct links *l)
{
    if (l->listener)
        listener_close(l->listener);
    l->listener = NULL;
    if (l->peer)
        forget(l->peer);
    l->peer = NULL;
}

void
links_listen(struct links *l, const char *args)
{
    static const struct listener_handlers h = {.on_peer = on_peer};
    struct err err = ERR_INIT;
    struct io_security how = {.tls = false};
    uint16_t port = 0;
    char host[64];

    stop_listening(l);
    if (parse(args, host, &port, &how, &err) == 0)
        l->listener =
            listener_new(l->loop, host, port, l->join->key, how, &h, l, &err);
    if (!l->listener) {
        probe_failed("listen", &err);
        return;
    }
    probe_say("port", "%u", listener_get_port(l->listener));
    probe_done("listen");
}

/* ---- the side that asks -------------------------------------------------- */

static void
finish(struct links *l, const struct err *why)
{
    struct asking *a = &l->a;

    if (!a->busy)
        return;
    a->busy = false;
    uv_timer_stop(&l->limit);
    if (a->conn)
        forget(a->conn);
    a->conn = NULL;
    if (l->closing)
        return;
    if (why)
        probe_failed("link", why);
    else
        probe_done("link");
}

static void
put(struct asking *a, uint16_t type, const struct buf *body, const void *bulk,
    uint32_t n)
{
    struct err err = ERR_INIT;

    a->sent_ns = clock_now_ns();
    if (conn_send(a->conn, type, body ? body->data : NULL, body ? body->len : 0,
                  bulk, n, NULL, NULL, &err) != 0)
        conn_close(a->conn, false); /* on_lost follows */
}

static void
send_bulk(struct links *l, uint32_t n)
{
    struct asking *a = &l->a;
    struct buf body = BUF_INIT(16);

    a->n_bytes = n;
    if (a->stage == UP) {
        put(a, MSG_DATA, NULL, l->bulk, n);
    } else {
        a->wanted = n;
        buf_u32(&body, n);
        put(a, MSG_FETCH, &body, NULL, 0);
    }
    buf_release(&body);
}

static int
compare(const void *a, const void *b)
{
    const int64_t *x = a, *y = b;

    return (*x > *y) - (*x < *y);
}

static void
end_rounds(struct links *l)
{
    struct asking *a = &l->a;

    qsort(a->round_ns, a->n_rounds, sizeof *a->round_ns, compare);
    a->median_ns = a->round_ns[a->n_rounds / 2];
    probe_say("rtt_s", "%.9f", (double)a->median_ns / NS_PER_S);
    probe_say("rtt_min_s", "%.9f", (double)a->round_ns[0] / NS_PER_S);
    probe_say("seen_as", "%s", a->seen_as);
    a->stage = UP;
    send_bulk(l, FIRST_BULK);
}

/* Small ones say more about delay: larger ones until it takes long enough. */
static void
end_bulk(struct links *l, int64_t took)
{
    struct asking *a = &l->a;
    int64_t way = took - a->median_ns;

    if (took < BULK_NS && a->n_bytes < MAX_BULK) {
        send_bulk(l, a->n_bytes * 4);
        return;
    }
    if (way < took / 2)
        way = took / 2;
    if (way < 1)
        way = 1;
    probe_say(a->stage == UP ? "up_bytes_per_s" : "down_bytes_per_s", "%.0f",
              (double)a->n_bytes * NS_PER_S / (double)way);
    if (a->stage == UP) {
        a->stage = DOWN;
        send_bulk(l, FIRST_BULK);
    } else {
        finish(l, NULL);
    }
}

static int
on_answer_body(void *ctx, struct conn *c, const struct frame_head *h,
               const void *body, void **bulk, struct err *err)
{
    struct links *l = ctx;
    struct asking *a = &l->a;

    (void)c;
    (void)body;
    if (h->type != (a->stage == DOWN ? MSG_DATA : MSG_BEAT) ||
        h->bulk_len != a->wanted)
        return err_set(err, ERR_PROTO, "unexpected %s", msg_name(h->type));
    if (a->wanted)
        *bulk = l->bulk;
    return 0;
}

static int
on_answer(void *ctx, struct conn *c, const struct frame_head *h,
          const void *body, void *bulk, struct err *err)
{
    struct links *l = ctx;
    struct asking *a = &l->a;
    int64_t now = clock_now_ns();

    (void)c;
    (void)bulk;
    (void)err;
    if (a->stage != ROUND) {
        end_bulk(l, now - a->sent_ns);
        return 0;
    }
    snprintf(a->seen_as, sizeof a->seen_as, "%.*s", (int)h->body_len,
             (const char *)body);
    a->round_ns[a->n_rounds++] = now - a->sent_ns;
    if (a->n_rounds == ROUNDS ||
        (a->n_rounds >= MIN_ROUNDS && now - a->begun_ns > ROUNDS_NS))
        end_rounds(l);
    else
        put(a, MSG_BEAT, NULL, NULL, 0);
    return 0;
}

static void
on_lost(void *ctx, struct conn *c, const struct err *why)
{
    struct links *l = ctx;
    struct err e = ERR_INIT;

    if (l->a.conn != c)
        return;
    l->a.conn = NULL;
    err_set(&e, why->code ? why->code : ERR_SYS, "%s",
            why->code ? why->text : "the connection was closed");
    finish(l, &e);
}

static void
on_connected(void *ctx, struct conn *c, const struct err *why)
{
    static const struct conn_handlers h = {
        .on_body = on_answer_body, .on_frame = on_answer, .on_closed = on_lost};
    struct links *l = ctx;

    if (!c) {
        finish(l, why);
        return;
    }
    if (!l->a.busy || l->a.conn || l->closing) { /* too late */
        conn_close(c, false);
        return;
    }
    l->a.conn = c;
    l->a.begun_ns = clock_now_ns();
    conn_set_limits(c, 64, MAX_BULK);
    conn_set_handlers(c, &h, l);
    put(&l->a, MSG_BEAT, NULL, NULL, 0);
}

static void
on_limit(uv_timer_t *t)
{
    struct err err = ERR_INIT;

    err_set(&err, ERR_SYS, "not done within %d s", LIMIT_MS / 1000);
    finish(t->data, &err);
}

void
links_connect(struct links *l, const char *args)
{
    struct conn_request to = {
        .key = l->join->key, .rank = l->join->rank, .timeout_ms = CONNECT_MS};
    struct err err = ERR_INIT;
    char host[64];

    if (l->a.busy || l->a.conn) {
        err_set(&err, ERR_SYS, "another link is being measured");
        probe_failed("link", &err);
        return;
    }
    l->a = (struct asking){.busy = true};
    uv_timer_start(&l->limit, on_limit, LIMIT_MS, 0);
    to.host = host;
    if (parse(args, host, &to.port, &to.how, &err) != 0 ||
        conn_connect(l->loop, &to, on_connected, l, &err) != 0)
        finish(l, &err);
}

/* ---- life ---------------------------------------------------------------- */

struct links *
links_new(uv_loop_t *loop, const struct join *j, struct err *err)
{
    struct links *l = mem_alloc(1, sizeof *l);

    if (l)
        l->bulk = mem_alloc(MAX_BULK, 1);
    if (!l || !l->bulk) {
        mem_free(l);
        err_nomem(err);
        return NULL;
    }
    /* Nobody on the way shall have it easy to make it smaller. */
    for (uint32_t i = 0; i < MAX_BULK / 8; i++) {
        uint64_t word = rng_hash(i, 0, 0);

        memcpy(l->bulk + 8 * (size_t)i, &word, sizeof word);
    }
    l->loop = loop;
    l->join = j;
    l->limit.data = l;
    uv_timer_init(loop, &l->limit);
    return l;
}

void
links_close(struct links *l)
{
    if (!l || l->closing)
        return;
    l->closing = true;
    stop_listening(l);
    finish(l, NULL);
    uv_close((uv_handle_t *)&l->limit, NULL);
}

void
links_free(struct links *l)
{
    if (!l)
        return;
    mem_free(l->bulk);
    mem_free(l);
}
