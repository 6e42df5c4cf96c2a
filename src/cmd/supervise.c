/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/supervise.h"

#include "base/err.h"
#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define LAST_BACKOFF_S 60

/* Who sends one of these wants the run to end. */
static const int ending[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT};

struct parent {
    sigset_t waited, before; /* signals: those we take, the mask we got */
    int fd;                  /* where the coordinator tells */
    pid_t child;
    bool asked;            /* somebody wants the run to end */
    unsigned vain;         /* sessions in a row in which no training began */
    struct supervised *me; /* run: "" until training has begun */
};

static bool
is_ending(int signum)
{
    for (size_t i = 0; i < ARRAY_LEN(ending); i++)
        if (ending[i] == signum)
            return true;
    return false;
}

/* What our caller ignores (nohup) stays ignored, so we do not wait for it. */
static void
add_signal(sigset_t *set, int signum)
{
    struct sigaction now;

    if (sigaction(signum, NULL, &now) == 0 && now.sa_handler != SIG_IGN)
        sigaddset(set, signum);
}

static void
take_signals(struct parent *p)
{
    signal(SIGCHLD, SIG_DFL); /* ignored, it would take the status away */
    sigemptyset(&p->waited);
    sigaddset(&p->waited, SIGCHLD);
    for (size_t i = 0; i < ARRAY_LEN(ending); i++)
        add_signal(&p->waited, ending[i]);
    add_signal(&p->waited, SIGTSTP);
    sigaddset(&p->waited, SIGCONT);
    sigprocmask(SIG_BLOCK, &p->waited, &p->before);
}

/* ---- the child ----------------------------------------------------------- */

/* In a process group of its own it gets a Ctrl-C once: from us. */
static void
become_coordinator(const struct parent *p, pid_t parent)
{
    static const struct timespec now = {0, 0};

    setpgid(0, 0);
    /* Its end must not be ignored, or the run would go on without anybody who
     * looks after it. */
    signal(SIGTERM, SIG_DFL);
    if (prctl(PR_SET_PDEATHSIG, SIGTERM) != 0 || getppid() != parent)
        _exit(ERR_SYS);
    /* The terminal may be set up to stop a background group that writes. */
    signal(SIGTTOU, SIG_IGN);
    /* What reached the group before we left it, our parent will pass on. */
    while (sigtimedwait(&p->waited, NULL, &now) > 0)
        ;
    sigprocmask(SIG_SETMASK, &p->before, NULL);
}

void
supervised_tell(const struct supervised *me, const char *run)
{
    /* The pipe is empty and has room for any path.  Should it fail, there is
     * no restart. */
    if (me->tell_fd >= 0 && strlen(run) < PATH_MAX)
        (void)!write(me->tell_fd, run, strlen(run));
}

/* ---- the parent ---------------------------------------------------------- */

/* 0 in the child, 1 in the parent */
static int
start(struct parent *p, struct err *err)
{
    pid_t parent = getpid();
    int fd[2];

    if (pipe2(fd, O_CLOEXEC | O_NONBLOCK) != 0)
        return err_errno(err, "pipe");
    fflush(NULL);
    p->child = fork();
    if (p->child < 0) {
        err_errno(err, "fork");
        close(fd[0]);
        close(fd[1]);
        return -1;
    }
    if (p->child == 0) {
        become_coordinator(p, parent);
        close(fd[0]);
        p->me->tell_fd = fd[1];
        return 0;
    }
    setpgid(p->child, p->child); /* whoever of us comes first */
    close(fd[1]);
    p->fd = fd[0];
    return 1;
}

/* The status of the child when it has ended. */
static int
watch(struct parent *p)
{
    int status;

    for (;;) {
        int signum = sigwaitinfo(&p->waited, NULL);

        if (signum < 0)
            continue; /* EINTR: stopped and continued */
        if (signum == SIGCHLD) {
            if (waitpid(p->child, &status, WNOHANG) == p->child)
                return status;
            continue;
        }
        p->asked |= is_ending(signum);
        kill(p->child, signum);
        if (signum == SIGTSTP)
            raise(SIGSTOP);
    }
}

static void
read_told(struct parent *p)
{
    ssize_t n = read(p->fd, p->me->run, sizeof p->me->run - 1);

    if (n > 0)
        p->me->run[n] = '\0';
    p->vain = n > 0 ? 0 : p->vain + 1;
    close(p->fd);
}

static _Noreturn void
die_by(const struct parent *p, int signum)
{
    signal(signum, SIG_DFL);
    sigprocmask(SIG_SETMASK, &p->before, NULL);
    raise(signum);
    exit(128 + signum); /* it was blocked when we were started */
}

/* It doubles while nothing comes of it. */
static unsigned
backoff(unsigned vain)
{
    unsigned s = 1;

    while (vain-- > 0 && s < LAST_BACKOFF_S)
        s *= 2;
    return s < LAST_BACKOFF_S ? s : LAST_BACKOFF_S;
}

/* Until it is time for another start, or a signal wants the end. */
static void
pause_for(const struct parent *p, unsigned seconds)
{
    struct timespec now, left = {.tv_sec = seconds};
    struct timespec end;

    clock_gettime(CLOCK_MONOTONIC, &end);
    end.tv_sec += seconds;
    for (;;) {
        int signum = sigtimedwait(&p->waited, NULL, &left);

        if (is_ending(signum))
            die_by(p, signum);
        if (signum == SIGTSTP)
            raise(SIGSTOP);
        clock_gettime(CLOCK_MONOTONIC, &now);
        left.tv_sec = end.tv_sec - now.tv_sec;
        left.tv_nsec = end.tv_nsec - now.tv_nsec;
        if (left.tv_nsec < 0) {
            left.tv_sec--;
            left.tv_nsec += 1000000000;
        }
        if (left.tv_sec < 0)
            return;
    }
}

/* -1: there is nothing to do but to say why.  Ends where there is nothing to
 * say: the coordinator has told it all. */
static int
judge(const struct parent *p, int status, uint32_t restarts,
      uint32_t max_restarts, struct err *err)
{
    bool killed = WIFSIGNALED(status);
    char how[96];

    if (killed && is_ending(WTERMSIG(status)))
        die_by(p, WTERMSIG(status));
    if (!killed && (WEXITSTATUS(status) != ERR_SYS || p->asked || !*p->me->run))
        exit(WEXITSTATUS(status));
    if (killed)
        snprintf(how, sizeof how, "was killed by signal %d (%s)",
                 WTERMSIG(status), strsignal(WTERMSIG(status)));
    else
        snprintf(how, sizeof how, "ended with exit status %d",
                 WEXITSTATUS(status));
    if (!*p->me->run)
        return err_set(err, ERR_SYS, "the coordinator %s before training began",
                       how);
    if (p->asked)
        return err_set(err, ERR_SYS,
                       "the coordinator %s while it was ending; to go on: "
                       "ebsp train --resume %s",
                       how, p->me->run);
    if (restarts >= max_restarts)
        return err_set(err, ERR_SYS,
                       "the coordinator %s; it has been started again %u "
                       "times already (--max-coordinator-restarts); to go on: "
                       "ebsp train --resume %s",
                       how, restarts, p->me->run);
    fprintf(stderr,
            "ebsp train: the coordinator %s: it goes on in %u s from the "
            "newest checkpoint of %s (restart %u of %u)\n",
            how, backoff(p->vain), p->me->run, restarts + 1, max_restarts);
    return 0;
}

int
supervise(uint32_t max_restarts, struct supervised *me, struct err *err)
{
    struct parent p = {.me = me};

    take_signals(&p);
    for (uint32_t restarts = 0;; restarts++) {
        int r;

        if (restarts > 0)
            pause_for(&p, backoff(p.vain));
        r = start(&p, err);
        if (r <= 0)
            return r;
        r = watch(&p);
        read_told(&p);
        if (judge(&p, r, restarts, max_restarts, err) != 0)
            return -1;
    }
}
