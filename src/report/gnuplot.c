/* SPDX-License-Identifier: Apache-2.0 */
#include "report/gnuplot.h"

#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define PROGRAM       "gnuplot"
#define MAX_COMPLAINT ((size_t)64 << 10)

/* Ours of what the child has. */
struct pipes {
    pid_t pid;
    int in, out, complaint; /* -1: closed */
    const char *script;
    size_t left;
    struct buf said; /* on standard error */
    struct buf *to;
};

bool
gnuplot_is_there(void)
{
    const char *path = getenv("PATH");
    bool found = false;

    while (path && *path && !found) {
        size_t n = strcspn(path, ":");
        char *file = mem_printf("%.*s/" PROGRAM, (int)n, path);

        found = file && n > 0 && access(file, X_OK) == 0;
        mem_free(file);
        path += n + (path[n] == ':');
    }
    return found;
}

static void
shut(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

/* -d: no settings of the user's, a report looks the same everywhere. */
static _Noreturn void
become_gnuplot(int in, int out, int complaint, pid_t parent)
{
    static char name[] = PROGRAM, defaults[] = "-d";
    char *argv[] = {name, defaults, NULL};

    if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 || getppid() != parent ||
        dup2(in, STDIN_FILENO) < 0 || dup2(out, STDOUT_FILENO) < 0 ||
        dup2(complaint, STDERR_FILENO) < 0)
        _exit(126);
    setenv("LC_ALL", "C", 1);
    unsetenv("GNUTERM");
    execvp(PROGRAM, argv);
    _exit(127);
}

/* The script goes through a socket: where gnuplot has ended a write fails, and
 * no signal ends us (MSG_NOSIGNAL). */
static int
start(struct pipes *p, struct err *err)
{
    int in[2] = {-1, -1}, out[2] = {-1, -1}, said[2] = {-1, -1};
    pid_t parent = getpid();
    int r = -1;

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, in) != 0 ||
        pipe2(out, O_CLOEXEC) != 0 || pipe2(said, O_CLOEXEC) != 0) {
        err_errno(err, PROGRAM);
    } else if ((p->pid = fork()) < 0) {
        err_errno(err, "fork");
    } else if (p->pid == 0) {
        become_gnuplot(in[0], out[1], said[1], parent);
    } else {
        p->in = in[1];
        p->out = out[0];
        p->complaint = said[0];
        in[1] = out[0] = said[0] = -1;
        r = 0;
    }
    for (int i = 0; i < 2; i++) {
        shut(&in[i]);
        shut(&out[i]);
        shut(&said[i]);
    }
    return r;
}

static void
feed(struct pipes *p)
{
    ssize_t n = send(p->in, p->script, p->left, MSG_NOSIGNAL | MSG_DONTWAIT);

    if (n > 0) {
        p->script += n;
        p->left -= (size_t)n;
    }
    if (p->left == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
        shut(&p->in);
}

static void
drain(int *fd, struct buf *to)
{
    char bytes[65536];
    ssize_t n = read(*fd, bytes, sizeof bytes);

    if (n > 0)
        buf_add(to, bytes, (size_t)n);
    else if (n == 0 || errno != EINTR)
        shut(fd);
}

/* Until it has closed its outputs. */
static int
talk(struct pipes *p, int64_t end_ns, struct err *err)
{
    while (p->out >= 0 || p->complaint >= 0) {
        struct pollfd at[3] = {{.fd = p->out, .events = POLLIN},
                               {.fd = p->complaint, .events = POLLIN},
                               {.fd = p->in, .events = POLLOUT}};
        int64_t left_ms = (end_ns - clock_now_ns()) / 1000000;

        if (left_ms <= 0)
            return err_set(err, ERR_FAIL, PROGRAM " took too long");
        if (poll(at, ARRAY_LEN(at), (int)left_ms) < 0) {
            if (errno == EINTR)
                continue;
            return err_errno(err, "poll");
        }
        if (at[0].revents)
            drain(&p->out, p->to);
        if (at[1].revents)
            drain(&p->complaint, &p->said);
        if (at[2].revents)
            feed(p);
        if (p->to->bad)
            return buf_ok(p->to, err);
    }
    return 0;
}

/* The first line that says something: gnuplot shows the statement and points at
 * it before. */
static int
complain(const struct buf *said, int status, struct err *err)
{
    char line[200];
    const char *at = said->len ? strstr(said->data, "line ") : NULL;

    if (WIFEXITED(status) && WEXITSTATUS(status) == 127)
        return err_set(err, ERR_FAIL, PROGRAM " could not be started");
    if (!at)
        at = said->len ? said->data : "";
    str_escape(line, sizeof line, at, strcspn(at, "\n"));
    return err_set(err, ERR_FAIL, PROGRAM " failed%s%s", *line ? ": " : "",
                   line);
}

int
gnuplot_draw(const char *script, size_t n, int max_seconds, struct buf *to,
             struct err *err)
{
    struct pipes p = {.in = -1,
                      .out = -1,
                      .complaint = -1,
                      .script = script,
                      .left = n,
                      .said = BUF_INIT(MAX_COMPLAINT),
                      .to = to};
    int status = 0, r;

    if (start(&p, err) != 0)
        return -1;
    r = talk(&p, clock_now_ns() + max_seconds * NS_PER_S, err);
    if (r != 0)
        kill(p.pid, SIGKILL);
    while (waitpid(p.pid, &status, 0) < 0 && errno == EINTR)
        ;
    if (r == 0 && (!WIFEXITED(status) || WEXITSTATUS(status) != 0))
        r = complain(&p.said, status, err);
    shut(&p.in);
    shut(&p.out);
    shut(&p.complaint);
    buf_release(&p.said);
    return r;
}
