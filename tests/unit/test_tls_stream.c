/* SPDX-License-Identifier: Apache-2.0 */
/* Large bulks, slow peers and ends of connections in TLS; what test_conn.c says
 * of any connection holds for these, too. */
#include "bare.h"

#define BULK_FLOATS ((size_t)10 << 20) /* 40 MiB, a ResNet-50 is 98 */
#define SOME_FLOATS ((size_t)1 << 20)
#define IN_FLIGHT   ((size_t)256 << 10) /* encrypted bytes at a time */

static float *
numbers(size_t n, float first)
{
    float *v = mem_alloc(n, sizeof *v);

    for (size_t i = 0; v && i < n; i++)
        v[i] = first + (float)i;
    return v;
}

static void
push(struct side *from, const float *v, size_t n)
{
    struct err e = ERR_INIT;

    if (conn_send(from->c, MSG_PUSH, "bulk", 4, v, n * sizeof *v, side_on_done,
                  from, &e) < 0)
        printf("# %s\n", e.text);
}

/* Bytes that libuv has to write: these are encrypted. */
static size_t
get_in_flight(struct conn *c)
{
    return uv_stream_get_write_queue_size((uv_stream_t *)conn_get_tcp(c));
}

/* ---- much ---------------------------------------------------------------- */

static void
test_both_ways(void)
{
    struct world w;
    float *a = numbers(BULK_FLOATS, 1), *b = numbers(BULK_FLOATS, 2);
    size_t n = BULK_FLOATS * sizeof *a;
    uint64_t more;

    world_init(&w);
    w.server.big = mem_alloc(BULK_FLOATS, sizeof *a);
    w.client.big = mem_alloc(BULK_FLOATS, sizeof *a);
    ok(world_meet(&w), "two meet");
    push(&w.client, a, BULK_FLOATS);
    push(&w.server, b, BULK_FLOATS);
    WAIT(&w, w.client.n_frame && w.server.n_frame && w.client.n_done &&
                 w.server.n_done);
    ok(!memcmp(w.server.big, a, n), "40 MiB arrive there");
    ok(!memcmp(w.client.big, b, n), "and 40 MiB here, at the same time");
    ok(w.client.n_done == 1 && !w.client.n_failed && w.server.n_done == 1 &&
           !w.server.n_failed,
       "both get their memory back, once");
    ok(conn_get_sent(w.client.c) == conn_get_received(w.server.c) &&
           conn_get_received(w.client.c) == conn_get_sent(w.server.c),
       "as many bytes were received as sent");
    more = conn_get_sent(w.client.c) - n;
    ok(more < n / 500, "%d more than those of the bulk", (int)more);
    is_int(conn_get_queued(w.client.c), 0, "nothing is queued");
    mem_free(w.server.big);
    mem_free(w.client.big);
    ok(world_end(&w), "nothing is left on the loop");
    mem_free(a);
    mem_free(b);
}

/* A peer that does not read costs no copy of what it does not read. */
static void
test_no_reader(void)
{
    struct world w;
    struct bare b;
    float *v = numbers(BULK_FLOATS, 1);
    size_t n = BULK_FLOATS * sizeof *v, most = 0, now;
    uint64_t sent = 0;
    int64_t still, limit = clock_now_ns() + 10 * NS_PER_S;

    world_init(&w);
    b = bare_meet(&w);
    push(&w.server, v, BULK_FLOATS);
    push(&w.server, v, BULK_FLOATS);
    /* As much as the kernel takes, and then nothing more for some time. */
    still = clock_now_ns();
    while ((most == 0 || clock_now_ns() < still + NS_PER_S / 5) &&
           clock_now_ns() < limit) {
        uv_run(&w.loop, UV_RUN_ONCE);
        now = get_in_flight(w.server.c);
        most = now > most ? now : most;
        if (conn_get_sent(w.server.c) != sent) {
            sent = conn_get_sent(w.server.c);
            still = clock_now_ns();
        }
    }
    ok(most > 0 && most <= IN_FLIGHT, "%zu bytes at most are encrypted ahead",
       most);
    ok(conn_get_queued(w.server.c) > n, "the rest waits as it is");
    is_int(w.server.n_done, 0, "its memory is still borrowed");
    ok(conn_get_sent(w.server.c) < n, "%zu MiB are on their way",
       (size_t)conn_get_sent(w.server.c) >> 20);
    conn_close(w.server.c, false);
    WAIT(&w, w.server.n_closed);
    is_int(w.server.n_done, 2, "closing gives back both bulks, once");
    is_int(w.server.n_failed, 2, "as not sent");
    WAIT(&w, (bare_pull(&b), buf_clear(&b.in), b.ended));
    ok(!tls_is_ended(b.tls), "nobody can take this for the end");
    bare_close(&b);
    ok(world_end(&w), "nothing is left on the loop");
    mem_free(v);
}

/* A reader that takes little at a time, into a small window. */
static void
test_slow_reader(void)
{
    struct world w;
    struct bare b;
    float *v = numbers(SOME_FLOATS, 1);
    size_t n = SOME_FLOATS * sizeof *v, most = 0;
    int small = 65536;
    uv_os_fd_t fd;

    world_init(&w);
    b = bare_meet(&w);
    setsockopt(b.fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
    /* else the kernel may take everything before the reader wants any */
    uv_fileno((uv_handle_t *)conn_get_tcp(w.server.c), &fd);
    setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &small, sizeof small);
    push(&w.server, v, SOME_FLOATS);
    conn_close(w.server.c, true);
    while (!b.ended) {
        uint8_t some[3000];
        ssize_t got = recv(b.fd, some, sizeof some, MSG_DONTWAIT);

        if (got > 0)
            bare_take(&b, some, (size_t)got);
        b.ended = got == 0;
        uv_run(&w.loop, got > 0 ? UV_RUN_NOWAIT : UV_RUN_ONCE);
        if (w.server.c && get_in_flight(w.server.c) > most)
            most = get_in_flight(w.server.c);
    }
    ok(most > 0 && most <= IN_FLIGHT, "%zu bytes at most were in flight", most);
    ok(b.in.len == FRAME_HEAD_BYTES + 4 + n &&
           !memcmp(b.in.data + FRAME_HEAD_BYTES + 4, v, n),
       "a slow reader gets all of it");
    ok(tls_is_ended(b.tls), "and knows that this is all");
    bare_close(&b);
    WAIT(&w, w.server.n_closed);
    is_int(w.server.n_done - w.server.n_failed, 1, "the sender knows, too");
    is_int(w.server.why.code, ERR_OK, "which is no error");
    ok(world_end(&w), "nothing is left on the loop");
    mem_free(v);
}

/* A writer whose records come byte by byte. */
static void
test_slow_writer(void)
{
    struct world w;
    struct bare b;
    uint8_t frame[FRAME_HEAD_BYTES + 400], sent[1024];
    float v[100];
    size_t n;
    const void *p;

    for (int i = 0; i < 100; i++)
        v[i] = (float)i;
    frame_encode(frame, MSG_PUSH, NULL, 0, v, sizeof v);
    memcpy(frame + FRAME_HEAD_BYTES, v, sizeof v);
    world_init(&w);
    b = bare_meet(&w);
    tls_write(b.tls, frame, 17, NULL); /* records end anywhere */
    tls_write(b.tls, frame + 17, sizeof frame - 17, NULL);
    p = tls_take(b.tls, &n);
    memcpy(sent, p, n);
    for (size_t i = 0; i < n; i++) {
        uint64_t before = conn_get_received(w.server.c);

        bare_send_raw(&b, sent + i, 1);
        WAIT(&w, conn_get_received(w.server.c) > before);
    }
    WAIT(&w, w.server.n_frame);
    ok(w.server.n_frame == 1 && !memcmp(w.server.bulk, v, sizeof v),
       "a frame arrives in %zu pieces", n);
    bare_close(&b);
    ok(world_end(&w), "nothing is left on the loop");
}

/* ---- new keys ------------------------------------------------------------ */

static void
test_rekey(void)
{
    struct world w;
    float *v = numbers(SOME_FLOATS, 1);
    uint64_t plain = 200 * (FRAME_HEAD_BYTES + 4), before;

    world_init(&w);
    w.server.big = mem_alloc(SOME_FLOATS, sizeof *v);
    ok(world_meet(&w), "two meet");
    tls_set_rekey(conn_get_tls(w.client.c), 1);
    tls_set_rekey(conn_get_tls(w.server.c), 1);
    before = conn_get_sent(w.client.c);
    for (int i = 0; i < 200; i++) {
        push(&w.client, NULL, 0);
        push(&w.server, NULL, 0);
    }
    WAIT(&w, w.server.n_frame == 200 && w.client.n_frame == 200);
    ok(w.server.n_frame == 200 && w.client.n_frame == 200,
       "200 frames arrive, each under a key of its own");
    WAIT(&w, w.client.n_done == 200);
    before = conn_get_sent(w.client.c) - before - plain;
    is_int(before, 200 * (22 + 27), "a change of keys before each");
    push(&w.client, v, SOME_FLOATS);
    WAIT(&w, w.server.n_frame == 201);
    ok(!memcmp(w.server.big, v, SOME_FLOATS * sizeof *v), "so does a bulk");
    mem_free(w.server.big);
    ok(world_end(&w), "nothing is left on the loop");
    mem_free(v);
}

/* ---- ends ---------------------------------------------------------------- */

static void
test_goodbye(void)
{
    struct world w;
    struct bare b;

    for (int flush = 0; flush < 2; flush++) {
        world_init(&w);
        b = bare_meet(&w);
        conn_close(w.server.c, flush);
        WAIT(&w, (bare_pull(&b), b.ended));
        ok(tls_is_ended(b.tls), "a peer is told that this is the end%s",
           flush ? ", after a flush, too" : "");
        bare_close(&b);
        ok(world_end(&w), "nothing is left on the loop");
    }

    world_init(&w);
    b = bare_meet(&w);
    tls_end(b.tls);
    bare_flush(&b); /* and no end of the connection */
    WAIT(&w, w.server.n_closed);
    is_int(w.server.why.code, ERR_OK, "a peer's word is enough");
    bare_close(&b);
    ok(world_end(&w), "nothing is left on the loop");
}

/* Who gets a record that is none says so. */
static void
test_alert(void)
{
    struct world w;
    struct bare b;
    struct err e = ERR_INIT;
    uint8_t in[256], byte;
    size_t got;
    ssize_t n = -1;

    world_init(&w);
    b = bare_meet(&w);
    bare_send_raw(&b, "\x17\x03\x03\0\x20 12345678901234567890123456789012",
                  5 + 32);
    WAIT(&w, (n = recv(b.fd, in, sizeof in, MSG_DONTWAIT)) >= 0);
    tls_feed(b.tls, in, n > 0 ? (size_t)n : 0);
    ok(tls_read(b.tls, &byte, 1, &got, &e) == -1 && strstr(e.text, "alert"),
       "the peer of a broken connection learns why: %s", e.text);
    WAIT(&w, w.server.n_closed);
    is_int(w.server.why.code, ERR_PROTO, "it ends");
    bare_close(&b);
    ok(world_end(&w), "nothing is left on the loop");
}

/* The nth allocation of a bulk's way fails. */
static void
test_no_memory(void)
{
    enum { MANY = 30 };
    static float v[SOME_FLOATS], to[SOME_FLOATS];
    int arrived = 0, told = 0, odd = 0, left = 0;

    for (int n = 0; n < MANY; n++) {
        struct world w;
        struct err e = ERR_INIT;

        world_init(&w);
        world_meet(&w);
        w.server.big = to;
        mem_fail_after(n);
        if (conn_send(w.client.c, MSG_PUSH, NULL, 0, v, sizeof v, side_on_done,
                      &w.client, &e) == 0)
            WAIT(&w,
                 w.client.n_done && (w.server.n_frame || w.server.n_closed));
        mem_fail_after(-1);
        arrived += w.server.n_frame;
        told += e.code == ERR_NOMEM || w.client.why.code == ERR_NOMEM;
        odd += e.code ? w.client.n_done != 0 : w.client.n_done != 1;
        left += !world_end(&w);
    }
    ok(arrived > 0 && told > 0, "%d of %d bulks arrive when memory is out",
       arrived, MANY);
    is_int(odd, 0, "the memory of each comes back once");
    is_int(left, 0, "nothing is left on the loop");
}

int
main(void)
{
    signal(SIGPIPE, SIG_IGN);
    world_how.tls = true;
    test_both_ways();
    test_no_reader();
    test_slow_reader();
    test_slow_writer();
    test_rekey();
    test_goodbye();
    test_alert();
    test_no_memory();
    return done();
}
