/* SPDX-License-Identifier: Apache-2.0 */
/* ebsp top: what is shown of a run, and how on a terminal. */
#include "tap.h"

#include "base/clock.h"
#include "base/err.h"
#include "base/fs.h"
#include "base/mem.h"
#include "cmd/cmd.h"
#include "cmd/top.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <poll.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#define LIMIT_S 30 /* for what takes milliseconds */

/* Rank 1 computes for 3 of 4 s; rank 10 waits for half of its time. */
static const char begin[] =
    "{\"t\":0,\"event\":\"run\",\"name\":\"j\"}\n"
    "{\"t\":0,\"event\":\"hello\",\"rank\":1,\"host\":\"node-a\"}\n"
    "{\"t\":0,\"event\":\"hello\",\"rank\":10,\"host\":\"a\\u001b[2Jb\"}\n"
    "{\"t\":0,\"event\":\"join\",\"rank\":1}\n"
    "{\"t\":0,\"event\":\"join\",\"rank\":10}\n"
    "{\"t\":0,\"event\":\"start\",\"policy\":\"ssp\",\"workers\":2,"
    "\"version\":0,\"samples\":0,\"total\":2000,\"epochs\":4}\n"
    "{\"t\":0,\"event\":\"release\",\"rank\":1,\"held\":0}\n"
    "{\"t\":0,\"event\":\"release\",\"rank\":10,\"held\":0}\n"
    "{\"t\":4,\"event\":\"push\",\"rank\":1,\"base\":0,\"loss\":1,\"data\":0,"
    "\"compute\":3,\"push\":0.75,\"pull\":0.25}\n"
    "{\"t\":4,\"event\":\"add\",\"rank\":1}\n"
    "{\"t\":4,\"event\":\"commit\",\"version\":1,\"lr\":1,\"samples\":500}\n"
    "{\"t\":4,\"event\":\"release\",\"rank\":1,\"held\":0}\n"
    "{\"t\":4,\"event\":\"push\",\"rank\":10,\"base\":0,\"loss\":1,"
    "\"data\":0,\"compute\":4,\"push\":0,\"pull\":0}\n"
    "{\"t\":4,\"event\":\"add\",\"rank\":10}\n"
    "{\"t\":4,\"event\":\"eval\",\"samples\":500,\"loss\":0.5,"
    "\"accuracy\":0.875}\n";

static const char answer[] =
    "{\"ok\":true,\"workers\":[{\"rank\":10,\"state\":\"held\","
    "\"last_heard\":6,\"silence_limit\":10},{\"rank\":1,\"state\":\"cut\","
    "\"last_heard\":null},3,{\"rank\":\"x\"}]}";

/* A run in a folder of its own. */
static void
make_run(char run[32], const char *events)
{
    struct err err = ERR_INIT;
    char path[64];

    (void)snprintf(run, 32, "/tmp/test-top-XXXXXX");
    if (!mkdtemp(run))
        abort();
    (void)snprintf(path, sizeof path, "%s/events.jsonl", run);
    if (fs_write(path, events, strlen(events), &err) != 0)
        abort();
    (void)snprintf(path, sizeof path, "%s/job.json", run);
    if (fs_write(path, "{}", 2, &err) != 0)
        abort();
}

/* A socket that nobody listens on. */
static void
make_dead_socket(const char *run)
{
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);

    (void)snprintf(a.sun_path, sizeof a.sun_path, "%s/ctl", run);
    if (fd < 0 || bind(fd, (struct sockaddr *)&a, sizeof a) != 0)
        abort();
    close(fd);
}

/* ---- what is known ------------------------------------------------------- */

static void
sources(void)
{
    struct top_source s;
    struct err err = ERR_INIT;
    char run[32], path[64];
    int r, fd;

    make_run(run, begin);
    r = top_source_open(&s, run, &err);
    ok(r == 0 && top_source_look(&s, 0, &err) == 0 && s.life == TOP_AWAY,
       "no socket: not at work");
    ok(s.tally.n == 11 && s.tally.t == 4 && s.now == 4,
       "its events; no time goes by");
    make_dead_socket(run);
    r = top_source_look(&s, 0, &err);
    ok(r == 0 && s.life == TOP_KILLED, "nobody at its socket: killed");

    (void)snprintf(path, sizeof path, "%s/events.jsonl", run);
    fd = open(path, O_WRONLY | O_APPEND | O_CLOEXEC);
    ok(fs_write_all(fd, "{\"t\":9,\"event\":\"ov", 18, &err) == 0 &&
           top_source_look(&s, 0, &err) == 0 && s.life == TOP_KILLED,
       "a line that was cut off is no event");
    ok(fs_write_all(fd, "er\"}\n", 5, &err) == 0 &&
           top_source_look(&s, 0, &err) == 0 && s.life == TOP_ENDED,
       "an event that says that it has ended");
    close(fd);
    top_source_close(&s);
    (void)fs_remove(run, NULL);

    make_run(run, begin);
    r = top_source_open(&s, run, &err);
    ok(r == 0 && top_source_look(&s, 1, &err) == 0 && s.behind &&
           s.tally.n == 0,
       "no more is read at once than there is time for");
    ok(top_source_look(&s, 0, &err) == 0 && !s.behind, "the rest");
    top_source_close(&s);
    (void)fs_remove(run, NULL);

    ok(top_source_open(&s, run, &err) != 0, "no run: %s", err.text);
    top_source_close(&s);
}

/* ---- the picture --------------------------------------------------------- */

/* A source that has answered. */
static void
open_alive(struct top_source *s, char run[32])
{
    struct err err = ERR_INIT;

    make_run(run, begin);
    if (top_source_open(s, run, &err) != 0 ||
        top_source_look(s, 0, &err) != 0 ||
        json_doc_parse(&s->status, "answer", answer, strlen(answer), &err) != 0)
        abort();
    s->life = TOP_ALIVE;
    s->now = 8;
    (void)fs_remove(run, NULL);
}

static void
views(void)
{
    struct top_source s;
    struct top_view v;
    struct err err = ERR_INIT;
    char run[32], title[128];

    open_alive(&s, run);
    is_int(top_view_make(&v, &s, NULL, &err), 0, "a picture");
    (void)snprintf(title, sizeof title, "%s: training, policy ssp, up 8.0s",
                   run);
    is_str(v.title, title, "how it is");
    is_str(v.progress,
           "epoch 1.00 of 4, 500 of 2000 samples, 62 samples/s, 1 updates",
           "how far");
    is_str(v.training,
           "loss 1.0000, test accuracy 87.50%, best 87.50%, test loss 0.5000",
           "how well");
    is_str(v.workers,
           "2 workers, 0 lost; waiting 33.3%, staleness 0.50 on average, 1 at "
           "most",
           "how together");
    is_int(v.n, 2, "ranks that there are");
    ok(v.row[0].rank == 1 && !strcmp(v.row[0].state, "cut") &&
           v.row[0].look == TOP_BAD && isnan(v.row[0].heard),
       "one that is cut off");
    ok(v.row[0].share[TALLY_COMPUTE] == 0.75 &&
           v.row[0].share[TALLY_PUSH] == 0.1875 &&
           v.row[0].share[TALLY_PULL] == 0.0625 &&
           v.row[0].share[TALLY_WAIT] == 0 && v.row[0].rate == 0.125,
       "where its time goes");
    ok(v.row[1].rank == 10 && !strcmp(v.row[1].state, "held") &&
           v.row[1].look == TOP_WARN && v.row[1].heard == 6 &&
           v.row[1].staleness == 1,
       "one that is silent for more than half of its limit");
    ok(v.row[1].share[TALLY_WAIT] == 0.5, "a wait counts while it lasts");
    is_str(v.row[1].host, "a\\x1b[2Jb", "no host controls the terminal");
    top_view_release(&v);

    s.life = TOP_KILLED;
    json_doc_release(&s.status);
    is_int(top_view_make(&v, &s, NULL, &err), 0, "killed");
    ok(strstr(v.title, "its coordinator was killed; continue it with \"ebsp "
                       "train --resume ") &&
           v.look == TOP_BAD && !strcmp(v.row[0].state, "-") &&
           v.row[0].look == TOP_PLAIN,
       "is said so");
    top_view_release(&v);
    s.life = TOP_ENDED;
    (void)snprintf(s.tally.failure, sizeof s.tally.failure, "no room\a");
    is_int(top_view_make(&v, &s, NULL, &err), 0, "failed");
    ok(strstr(v.title, ": this run has ended: failed: no room\\x07") &&
           v.look == TOP_BAD,
       "is said so");
    top_view_release(&v);
    top_source_close(&s);
}

/* A worker whose habits change: only the window counts. */
static void
windows(void)
{
    struct top_history h = {.n = 0};
    const struct top_past *past;
    struct top_source s;
    struct top_view v;
    struct err err = ERR_INIT;
    char run[32];

    open_alive(&s, run);
    (void)top_history_take(&h, &s.tally, s.now, &err);
    ok(!top_history_get(&h, s.now), "at first the whole run");
    for (int i = 1; i <= 30; i++) { /* rank 1 waits, 2 iterations a second */
        s.now = 8 + i;
        s.tally.worker[1].iterations += 2;
        s.tally.worker[1].part[TALLY_WAIT] += 1;
        s.tally.samples += 20;
        (void)top_history_take(&h, &s.tally, s.now, &err);
    }
    past = top_history_get(&h, s.now);
    ok(past && s.now - past->t == TOP_WINDOW_S, "then the last seconds");
    is_int(top_view_make(&v, &s, past, &err), 0, "a picture");
    ok(v.row[0].rate == 2 && v.row[0].share[TALLY_WAIT] == 1, "of these");
    ok(strstr(v.progress, " 20 samples/s"), "samples, too: %s", v.progress);
    top_view_release(&v);
    s.now = 1;
    (void)top_history_take(&h, &s.tally, s.now, &err);
    ok(!top_history_get(&h, s.now), "a clock that begins anew has no past");
    top_history_release(&h);
    top_source_close(&s);
}

static void
sorting(void)
{
    struct top_row row[] = {
        {.rank = 0, .host = "b", .rate = 1},
        {.rank = 1, .host = "a", .rate = NAN},
        {.rank = 2, .host = "a", .rate = 5},
        {.rank = 3, .host = "a", .rate = 1},
    };
    struct top_view v = {.row = row, .n = 4};
    char got[8];
#define IS(by, reverse, want)                                                  \
    do {                                                                       \
        top_view_sort(&v, by, reverse);                                        \
        (void)snprintf(got, sizeof got, "%u%u%u%u", row[0].rank, row[1].rank,  \
                       row[2].rank, row[3].rank);                              \
        is_str(got, want, #by " " #reverse);                                   \
    } while (0)

    IS(TOP_RATE, false, "2031");
    IS(TOP_RATE, true, "0321");
    IS(TOP_HOST, false, "1230");
    IS(TOP_HOST, true, "0123");
    IS(TOP_RANK, true, "3210");
    IS(TOP_RANK, false, "0123");
#undef IS
}

static void
pages(void)
{
    struct top_source s;
    struct top_view v;
    struct top_page p;
    struct err err = ERR_INIT;
    char run[32];

    open_alive(&s, run);
    (void)top_view_make(&v, &s, NULL, &err);
    top_view_sort(&v, TOP_RANK, false);
    is_int(top_page_make(&p, &v, TOP_PARTS + TALLY_WAIT, &err), 0, "a page");
    is_int(p.n, 8, "its lines");
    is_str(p.line[p.n_head - 1].text,
           "rank host      state        iter    it/s  comp  data  push  WAIT  "
           "pull  stale  heard",
           "titles; the sorted one is a loud one");
    is_str(p.line[6].text,
           "   1 node-a    cut             1     0.1   75%    0%   19%    0%   "
           " 6%      0      -",
           "a row");
    is_str(
        p.line[7].text,
        "  10 a\\x1b[2Jb held            1     0.1   50%    0%    0%   50%   "
        " 0%      1   6.0s",
        "another one");
    top_page_release(&p);
    top_view_release(&v);
    top_source_close(&s);
}

/* ---- on a terminal ------------------------------------------------------- */

struct terminal {
    pid_t pid;
    int fd;
    char seen[65536]; /* since the last clear */
    size_t n;
};

/* ebsp top on a terminal of so many columns. */
static void
open_terminal(struct terminal *t, char *run, unsigned short columns)
{
    struct winsize size = {.ws_row = 20, .ws_col = columns};
    char *argv[] = {(char[]){"ebsp top"}, run, (char[]){"--interval=0.3"},
                    NULL};
    struct err err = ERR_INIT;
    int tty, r;

    *t = (struct terminal){.fd = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC)};
    if (t->fd < 0 || grantpt(t->fd) != 0 || unlockpt(t->fd) != 0)
        abort();
    (void)ioctl(t->fd, TIOCSWINSZ, &size);
    tty = open(ptsname(t->fd), O_RDWR | O_NOCTTY);
    fflush(stdout);
    t->pid = fork();
    if (t->pid == 0) {
        setsid();
        (void)ioctl(tty, TIOCSCTTY, 0);
        dup2(tty, STDIN_FILENO);
        dup2(tty, STDOUT_FILENO);
        setenv("TERM", "xterm", 1);
        alarm(4 * LIMIT_S);
        r = cmd_top.run(3, argv, &err);
        fflush(stdout);
        _exit(r == 0 ? 0 : (int)err.code);
    }
    close(tty);
}

static bool
wait_for(struct terminal *t, const char *text)
{
    int64_t until = clock_now_ns() + LIMIT_S * NS_PER_S;

    while (clock_now_ns() < until) {
        struct pollfd p = {t->fd, POLLIN, 0};
        ssize_t n;

        if (strstr(t->seen, text))
            return true;
        if (poll(&p, 1, 1000) <= 0)
            continue;
        n = read(t->fd, t->seen + t->n, sizeof t->seen - 1 - t->n);
        if (n <= 0)
            break;
        for (ssize_t i = 0; i < n; i++) /* a search ends at a zero */
            if (!t->seen[t->n + (size_t)i])
                t->seen[t->n + (size_t)i] = ' ';
        t->n += (size_t)n;
    }
    return strstr(t->seen, text) != NULL;
}

static void
forget(struct terminal *t)
{
    memset(t->seen, 0, sizeof t->seen);
    t->n = 0;
}

/* Its exit status; -1: it had to be killed. */
static int
close_terminal(struct terminal *t)
{
    int status = -1;

    (void)!write(t->fd, "q", 1);
    (void)wait_for(t, "\033[?1049l"); /* the screen is as it was before */
    for (int i = 0; i < 10 * LIMIT_S; i++) {
        if (waitpid(t->pid, &status, WNOHANG) == t->pid) {
            close(t->fd);
            return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
        }
        (void)poll(NULL, 0, 100);
    }
    kill(t->pid, SIGKILL);
    (void)waitpid(t->pid, &status, 0);
    close(t->fd);
    return -1;
}

static void
terminals(void)
{
    struct winsize small = {.ws_row = 9, .ws_col = 40};
    struct terminal t;
    char run[32];

    make_run(run, begin);
    make_dead_socket(run);
    unsetenv("NO_COLOR");
    open_terminal(&t, run, 100);
    ok(wait_for(&t, "its coordinator was killed") && wait_for(&t, "node-a") &&
           wait_for(&t, "q quit"),
       "the table on a terminal");
    ok(strstr(t.seen, "\033[31m") || strstr(t.seen, ";31m") ||
           strstr(t.seen, "[0;1;31m"),
       "what is wrong is red");
    forget(&t);
    (void)!write(t.fd, ">", 1);
    ok(wait_for(&t, "HOST"), "a key sorts by another column");
    forget(&t);
    (void)ioctl(t.fd, TIOCSWINSZ, &small);
    ok(wait_for(&t, "q quit"), "another size of the window, another picture");
    ok(!strstr(t.seen, "--resume"), "lines end where it ends");
    is_int(close_terminal(&t), 0, "q quits");

    setenv("NO_COLOR", "1", 1);
    open_terminal(&t, run, 100);
    ok(wait_for(&t, "q quit") && !strstr(t.seen, "31m") &&
           strstr(t.seen, "its coordinator was killed"),
       "NO_COLOR");
    is_int(close_terminal(&t), 0, "and quits");
    (void)fs_remove(run, NULL);
}

int
main(void)
{
    sources();
    views();
    windows();
    sorting();
    pages();
    terminals();
    return done();
}
