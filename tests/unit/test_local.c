/* SPDX-License-Identifier: Apache-2.0 */
/* The Unix socket for people and tools: who may, how much, how long. */
#include "tap.h"

#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/fs.h"
#include "base/mem.h"
#include "base/rng.h"
#include "io/local.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
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
        size_t n = 1 + (size_t)rng_below(&r, sizeof noise), lines = 0, sent = 0;
        int fd = dial();

        for (size_t i = 0; i < n; i++) {
            noise[i] = (uint8_t)rng_below(&r, 256);
            lines += noise[i] == '\n';
        }
        noise[n - 1] = '\n';
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

static void
test_other_user(void)
{
    int status = 1, pid;

    if (geteuid() != 0) {
        skip("needs root to be somebody else");
        return;
    }
    serve();
    chmod(folder, 0777);
    pid = fork();
    if (pid == 0) {
        bool out = setuid(65534) == 0 &&
                   local_connect(path_to("ctl"), 0, NULL) < 0 &&
                   errno == EACCES;

        _exit(out ? 0 : 1);
    }
    waitpid(pid, &status, 0);
    ok(WIFEXITED(status) && WEXITSTATUS(status) == 0,
       "the file's mode keeps other users out");
    /* Undone, to see what is behind it. */
    is_int(chmod(path_to("ctl"), 0666), 0, "who gets in nevertheless");
    pid = fork();
    if (pid == 0) {
        struct buf b = BUF_INIT(1024);
        struct err e = ERR_INIT;
        int64_t limit = clock_now_ns() + 20 * NS_PER_S;
        int fd;

        if (setuid(65534) != 0 ||
            (fd = local_connect(path_to("ctl"), limit, &e)) < 0 ||
            local_ask(fd, "let me", 6, limit, &b, &e) < 0)
            _exit(1);
        _exit(strstr(b.data, "refused user 65534") ? 0 : 2);
    }
    WAIT(waitpid(pid, &status, WNOHANG) == pid);
    ok(WIFEXITED(status) && WEXITSTATUS(status) == 0,
       "is told that he must not");
    is_int(seen.requests, 0, "and not listened to");
    chmod(folder, 0700);
    end_serving();
}

/* ---- the file ------------------------------------------------------------ */

static void
test_mode(void)
{
    struct stat st;

    for (int i = 0; i < 2; i++) {
        mode_t was = umask(i ? 077 : 0);

        serve();
        umask(was);
        ok(lstat(path_to("ctl"), &st) == 0 && S_ISSOCK(st.st_mode) &&
               (st.st_mode & 07777) == 0600,
           "mode 600 with umask %s", i ? "077" : "0");
        end_serving();
    }
}

/* A socket at ctl; closed: one that its process has left behind. */
static int
make_socket(int type, bool closed)
{
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);

    snprintf(a.sun_path, sizeof a.sun_path, "%s", path_to("ctl"));
    if (fd < 0 || bind(fd, (struct sockaddr *)&a, sizeof a) != 0 ||
        (type == SOCK_STREAM && listen(fd, 1) != 0))
        printf("# no socket: %s\n", strerror(errno));
    if (!closed)
        return fd;
    close(fd);
    return -1;
}

static bool
is_refused(const char *text)
{
    struct err e = ERR_INIT;
    struct local_server *s =
        local_server_new(&loop, path_to("ctl"), &handlers, NULL, &e);

    uv_run(&loop, UV_RUN_NOWAIT);
    if (s || !strstr(e.text, text))
        printf("# got \"%s\"\n", e.text);
    local_server_close(s);
    return !s && e.code == ERR_SYS && strstr(e.text, text);
}

static void
test_in_the_way(void)
{
    int fd;

    make_socket(SOCK_STREAM, true);
    ok(local_connect(path_to("ctl"), 0, NULL) < 0 && errno == ECONNREFUSED,
       "a stale socket");
    serve();
    fd = dial();
    say(fd, "hi\n", 3);
    is_str(hear(fd, 3), "hi\n", "is replaced");
    close(fd);
    ok(is_refused("another process listens"), "a living one is not");
    unlink(path_to("ctl"));
    fd = make_socket(SOCK_STREAM, false);
    ok(!end_serving(), "a socket that is no longer ours is not removed");
    ok(is_refused("another process listens"), "nor replaced");
    close(fd);
    unlink(path_to("ctl"));
    fd = make_socket(SOCK_DGRAM, false);
    ok(is_refused("wrong type") && fs_exists(path_to("ctl")),
       "one of another type neither");
    close(fd);
    unlink(path_to("ctl"));
    ok(fs_write(path_to("ctl"), "text", 4, NULL) == 0 &&
           is_refused("not a socket") && fs_exists(path_to("ctl")),
       "a file in the way stays");
    unlink(path_to("ctl"));
    ok(symlink("nowhere", path_to("ctl")) == 0 && is_refused("not a socket"),
       "a link, too");
    unlink(path_to("ctl"));
    errno = 0;
    ok(local_connect(path_to("ctl"), 0, NULL) < 0 && errno == ENOENT,
       "there is none");
}

static void
test_long_path(void)
{
    char deep[700], name[300];
    struct err e = ERR_INIT;
    struct local_server *s;
    int fd;

    snprintf(deep, sizeof deep, "%s/%0200d/%0200d", folder, 1, 2);
    is_int(fs_mkdir(deep, true, &e), 0, "a deep folder");
    strcat(deep, "/ctl");
    memset(&seen, 0, sizeof seen);
    s = local_server_new(&loop, deep, &handlers, NULL, &e);
    ok(s && fs_exists(deep), "has a socket");
    if (!s)
        printf("# %s\n", e.text);
    fd = local_connect(deep, clock_now_ns() + 10 * NS_PER_S, &e);
    say(fd, "hi\n", 3);
    is_str(hear(fd, 3), "hi\n", "that works");
    close(fd);
    local_server_close(s);
    uv_run(&loop, UV_RUN_NOWAIT);
    ok(!fs_exists(deep), "and is removed");
    make_socket(SOCK_STREAM, true);
    ok(rename(path_to("ctl"), deep) == 0 &&
           (s = local_server_new(&loop, deep, &handlers, NULL, &e)),
       "a stale one is replaced there");
    local_server_close(s);
    uv_run(&loop, UV_RUN_NOWAIT);
    snprintf(name, sizeof name, "%s/%0200d", folder, 3);
    s = local_server_new(&loop, name, &handlers, NULL, &e);
    ok(!s && strstr(e.text, "too long"), "a name that is too long is refused");
    errno = 0;
    ok(local_connect(name, 0, NULL) < 0 && errno == ENAMETOOLONG,
       "by the other side too");
    uv_run(&loop, UV_RUN_NOWAIT);
}

static void
test_no_memory(void)
{
    bool told = true;

    for (int i = 0; i < 3; i++) {
        struct err e = ERR_INIT;

        mem_fail_after(i);
        told &= !local_server_new(&loop, path_to("ctl"), &handlers, NULL, &e) &&
                e.code == ERR_NOMEM;
        mem_fail_after(-1);
    }
    ok(told, "out of memory at any allocation");
    ok(!fs_exists(path_to("ctl")), "leaves no socket");
}

/* ---- a command's end ----------------------------------------------------- */

struct question {
    const char *text;
    double seconds; /* limit */
    size_t max;     /* of the answer */
    struct buf answer;
    struct err err;
    bool done; /* atomic */
};

static void *
ask(void *arg)
{
    struct question *q = arg;
    int64_t limit = clock_now_ns() + (int64_t)(q->seconds * (double)NS_PER_S);
    int fd = local_connect(path_to("ctl"), limit, &q->err);

    if (fd >= 0) {
        (void)local_ask(fd, q->text, strlen(q->text), limit, &q->answer,
                        &q->err);
        close(fd);
    }
    __atomic_store_n(&q->done, true, __ATOMIC_RELEASE);
    return NULL;
}

static struct question
put(const char *text, double seconds, size_t max)
{
    struct question q = {text, seconds, max, BUF_INIT(max), ERR_INIT, false};
    pthread_t t;

    if (pthread_create(&t, NULL, ask, &q) != 0) {
        printf("Bail out! no thread\n");
        exit(1);
    }
    WAIT(__atomic_load_n(&q.done, __ATOMIC_ACQUIRE));
    pthread_join(t, NULL);
    return q;
}

static void
test_ask(void)
{
    static char big[LOCAL_MAX_LINE];
    struct question q;
    int fd[LOCAL_MAX_PEERS];

    serve();
    q = put("hello", 20, 100);
    is_str(q.answer.data, "hello", "an answer without its newline");
    buf_release(&q.answer);
    memset(big, 'x', sizeof big - 1);
    q = put(big, 20, sizeof big);
    is_str(q.answer.data, big, "a long request and its answer");
    buf_release(&q.answer);
    q = put("big", 20, 1000);
    ok(q.err.code == ERR_FAIL || q.err.code == ERR_NOMEM,
       "an answer that is too long is an error: %s", q.err.text);
    buf_release(&q.answer);
    q = put("hold", 0.1, 100);
    ok(q.err.code == ERR_SYS && strstr(q.err.text, "no answer in time"),
       "an answer that does not come is one, too");
    buf_release(&q.answer);
    for (int i = 0; i < LOCAL_MAX_PEERS; i++)
        fd[i] = dial();
    q = put("hello", 20, 1000);
    ok(!q.err.code && strstr(q.answer.data, "others are connected"),
       "who is refused hears why, though it had something to say");
    buf_release(&q.answer);
    for (int i = 0; i < LOCAL_MAX_PEERS; i++)
        close(fd[i]);
    end_serving();
    q = put("hello", 20, 100);
    ok(q.err.code == ERR_SYS && strstr(q.err.text, "No such file"),
       "and there is nobody to ask: %s", q.err.text);
}

int
main(void)
{
    signal(SIGPIPE, SIG_IGN);
    if (!mkdtemp(folder)) {
        printf("Bail out! no folder\n");
        return 1;
    }
    uv_loop_init(&loop);
    uv_timer_init(&loop, &tick);
    uv_timer_start(&tick, on_tick, 1, 1);
    test_requests();
    test_limits();
    test_noise();
    test_crowd();
    test_idle();
    test_no_reader();
    test_gone();
    test_other_user();
    test_mode();
    test_in_the_way();
    test_long_path();
    test_no_memory();
    test_ask();
    uv_close((uv_handle_t *)&tick, NULL);
    uv_run(&loop, UV_RUN_NOWAIT);
    is_int(uv_loop_close(&loop), 0, "no handle is left");
    fs_remove(folder, NULL);
    return done();
}
