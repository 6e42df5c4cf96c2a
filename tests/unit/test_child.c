/* SPDX-License-Identifier: Apache-2.0 */
/* Child processes: their input, output, end and group. */
#include "tap.h"

#include "base/clock.h"
#include "base/err.h"
#include "base/mem.h"
#include "io/child.h"

#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#define LIMIT_NS (20 * NS_PER_S)

static uv_loop_t loop;

struct seen {
    struct child *child;
    char text[4096];   /* lines, each with '\n' */
    int lines, errors; /* of those: on stderr */
    int exits, signal, alarms;
    int64_t status;
    char last[CHILD_LAST_LINES][512]; /* at the exit, oldest first */
    int n_last;
    int kill_at_line; /* 0: never */
};

static void
on_line(void *ctx, enum child_stream from, const char *line)
{
    struct seen *s = ctx;
    size_t n = strlen(s->text);

    s->lines++;
    s->errors += from == CHILD_ERR;
    snprintf(s->text + n, sizeof s->text - n, "%s\n", line);
    if (s->lines == s->kill_at_line)
        child_kill(s->child, SIGKILL);
}

static void
on_exit_(void *ctx, int64_t status, int signal)
{
    struct seen *s = ctx;
    const char *line;

    s->exits++;
    s->status = status;
    s->signal = signal;
    for (s->n_last = 0; (line = child_get_last_line(s->child, s->n_last));
         s->n_last++)
        snprintf(s->last[s->n_last], sizeof s->last[0], "%s", line);
}

static void
on_alarm(void *ctx)
{
    struct seen *s = ctx;

    s->alarms++;
}

static const struct child_handlers handlers = {on_line, on_alarm, on_exit_};

static void
on_tick(uv_timer_t *timer)
{
    (void)timer;
}

/* Runs the loop until *what is not zero; false when it takes too long. */
static bool
wait_for(const int *what)
{
    int64_t limit = clock_now_ns() + LIMIT_NS;
    uv_timer_t tick;

    uv_timer_init(&loop, &tick);
    uv_timer_start(&tick, on_tick, 20, 20);
    while (!*what && clock_now_ns() < limit)
        uv_run(&loop, UV_RUN_ONCE);
    uv_close((uv_handle_t *)&tick, NULL);
    uv_run(&loop, UV_RUN_NOWAIT);
    return *what != 0;
}

static bool
start(struct seen *s, const char *script, const char *input)
{
    const char *argv[] = {"sh", "-c", script, NULL};
    struct err e = ERR_INIT;

    memset(s, 0, sizeof *s);
    s->child = child_new(&loop, argv, &handlers, s, &e);
    if (!s->child || child_write(s->child, input, strlen(input), &e) != 0)
        printf("# %s\n", e.text);
    return s->child;
}

static void
test_lines(void)
{
    struct seen s;

    ok(start(&s, "echo out; echo err >&2; printf 'no newline'; exit 3", "") &&
           wait_for(&s.exits),
       "a child runs and ends");
    is_int(s.status, 3, "exit status");
    is_int(s.signal, 0, "no signal");
    is_int(s.lines, 3, "lines of stdout and stderr, and one without newline");
    is_int(s.errors, 1, "which of them is of stderr");
    ok(strstr(s.text, "out\n") && strstr(s.text, "err\n") &&
           strstr(s.text, "no newline\n"),
       "each line is whole");
    is_int(s.exits, 1, "the exit is told once");
}

static void
test_stranger_text(void)
{
    struct seen s;
    char expect[512];

    ok(start(&s, "printf 'a\\033[31mb\\377\\tc\\r\\n'", "") &&
           wait_for(&s.exits),
       "a child prints control bytes");
    is_str(s.text, "a\\x1b[31mb\\xff\\x09c\n", "they arrive escaped, no \\r");

    ok(start(&s, "printf '%0700d\\nnext\\n' 0", "") && wait_for(&s.exits),
       "a child prints a long line");
    snprintf(expect, sizeof expect, "%0500d\nnext\n", 0);
    is_str(s.text, expect, "it is cut at 500 characters, the next one is not");

    ok(start(&s, "head -c 200 /dev/zero; echo", "") && wait_for(&s.exits),
       "a child prints zeros");
    is_int(strlen(s.text), 501, "escaped ones are cut at 500 characters too");
}

static void
test_last_lines(void)
{
    struct seen s;

    ok(start(&s, "for i in 1 2 3 4 5 6 7 8 9 10 11; do echo $i; done", "") &&
           wait_for(&s.exits),
       "a child prints eleven lines");
    is_int(s.n_last, CHILD_LAST_LINES, "eight are kept");
    is_str(s.last[0], "4", "the oldest");
    is_str(s.last[7], "11", "the newest");

    ok(start(&s, "echo only", "") && wait_for(&s.exits), "one line");
    is_int(s.n_last, 1, "is kept");
    is_str(s.last[0], "only", "as it was");
}

static void
test_input(void)
{
    static char big[300001];
    struct seen s;

    ok(start(&s, "read a; read b; echo \"$b $a\"", "one\ntwo\n") &&
           wait_for(&s.exits),
       "a child reads its input");
    is_str(s.text, "two one\n", "all of it");

    ok(start(&s, "cat >/dev/null; echo end of input", "x\n"),
       "a child waits for the end of its input");
    child_close_stdin(s.child);
    ok(wait_for(&s.exits), "child_close_stdin is that end");
    is_str(s.text, "end of input\n", "and it goes on");

    memset(big, 'a', sizeof big - 1);
    ok(start(&s, "wc -c", big), "more input than a pipe holds");
    child_close_stdin(s.child);
    ok(wait_for(&s.exits), "is written before stdin is closed");
    is_int(strtol(s.text, NULL, 10), (long)sizeof big - 1, "to the last byte");

    ok(start(&s, "exec <&-; exit 5", big) && wait_for(&s.exits),
       "a child that does not read its input");
    is_int(s.status, 5, "just ends");
}

static void
test_talk(void)
{
    struct err e = ERR_INIT;
    struct seen s;

    ok(start(&s, "echo up; read a; echo \"$a\"; read b; echo \"$b\"; cat", ""),
       "a child that speaks first");
    ok(wait_for(&s.lines), "is heard before anything is written");
    ok(child_write(s.child, "one\n", 4, &e) == 0 &&
           child_write(s.child, "two\nthree", 9, &e) == 0,
       "it is answered twice");
    mem_fail_after(0);
    is_int(child_write(s.child, "x", 1, &e), -1, "out of memory");
    mem_fail_after(-1);
    err_clear(&e);
    child_close_stdin(s.child);
    is_int(child_write(s.child, "x", 1, &e), -1, "not after the end of stdin");
    ok(wait_for(&s.exits), "and ends");
    is_str(s.text, "up\none\ntwo\nthree\n", "it has got both answers");
}

static void
test_alarm(void)
{
    struct seen s;

    ok(start(&s, "cat; echo bye", ""), "a child that says nothing");
    child_set_alarm(s.child, 10);
    ok(wait_for(&s.alarms), "is noticed");
    child_set_alarm(s.child, 1);
    child_set_alarm(s.child, 0);
    child_close_stdin(s.child);
    ok(wait_for(&s.exits), "and ends");
    is_int(s.alarms, 1, "an alarm that is taken back does not go off");
}

static void
test_kill(void)
{
    struct seen s;
    int gone[2];

    ok(start(&s, "trap '' TERM; echo up; while :; do sleep 1; done", "") &&
           wait_for(&s.lines),
       "a child that ignores SIGTERM");
    is_int(getpgid(child_get_pid(s.child)), child_get_pid(s.child),
           "leads its own process group");
    is_int(child_kill(s.child, SIGKILL), 0, "is killed");
    ok(wait_for(&s.exits), "and ends");
    is_int(s.signal, SIGKILL, "by the signal that is told");

    /* The grandchild has the writing end of `gone`, too. */
    if (pipe(gone) < 0)
        return;
    ok(start(&s, "sleep 1000 & echo up; wait", "") && wait_for(&s.lines),
       "a child with a child");
    close(gone[1]);
    is_int(child_kill(s.child, SIGTERM), 0, "is killed");
    ok(wait_for(&s.exits), "and ends");
    ok(poll(&(struct pollfd){gone[0], POLLIN, 0}, 1, 5000) == 1,
       "and its child with it");
    close(gone[0]);

    memset(&s, 0, sizeof s);
    ok(start(&s, "while :; do echo y; done", ""), "a child that floods");
    s.kill_at_line = 100;
    ok(wait_for(&s.exits), "is killed from within on_line");
    is_int(s.signal, SIGKILL, "and that was it");
    ok(s.lines >= 100, "after the lines it had printed");
}

static void
test_left_behind(void)
{
    struct seen s;
    int64_t t = clock_now_ns();
    pid_t orphan;

    /* setsid: out of the group, so that it survives the child. */
    ok(start(&s, "setsid sleep 1000 & echo $!; exit 4", "") &&
           wait_for(&s.exits),
       "a child leaves somebody behind that holds its output open");
    is_int(s.status, 4, "its end is told");
    ok(clock_now_ns() - t < 10 * NS_PER_S, "without waiting for the other");
    orphan = (pid_t)strtol(s.text, NULL, 10);
    ok(orphan > 1 && kill(orphan, SIGKILL) == 0, "the other is still there");
}

static void
test_no_descriptors(void)
{
    const char *argv[] = {"true", NULL};
    struct rlimit old, few;
    struct seen s = {0};
    struct err e = ERR_INIT;

    getrlimit(RLIMIT_NOFILE, &old);
    few = old;
    few.rlim_cur = 3;
    setrlimit(RLIMIT_NOFILE, &few);
    ok(!child_new(&loop, argv, &handlers, &s, &e), "no descriptors are left");
    setrlimit(RLIMIT_NOFILE, &old);
    is_int(e.code, ERR_SYS, "is a system error");
    is_str(e.text, "start \"true\": too many open files: see \"ulimit -n\"",
           "with advice");
    uv_run(&loop, UV_RUN_NOWAIT);
}

static void
test_missing(void)
{
    const char *argv[] = {"./no-such-program", NULL};
    struct seen s = {0};
    struct err e = ERR_INIT;

    ok(!child_new(&loop, argv, &handlers, &s, &e),
       "a program that does not exist");
    is_int(e.code, ERR_SYS, "is a system error");
    is_str(e.text, "start \"./no-such-program\": no such file or directory",
           "that names it");
    uv_run(&loop, UV_RUN_NOWAIT);
    is_int(s.exits, 0, "no exit is told");
    mem_fail_after(0);
    err_clear(&e);
    ok(!child_new(&loop, argv, &handlers, &s, &e) && e.code == ERR_NOMEM,
       "out of memory");
    mem_fail_after(-1);
}

/* What keeps workers from surviving their coordinator. */
static void
test_orphan(void)
{
    int up[2], gone[2];
    char byte;
    pid_t parent;

    if (pipe(up) < 0 || pipe(gone) < 0) {
        ok(0, "pipes");
        return;
    }
    /* The child tells through `gone` that it has seen the end of stdin: the
     * writing end closes with it. */
    parent = fork();
    if (parent == 0) {
        char script[128];
        struct seen s;

        uv_loop_fork(&loop);
        close(gone[0]);
        snprintf(script, sizeof script, "echo up; cat; : <&%d", gone[1]);
        if (start(&s, script, "") && wait_for(&s.lines) &&
            write(up[1], "", 1) == 1)
            wait_for(&s.exits);
        _exit(0);
    }
    close(up[1]);
    close(gone[1]);
    ok(read(up[0], &byte, 1) == 1, "a parent has a child");
    kill(parent, SIGKILL);
    is_int(read(gone[0], &byte, 1), 0, "which ends when the parent is killed");
    waitpid(parent, NULL, 0);
    close(up[0]);
    close(gone[0]);
}

int
main(void)
{
    signal(SIGPIPE, SIG_IGN);
    uv_loop_init(&loop);
    test_lines();
    test_stranger_text();
    test_last_lines();
    test_input();
    test_talk();
    test_alarm();
    test_kill();
    test_left_behind();
    test_no_descriptors();
    test_missing();
    test_orphan();
    uv_run(&loop, UV_RUN_NOWAIT);
    is_int(uv_loop_close(&loop), 0, "no handle is left");
    return done();
}
