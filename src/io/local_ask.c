/* SPDX-License-Identifier: Apache-2.0 */
/* The end of a command: connect, one request, one answer, a deadline. */
#include "io/local_impl.h"

#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/str.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define RETRY_MS  20 /* when the other side's queue of connections is full */
#define NS_PER_MS (NS_PER_S / 1000)

int
local_address(struct sockaddr_un *to, int *dir, const char *path,
              struct err *err)
{
    const char *slash = strrchr(path, '/');
    char folder[4096];

    *dir = -1;
    *to = (struct sockaddr_un){.sun_family = AF_UNIX};
    if (str_printf(to->sun_path, sizeof to->sun_path, "%s", path))
        return 0;
    /* A name for the folder that is always short enough. */
    if (slash &&
        str_printf(folder, sizeof folder, "%.*s/", (int)(slash - path), path))
        *dir = open(folder, O_PATH | O_DIRECTORY | O_CLOEXEC);
    else
        errno = ENAMETOOLONG;
    if (*dir < 0)
        return err_errno(err, "%s", path);
    if (str_printf(to->sun_path, sizeof to->sun_path, "/proc/self/fd/%d/%s",
                   *dir, slash + 1))
        return 0;
    close(*dir);
    *dir = -1;
    errno = ENAMETOOLONG;
    return err_errno(err, "%s", path);
}

/* Until the descriptor is ready; at once when it has failed. */
static int
wait_ready(int fd, short events, int64_t deadline_ns, struct err *err)
{
    struct pollfd p = {fd, events, 0};

    for (;;) {
        int64_t left = deadline_ns - clock_now_ns();
        int64_t ms = left > 0 ? left / NS_PER_MS + 1 : 0;
        int rc = poll(&p, 1, ms > 60000 ? 60000 : (int)ms);

        if (rc > 0)
            return 0;
        if (rc < 0 && errno != EINTR)
            return err_errno(err, "poll");
        if (clock_now_ns() >= deadline_ns) {
            errno = ETIMEDOUT;
            return err_set(err, ERR_SYS,
                           "no answer in time; is the process "
                           "stopped, or busy?");
        }
    }
}

int
local_connect(const char *path, int64_t deadline_ns, struct err *err)
{
    struct sockaddr_un a;
    int dir, why = 0;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    if (fd < 0)
        return err_errno(err, "socket");
    if (local_address(&a, &dir, path, err) < 0) {
        why = errno;
        close(fd);
        errno = why;
        return -1;
    }
    /* A connection to a Unix socket is there at once, or not at all. */
    while (connect(fd, (struct sockaddr *)&a, sizeof a) != 0) {
        why = errno;
        if ((why != EAGAIN && why != EINTR) || clock_now_ns() >= deadline_ns)
            break;
        why = 0;
        clock_sleep_until(clock_now_ns() + RETRY_MS * NS_PER_MS);
    }
    if (dir >= 0)
        close(dir);
    if (!why)
        return fd;
    close(fd);
    errno = why;
    err_errno(err, "%s", path);
    errno = why;
    return -1;
}

/* When the other side has closed there may still be an answer that says why:
 * not an error here. */
static int
send_request(int fd, const char *p, size_t n, int64_t deadline_ns,
             struct err *err)
{
    while (n) {
        ssize_t sent = send(fd, p, n, MSG_NOSIGNAL);

        if (sent >= 0) {
            p += sent;
            n -= (size_t)sent;
        } else if (errno == EAGAIN) {
            if (wait_ready(fd, POLLOUT, deadline_ns, err) < 0)
                return -1;
        } else if (errno == EPIPE || errno == ECONNRESET) {
            return 0;
        } else if (errno != EINTR) {
            return err_errno(err, "send");
        }
    }
    return 0;
}

static int
read_answer(int fd, int64_t deadline_ns, struct buf *answer, struct err *err)
{
    char part[4096];

    for (;;) {
        ssize_t n = recv(fd, part, sizeof part, 0);
        const char *end;

        if (n < 0 && errno == EAGAIN) {
            if (wait_ready(fd, POLLIN, deadline_ns, err) < 0)
                return -1;
            continue;
        }
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno != ECONNRESET)
            return err_errno(err, "receive");
        if (n <= 0)
            return err_set(err, ERR_SYS,
                           "the other side has closed without "
                           "an answer");
        end = memchr(part, '\n', (size_t)n);
        buf_add(answer, part, end ? (size_t)(end - part) : (size_t)n);
        if (buf_ok(answer, err) < 0)
            return err_wrap(err, "answer");
        if (end)
            return 0;
    }
}

int
local_ask(int fd, const char *request, size_t n, int64_t deadline_ns,
          struct buf *answer, struct err *err)
{
    if (send_request(fd, request, n, deadline_ns, err) < 0 ||
        send_request(fd, "\n", 1, deadline_ns, err) < 0)
        return -1;
    return read_answer(fd, deadline_ns, answer, err);
}
