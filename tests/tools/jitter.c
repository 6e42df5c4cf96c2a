/* SPDX-License-Identifier: Apache-2.0 */
/* A library to preload that looks for what hangs on who is first: programs of
 * ours take naps at random, before and after calls on sockets, pipes, files and
 * processes.  A test that fails then asserts what nobody promises, or has found
 * a race of the program:
 *
 *   make tests/tools/jitter.so
 *   JITTER_PERMILLE=10 JITTER_MS=60 LD_PRELOAD=$PWD/tests/tools/jitter.so \
 *       bats ../tests/bats/ctl.bats
 *
 * JITTER_PERMILLE of the calls (10) are slept at for up to JITTER_MS (60).
 * Limits of some seconds hold under naps like these; few long ones (4, 250)
 * find other races than many short ones. */
#include <dlfcn.h>
#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* Tools of the shell would only be slow.  exe: a worker on this host, which is
 * started as /proc/self/exe. */
static bool
is_ours(const char *name)
{
    static const char *const ours[] = {"ebsp",      "exe",       "relay",
                                       "ssh-relay", "strangers", "rogue"};

    for (size_t i = 0; i < sizeof ours / sizeof *ours; i++)
        if (strcmp(name, ours[i]) == 0)
            return true;
    return strncmp(name, "test_", 5) == 0;
}

static uint32_t
get_number(const char *name, uint32_t otherwise)
{
    const char *text = getenv(name);

    return text ? (uint32_t)strtoul(text, NULL, 10) : otherwise;
}

static void
nap(void)
{
    static _Thread_local uint32_t seed;
    uint32_t permille = get_number("JITTER_PERMILLE", 10), us;
    int saved = errno;
    struct timespec t;

    if (!is_ours(program_invocation_short_name))
        return;
    if (seed == 0) {
        clock_gettime(CLOCK_MONOTONIC, &t);
        seed = ((uint32_t)t.tv_nsec * 2654435761u ^ (uint32_t)getpid()) | 1;
    }
    seed ^= seed << 13; /* xorshift32 */
    seed ^= seed >> 17;
    seed ^= seed << 5;
    if (seed % 1000 >= permille)
        return;
    us = (seed >> 10) % (get_number("JITTER_MS", 60) * 1000 + 1);
    t = (struct timespec){us / 1000000, (long)(us % 1000000) * 1000};
    nanosleep(&t, NULL);
    errno = saved;
}

/* TYPE NAME PARAMETERS as the C library has it, called with ARGUMENTS. */
#define NAPPING(type, name, parameters, arguments)                             \
    __attribute__((visibility("default"))) type name parameters                \
    {                                                                          \
        static type(*real) parameters;                                         \
        type r;                                                                \
                                                                               \
        if (!real)                                                             \
            *(void **)&real = dlsym(RTLD_NEXT, #name);                         \
        nap();                                                                 \
        r = real arguments;                                                    \
        nap();                                                                 \
        return r;                                                              \
    }

NAPPING(ssize_t, send, (int fd, const void *p, size_t n, int flags),
        (fd, p, n, flags))
NAPPING(ssize_t, recv, (int fd, void *p, size_t n, int flags),
        (fd, p, n, flags))
NAPPING(ssize_t, sendmsg, (int fd, const struct msghdr *m, int flags),
        (fd, m, flags))
NAPPING(ssize_t, recvmsg, (int fd, struct msghdr *m, int flags), (fd, m, flags))
NAPPING(ssize_t, read, (int fd, void *p, size_t n), (fd, p, n))
NAPPING(ssize_t, write, (int fd, const void *p, size_t n), (fd, p, n))
NAPPING(ssize_t, writev, (int fd, const struct iovec *v, int n), (fd, v, n))
NAPPING(int, poll, (struct pollfd * p, nfds_t n, int ms), (p, n, ms))
NAPPING(int, epoll_wait, (int fd, struct epoll_event *e, int n, int ms),
        (fd, e, n, ms))
NAPPING(int, epoll_pwait,
        (int fd, struct epoll_event *e, int n, int ms, const sigset_t *mask),
        (fd, e, n, ms, mask))
NAPPING(int, rename, (const char *from, const char *to), (from, to))
NAPPING(int, unlink, (const char *path), (path))
NAPPING(int, fsync, (int fd), (fd))
NAPPING(int, close, (int fd), (fd))
NAPPING(int, kill, (pid_t pid, int number), (pid, number))
NAPPING(pid_t, fork, (void), ())
NAPPING(pid_t, waitpid, (pid_t pid, int *status, int flags),
        (pid, status, flags))
