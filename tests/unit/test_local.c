/* SPDX-License-Identifier: Apache-2.0 */
/* Peers of a local socket: what they say, how many, how long. */
#include "local_rig.h"

#include "base/rng.h"

/* ---- what is said -------------------------------------------------------- */

static void
test_requests(void)
{
    int fd;

    serve();
    fd = dial();
    say(fd, "one\n", 4);
    is_str(hear(fd, 4), "one\n", "a request is answered");
    say(fd, "a\nb\n\nc\n", 7);
    is_str(hear(fd, 7), "a\nb\n\nc\n", "several at once, one after the other");
    for (const char *p = "drop\n"; *p; p++) {
        say(fd, p, 1);
        for (int i = 0; i < 3; i++)
            uv_run(&loop, UV_RUN_ONCE);
    }
    is_str(hear(fd, 5), "drop\n", "one in drops");
    say(fd, "error\n", 6);
    is_str(hear(fd, 57),
           "{\"ok\":false,\"code\":8,\"error\":\"a \\\"quoted\\\" \\\\xff "
           "error\"}\n",
           "an error is a line of JSON whatever it holds");
    say(fd, "x\0y\n", 4);
    ok(!memcmp(hear(fd, 4), "x\0y\n", 4), "bytes are bytes");
    say(fd, "half", 4);
    shutdown(fd, SHUT_WR);
    ok(strstr(hear(fd, TO_THE_END), "without a newline"),
       "a last line without its end is told so");
    is_int(seen.requests, 8, "and is no request");
    close(fd);

    fd = dial();
    say(fd, "last\n", 5);
    shutdown(fd, SHUT_WR);
    is_str(hear(fd, TO_THE_END), "last\n",
           "who says no more than one request is answered, too");
    close(fd);
    ok(end_serving(), "the socket is removed");
}

static void
test_limits(void)
{
    static char line[LOCAL_MAX_LINE + 2];
    const char *answer;
    int fd;

    serve();
    memset(line, 'x', sizeof line);
    line[LOCAL_MAX_LINE] = '\n';
    fd = dial();
    say(fd, line, LOCAL_MAX_LINE + 1);
    answer = hear(fd, LOCAL_MAX_LINE + 1);
    ok(!memcmp(answer, line, LOCAL_MAX_LINE + 1), "a line of 64 KiB passes");
    line[LOCAL_MAX_LINE] = 'x';
    line[LOCAL_MAX_LINE + 1] = '\n';
    say(fd, line, LOCAL_MAX_LINE + 2);
    answer = hear(fd, TO_THE_END);
    ok(strstr(answer, "\"code\":6") && strstr(answer, "more than 65536 bytes"),
       "one more byte is refused");
    is_int(seen.requests, 1, "and is no request");
    close(fd);
    end_serving();
}

static void
test_noise(void)
{
    unsigned long long seed = tap_seed(11);
    static uint8_t noise[20000];
    bool same = true, alive = true;
    struct rng r;

    serve();
    rng_init_key(&r, seed, RNG_TEST, 0, 0);
    for (int round = 0; round < 30; round++) {
        size_t last = (size_t)rng_below(&r, sizeof noise), n = last + 1;
        size_t sent = 0;
        int fd = dial();

        for (size_t i = 0; i < last; i++)
            noise[i] = (uint8_t)rng_below(&r, 256);
        noise[last] = '\n';
        for (size_t part; sent < n; sent += part) {
            part = 1 + (size_t)rng_below(&r, n - sent);
            say(fd, (char *)noise + sent, part);
            uv_run(&loop, UV_RUN_NOWAIT);
        }
        same &= !memcmp(hear(fd, n), noise, n);
        close(fd);
        fd = dial();
        say(fd, "ok\n", 3);
        alive &= !strcmp(hear(fd, 3), "ok\n");
        close(fd);
    }
    ok(same, "random bytes: every line is answered, in order");
    ok(alive, "and others are served");
    end_serving();
}

/* ---- who and how many ---------------------------------------------------- */

static void
test_crowd(void)
{
    int fd[LOCAL_MAX_PEERS], more[40], told = 0;

    serve();
    for (int i = 0; i < LOCAL_MAX_PEERS; i++) {
        fd[i] = dial();
        say(fd[i], "in\n", 3);
        hear(fd[i], 3);
    }
    is_int(seen.requests, LOCAL_MAX_PEERS, "eight may be connected");
    for (int i = 0; i < 40; i++) {
        int64_t limit = clock_now_ns() + 10 * NS_PER_S;
        struct err e = ERR_INIT;

        WAIT((more[i] = local_connect(path_to("ctl"), 0, &e)) >= 0 ||
             clock_now_ns() > limit);
    }
    for (int i = 0; i < 40; i++) {
        told +=
            strstr(hear(more[i], TO_THE_END), "8 others are connected") != NULL;
        close(more[i]);
    }
    is_int(told, 40, "all others are told and closed");
    is_int(seen.closed, 0, "and nobody hears of them");
    say(fd[7], "still\n", 6);
    is_str(hear(fd[7], 6), "still\n", "those that were here stay");
    close(fd[0]);
    WAIT(seen.closed);
    fd[0] = dial();
    say(fd[0], "new\n", 4);
    is_str(hear(fd[0], 4), "new\n", "a place that is left is given again");
    for (int i = 0; i < LOCAL_MAX_PEERS; i++)
        close(fd[i]);
    end_serving();
}

static void
test_idle(void)
{
    char text[256];
    int silent, slow, patient;
    bool over = false;

    serve();
    local_server_set_idle(seen.s, 100);
    silent = dial();
    is_str(hear(silent, TO_THE_END),
           "{\"ok\":false,\"code\":6,\"error\":\"no request within 0.1 s\"}\n",
           "who says nothing is told and closed");
    close(silent);
    slow = dial();
    while (!over) {
        ssize_t n;

        (void)!send(slow, "x", 1, MSG_NOSIGNAL);
        uv_run(&loop, UV_RUN_ONCE);
        n = recv(slow, text, sizeof text, MSG_DONTWAIT);
        over = n >= 0 || errno != EAGAIN;
    }
    is_int(seen.refused, 2, "so is who sends drop after drop");
    close(slow);
    patient = dial();
    say(patient, "hold\n", 5);
    WAIT(seen.held);
    silent = dial(); /* for a clock: it is closed after the limit */
    hear(silent, TO_THE_END);
    close(silent);
    ok(seen.held && !seen.closed, "who waits for our answer has time");
    local_answer(seen.held, "at last", 7);
    is_str(hear(patient, 8), "at last\n", "and gets it");
    WAIT(seen.closed);
    is_int(seen.closed, 1, "but no longer than others then");
    close(patient);
    end_serving();
}

static void
test_no_reader(void)
{
    int fd, i;

    serve();
    local_server_set_idle(seen.s, 300);
    fd = dial();
    for (i = 0; i < 50; i++)
        say(fd, "big\n", 4);
    WAIT(seen.closed);
    is_int(seen.closed, 1, "who does not read his answer is closed");
    is_int(seen.requests, 1, "before anything else of him is looked at");
    close(fd);
    end_serving();
}

static void
test_gone(void)
{
    struct local_peer *p;
    int fd, other;

    serve();
    fd = dial();
    say(fd, "hold\n", 5);
    WAIT(seen.held);
    p = seen.held;
    close(fd);
    uv_run(&loop, UV_RUN_NOWAIT);
    is_int(seen.closed, 0, "who is gone is noticed when he is answered");
    local_answer(p, "late", 4);
    WAIT(seen.closed);
    is_int(seen.closed, 1, "once");

    fd = dial();
    say(fd, "big\n", 4);
    other = dial();
    say(other, "hold\n", 5);
    WAIT(seen.held && seen.requests == 3);
    local_answer(seen.held, "the end", 7);
    local_server_close(seen.s);
    seen.s = NULL;
    is_str(hear(other, TO_THE_END), "the end\n",
           "what is answered when the server closes arrives");
    is_int(strlen(hear(fd, TO_THE_END)), (1 << 20) + 1, "all of it");
    ok(end_serving(), "and nothing is left");
    is_int(seen.closed, 1, "nothing is told any more");
    close(fd);
    close(other);
}

int
main(void)
{
    rig_init();
    test_requests();
    test_limits();
    test_noise();
    test_crowd();
    test_idle();
    test_no_reader();
    test_gone();
    return rig_done();
}
