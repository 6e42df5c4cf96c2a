/* SPDX-License-Identifier: Apache-2.0 */
#include "chaos/child.h"

#include "base/err.h"
#include "base/mem.h"
#include "base/rng.h"
#include "base/str.h"
#include "chaos/proc.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#define MAX_LEFT 1024
#define FIRST    (-20) /* priority */

static const int signals[] = {SIGCHLD, SIGINT, SIGTERM, SIGHUP};

static void
fill_set(sigset_t *set)
{
    sigemptyset(set);
    for (size_t i = 0; i < ARRAY_LEN(signals); i++)
        sigaddset(set, signals[i]);
}

static _Noreturn void
become_run(const struct child_run *c, const char *const *argv, pid_t parent)
{
    sigset_t set;

    setpgid(0, 0);
    if (prctl(PR_SET_PDEATHSIG, SIGTERM) != 0 || getppid() != parent)
        _exit(ERR_SYS);
    fill_set(&set);
    sigprocmask(SIG_UNBLOCK, &set, NULL);
    if (c->output >= 0 && (dup2(c->output, STDOUT_FILENO) < 0 ||
                           dup2(c->output, STDERR_FILENO) < 0))
        _exit(ERR_SYS);
    /* putenv keeps the string, execv copies it. */
    if (putenv((char *)(uintptr_t)c->marker) == 0)
        execv("/proc/self/exe", (char *const *)(uintptr_t)argv);
    _exit(ERR_SYS);
}

int
child_start(struct child_run *c, const char *const *argv, bool verbose,
            struct err *err)
{
    pid_t parent = getpid();
    uint64_t word;
    sigset_t set;

    if (rng_secret(&word, sizeof word) != 0)
        return err_errno(err, "random numbers");
    (void)str_printf(c->marker, sizeof c->marker, "EBSP_CHAOS=%016" PRIx64,
                     word);
    if (!verbose && (c->output = memfd_create("output", MFD_CLOEXEC)) < 0)
        return err_errno(err, "memfd_create");
    fill_set(&set);
    sigprocmask(SIG_BLOCK, &set, NULL);
    c->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    if (c->signals < 0)
        return err_errno(err, "signalfd");
    c->pid = fork();
    if (c->pid < 0)
        return err_errno(err, "fork");
    if (c->pid == 0)
        become_run(c, argv, parent);
    setpgid(c->pid, c->pid); /* whoever of us comes first */
    /* Who is to be hit in a state that lasts for milliseconds must not have to
     * wait for us.  Where that is not permitted some come late. */
    c->nice = getpriority(PRIO_PROCESS, 0);
    (void)setpriority(PRIO_PROCESS, 0, FIRST);
    return 0;
}

void
child_signals(struct child_run *c)
{
    struct signalfd_siginfo s;
    int status;

    while (read(c->signals, &s, sizeof s) == (ssize_t)sizeof s) {
        if (s.ssi_signo == SIGCHLD || c->ended)
            continue;
        if (c->signum == 0)
            c->signum = (int)s.ssi_signo;
        kill(c->pid, (int)s.ssi_signo);
    }
    if (!c->ended && c->pid > 0 &&
        waitpid(c->pid, &status, WNOHANG) == c->pid) {
        c->ended = true;
        c->status =
            WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
    }
}

void
child_wait(struct child_run *c)
{
    struct pollfd p = {.fd = c->signals, .events = POLLIN};

    for (child_signals(c); !c->ended; child_signals(c))
        (void)poll(&p, 1, -1);
}

/* Who is killed cannot start anybody, but whom it has started just before is
 * seen only when we look again. */
void
child_destroy(struct child_run *c)
{
    pid_t left[MAX_LEFT];
    size_t n;

    if (!c->ended && c->pid > 0)
        kill(c->pid, SIGKILL);
    for (int i = 0; i < 100 && (n = proc_marked(c->marker, left, MAX_LEFT)) > 0;
         i++) {
        for (size_t k = 0; k < n; k++)
            kill(left[k], SIGKILL);
        (void)poll(NULL, 0, 10);
    }
    if (!c->ended && c->pid > 0)
        child_wait(c);
}

void
child_get_output(const struct child_run *c, char *to, size_t cap)
{
    off_t end = c->output >= 0 ? lseek(c->output, 0, SEEK_END) : 0;
    size_t want = cap - 1;
    ssize_t n = 0;

    if (end > 0)
        n = pread(c->output, to, want,
                  end > (off_t)want ? end - (off_t)want : 0);
    to[n > 0 ? n : 0] = '\0';
    for (; n > 0 && to[n - 1] == '\n'; n--)
        to[n - 1] = '\0';
}

void
child_release(struct child_run *c)
{
    sigset_t set;

    if (c->signals >= 0) {
        close(c->signals);
        if (c->pid > 0)
            (void)setpriority(PRIO_PROCESS, 0, c->nice);
        fill_set(&set);
        sigprocmask(SIG_UNBLOCK, &set, NULL);
    }
    if (c->output >= 0)
        close(c->output);
}
