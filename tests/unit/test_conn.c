/* SPDX-License-Identifier: Apache-2.0 */
/* Connections between peers that know the run key. */
#include "bare.h"

#define BIG_FLOATS ((size_t)1 << 20) /* 4 MiB: more than the kernel holds */

static float *
numbers(size_t n, float first)
{
    float *v = mem_alloc(n, sizeof *v);

    for (size_t i = 0; v && i < n; i++)
        v[i] = first + (float)i;
    return v;
}

static int
push(struct side *from, const char *body, const float *bulk, size_t n,
     struct err *e)
{
    return conn_send(from->c, MSG_PUSH, body, strlen(body), bulk,
                     n * sizeof *bulk, bulk ? side_on_done : NULL, from, e);
}

static void
test_exchange(void)
{
    struct world w;
    struct err e = ERR_INIT;
    float *v = numbers(1000, 1);
    const char *peer;

    world_init(&w);
    ok(world_meet(&w), "a worker with the run key meets its coordinator");
    is_int(w.hello.rank, 7, "which learns its rank");
    is_int(w.hello.pid, getpid(), "and its process");
    ok(w.hello.host[0], "and its host");
    peer = conn_get_peer(w.client.c);
    ok(!strncmp(peer, "127.0.0.1:", 10) &&
           strtol(peer + 10, NULL, 10) == listener_get_port(w.l),
       "the peer has a name: %s", peer);

    is_int(push(&w.client, "hi", v, 1000, &e), 0, "a frame with a bulk");
    WAIT(&w, w.server.n_frame && w.client.n_done);
    is_int(w.server.n_frame, 1, "arrives");
    is_int(w.server.head.type, MSG_PUSH, "with its type");
    ok(w.server.head.body_len == 2 && !memcmp(w.server.body, "hi", 2),
       "its body");
    ok(!memcmp(w.server.bulk, v, 4000), "and its bulk");
    is_int(w.client.n_done, 1, "the sender gets its memory back, once");
    is_int(w.client.n_failed, 0, "after all of it was sent");
    ok(conn_get_frame_start(w.server.c) > 0 &&
           conn_get_frame_start(w.server.c) <=
               conn_get_last_heard(w.server.c) &&
           conn_get_last_heard(w.server.c) <= clock_now_ns(),
       "the frame began before it ended");
    ok(conn_get_sent(w.client.c) == conn_get_received(w.server.c),
       "as many bytes were received as sent");
    is_int(conn_get_queued(w.client.c), 0, "nothing is queued");

    is_int(conn_send(w.server.c, MSG_STOP, NULL, 0, NULL, 0, NULL, NULL, &e), 0,
           "a frame without body and bulk");
    WAIT(&w, w.client.n_frame);
    is_int(w.client.head.type, MSG_STOP, "arrives");
    for (int i = 0; i < 1000; i++)
        if (push(&w.client, "again", i % 3 ? NULL : v, i % 3 ? 0 : 1000, &e))
            break;
    WAIT(&w, w.server.n_frame == 1001);
    is_int(w.server.n_frame, 1001, "a thousand frames at once arrive");
    conn_close(w.client.c, false);
    WAIT(&w, w.server.n_closed && w.client.n_closed);
    is_int(w.client.why.code, ERR_OK, "closing is no error here");
    is_int(w.server.why.code, ERR_OK, "and none there");
    ok(world_end(&w), "nothing is left on the loop");
    mem_free(v);
}

static void
test_big_bulk(void)
{
    struct world w;
    struct err e = ERR_INIT;
    float *v = numbers(BIG_FLOATS, 0), *big = numbers(BIG_FLOATS, 1);

    world_init(&w);
    w.server.big = big;
    ok(world_meet(&w), "two meet");
    is_int(push(&w.client, "big", v, BIG_FLOATS, &e), 0, "4 MiB are sent");
    ok(conn_get_queued(w.client.c) > 0, "some of it has to wait");
    conn_close(w.client.c, true);
    is_int(push(&w.client, "late", NULL, 0, &e), -1,
           "a closing conn takes nothing more");
    is_str(e.text, "the connection is closing", "and says so");
    WAIT(&w, w.server.n_closed && w.client.n_closed);
    is_int(w.server.n_frame, 1, "closing with flush sends it first");
    ok(!memcmp(w.server.big, v, BIG_FLOATS * sizeof *v), "to the last byte");
    is_int(w.client.n_done - w.client.n_failed, 1, "the sender knows");
    ok(world_end(&w), "nothing is left on the loop");

    world_init(&w);
    w.server.big = big;
    ok(world_meet(&w), "two meet");
    is_int(push(&w.client, "big", v, BIG_FLOATS, &e), 0, "4 MiB are sent");
    conn_close(w.client.c, false);
    WAIT(&w, w.server.n_closed && w.client.n_closed);
    is_int(w.server.n_frame, 0, "closing without flush cuts it");
    is_int(w.client.n_failed, 1, "the sender gets its memory back, and knows");
    is_int(w.server.why.code, ERR_SYS, "the receiver has lost its peer");
    ok(world_end(&w), "nothing is left on the loop");
    mem_free(big);
    mem_free(v);
}

/* The peer's memory is the only limit of a bulk; bodies are ours. */
static void
test_queue_limits(void)
{
    struct world w;
    struct err e = ERR_INIT;
    char *body = mem_alloc(FRAME_MAX_BODY + 1, 1);
    float three[3] = {1, 2, 3};
    struct bare peer;
    int n = 0;

    world_init(&w);
    w.server.impatient = true;
    peer = bare_meet(&w);
    while (n < 1000 && conn_send(w.server.c, MSG_ORDER, body, FRAME_MAX_BODY,
                                 NULL, 0, side_on_done, &w.server, &e) == 0)
        n++;
    ok(n >= 32 && n < 100, "a peer that does not read is given %d MiB", n);
    ok(strstr(e.text, "the peer does not read"), "then: %s", e.text);
    err_clear(&e);
    is_int(conn_send(w.server.c, MSG_ORDER, body, FRAME_MAX_BODY + 1, NULL, 0,
                     NULL, NULL, &e),
           -1, "a body over the limit cannot be sent");
    is_int(e.code, ERR_BUG, "it is our own fault");
    is_int(conn_send(w.server.c, MSG_ORDER, "", 0, three, 10, NULL, NULL, NULL),
           -1, "nor can a part of a float");
    conn_close(w.server.c, true);
    WAIT(&w, w.server.n_closed);
    is_int(w.server.n_closed, 1, "a flush that gets nowhere ends");
    is_int(w.server.n_done, n, "each `done` is called");
    ok(w.server.n_failed > 0, "some of them: not sent");
    bare_close(&peer);
    ok(world_end(&w), "nothing is left on the loop");
    mem_free(body);
}

/* ---- what a peer may not do ---------------------------------------------- */

/* A frame of an authenticated peer, body and bulk included. */
static void
make_push(struct buf *b)
{
    static const float v[] = {1, 2, 3, 4, 5};
    uint8_t *head;

    buf_clear(b);
    head = buf_grow(b, FRAME_HEAD_BYTES);
    frame_encode(head, MSG_PUSH, "body of a push", 14, v, sizeof v);
    buf_add(b, "body of a push", 14);
    buf_add(b, v, sizeof v);
}

static void
test_truncated(void)
{
    struct buf b = BUF_INIT(1024);
    int frames = 0, silent = 0, left = 0;
    size_t n;

    make_push(&b);
    for (n = 0; n < b.len; n++) {
        struct world w;
        struct bare peer;

        world_init(&w);
        peer = bare_meet(&w);
        bare_send(&peer, b.data, n);
        bare_close(&peer);
        WAIT(&w, w.server.n_closed);
        frames += w.server.n_frame;
        silent += w.server.why.code != (n || world_how.tls ? ERR_SYS : ERR_OK);
        left += !world_end(&w);
    }
    is_int(n, 74, "a push is cut at every byte");
    is_int(frames, 0, "none is taken for whole");
    is_int(silent, 0, "each is noticed; one between frames only in TLS");
    is_int(left, 0, "nothing is left on the loop");
    buf_release(&b);
}

static void
test_flipped(void)
{
    struct buf b = BUF_INIT(1024);
    int frames = 0, silent = 0, left = 0;

    make_push(&b);
    for (size_t i = 0; i < b.len; i++) {
        struct world w;
        struct bare peer;

        world_init(&w);
        peer = bare_meet(&w);
        b.data[i] = (char)(b.data[i] ^ 1 << i % 8);
        bare_send(&peer, b.data, b.len);
        b.data[i] = (char)(b.data[i] ^ 1 << i % 8);
        bare_end(&peer);
        WAIT(&w, w.server.n_closed);
        frames += w.server.n_frame;
        silent += w.server.why.code == ERR_OK;
        left += !world_end(&w);
        bare_close(&peer);
    }
    is_int(frames, 0, "a push with a flipped bit is not delivered");
    is_int(silent, 0, "it is an error");
    is_int(left, 0, "nothing is left on the loop");
    buf_release(&b);
}

/* What the coordinator sends to a peer that it throws out; "" when it just
 * closes. */
static const char *
last_words(struct bare *peer)
{
    static struct msg_error m;
    uint8_t head[FRAME_HEAD_BYTES];
    char body[WIRE_TEXT_CAP + 8];
    struct frame_head h;

    m.text[0] = '\0';
    if (bare_recv(peer, head, sizeof head) == sizeof head &&
        frame_decode(&h, head, sizeof body, 0, NULL) == 0 &&
        h.type == MSG_ERROR && bare_recv(peer, body, h.body_len) > 0)
        (void)msg_get_error(&m, body, h.body_len, NULL);
    return m.text;
}

/* Sends n bytes as an authenticated peer, checks how that ends. */
static void
thrown_out(const void *p, size_t n, const char *why, const char *what)
{
    struct world w;
    struct bare peer;

    world_init(&w);
    w.server.impatient = true;
    peer = bare_meet(&w);
    conn_set_limits(w.server.c, 100, 40);
    bare_send(&peer, p, n);
    is_str(last_words(&peer), why, what);
    WAIT(&w, w.server.n_closed); /* although this side stays open */
    is_str(w.server.why.text, why, "the coordinator's own words");
    is_int(w.server.n_closed, 1, "it ends");
    ok(world_end(&w), "nothing is left on the loop");
    bare_close(&peer);
}

static void
test_thrown_out(void)
{
    uint8_t head[FRAME_HEAD_BYTES];
    static const char garbage[] =
        "GET / HTTP/1.1\r\nHost: localhost\r\nAccept: */*\r\n\r\n";

    thrown_out(garbage, sizeof garbage, "peer does not speak ebsp's protocol",
               "garbage after authentication");
    frame_encode(head, 99, NULL, 0, NULL, 0);
    thrown_out(head, sizeof head, "message of unknown type 99",
               "unknown message");
    frame_encode_summed(head, MSG_PUSH, NULL, 101, 0, 0);
    thrown_out(head, sizeof head,
               "frame: body of 101 bytes, expected at most 100",
               "body over the limit");
    frame_encode_summed(head, MSG_PUSH, NULL, 0, 44, 0);
    thrown_out(head, sizeof head,
               "frame: bulk of 44 bytes, expected at most 40",
               "bulk over the limit");
    frame_encode(head, MSG_PUSH, NULL, 0, NULL, 0);
    head[4] = 3;
    thrown_out(head, sizeof head, "peer speaks protocol 3, this is 2",
               "another version");
}

static void
test_refusals(void)
{
    struct world w;
    struct err e = ERR_INIT;
    float one = 1;
    char byte;
    struct bare peer;

    world_init(&w);
    ok(world_meet(&w), "two meet");
    w.server.refuse = ERR_POLICY;
    push(&w.client, "x", NULL, 0, &e);
    WAIT(&w, w.server.n_closed && w.client.n_closed);
    is_int(w.server.why.code, ERR_POLICY, "a refused frame ends the conn");
    is_int(w.client.n_frame, 1, "the peer is told");
    is_int(w.client.head.type, MSG_ERROR, "by an ERROR");
    ok(strstr((char *)w.client.body + 8, "the test refuses this"),
       "with the reason");
    is_int(w.client.why.code, ERR_OK, "for the peer it is a proper end");
    ok(world_end(&w), "nothing is left on the loop");

    world_init(&w);
    peer = bare_meet(&w);
    w.server.refuse = ERR_POLICY;
    bare_send_frame(&peer, MSG_ERROR, "", 0);
    is_int(bare_recv(&peer, &byte, 1), 0,
           "an ERROR is not answered by an ERROR");
    bare_close(&peer);
    ok(world_end(&w), "nothing is left on the loop");

    world_init(&w);
    ok(world_meet(&w), "two meet");
    w.server.no_bulk = true;
    push(&w.client, "x", &one, 1, &e);
    WAIT(&w, w.server.n_closed);
    is_str(w.server.why.text, "PUSH: has a bulk, expected none",
           "a bulk that on_body gives no place to is refused");
    ok(world_end(&w), "nothing is left on the loop");
}

/* A peer that vanishes while we write, or before, has perhaps said why. */
static void
test_lost_writer(bool before)
{
    struct world w;
    struct err e = ERR_INIT;
    struct msg_error m = {ERR_CONFIG, "no such data set"};
    struct buf b = BUF_INIT(1024);
    struct linger now = {1, 0};
    float *v = numbers(BIG_FLOATS, 0);
    struct bare peer;

    world_init(&w);
    peer = bare_meet(&w);
    if (!before)
        push(&w.server, "", v, BIG_FLOATS, &e);
    msg_put_error(&b, &m);
    bare_send_frame(&peer, MSG_ERROR, b.data, b.len);
    setsockopt(peer.fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
    bare_close(&peer); /* a reset */
    if (before)
        push(&w.server, "", v, BIG_FLOATS, &e);
    WAIT(&w, w.server.n_closed);
    is_int(w.server.why.code, ERR_SYS, "a peer that resets is lost");
    is_int(w.server.n_done, 1, "the memory of the bulk comes back");
    is_int(w.server.n_failed, 1, "as not sent");
    is_int(w.server.n_frame, 1, "the peer's last words are heard");
    ok(world_end(&w), "nothing is left on the loop");
    buf_release(&b);
    mem_free(v);
}

/* ---- closing anywhere ---------------------------------------------------- */

static void
test_close_in(enum place where, bool flush, const char *name)
{
    struct world w;
    struct err e = ERR_INIT;
    float v[10] = {0};

    world_init(&w);
    w.server.close_in = where;
    w.server.flush = flush;
    if (where == IN_READY) {
        /* as a client and as a server */
        w.client.close_in = IN_READY;
        world_connect(&w, run_key);
        WAIT(&w, w.server.n_closed && w.client.n_closed);
    } else {
        world_meet(&w);
        push(&w.client, "in", v, 10, &e);
        push(&w.server, "out", v, 10, &e);
        if (where == IN_CLOSED)
            conn_close(w.client.c, false);
        WAIT(&w, w.server.n_closed && w.client.n_closed);
        is_int(w.server.n_done, 1, "the bulk comes back once");
    }
    ok(w.server.n_closed == 1 && w.client.n_closed == 1, "closed %s %s", name,
       flush ? "with flush" : "at once");
    if (where == IN_BODY)
        is_int(w.server.n_frame, 0, "the rest of the frame is not delivered");
    if (where != IN_CLOSED) /* there the peer was first, and has cut us off */
        is_int(w.server.why.code, ERR_OK, "which is no error");
    ok(world_end(&w), "nothing is left on the loop");
}

static void
test_closing(void)
{
    for (int flush = 0; flush < 2; flush++) {
        test_close_in(IN_BODY, flush, "in on_body");
        test_close_in(IN_FRAME, flush, "in on_frame");
        test_close_in(IN_CLOSED, flush, "in on_closed");
        test_close_in(IN_DONE, flush, "in done");
        test_close_in(IN_READY, flush, "in on_peer and on_ready");
    }
}

static void
test_close_twice(void)
{
    struct world w;

    world_init(&w);
    ok(world_meet(&w), "two meet");
    conn_close(w.server.c, true);
    conn_close(w.server.c, true);
    conn_close(w.server.c, false); /* not that patient after all */
    conn_close(w.server.c, true);
    WAIT(&w, w.server.n_closed && w.client.n_closed);
    is_int(w.server.n_closed, 1, "closing four times is closing once");
    ok(world_end(&w), "nothing is left on the loop");

    world_init(&w);
    ok(world_meet(&w), "two meet");
    conn_set_patience(w.server.c, 60000, 60000);
    conn_set_patience(w.client.c, 60000, 60000);
    conn_close(w.server.c, true);
    conn_close(w.client.c, true);
    WAIT(&w, w.server.n_closed && w.client.n_closed);
    ok(w.server.why.code == ERR_OK && w.client.why.code == ERR_OK,
       "both sides may close at once");
    ok(world_end(&w), "nothing is left on the loop");

    world_init(&w);
    ok(world_meet(&w), "two meet");
    conn_set_patience(w.server.c, 60000, 60000);
    conn_close(w.server.c, true);
    WAIT(&w, w.server.n_closed);
    is_int(w.server.n_closed, 1,
           "who closes first waits no longer than needed");
    ok(world_end(&w), "nothing is left on the loop");
}

/* A peer that never closes its side cannot keep us. */
static void
test_linger(void)
{
    struct world w;
    int64_t t = clock_now_ns();
    char byte;
    struct bare peer;

    world_init(&w);
    w.server.impatient = true;
    peer = bare_meet(&w);
    conn_close(w.server.c, true);
    is_int(bare_recv(&peer, &byte, 1), 0, "the peer sees the end");
    bare_send(&peer, "and talks on", 12);
    WAIT(&w, w.server.n_closed);
    is_int(w.server.n_closed, 1, "closed without its consent");
    is_int(w.server.n_body, 0, "what it said is ignored");
    ok(clock_now_ns() - t < 5 * NS_PER_S, "soon");
    bare_close(&peer);
    ok(world_end(&w), "nothing is left on the loop");
}

/* When it was us who had no time, the peer is not to blame. */
static void
test_busy_flush(void)
{
    struct world w;
    struct err e = ERR_INIT;
    float *v = numbers(BIG_FLOATS, 0);
    size_t n = BIG_FLOATS * sizeof *v;
    struct bare peer;

    world_init(&w);
    w.server.impatient = true;
    peer = bare_meet(&w);
    /* Each turn of the loop takes longer than a stall may; both are long
     * enough for the kernel to move bytes on a crowded machine. */
    conn_set_patience(w.server.c, 400, 400);
    push(&w.server, "", v, BIG_FLOATS, &e);
    conn_close(w.server.c, true);
    for (int i = 0; i < 100 && !peer.ended; i++) {
        bare_pull(&peer);
        clock_sleep_until(clock_now_ns() + NS_PER_S / 2);
        uv_run(&w.loop, UV_RUN_NOWAIT);
    }
    is_int(peer.in.len, n + FRAME_HEAD_BYTES, "a busy loop cuts no flush");
    bare_close(&peer);
    ok(world_end(&w), "nothing is left on the loop");
    mem_free(v);
}

static void
test_all(void)
{
    test_exchange();
    test_big_bulk();
    test_queue_limits();
    test_truncated();
    test_flipped();
    test_thrown_out();
    test_refusals();
    test_lost_writer(false);
    test_lost_writer(true);
    test_closing();
    test_close_twice();
    test_linger();
    test_busy_flush();
}

int
main(void)
{
    signal(SIGPIPE, SIG_IGN);
    printf("# plain\n");
    test_all();
    printf("# TLS\n");
    world_how.tls = true;
    test_all();
    return done();
}
