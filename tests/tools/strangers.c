/* SPDX-License-Identifier: Apache-2.0 */
/* Those who come to a port of ours without being asked.
 *
 *   strangers scan PORT N        connects and closes, N times
 *   strangers noise PORT N SEED  N times: random bytes, a random number of them
 *   strangers send PORT FILE     sends the file's bytes
 *   strangers idle PORT N        N connections that say nothing, at once
 *   strangers flood PORT N       the same, and another one for each that is
 * closed strangers echo               sends back whatever comes; says "port
 * NUMBER"
 *
 * All but the last two end when the other side has closed what they have opened
 * (scan: at once), and print in the end: how many connections were made, how
 * many the other side closed, the most that were open and how many bytes came
 * back. idle and flood say "there" when all are connected. Exit status 1 when
 * it leaves one open for a minute. */
#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/fs.h"
#include "base/rng.h"
#include "base/str.h"

#include <arpa/inet.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#define MAX_CONNS 4096
#define MAX_NOISE 4096
#define LIMIT_NS  (60 * NS_PER_S)

struct tally {
    size_t made, closed, most;
    unsigned long long heard;
};

static void
die(const char *what)
{
    perror(what);
    exit(5);
}

static int
connect_to(uint16_t port)
{
    struct sockaddr_in a = {.sin_family = AF_INET,
                            .sin_port = htons(port),
                            .sin_addr = {htonl(INADDR_LOOPBACK)}};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (fd < 0)
        die("socket");
    if (connect(fd, (struct sockaddr *)&a, sizeof a) < 0)
        die("connect");
    return fd;
}

/* Waits for the other side to close these; what it says is counted. */
static void
wait_closed(struct pollfd *p, size_t n, struct tally *t)
{
    int64_t limit = clock_now_ns() + LIMIT_NS;
    size_t open = n;

    t->made += n;
    t->most = n > t->most ? n : t->most;
    while (open > 0 && clock_now_ns() < limit) {
        if (poll(p, (nfds_t)n, 1000) < 0)
            die("poll");
        for (size_t i = 0; i < n; i++) {
            char text[4096];
            ssize_t got;

            if (p[i].fd < 0 || !p[i].revents)
                continue;
            got = read(p[i].fd, text, sizeof text);
            if (got > 0) {
                t->heard += (unsigned long long)got;
                continue;
            }
            close(p[i].fd); /* its end, or a reset */
            p[i].fd = -1;
            open--;
            t->closed++;
        }
    }
}

/* A peer that closes early may leave us with a reset: no error of ours. */
static void
say(uint16_t port, const void *bytes, size_t n, struct tally *t)
{
    struct pollfd p = {connect_to(port), POLLIN, 0};

    (void)send(p.fd, bytes, n, MSG_NOSIGNAL);
    wait_closed(&p, 1, t);
}

static void
make_noise(uint16_t port, size_t n, uint64_t seed, struct tally *t)
{
    struct rng r;

    rng_init(&r, seed);
    for (size_t i = 0; i < n; i++) {
        uint8_t noise[MAX_NOISE];
        size_t len = 40 + (size_t)rng_below(&r, sizeof noise - 40);

        for (size_t k = 0; k < len; k++)
            noise[k] = (uint8_t)rng_u64(&r);
        say(port, noise, len, t);
    }
}

static void
idle(uint16_t port, size_t n, struct tally *t)
{
    static struct pollfd p[MAX_CONNS];

    for (size_t i = 0; i < n; i++)
        p[i] = (struct pollfd){connect_to(port), POLLIN, 0};
    puts("there");
    fflush(stdout);
    wait_closed(p, n, t);
}

/* Until it is ended. */
static void
flood(uint16_t port, size_t n)
{
    static struct pollfd p[MAX_CONNS];
    char text[4096];

    for (size_t i = 0; i < n; i++)
        p[i] = (struct pollfd){connect_to(port), POLLIN, 0};
    puts("there");
    fflush(stdout);
    while (poll(p, (nfds_t)n, -1) >= 0)
        for (size_t i = 0; i < n; i++)
            if (p[i].revents && read(p[i].fd, text, sizeof text) <= 0) {
                close(p[i].fd);
                p[i].fd = connect_to(port);
            }
}

static int
echo(void)
{
    struct sockaddr_in a = {.sin_family = AF_INET,
                            .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t len = sizeof a;
    int l = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), fd;

    if (l < 0 || bind(l, (struct sockaddr *)&a, sizeof a) < 0 ||
        listen(l, 16) < 0 || getsockname(l, (struct sockaddr *)&a, &len) < 0)
        die("listen");
    printf("port %u\n", ntohs(a.sin_port));
    fflush(stdout);
    signal(SIGCHLD, SIG_IGN);
    while ((fd = accept(l, NULL, NULL)) >= 0) {
        char text[4096];
        ssize_t n;

        if (fork() != 0) {
            close(fd);
            continue;
        }
        while ((n = read(fd, text, sizeof text)) > 0 &&
               send(fd, text, (size_t)n, MSG_NOSIGNAL) == n)
            continue;
        return 0;
    }
    return 5;
}

static int
usage(void)
{
    fprintf(stderr, "usage: strangers echo | scan PORT N | noise PORT N SEED | "
                    "send PORT FILE | idle PORT N | flood PORT N\n");
    return 2;
}

int
main(int argc, char **argv)
{
    struct rlimit files;
    struct tally t = {0};
    struct buf bytes = BUF_INIT((size_t)1 << 24);
    const char *what = argc > 1 ? argv[1] : "";
    uint64_t port, n = 0, seed = 1;

    if (strcmp(what, "echo") == 0)
        return echo();
    if (argc < 4 || !str_u64(argv[2], &port) || port == 0 || port > 65535 ||
        (strcmp(what, "send") != 0 &&
         (!str_u64(argv[3], &n) || n > MAX_CONNS)) ||
        (argc > 4 && !str_u64(argv[4], &seed)))
        return usage();
    if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
        files.rlim_cur = files.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &files);
    }
    if (strcmp(what, "scan") == 0) {
        for (t.made = 0; t.made < n; t.made++)
            close(connect_to((uint16_t)port));
        t.closed = t.made;
    } else if (strcmp(what, "noise") == 0) {
        make_noise((uint16_t)port, (size_t)n, seed, &t);
    } else if (strcmp(what, "idle") == 0) {
        idle((uint16_t)port, (size_t)n, &t);
    } else if (strcmp(what, "flood") == 0) {
        flood((uint16_t)port, (size_t)n);
    } else if (strcmp(what, "send") == 0) {
        if (fs_read(argv[3], &bytes, NULL) != 0)
            die(argv[3]);
        say((uint16_t)port, bytes.data, bytes.len, &t);
        buf_release(&bytes);
    } else {
        return usage();
    }
    printf("made %zu, closed %zu, most %zu, heard %llu bytes\n", t.made,
           t.closed, t.most, t.heard);
    return t.closed == t.made ? 0 : 1;
}
