/* SPDX-License-Identifier: Apache-2.0 */
/* A local socket itself: its file, who may use it, and the end of a command. */
#include "local_rig.h"

#include "base/buf.h"
#include "base/mem.h"

#include <pthread.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>

/* ---- who ----------------------------------------------------------------- */

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

static void
test_hidden(void)
{
    int fd;

    serve();
    fd = dial();
    say(fd, "hold\n", 5);
    WAIT(seen.held);
    local_server_hide(seen.s);
    ok(!fs_exists(path_to("ctl")), "a socket that is removed early");
    local_answer(seen.held, "late", 4);
    is_str(hear(fd, 5), "late\n", "leaves those who are connected");
    is_int(fs_write(path_to("ctl"), "", 0, NULL), 0, "what comes in its place");
    close(fd);
    ok(!end_serving(), "is not ours");
    unlink(path_to("ctl"));
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
    snprintf(deep, sizeof deep, "%s/%0200d/%0200d/ctl", folder, 1, 2);
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
    rig_init();
    test_other_user();
    test_mode();
    test_hidden();
    test_in_the_way();
    test_long_path();
    test_no_memory();
    test_ask();
    return rig_done();
}
