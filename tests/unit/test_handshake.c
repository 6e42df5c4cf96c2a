/* SPDX-License-Identifier: Apache-2.0 */
/* Who gets past the listener, who does not, and what strangers can cost. */
#include "bare.h"

#include "io/crowd.h"

static const char *
hex(const uint8_t proof[WIRE_PROOF_BYTES])
{
    static char to[2 * WIRE_PROOF_BYTES + 1];

    for (size_t i = 0; i < WIRE_PROOF_BYTES; i++)
        snprintf(to + 2 * i, 3, "%02x", proof[i]);
    return to;
}

/* Computed by Python's hmac from what ebsp-protocol(7) says. */
static void
test_proofs(void)
{
    uint8_t key[AUTH_KEY_BYTES], proof[WIRE_PROOF_BYTES], other[32] = {0};
    struct auth_talk talk = {.rank = 0x01020304, .life = 0x0a0b0c0d};

    for (uint8_t i = 0; i < 32; i++) {
        key[i] = i;
        talk.challenge[i] = (uint8_t)(0xc0 + i % 16);
        talk.hello[i] = (uint8_t)(0x40 + i);
    }
    is_int(auth_prove_hello(key, &talk, proof, NULL), 0, "a proof for HELLO");
    is_str(hex(proof),
           "f72b5abe7e3368a14dde6387f26a2221"
           "92ddfe7c36d5bf87894e4628f96873f0",
           "is what the manual says");
    is_int(auth_prove_welcome(key, &talk, proof, NULL), 0, "one for WELCOME");
    is_str(hex(proof),
           "6405d9f987c25d60b094d34757a1c0f0"
           "8c7afa45e1fe903747f1bd65a3a7a001",
           "is, too");
    memcpy(other, proof, 32);
    ok(auth_is_equal(proof, other), "a proof is equal to itself");
    other[31] ^= 1;
    ok(!auth_is_equal(proof, other), "and to no other");
}

/* ---- strangers at the coordinator's door --------------------------------- */

/* For a stranger who is to be late soon; nobody is faster than a crowded
 * machine, so these are not for those who are to be let in. */
static const struct listener_limits strict = {100, 50, 64};

/* A good worker still gets in. */
static bool
still_open(struct world *w)
{
    listener_set_limits(w->l, &(struct listener_limits){5000, 1000, 64});
    memset(&w->client, 0, sizeof w->client);
    memset(&w->server, 0, sizeof w->server);
    return world_meet(w);
}

static void
test_wrong_key(void)
{
    struct world w;

    world_init(&w);
    world_connect(&w, other_key);
    WAIT(&w, w.client.n_ready && w.n_refused);
    is_int(w.n_peers, 0, "a worker of another run is not let in");
    is_int(w.refused.code, ERR_PROTO, "which is logged");
    is_str(w.refused.text,
           world_how.tls ? "TLS with another key: another run's, or an intruder"
                         : "wrong proof: another run's key, or an intruder",
           "with the reason");
    ok(!w.client.c, "it gets no conn");
    is_int(w.client.why.code, ERR_PROTO, "but an error");
    ok(strstr(w.client.why.text, world_how.tls ? "does not speak TLS with this "
                                                 "run's key"
                                               : "instead of saying WELCOME"),
       "%s", w.client.why.text);
    ok(still_open(&w), "the next one is let in");
    ok(world_end(&w), "nothing is left on the loop");
}

/* Sends n bytes after the CHALLENGE has come, closes the sending half when
 * `end`, and tells how the listener took it. */
static const char *
stranger(struct world *w, const void *p, size_t n, bool end)
{
    uint8_t challenge[FRAME_HEAD_BYTES + WIRE_NONCE_BYTES], more;
    int before = w->n_refused;
    struct bare peer = bare_connect(w);

    bare_recv(&peer, challenge, sizeof challenge);
    bare_send(&peer, p, n);
    if (end)
        bare_end(&peer);
    WAIT(w, w->n_refused > before);
    if (bare_recv(&peer, &more, 1))
        printf("# a stranger was told something\n");
    bare_close(&peer);
    return w->n_refused == before + 1 ? w->refused.text : "not refused once";
}

static void
test_strangers(void)
{
    struct world w;
    uint8_t frame[FRAME_HEAD_BYTES + WIRE_MAX_HELLO + 1] = {0};

    world_init(&w);
    is_str(stranger(&w, "", 0, true), "closed before HELLO", "silence");
    is_str(stranger(&w, "EBSP", 4, true),
           "connection lost in the middle of a message", "a beginning");
    is_str(stranger(&w, "GET / HTTP/1.0\r\nUser-Agent: nosy/1.0\r\n\r\n", 40,
                    false),
           "peer does not speak ebsp's protocol", "another protocol");
    frame_encode(frame, MSG_PUSH, NULL, 0, NULL, 0);
    is_str(stranger(&w, frame, FRAME_HEAD_BYTES, false), "PUSH before HELLO",
           "a known message, too early");
    frame_encode(frame, 1000, NULL, 0, NULL, 0);
    is_str(stranger(&w, frame, FRAME_HEAD_BYTES, false),
           "message of unknown type 1000", "an unknown message");
    frame_encode(frame, MSG_HELLO, NULL, 0, NULL, 0);
    is_str(stranger(&w, frame, FRAME_HEAD_BYTES, false),
           "HELLO: body is too short", "an empty HELLO");
    frame_encode(frame, MSG_HELLO, frame + FRAME_HEAD_BYTES, 257, NULL, 0);
    is_str(stranger(&w, frame, FRAME_HEAD_BYTES, false),
           "frame: body of 257 bytes, expected at most 256", "a long HELLO");
    frame_encode_summed(frame, MSG_HELLO, NULL, 0, 4, 0);
    is_str(stranger(&w, frame, FRAME_HEAD_BYTES, false),
           "frame: bulk of 4 bytes, expected at most 0", "a HELLO with a bulk");
    is_int(w.n_peers, 0, "none of them was let in");
    ok(still_open(&w), "a worker is let in");
    ok(world_end(&w), "nothing is left on the loop");
}

/* A HELLO that was good once is good for nothing else. */
static void
test_replay(void)
{
    struct world w;
    struct buf hello = BUF_INIT(1024);
    uint8_t welcome[FRAME_HEAD_BYTES + WIRE_PROOF_BYTES];
    struct bare peer;

    world_init(&w);
    peer = bare_connect(&w);
    bare_make_hello(&peer, &hello);
    bare_send(&peer, hello.data, hello.len);
    WAIT(&w, w.n_peers);
    is_int(w.n_peers, 1, "a HELLO is accepted");
    is_int(bare_recv(&peer, welcome, sizeof welcome), sizeof welcome,
           "WELCOME comes");
    is_str(stranger(&w, hello.data, hello.len, false),
           "wrong proof: another run's key, or an intruder",
           "the same HELLO on another connection is refused");
    bare_close(&peer);
    ok(world_end(&w), "nothing is left on the loop");

    /* The proof holds for one rank. */
    world_init(&w);
    peer = bare_connect(&w);
    bare_make_hello(&peer, &hello);
    hello.data[FRAME_HEAD_BYTES] ^= 1;
    frame_encode((uint8_t *)hello.data, MSG_HELLO,
                 hello.data + FRAME_HEAD_BYTES,
                 (uint32_t)(hello.len - FRAME_HEAD_BYTES), NULL, 0);
    bare_send(&peer, hello.data, hello.len);
    WAIT(&w, w.n_refused);
    is_str(w.refused.text, "wrong proof: another run's key, or an intruder",
           "the same proof for another rank is refused");
    bare_close(&peer);
    ok(world_end(&w), "nothing is left on the loop");
    buf_release(&hello);
}

/* Each cut and each flipped bit of a good HELLO. */
static void
test_damaged_hello(void)
{
    struct world w;
    struct buf hello = BUF_INIT(1024);
    int refused = 0;
    size_t n = 1;

    world_init(&w);
    for (size_t i = 0; i < n; i++) {
        for (int cut = 0; cut < 2; cut++) {
            struct bare peer = bare_connect(&w);
            int before = w.n_refused;

            bare_make_hello(&peer, &hello);
            n = hello.len;
            if (!cut)
                hello.data[i] = (char)(hello.data[i] ^ 1 << i % 8);
            bare_send(&peer, hello.data, cut ? i : n);
            bare_end(&peer);
            WAIT(&w, w.n_refused > before);
            refused += w.n_refused - before;
            bare_close(&peer);
        }
    }
    is_int(refused, 2 * (int)n, "every damaged HELLO is refused");
    ok(n > 120 && w.n_peers == 0, "none of %zu was let in", 2 * n);
    ok(still_open(&w), "a good one is let in");
    ok(world_end(&w), "nothing is left on the loop");
    buf_release(&hello);
}

/* ---- time and places ----------------------------------------------------- */

static void
test_deadline(void)
{
    struct world w;
    struct buf hello = BUF_INIT(1024);
    int64_t t = clock_now_ns();
    struct bare peer;

    world_init(&w);
    listener_set_limits(w.l, &strict);
    is_str(stranger(&w, "", 0, false), "no valid HELLO within 0.1 s",
           "who says nothing has to leave");
    ok(clock_now_ns() - t >= NS_PER_S / 10, "not before its time");

    /* One byte every now and then does not buy time. */
    peer = bare_connect(&w);
    bare_make_hello(&peer, &hello);
    t = clock_now_ns();
    for (size_t i = 0; i < hello.len && w.n_refused < 2; i++) {
        int64_t next = clock_now_ns() + NS_PER_S / 200;

        bare_send(&peer, hello.data + i, 1);
        WAIT(&w, clock_now_ns() >= next);
    }
    is_str(w.refused.text, "no valid HELLO within 0.1 s",
           "who speaks slowly has to leave, too");
    is_int(w.n_peers, 0, "it was not let in");
    bare_close(&peer);
    ok(still_open(&w), "a worker is let in");
    ok(world_end(&w), "nothing is left on the loop");
    buf_release(&hello);
}

/* Silent connections hold all places and the queue; a worker comes last. */
static void
test_idle_crowd(void)
{
    enum { CROWD = 200 };
    struct world w;
    static struct bare crowd[CROWD];
    int64_t t;

    world_init(&w);
    listener_set_limits(w.l, &(struct listener_limits){5000, 20, 64});
    for (int i = 0; i < CROWD; i++)
        crowd[i] = bare_connect(&w);
    t = clock_now_ns();
    ok(world_meet(&w), "a worker gets in after %d idle connections", CROWD);
    ok(clock_now_ns() - t < 4 * NS_PER_S, "long before their time is over");
    ok(w.n_refused >= CROWD - 63, "those that were there longest made way");
    ok(strstr(w.refused.text, "others wait"), "%s", w.refused.text);
    for (int i = 0; i < CROWD; i++)
        bare_close(&crowd[i]);
    WAIT(&w, w.n_refused == CROWD);
    is_int(w.n_refused, CROWD, "each is reported once");
    ok(world_end(&w), "nothing is left on the loop");
}

static void
test_grace(void)
{
    struct listener_limits lim = {5000, 1000, 64};
    struct crowd c = {0};

    is_int(crowd_grace(&c, &lim, 1), 1000, "one that waits: the whole grace");
    is_int(crowd_grace(&c, &lim, 128), 1000, "so for all that start a run");
    is_int(crowd_grace(&c, &lim, 1280), 100, "ten times as many: a tenth");
    is_int(crowd_grace(&c, &lim, 64), 100, "for those behind them, too");
    is_int(crowd_grace(&c, &lim, 1 << 20), 20, "never less than a turn takes");
    c.last_ns -= 3 * NS_PER_S;
    is_int(crowd_grace(&c, &lim, 1), 1000, "and it recovers");
}

/* Workers that start together are not strangers to each other. */
static void
test_worker_crowd(void)
{
    enum { CROWD = 150 };
    static struct side clients[CROWD];
    struct world w;
    struct err e = ERR_INIT;
    int ready = 0;

    memset(clients, 0, sizeof clients);
    world_init(&w);
    /* However slow this machine is: all of them share one thread here. */
    listener_set_limits(w.l, &(struct listener_limits){60000, 60000, 64});
    for (uint32_t i = 0; i < CROWD; i++) {
        struct conn_request to = world_request(&w, run_key);

        to.rank = i;
        to.timeout_ms = 60000;
        conn_connect(&w.loop, &to, client_on_ready, &clients[i], &e);
    }
    for (int i = 0; i < CROWD; i++) {
        WAIT(&w, clients[i].n_ready);
        ready += clients[i].c != NULL;
    }
    is_int(ready, CROWD, "150 workers at once all get in");
    is_int(w.n_peers, CROWD, "the coordinator knows all of them");
    is_int(w.n_refused, 0, "nobody had to make way");
    for (int i = 0; i < CROWD; i++)
        if (clients[i].c)
            conn_close(clients[i].c, false);
    /* `take` knew one server side only: the last one to come. */
    WAIT(&w, w.server.n_closed == CROWD);
    is_int(w.server.n_closed, CROWD, "and hears of the end of each");
    ok(world_end(&w), "nothing is left on the loop");
}

/* A coordinator that was busy for longer than the limit blames nobody. */
static void
test_busy(void)
{
    struct world w;
    struct buf hello = BUF_INIT(1024);
    struct bare peer;

    world_init(&w);
    peer = bare_connect(&w);
    bare_make_hello(&peer, &hello);
    bare_send(&peer, hello.data, hello.len);
    listener_set_limits(w.l, &strict);
    clock_sleep_until(clock_now_ns() + NS_PER_S / 4);
    WAIT(&w, w.n_peers || w.n_refused);
    is_int(w.n_peers, 1, "a HELLO that came in time is read before it is late");
    bare_close(&peer);
    ok(world_end(&w), "nothing is left on the loop");
    buf_release(&hello);
}

/* ---- what the coordinator's own code does -------------------------------- */

static void
test_refused_peer(void)
{
    struct world w;

    world_init(&w);
    w.refuse_peer = true;
    world_connect(&w, run_key);
    WAIT(&w, w.client.n_closed);
    is_int(w.client.n_ready, 1, "a worker that on_peer refuses is ready first");
    is_int(w.client.head.type, MSG_ERROR, "then it gets an ERROR");
    ok(strstr((char *)w.client.body + 8, "rank 7 is taken"), "with the reason");
    is_int(w.server.n_closed, 0, "the refusing side hears nothing more of it");
    is_int(w.n_refused, 0, "and it is not taken for a stranger");
    ok(world_end(&w), "nothing is left on the loop");

    world_init(&w);
    w.nobody_takes = true;
    world_connect(&w, run_key);
    WAIT(&w, w.client.n_closed);
    ok(strstr((char *)w.client.body + 8, "nobody takes worker 7"),
       "a conn that on_peer forgets is closed");
    ok(world_end(&w), "nothing is left on the loop");
}

static void
test_listener_closes(void)
{
    struct world w;
    struct bare some[5];
    uint8_t challenge[FRAME_HEAD_BYTES + WIRE_NONCE_BYTES];

    world_init(&w);
    w.close_listener = true;
    ok(world_meet(&w), "a listener can be closed in on_peer");
    ok(world_end(&w), "nothing is left on the loop");

    world_init(&w);
    w.close_listener = true;
    for (int i = 0; i < 5; i++)
        some[i] = bare_connect(&w);
    bare_send_raw(&some[2], "no good can come of this, I suppose ......", 40);
    WAIT(&w, w.n_refused);
    for (int i = 0; i < 5; i++) {
        while (bare_recv(&some[i], challenge, 1))
            continue;
        bare_close(&some[i]);
    }
    ok(world_end(&w), "and in on_refused, with strangers around");
    is_int(w.n_refused, 1, "who are not told of any more");
}

/* ---- the worker's side --------------------------------------------------- */

/* A coordinator that is none: it sends n bytes, and then, with `reflect`, the
 * worker's own proof, to a worker who waits for timeout_ms.  What on_ready gets
 * to hear. */
static const char *
impostor_for(int64_t timeout_ms, const void *p, size_t n, bool reflect,
             bool close_it)
{
    struct fake f;
    uint8_t hello[FRAME_HEAD_BYTES + WIRE_MAX_HELLO];

    fake_init(&f, timeout_ms);
    bare_send(&f.b, p, n);
    if (reflect && bare_recv(&f.b, hello, FRAME_HEAD_BYTES + 72))
        bare_send_frame(&f.b, MSG_WELCOME, hello + FRAME_HEAD_BYTES + 40,
                        WIRE_PROOF_BYTES);
    if (close_it)
        bare_end(&f.b);
    return fake_end(&f);
}

/* Who does not have to wait for the end of it has all the time there is. */
static const char *
impostor(const void *p, size_t n, bool reflect, bool close_it)
{
    return impostor_for(5000, p, n, reflect, close_it);
}

static void
test_impostors(void)
{
    uint8_t challenge[FRAME_HEAD_BYTES + WIRE_NONCE_BYTES] = {0};
    uint8_t frame[FRAME_HEAD_BYTES];
    const char *why;

    frame_encode(challenge, MSG_CHALLENGE, challenge + FRAME_HEAD_BYTES,
                 WIRE_NONCE_BYTES, NULL, 0);
    why = impostor(challenge, sizeof challenge, true, false);
    ok(strstr(why, "is not the coordinator of this run"),
       "a worker's own proof, thrown back at it: %s", why);
    is_str(impostor_for(200, "", 0, false, false),
           "no WELCOME from the coordinator within 0.2 s", "silence");
    is_str(impostor_for(200, challenge, sizeof challenge, false, false),
           "no WELCOME from the coordinator within 0.2 s",
           "silence after the challenge");
    is_str(impostor("", 0, false, true),
           "the coordinator closed the connection", "an end");
    is_str(impostor(challenge, sizeof challenge, false, true),
           "the coordinator closed the connection instead of saying WELCOME; "
           "another run's key?",
           "an end after the challenge");
    is_str(impostor("SSH-2.0-OpenSSH_9.2p1 Debian-2+deb12u3\r\n", 40, false,
                    false),
           "peer does not speak ebsp's protocol", "another server");
    frame_encode(frame, MSG_WELCOME, NULL, 0, NULL, 0);
    is_str(impostor(frame, sizeof frame, false, false),
           "coordinator sent WELCOME, expected CHALLENGE",
           "WELCOME without a challenge");
    frame_encode_summed(frame, MSG_CHALLENGE, NULL, 0, 4, 0);
    is_str(impostor(frame, sizeof frame, false, false),
           "frame: bulk of 4 bytes, expected at most 0", "bulk for a stranger");
    frame[4] = 99;
    is_str(impostor(frame, sizeof frame, false, false),
           "peer speaks protocol 99, this is 2", "another version");
}

static void
set_deadline(uv_timer_t *timer)
{
    struct world *w = timer->data;

    clock_sleep_until(clock_now_ns() + NS_PER_S / 50);
    conn_set_deadline(w->server.c, 60000, 60000, "nothing");
}

/* A worker that was busy blames nobody for its own time, whatever else was due
 * meanwhile; and its limit is told as the user knows it. */
static void
test_busy_worker(void)
{
    uint8_t frame[FRAME_HEAD_BYTES];
    struct bare other;
    uv_timer_t timer;
    struct fake f;

    frame_encode(frame, MSG_CHALLENGE, NULL, 0, NULL, 0);
    frame[4] = 99;
    fake_init(&f, 2000);
    other = bare_meet(&f.w); /* by then it is connected, too */
    uv_timer_init(&f.w.loop, &timer);
    timer.data = &f.w;
    uv_timer_start(&timer, set_deadline, 2000, 0);
    bare_send(&f.b, frame, sizeof frame);
    clock_sleep_until(clock_now_ns() + 2 * NS_PER_S + NS_PER_S / 10);
    WAIT(&f.w, f.w.client.n_ready);
    uv_close((uv_handle_t *)&timer, NULL);
    bare_close(&other);
    is_str(fake_end(&f), "peer speaks protocol 99, this is 2",
           "what came in time is read before it is late");

    fake_init(&f, 200);
    clock_sleep_until(clock_now_ns() + NS_PER_S * 6 / 100);
    is_str(fake_end(&f), "no WELCOME from the coordinator within 0.2 s",
           "connecting is a part of the limit");
}

static int64_t set_ns; /* when late_deadline did */

static void
late_deadline(uv_timer_t *timer)
{
    struct world *w = timer->data;

    clock_sleep_until(clock_now_ns() + NS_PER_S * 3 / 10);
    conn_set_deadline(w->server.c, 200, 200, "nothing");
    set_ns = clock_now_ns();
}

/* A deadline counts from when it is set, however long a turn of the loop has
 * taken until then. */
static void
test_late_deadline(void)
{
    struct world w;
    struct bare peer;
    uv_timer_t timer;

    world_init(&w);
    peer = bare_meet(&w);
    uv_timer_init(&w.loop, &timer);
    timer.data = &w;
    uv_timer_start(&timer, late_deadline, 0, 0);
    WAIT(&w, w.server.n_closed);
    ok(clock_now_ns() - set_ns >= NS_PER_S * 199 / 1000,
       "a deadline is as long as it was said to be");
    is_str(w.server.why.text, "nothing within 0.2 s", "and is told so");
    uv_close((uv_handle_t *)&timer, NULL);
    bare_close(&peer);
    ok(world_end(&w), "nothing is left on the loop");
}

/* A port that stays ours, and on which nobody listens: one that is free may be
 * another program's a moment later. */
static int
hold_port(uint16_t *port)
{
    struct sockaddr_in a = {.sin_family = AF_INET};
    socklen_t len = sizeof a;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (bind(fd, (struct sockaddr *)&a, len) < 0 ||
        getsockname(fd, (struct sockaddr *)&a, &len) < 0)
        printf("# no socket\n");
    *port = ntohs(a.sin_port);
    return fd;
}

static void
test_addresses(void)
{
    struct world w;
    struct side s = {0};
    struct conn_request to;
    struct err e = ERR_INIT;
    uint16_t port;
    int held;

    world_init(&w);
    to = world_request(&w, run_key);
    to.host = "192.0.2.1";
    is_int(conn_connect(&w.loop, &to, client_on_ready, &s, &e), -1,
           "an address that is not loopback");
    is_int(e.code, ERR_CONFIG, "is refused before anything is sent");
    ok(strstr(e.text, "192.0.2.1"), "%s", e.text);
    err_clear(&e);
    ok(!listener_new(&w.loop, "0.0.0.0", 0, run_key, w.how, &world_handlers, &w,
                     &e),
       "nobody listens on all interfaces");
    err_clear(&e);
    ok(!listener_new(&w.loop, "::", 0, run_key, w.how, &world_handlers, &w, &e),
       "in IPv6 neither");
    err_clear(&e);
    ok(!listener_new(&w.loop, "nowhere", 0, run_key, w.how, &world_handlers, &w,
                     &e) &&
           strstr(e.text, "\"nowhere\""),
       "%s", e.text);
    err_clear(&e);
    port = listener_get_port(w.l);
    ok(!listener_new(&w.loop, "127.0.0.1", port, run_key, w.how,
                     &world_handlers, &w, &e) &&
           e.code == ERR_SYS,
       "a port that is taken: %s", e.text);

    held = hold_port(&to.port);
    err_clear(&e);
    to.host = "localhost";
    to.timeout_ms = 5000;
    is_int(conn_connect(&w.loop, &to, client_on_ready, &s, &e), 0,
           "nobody is there");
    WAIT(&w, s.n_ready);
    ok(s.why.code == ERR_SYS && strstr(s.why.text, "connection refused"), "%s",
       s.why.text);
    close(held);
    ok(world_end(&w), "nothing is left on the loop");
}

static void
test_ipv6(void)
{
    struct world w;
    struct err e = ERR_INIT;
    struct listener *l;

    world_init(&w);
    l = listener_new(&w.loop, "::1", 0, run_key, w.how, &world_handlers, &w,
                     &e);
    if (l) {
        struct conn_request to = world_request(&w, run_key);

        to.host = "::1";
        to.port = listener_get_port(l);
        conn_connect(&w.loop, &to, client_on_ready, &w.client, &e);
        WAIT(&w, w.client.n_ready && w.server.c);
        ok(w.client.c && !strncmp(conn_get_peer(w.client.c), "[::1]:", 6),
           "IPv6 works: %s", w.client.c ? conn_get_peer(w.client.c) : "");
    } else {
        skip("this machine has no IPv6 loopback");
    }
    listener_close(l);
    ok(world_end(&w), "nothing is left on the loop");
}

/* The nth allocation from the start of a handshake on fails. */
static void
test_no_memory(void)
{
    enum { MANY = 40 };
    int last_failure = 0, met_before = 0, met = 0, left = 0, odd = 0;

    for (int n = 0; n < MANY; n++) {
        struct world w;
        struct conn_request to;
        struct err e = ERR_INIT;
        int started;

        world_init(&w);
        to = world_request(&w, run_key);
        mem_fail_after(n);
        started = conn_connect(&w.loop, &to, client_on_ready, &w.client, &e);
        if (started == 0)
            WAIT(&w, w.client.n_ready && (!w.client.c || w.server.c));
        mem_fail_after(-1);
        if (w.client.c) {
            met++;
        } else {
            last_failure = n;
            met_before = met;
        }
        odd += started < 0 ? e.code != ERR_NOMEM : w.client.n_ready != 1;
        left += !world_end(&w);
    }
    ok(last_failure > 5 && last_failure < MANY - 5,
       "%d allocations of a handshake can fail", last_failure + 1);
    ok(met_before >= 4, "those of the listener's door are tried again");
    is_int(odd, 0, "each failure is told once");
    is_int(left, 0, "nothing is left on the loop");
}

static void
test_all(void)
{
    test_wrong_key();
    test_strangers();
    test_replay();
    test_damaged_hello();
    test_deadline();
    test_busy();
    test_idle_crowd();
    test_grace();
    test_worker_crowd();
    test_refused_peer();
    test_listener_closes();
    test_impostors();
    test_busy_worker();
    test_late_deadline();
    test_ipv6();
    test_no_memory();
}

int
main(void)
{
    signal(SIGPIPE, SIG_IGN);
    test_proofs();
    test_addresses();
    printf("# plain\n");
    test_all();
    printf("# TLS\n");
    world_how.tls = true;
    test_all();
    return done();
}
