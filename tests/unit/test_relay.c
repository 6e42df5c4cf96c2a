/* SPDX-License-Identifier: Apache-2.0 */
/* The bad network of the tests (tests/tools/relay.c) does what its rules say,
 * and the same each time: in time that only this test moves. */
#include "../tools/relay_pipe.h"
#include "tap.h"

#include "base/err.h"
#include "base/mem.h"
#include "base/rng.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#define MS INT64_C(1000000)

/* One direction: what is written to `in` comes out of `out`. */
struct rig {
    struct settings set;
    struct pipe p;
    int in, out;
    int64_t now;
    const struct rule *rules[4];
    struct rule rule[4];
    size_t n_rules;
    uint8_t got[200000];
    size_t n_got;
    enum fate fate;
    bool ended; /* `out` has seen the end */
};

static void
rig_init(struct rig *r, uint64_t seed)
{
    int a[2], b[2];

    memset(r, 0, sizeof *r);
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, a) < 0 ||
        socketpair(AF_UNIX, SOCK_STREAM, 0, b) < 0)
        exit(99);
    fcntl(a[1], F_SETFL, O_NONBLOCK);
    fcntl(b[0], F_SETFL, O_NONBLOCK);
    fcntl(b[1], F_SETFL, O_NONBLOCK);
    r->now = 1000 * MS;
    pipe_init(&r->p, &r->set, seed, r->now);
    snprintf(r->p.name, sizeof r->p.name, "# pipe");
    r->in = a[0];
    r->p.from = a[1];
    r->p.to = b[0];
    r->out = b[1];
}

static void
rig_release(struct rig *r)
{
    if (r->in >= 0)
        close(r->in);
    close(r->p.from);
    close(r->p.to);
    close(r->out);
    pipe_release(&r->p);
}

static void
add_rule(struct rig *r, const char *line)
{
    struct err e = ERR_INIT;
    struct rule *q = &r->rule[r->n_rules];

    if (rule_parse(q, line, &e) != 0)
        printf("# %s\n", e.text);
    r->rules[r->n_rules++] = q;
}

/* Everything that can happen at this time. */
static void
run(struct rig *r)
{
    bool more = true;

    while (more && r->fate == FATE_GOES_ON) {
        uint64_t in = r->p.in, out = r->p.out;
        bool end = r->p.came_to_end;
        ssize_t n;

        if (pipe_wants_read(&r->p))
            pipe_read(&r->p, r->rules, r->n_rules, r->now);
        r->fate = pipe_write(&r->p, r->now);
        while ((n = read(r->out, r->got + r->n_got, sizeof r->got - r->n_got)) >
               0)
            r->n_got += (size_t)n;
        r->ended |= n == 0;
        more = r->p.in != in || r->p.out != out || r->p.came_to_end != end;
    }
}

static void
put(struct rig *r, const void *bytes, size_t n)
{
    const uint8_t *from = bytes;

    while (n > 0) {
        size_t k = n < 10000 ? n : 10000;

        if (write(r->in, from, k) != (ssize_t)k)
            exit(99);
        from += k;
        n -= k;
        run(r);
    }
}

/* As a text; what has come so far. */
static const char *
got(struct rig *r)
{
    r->got[r->n_got] = '\0';
    return (const char *)r->got;
}

static void
test_rules(void)
{
    static const char *const good[] = {
        "a reset",          "a.3 up reset at 100",  "all down stall",
        "b delay 20 10",    "b stall 100 after 20", "a loss 0.1 200",
        "x corrupt at 7",   "x corrupt 3 at 7",     "x rate 0",
        "x replay 9 at 20", "x.0 skip 5",           "x clear"};
    static const char *const bad[] = {
        "",
        "a",
        "reset",
        "a frobnicate",
        "a delay",
        "a delay -1",
        "a loss 2 1",
        "a loss 0.1",
        "a reset at",
        "a reset at x",
        "a. reset",
        "a.x reset",
        ".1 reset",
        "a reset after 1 2",
        "a rate 5 at 3",
        "a corrupt 8 at 3",
        "a up",
        "a replay 65537 at 70000",
        "a-name-that-is-longer-than-a-name-may-be reset"};
    struct err e = ERR_INIT;
    struct rule r;

    for (size_t i = 0; i < ARRAY_LEN(good); i++)
        ok(rule_parse(&r, good[i], &e) == 0, "\"%s\" is a rule", good[i]);
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        err_clear(&e);
        ok(rule_parse(&r, bad[i], &e) != 0 && e.code == ERR_USAGE,
           "\"%s\" is none", bad[i]);
    }
    err_clear(&e);
    rule_parse(&r, "node.12 down stall 70 at 999", &e);
    is_str(r.link, "node", "link");
    is_int(r.connection, 12, "connection");
    ok(!r.direction[0] && r.direction[1], "direction");
    is_int(r.number[0], 70, "number");
    ok(r.when == RULE_AT && r.where == 999, "place");
    rule_parse(&r, "node up reset", &e);
    ok(r.connection == -1 && r.direction[0] && !r.direction[1] &&
           r.when == RULE_NOW,
       "what is not said");
}

static void
test_plain(void)
{
    static uint8_t many[150000];
    struct rng rng;
    struct rig r;

    rig_init(&r, 1);
    rng_init(&rng, 1);
    for (size_t i = 0; i < sizeof many; i++)
        many[i] = (uint8_t)rng_u64(&rng);
    put(&r, many, sizeof many);
    ok(r.n_got == sizeof many && memcmp(r.got, many, sizeof many) == 0,
       "without rules the bytes pass as they are");
    close(r.in);
    r.in = -1;
    run(&r);
    ok(r.ended && r.p.ended, "and so does their end");
    rig_release(&r);
}

static void
test_time(void)
{
    static char many[29000];
    struct rig r;

    rig_init(&r, 1);
    r.set.delay_ms = 20;
    put(&r, "hello", 5);
    is_int(r.n_got, 0, "delay: not yet");
    is_int(pipe_next(&r.p) - r.now, 20 * MS, "the time to come back");
    r.now += 20 * MS;
    run(&r);
    is_str(got(&r), "hello", "now");
    close(r.in);
    r.in = -1;
    run(&r);
    ok(!r.ended, "an end is delayed, too");
    r.now += 20 * MS;
    run(&r);
    ok(r.ended, "and comes");
    rig_release(&r);

    rig_init(&r, 1);
    r.set.rate = 14480; /* ten packets in a second */
    put(&r, many, sizeof many);
    is_int(r.n_got, 0, "rate: nothing at once");
    r.now += 1000 * MS;
    run(&r);
    ok(r.n_got > 14480 - 1448 && r.n_got <= 14480,
       "what a second takes, to a packet, after one");
    r.now += 1100 * MS;
    run(&r);
    is_int(r.n_got, sizeof many, "all in the end");
    rig_release(&r);

    rig_init(&r, 1);
    r.set.jitter_ms = 50;
    put(&r, "a", 1);
    put(&r, "b", 1);
    put(&r, "c", 1);
    r.now += 50 * MS;
    run(&r);
    is_str(got(&r), "abc", "jitter keeps the order");
    rig_release(&r);
}

/* How long 100000 bytes take through a lossy line. */
static int64_t
lossy(uint64_t seed, size_t piece)
{
    static uint8_t many[100000];
    struct rig r;
    int64_t took;

    rig_init(&r, seed);
    r.set.loss = 0.1;
    r.set.loss_ms = 10;
    for (size_t i = 0; i < sizeof many; i += piece)
        put(&r, many, piece);
    took = -r.now;
    while (r.n_got < sizeof many && pipe_next(&r.p) != PIPE_NEVER) {
        r.now = pipe_next(&r.p);
        run(&r);
    }
    took += r.now;
    if (r.n_got != sizeof many)
        took = -1;
    rig_release(&r);
    return took;
}

static void
test_seed(void)
{
    static uint8_t many[100000], first[100000];
    int wrong[3] = {0};

    ok(lossy(7, 10000) > 0 && lossy(7, 10000) == lossy(7, 10000),
       "loss is a pause, the same for the same seed");
    for (int i = 0; i < 3; i++) {
        struct rig r;
        size_t piece = i == 1 ? 1000 : 10000; /* the cuts do not matter */

        rig_init(&r, i == 2 ? 8 : 7);
        r.set.noise = 0.3;
        for (size_t k = 0; k < sizeof many; k += piece)
            put(&r, many, piece);
        for (size_t k = 0; k < sizeof many; k++)
            wrong[i] += __builtin_popcount(r.got[k]);
        if (i == 0)
            memcpy(first, r.got, sizeof first);
        else
            ok((memcmp(first, r.got, sizeof first) == 0) == (i == 1),
               "noise: %s",
               i == 1 ? "the same bits for the same seed"
                      : "others for another");
        rig_release(&r);
    }
    ok(wrong[0] > 10 && wrong[0] < 60, "%d of 98 blocks, expected about 29",
       wrong[0]);
    is_int(wrong[1], wrong[0], "as often");
}

static void
test_bytes(void)
{
    struct rig r;

    rig_init(&r, 1);
    add_rule(&r, "x corrupt 5 at 1");
    add_rule(&r, "x skip 2 at 3");
    add_rule(&r, "x replay 3 at 8");
    put(&r, "abcdefghij", 10);
    /* 'b' ^ 0x20 */
    is_str(got(&r), "aBcfghfghij", "corrupt, skip and replay at their places");
    rig_release(&r);

    rig_init(&r, 1);
    add_rule(&r, "x corrupt 5 at 4");
    put(&r, "abc", 3);
    put(&r, "defg", 4);
    put(&r, "hij", 3);
    is_str(got(&r), "abcdEfghij", "offsets count over all reads");
    rig_release(&r);

    rig_init(&r, 1);
    add_rule(&r, "x corrupt 5");
    put(&r, "abc", 3);
    pipe_do(&r.p, &r.rule[0], r.now);
    put(&r, "def", 3);
    is_str(got(&r), "abcDef", "corrupt now is the next byte");
    rig_release(&r);
}

static void
test_events(void)
{
    struct rig r;

    rig_init(&r, 1);
    r.set.delay_ms = 5;
    add_rule(&r, "x reset at 3");
    put(&r, "abcdef", 6);
    ok(r.fate == FATE_GOES_ON, "a reset waits for the bytes before it");
    r.now += 5 * MS;
    run(&r);
    ok(r.fate == FATE_RESET, "then it is one");
    rig_release(&r);

    rig_init(&r, 1);
    add_rule(&r, "x close at 3");
    put(&r, "abcdef", 6);
    ok(r.fate == FATE_CLOSE, "close");
    rig_release(&r);

    rig_init(&r, 1);
    add_rule(&r, "x half at 3");
    put(&r, "abcdef", 6);
    is_str(got(&r), "abc", "half: up to there");
    ok(r.ended && r.fate == FATE_GOES_ON, "then the end of this direction");
    put(&r, "ghi", 3);
    is_int(r.n_got, 3, "whatever comes");
    rig_release(&r);

    rig_init(&r, 1);
    add_rule(&r, "x up stall 100 at 2");
    put(&r, "abcd", 4);
    is_str(got(&r), "ab", "stall: up to there");
    r.now += 99 * MS;
    run(&r);
    is_int(r.n_got, 2, "nothing for that time");
    is_int(pipe_next(&r.p) - r.now, MS, "which is known");
    r.now += MS;
    run(&r);
    is_str(got(&r), "abcd", "then everything");
    rig_release(&r);

    rig_init(&r, 1);
    add_rule(&r, "x stall");
    add_rule(&r, "x resume");
    ok(pipe_do(&r.p, &r.rule[0], r.now) == FATE_STALL,
       "a stall that says no direction is for both");
    put(&r, "abcd", 4);
    r.now += 3600 * 1000 * MS;
    run(&r);
    is_int(r.n_got, 0, "a black hole");
    ok(pipe_next(&r.p) == PIPE_NEVER, "for ever");
    pipe_do(&r.p, &r.rule[1], r.now);
    run(&r);
    is_str(got(&r), "abcd", "or until resume");
    rig_release(&r);
}

int
main(void)
{
    signal(SIGPIPE, SIG_IGN);
    test_rules();
    test_plain();
    test_time();
    test_seed();
    test_bytes();
    test_events();
    return done();
}
