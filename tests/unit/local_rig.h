/* SPDX-License-Identifier: Apache-2.0 */
/* A local server and bare peers of it, in one thread: their calls do not block,
 * because the kernel takes or holds all that these tests send. */
#ifndef EBSP_LOCAL_RIG_H
#define EBSP_LOCAL_RIG_H

#include "tap.h"

#include "base/clock.h"
#include "base/err.h"
#include "base/fs.h"
#include "io/local.h"

#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/socket.h>
#include <unistd.h>

static uv_loop_t loop;
static uv_timer_t tick; /* so that a wait can look at its clock */
static char folder[] = "test_local.XXXXXX";

/* What a server has seen.  A request is echoed, but
 *   hold     is not answered yet
 *   big      is answered with a lot
 *   error    is answered by an error */
static struct {
    struct local_server *s;
    struct local_peer *held;
    int requests, closed, refused;
    uint64_t bytes; /* of requests */
    struct err why; /* of the last refusal */
} seen;

static void
on_request(void *ctx, struct local_peer *p, const char *line, size_t n)
{
    static char big[1 << 20];
    const struct err e = {ERR_WORKERS, "a \"quoted\" \xff error"};

    (void)ctx;
    seen.requests++;
    seen.bytes += n;
    if (n == 4 && !memcmp(line, "hold", 4)) {
        seen.held = p;
    } else if (n == 3 && !memcmp(line, "big", 3)) {
        memset(big, 'b', sizeof big);
        local_answer(p, big, sizeof big);
    } else if (n == 5 && !memcmp(line, "error", 5)) {
        local_answer_err(p, &e);
    } else {
        local_answer(p, line, n);
    }
}

static void
on_closed(void *ctx, struct local_peer *p)
{
    (void)ctx;
    seen.closed++;
    if (seen.held == p)
        seen.held = NULL;
}

static void
on_refused(void *ctx, const struct err *why)
{
    (void)ctx;
    seen.refused++;
    seen.why = *why;
}

static const struct local_handlers handlers = {on_request, on_closed,
                                               on_refused};

static void
on_tick(uv_timer_t *t)
{
    (void)t;
}

/* Runs the loop until the condition holds; 20 s are for ever. */
#define WAIT(cond)                                                             \
    do {                                                                       \
        int64_t limit_ = clock_now_ns() + 20 * NS_PER_S;                       \
                                                                               \
        while (!(cond) && clock_now_ns() < limit_)                             \
            uv_run(&loop, UV_RUN_ONCE);                                        \
    } while (0)

static char *
path_to(const char *name)
{
    static char to[1024];

    snprintf(to, sizeof to, "%s/%s", folder, name);
    return to;
}

static void
serve(void)
{
    struct err e = ERR_INIT;

    memset(&seen, 0, sizeof seen);
    seen.s = local_server_new(&loop, path_to("ctl"), &handlers, NULL, &e);
    if (!seen.s) {
        printf("Bail out! %s\n", e.text);
        exit(1);
    }
}

/* Is the loop empty then? */
static bool
end_serving(void)
{
    if (seen.s)
        local_server_close(seen.s);
    seen.s = NULL;
    uv_unref((uv_handle_t *)&tick);
    WAIT(!uv_loop_alive(&loop));
    uv_ref((uv_handle_t *)&tick);
    return access(path_to("ctl"), F_OK) != 0;
}

static int
dial(void)
{
    struct err e = ERR_INIT;
    int fd = local_connect(path_to("ctl"), clock_now_ns() + 10 * NS_PER_S, &e);

    if (fd < 0)
        printf("# %s\n", e.text);
    return fd;
}

static void
say(int fd, const char *text, size_t n)
{
    if (send(fd, text, n, MSG_NOSIGNAL) != (ssize_t)n)
        printf("# short send: %s\n", strerror(errno));
}

/* All that comes until n bytes are there or the other side closes. */
static const char *
hear(int fd, size_t n)
{
    static char got[(1 << 20) + 4096];
    size_t len = 0;
    bool over = false;
    int64_t limit = clock_now_ns() + 20 * NS_PER_S;

    while (!over && len < n && clock_now_ns() < limit) {
        ssize_t k = recv(fd, got + len, sizeof got - 1 - len, MSG_DONTWAIT);

        if (k > 0)
            len += (size_t)k;
        over = k == 0 || (k < 0 && errno != EAGAIN);
        if (k < 0)
            uv_run(&loop, UV_RUN_ONCE);
    }
    got[len] = '\0';
    return got;
}
#define TO_THE_END ((size_t)-1)

/* ---- the test ------------------------------------------------------------ */

static void
rig_init(void)
{
    signal(SIGPIPE, SIG_IGN);
    if (!mkdtemp(folder)) {
        printf("Bail out! no folder\n");
        exit(1);
    }
    uv_loop_init(&loop);
    uv_timer_init(&loop, &tick);
    uv_timer_start(&tick, on_tick, 1, 1);
}

static int
rig_done(void)
{
    uv_close((uv_handle_t *)&tick, NULL);
    uv_run(&loop, UV_RUN_NOWAIT);
    is_int(uv_loop_close(&loop), 0, "no handle is left");
    fs_remove(folder, NULL);
    return done();
}

#endif
