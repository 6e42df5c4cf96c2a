/* SPDX-License-Identifier: Apache-2.0 */
/* Emulated links: in numbers, and under connections. */
#include "pair.h"

#include "io/link.h"

#define MS INT64_C(1000000)

static uint64_t seed;

/* ---- text ---------------------------------------------------------------- */

static void
test_text(void)
{
    static const char *const wrong[] = {
        "",           "delay",      "delay=",         "delay=-1",
        "delay=2001", "delay=nan",  "delay=5s",       "rate=0",
        "rate=7kbit", "rate=1tbit", "rate=1mbit/m",   "rate=1/s",
        "loss=51",    "loss=-1",    "loss=1ms",       "jitter=3",
        "delay=1,",   ",delay=1",   "delay=1;rate=1", "none,delay=1",
        "delay 5",    "rate=1e99",  "delay=5,loss=x"};
    struct link_spec s;
    struct err e;

    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        err_clear(&e);
        ok(link_parse(&s, wrong[i], &e) == -1 && e.code == ERR_USAGE,
           "\"%s\" is refused: %s", wrong[i], e.text);
    }
    ok(link_parse(&s, "delay=20,rate=100mbit/s,loss=1%", NULL) == 0 &&
           s.delay_ns == 20 * MS && s.bytes_per_s == 12.5e6 && s.loss == 0.01,
       "delay, rate and loss");
    ok(link_parse(&s, "rate=8kbit", NULL) == 0 && s.bytes_per_s == 1000 &&
           link_parse(&s, "rate=10", NULL) == 0 && s.bytes_per_s == 1.25e6 &&
           link_parse(&s, "rate=1gbit", NULL) == 0 && s.bytes_per_s == 125e6,
       "units of the rate");
    ok(link_parse(&s, "delay=0.5ms", NULL) == 0 && s.delay_ns == MS / 2 &&
           !link_is_none(&s),
       "half a millisecond is something");
    ok(link_parse(&s, "none", NULL) == 0 && link_is_none(&s), "none is none");
}

/* ---- numbers, in virtual time -------------------------------------------- */

static struct link
make(const char *text)
{
    struct link_spec s;
    struct link l;

    (void)link_parse(&s, text, NULL);
    link_init(&l, &s, seed, 0);
    return l;
}

/* n bytes at once: when the last of them arrives. */
static int64_t
pass(struct link *l, size_t n, int64_t now)
{
    int64_t last = 0;

    while (n > 0) {
        size_t len = n < LINK_SEGMENT ? n : LINK_SEGMENT;

        n -= len;
        last = link_pass(l, len, n, now);
    }
    return last;
}

static void
test_delay_and_rate(void)
{
    struct link l = make("none");
    int64_t t;

    is_int(pass(&l, 1000000, 5), 5, "nothing is at once");
    l = make("delay=20");
    is_int(pass(&l, 1000000, 7 * MS), 27 * MS, "delay is added once");
    l = make("rate=8mbit"); /* a byte in a microsecond */
    is_int(pass(&l, 14600, 0), 0, "the bucket holds ten segments");
    is_int(pass(&l, 1000, 0), MS, "then a byte waits for its token");
    is_int(pass(&l, 1000, 0), 2 * MS, "behind those before it");
    is_int(pass(&l, 14600, 1000 * MS), 1000 * MS, "it fills up again");
    is_int(pass(&l, 1460, 1000 * MS + 730000), 1000 * MS + 1460000,
           "as fast as the rate");
    l = make("rate=8mbit,delay=50");
    t = pass(&l, 1014600, 0);
    is_int(t, 1050 * MS, "a megabyte takes a second and the delay");
    l.spec.bytes_per_s = 0;
    l.spec.delay_ns = 0;
    is_int(pass(&l, 10, MS), t, "nothing overtakes when the link changes");
    is_int(pass(&l, 10, t + 1), t + 1, "and then it has changed");
}

static void
test_loss(void)
{
    enum { N = 40000 };
    struct link l = make("loss=10,delay=30"), same;
    int64_t now = 0, rtos = 0, trips = 0;

    /* One at a time, each long after the last: only timeouts. */
    for (int i = 0; i < N; i++, now += 60000 * MS) {
        int64_t late = link_pass(&l, 1460, 0, now) - now - 30 * MS;

        rtos += late > 0;
        if (late != 0 && late != 260 * MS && late != 780 * MS &&
            late != 1820 * MS && late != 3900 * MS)
            rtos = -N;
    }
    /* 6 sigma = 360 */
    ok(rtos > 4000 - 360 && rtos < 4000 + 360,
       "a tenth waits for the timeout, which doubles: %lld", (long long)rtos);
    l = make("loss=10,delay=30");
    same = l;
    for (int i = 0; i < N; i++, now += 60000 * MS)
        trips += link_pass(&l, 1460, 4380, now) - now == 90 * MS;
    /* lost once and not twice: 9 % */
    ok(trips > 3600 - 360 && trips < 3600 + 360,
       "with others behind it is sent again after a round trip: %lld",
       (long long)trips);
    rtos = 0;
    now -= INT64_C(60000) * N * MS;
    for (int i = 0; i < N; i++, now += 60000 * MS)
        rtos += link_pass(&same, 1460, 4380, now) - now == 90 * MS;
    is_int(rtos, trips, "the same seed loses the same");
    l = make("loss=10,delay=30");
    ok(pass(&l, 1460 * 100, 0) >= 90 * MS, "what is behind a loss waits");
}

/* ---- under connections --------------------------------------------------- */

static void
set(struct side *s, const char *text)
{
    struct link_spec spec;

    (void)link_parse(&spec, text, NULL);
    is_int(conn_set_link(s->c, &spec, seed, NULL), 0, text);
}

static void
test_conns(void)
{
    enum { N = 50000 };
    struct world w;
    struct err e = ERR_INIT;
    float *v = mem_alloc(N, sizeof *v), *got = mem_alloc(N, sizeof *got);
    int64_t start;

    for (int i = 0; i < N; i++)
        v[i] = (float)i;
    world_init(&w);
    w.server.big = got;
    ok(world_meet(&w) && !conn_has_link(w.client.c), "two meet, without link");
    set(&w.client, "none");
    ok(!conn_has_link(w.client.c), "which is none");
    set(&w.client, "delay=40,rate=32mbit"); /* 200 kB in 50 ms */
    ok(conn_has_link(w.client.c), "then there is one");
    start = clock_now_ns();
    is_int(conn_send(w.client.c, MSG_PUSH, "hi", 2, v, N * sizeof *v,
                     side_on_done, &w.client, &e),
           0, "a big frame");
    ok(conn_get_queued(w.client.c) > N * sizeof *v, "waits");
    WAIT(&w, w.server.n_frame && w.client.n_done);
    ok(clock_now_ns() - start >= 80 * MS, "it takes the link's time: %lld us",
       (long long)(clock_now_ns() - start) / 1000);
    ok(!memcmp(got, v, N * sizeof *v), "to the last byte");
    is_int(w.client.n_done - w.client.n_failed, 1, "its sender knows, once");
    is_int(conn_get_queued(w.client.c), 0, "nothing is queued");
    start = clock_now_ns();
    for (int i = 0; i < 50; i++)
        (void)conn_send(w.server.c, MSG_BEAT, NULL, 0, NULL, 0, NULL, NULL, &e);
    WAIT(&w, w.client.n_frame == 50);
    ok(clock_now_ns() - start >= 39 * MS, "the other direction is as long");
    ok(conn_get_received(w.client.c) == conn_get_sent(w.server.c),
       "what has come is what was sent");
    set(&w.client, "none");
    for (int i = 0; i < 50; i++)
        (void)conn_send(w.client.c, MSG_BEAT, NULL, 0, NULL, 0, NULL, NULL, &e);
    WAIT(&w, w.server.n_frame == 51);
    is_int(w.server.n_frame, 51, "it goes on when the link is gone");

    set(&w.client, "delay=30");
    (void)conn_send(w.client.c, MSG_PUSH, "2", 1, v, N * sizeof *v,
                    side_on_done, &w.client, &e);
    conn_close(w.client.c, true);
    WAIT(&w, w.server.n_closed && w.client.n_closed);
    is_int(w.server.n_frame, 52, "closing with flush sends what is under way");
    is_int(w.server.why.code, ERR_OK, "to the end");
    is_int(w.client.n_done - w.client.n_failed, 2, "which the sender knows");
    ok(world_end(&w), "nothing is left on the loop");

    world_init(&w);
    ok(world_meet(&w), "two meet");
    set(&w.client, "delay=30");
    (void)conn_send(w.client.c, MSG_PUSH, "2", 1, v, 4096, side_on_done,
                    &w.client, &e);
    conn_close(w.client.c, false);
    WAIT(&w, w.server.n_closed && w.client.n_closed);
    is_int(w.client.n_failed, 1, "closing without flush cuts it");
    is_int(w.server.n_frame, 0, "nothing of it arrives");
    ok(world_end(&w), "nothing is left on the loop");

    world_init(&w);
    ok(world_meet(&w), "two meet");
    set(&w.client, "delay=30,rate=1gbit");
    (void)conn_send(w.server.c, MSG_STOP, NULL, 0, NULL, 0, NULL, NULL, &e);
    conn_close(w.server.c, true);
    WAIT(&w, w.server.n_closed && w.client.n_closed);
    is_int(w.client.n_frame, 1, "last words of a peer that closes arrive");
    is_int(w.client.why.code, ERR_OK, "before its end does");
    ok(world_end(&w), "nothing is left on the loop");
    mem_free(got);
    mem_free(v);
}

int
main(void)
{
    signal(SIGPIPE, SIG_IGN);
    seed = tap_seed(1);
    test_text();
    test_delay_and_rate();
    test_loss();
    test_conns();
    printf("# TLS\n");
    world_how.tls = true;
    test_conns();
    return done();
}
