/* SPDX-License-Identifier: Apache-2.0 */
/* An ssh whose hosts all live here, each behind a bad network of its own.
 *
 *   ssh-relay FOLDER [OPTION...] -- HOST COMMAND...
 *
 * Runs COMMAND by `sh -c`, as sshd would, with the folder of $EBSP in PATH, and
 * passes standard input on, except that the coordinator's address in a worker's
 * join (wire/join.h) becomes that of the link HOST of a relay (relay.c), which
 * is told the real one as its target.  FOLDER has the relay's output in `ports`
 * and a FIFO that is its input, `control`; where it has no such link, nothing
 * is changed.  The exit status is the command's; 255 as that of ssh. */
#include "base/err.h"
#include "base/fs.h"
#include "base/json.h"
#include "wire/join.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define SSH_FAILED 255

static void
fail(const char *what)
{
    fprintf(stderr, "ssh-relay: %s: %s\n", what, strerror(errno));
    exit(SSH_FAILED);
}

static FILE *
open_in(const char *folder, const char *name, int flags, const char *mode)
{
    char path[4096];
    int fd;

    snprintf(path, sizeof path, "%s/%s", folder, name);
    fd = open(path, flags | O_CLOEXEC);
    return fd < 0 ? NULL : fdopen(fd, mode);
}

/* The port of the relay's link `host`, or 0. */
static unsigned
find_port(const char *folder, const char *host)
{
    FILE *f = open_in(folder, "ports", O_RDONLY, "r");
    char line[256], name[64];
    unsigned port = 0;

    while (f && !port && fgets(line, sizeof line, f))
        if (sscanf(line, "port %63s %u", name, &port) == 2 &&
            strcmp(name, host) != 0)
            port = 0;
    if (f)
        fclose(f);
    return port;
}

static void
set_target(const char *folder, const char *address, int port)
{
    /* Without a relay that reads it, this fails instead of waiting. */
    FILE *f = open_in(folder, "control", O_WRONLY | O_NONBLOCK, "w");

    if (!f || fprintf(f, "target %s %d\n", address, port) < 0 || fclose(f) != 0)
        fail("control");
}

/* Waits for standard input; false when the command ends before, which its
 * pidfd tells. */
static bool
wait_input(int command)
{
    struct pollfd p[2] = {{STDIN_FILENO, POLLIN, 0}, {command, POLLIN, 0}};

    while (poll(p, 2, -1) < 0)
        if (errno != EINTR)
            fail("poll");
    return p[1].revents == 0;
}

static int
read_exactly(char *to, size_t n, int command)
{
    while (n > 0) {
        ssize_t r;

        if (!wait_input(command))
            return -1;
        r = read(STDIN_FILENO, to, n);
        if (r <= 0)
            return -1;
        to += r;
        n -= (size_t)r;
    }
    return 0;
}

/* The text of a join with the relay's address in it. */
static char *
redirect(const char *folder, const char *text, size_t n, unsigned port)
{
    json_t *join = json_loadb(text, n, 0, NULL);
    const char *address = json_string_value(json_object_get(join, "host"));
    char *changed;

    if (!address) {
        fprintf(stderr, "ssh-relay: this is no join\n");
        exit(SSH_FAILED);
    }
    set_target(folder, address,
               (int)json_integer_value(json_object_get(join, "port")));
    json_object_set_new(join, "host", json_string("127.0.0.1"));
    json_object_set_new(join, "port", json_integer(port));
    changed = json_dumps(join, JSON_COMPACT);
    json_decref(join);
    return changed;
}

/* Passes the join on; -1 when it does not come, or is not taken. */
static int
pass_join(const char *folder, const char *host, int to, int command)
{
    unsigned port = find_port(folder, host);
    struct err err = ERR_INIT;
    char line[64] = "", head[64], *text, *changed;
    size_t n, len = 0;
    int r;

    while (len == 0 || line[len - 1] != '\n') {
        if (len + 1 == sizeof line ||
            read_exactly(line + len++, 1, command) != 0)
            return -1;
    }
    line[len - 1] = '\0';
    if (join_decode_head(line, &n, &err) != 0) {
        fprintf(stderr, "ssh-relay: %s\n", err.text);
        exit(SSH_FAILED);
    }
    text = calloc(1, n + 1);
    if (!text)
        fail("join");
    if (read_exactly(text, n, command) != 0) {
        free(text);
        return -1;
    }
    changed = port ? redirect(folder, text, n, port) : strdup(text);
    free(text);
    if (!changed)
        fail("join");
    n = strlen(changed);
    snprintf(head, sizeof head, "%.*s %zu\n", (int)(strrchr(line, ' ') - line),
             line, n);
    r = fs_write_all(to, head, strlen(head), &err);
    if (r == 0)
        r = fs_write_all(to, changed, n, &err);
    free(changed);
    return r;
}

/* Until one side ends. */
static void
pass_input(int to, int command)
{
    char text[4096];
    ssize_t n;

    while (wait_input(command) &&
           (n = read(STDIN_FILENO, text, sizeof text)) > 0)
        if (fs_write_all(to, text, (size_t)n, NULL) != 0)
            break;
}

static pid_t
start(const char *command, int *to)
{
    const char *ebsp = getenv("EBSP"), *path = getenv("PATH");
    char all[8192];
    int fd[2];
    pid_t pid;

    if (ebsp && strrchr(ebsp, '/') && path) {
        snprintf(all, sizeof all, "%.*s:%s", (int)(strrchr(ebsp, '/') - ebsp),
                 ebsp, path);
        setenv("PATH", all, 1);
    }
    if (pipe2(fd, O_CLOEXEC) < 0)
        fail("pipe");
    pid = fork();
    if (pid < 0)
        fail("fork");
    if (pid == 0) {
        /* On another host a signal to our group would not be felt. */
        setsid();
        dup2(fd[0], STDIN_FILENO);
        execl("/bin/sh", "sh", "-c", command, (char *)NULL);
        _exit(SSH_FAILED);
    }
    close(fd[0]);
    *to = fd[1];
    return pid;
}

int
main(int argc, char **argv)
{
    char command[4096] = "";
    const char *host;
    int i = 2, to, status, fd;
    pid_t pid;

    while (i < argc && strcmp(argv[i], "--") != 0)
        i++;
    if (i + 2 >= argc) {
        fprintf(stderr, "usage: ssh-relay FOLDER [OPTION...] -- HOST "
                        "COMMAND...\n");
        return SSH_FAILED;
    }
    host = strchr(argv[i + 1], '@');
    host = host ? host + 1 : argv[i + 1];
    for (i += 2; i < argc; i++) {
        size_t n = strlen(command);

        snprintf(command + n, sizeof command - n, "%s%s", n ? " " : "",
                 argv[i]);
    }
    signal(SIGPIPE, SIG_IGN);
    pid = start(command, &to);
    fd = (int)syscall(SYS_pidfd_open, pid, 0);
    if (fd < 0)
        fail("pidfd_open");
    if (!strstr(command, "--join-from-stdin") ||
        pass_join(argv[1], host, to, fd) == 0)
        pass_input(to, fd);
    close(to);
    if (waitpid(pid, &status, 0) != pid)
        fail("waitpid");
    return WIFEXITED(status) ? WEXITSTATUS(status) : SSH_FAILED;
}
