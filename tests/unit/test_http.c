/* SPDX-License-Identifier: Apache-2.0 */
/* The port for metrics, and those who do not mean well. */
#include "tap.h"

#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/mem.h"
#include "view/http.h"

#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#define LIMIT_S 20 /* for what takes milliseconds */

static struct http *server;
static uint16_t port;

static void
put_body(void *ctx, struct buf *to)
{
    (void)ctx;
    buf_adds(to, "ebsp_up 1\n");
}

static void
start(void)
{
    struct err err = ERR_INIT;
    char url[128];
    int fd = http_listen("127.0.0.1", 0, &err);

    ok(fd >= 0 && http_is_local(fd), "it listens on the loopback");
    http_url(fd, url, sizeof url);
    ok(sscanf(url, "http://127.0.0.1:%hu/metrics", &port) == 1 && port > 0,
       "and tells the port: %s", url);
    server = http_new(fd, "text/plain; version=0.0.4", put_body, NULL, &err);
    ok(server, "it serves");
}

static int
dial(void)
{
    struct sockaddr_in a = {.sin_family = AF_INET,
                            .sin_port = htons(port),
                            .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct timeval limit = {.tv_sec = LIMIT_S};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (fd < 0 || connect(fd, (struct sockaddr *)&a, sizeof a) != 0)
        abort();
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
    return fd;
}

static void
say(int fd, const char *text)
{
    (void)!send(fd, text, strlen(text), MSG_NOSIGNAL);
}

/* All that comes until it closes. */
static const char *
hear(int fd)
{
    static char text[16384];
    size_t n = 0;
    ssize_t r;

    while (n < sizeof text - 1 &&
           (r = recv(fd, text + n, sizeof text - 1 - n, 0)) > 0)
        n += (size_t)r;
    text[n] = '\0';
    close(fd);
    return text;
}

static const char *
ask(const char *request)
{
    int fd = dial();

    say(fd, request);
    return hear(fd);
}

#define HEAD " HTTP/1.1\r\nHost: x\r\n"

static bool
begins(const char *text, const char *with)
{
    return strncmp(text, with, strlen(with)) == 0;
}

static void
requests(void)
{
    const char *a = ask("GET /metrics" HEAD "\r\n");

    ok(begins(a, "HTTP/1.1 200 ") && strstr(a, "\r\n\r\nebsp_up 1\n"),
       "metrics");
    ok(strstr(a, "Content-Type: text/plain; version=0.0.4\r\n"), "their type");
    ok(begins(ask("GET /metrics?x=y" HEAD "\r\n"), "HTTP/1.1 200 "),
       "arguments are not looked at");
    ok(begins(ask("GET /" HEAD "\r\n"), "HTTP/1.1 404 "), "nothing else");
    ok(begins(ask("GET /metrics/../../etc/passwd" HEAD "\r\n"),
              "HTTP/1.1 404 "),
       "no path leads anywhere");
    a = ask("POST /metrics" HEAD "Content-Length: 1000000000\r\n\r\nx");
    ok(begins(a, "HTTP/1.1 405 ") && strstr(a, "\r\nAllow: GET\r\n"),
       "no body is waited for");
    ok(begins(ask("DELETE /metrics" HEAD "\r\n"), "HTTP/1.1 405 "),
       "nothing but GET");
    ok(!strstr(ask("\x16\x03\x01\x02\r\n\r\n"), " 200 "), "no HTTP at all");
}

static void
huge_head(void)
{
    int fd = dial();
    char part[1024];

    memset(part, 'a', sizeof part - 1);
    part[sizeof part - 1] = '\0';
    say(fd, "GET /metrics HTTP/1.1\r\nX-Long: ");
    for (int i = 0; i < 1024; i++)
        if (send(fd, part, sizeof part - 1, MSG_NOSIGNAL) < 0)
            break;
    say(fd, "\r\n\r\n");
    ok(!strstr(hear(fd), " 200 "), "a head of a megabyte is refused");
    ok(begins(ask("GET /metrics" HEAD "\r\n"), "HTTP/1.1 200 "),
       "the next request is answered");
}

/* Connections that say a little and then nothing, many times as many as there
 * are places. */
static void
slow_clients(void)
{
    int fd[4 * HTTP_PEERS];
    int64_t begun = clock_now_ns();

    for (size_t i = 0; i < ARRAY_LEN(fd); i++) {
        fd[i] = dial();
        say(fd[i], "GET /metrics HTTP/1.1\r\nHost:");
    }
    ok(begins(ask("GET /metrics" HEAD "\r\n"), "HTTP/1.1 200 "),
       "slow ones keep nobody out");
    ok(clock_now_ns() - begun < HTTP_IDLE_S * NS_PER_S,
       "and nobody waits until they are silent for too long");
    ok(strlen(hear(fd[0])) == 0, "the oldest had to go");
    for (size_t i = 1; i < ARRAY_LEN(fd); i++)
        close(fd[i]);
    ok(begins(ask("GET /metrics" HEAD "\r\n"), "HTTP/1.1 200 "),
       "they have left no trace");
}

static void
addresses(void)
{
    struct err err = ERR_INIT;

    ok(http_listen("127.0.0.1", port, &err) < 0 && err.code == ERR_SYS,
       "a port in use: %s", err.text);
    err_clear(&err);
    ok(http_listen("node-a", 0, &err) < 0 && err.code == ERR_USAGE,
       "a name: %s", err.text);
}

/* When the server ends, so do they. */
static void
the_end(void)
{
    int fd = dial();

    say(fd, "GET ");
    http_free(server);
    ok(strlen(hear(fd)) == 0, "who is still connected is cut off");
}

int
main(void)
{
    start();
    requests();
    huge_head();
    slow_clients();
    addresses();
    the_end();
    return done();
}
