/* SPDX-License-Identifier: Apache-2.0 */
#include "chaos/proc.h"

#include "base/buf.h"
#include "base/err.h"
#include "base/fs.h"
#include "base/mem.h"
#include "base/str.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define MAX_FILE ((size_t)1 << 20) /* of /proc */

static char *
path_of(char to[64], pid_t pid, const char *name)
{
    (void)str_printf(to, 64, "/proc/%ld/%s", (long)pid, name);
    return to;
}

/* Files of /proc have no size: they are read to their end. */
static bool
read_file(pid_t pid, const char *name, struct buf *to)
{
    char path[64];
    FILE *f = fopen(path_of(path, pid, name), "re");
    char part[4096];
    size_t n;

    if (!f)
        return false;
    while ((n = fread(part, 1, sizeof part, f)) > 0)
        buf_add(to, part, n);
    (void)fclose(f); /* a process that ends meanwhile makes this fail, too */
    return to->len > 0 && !to->bad;
}

size_t
proc_words(const char *line, const char **word, size_t n)
{
    size_t k = 0;

    for (const char *at = line; k < n; k++) {
        at += strspn(at, " \t");
        if (!*at || *at == '\n')
            break;
        word[k] = at;
        at += strcspn(at, " \t\n");
    }
    return k;
}

struct stat_line {
    char state;
    long parent;
    uint64_t start;
};

/* Words behind the name, of which the first one is the state. */
#define STAT_PARENT 1
#define STAT_START  19

/* "PID (name with anything) S PPID ..." */
static bool
read_stat(pid_t pid, struct stat_line *to)
{
    struct buf b = BUF_INIT(MAX_FILE);
    const char *word[STAT_START + 1], *at;
    bool good = false;

    if (read_file(pid, "stat", &b) && (at = strrchr(b.data, ')')) &&
        proc_words(at + 1, word, ARRAY_LEN(word)) == ARRAY_LEN(word)) {
        to->state = *word[0];
        to->parent = strtol(word[STAT_PARENT], NULL, 10);
        to->start = strtoull(word[STAT_START], NULL, 10);
        good = to->state != 'Z' && to->state != 'X';
    }
    buf_release(&b);
    return good;
}

static bool
is_ours(pid_t pid)
{
    char path[64];
    struct stat a, b;

    return stat(path_of(path, pid, "exe"), &a) == 0 &&
           stat("/proc/self/exe", &b) == 0 && a.st_dev == b.st_dev &&
           a.st_ino == b.st_ino;
}

/* Calls back for each process that there is. */
static void
each_process(void (*fn)(void *ctx, pid_t pid), void *ctx)
{
    DIR *d = opendir("/proc");
    const struct dirent *e;

    while (d && (e = readdir(d)))
        if (isdigit((unsigned char)*e->d_name))
            fn(ctx, (pid_t)strtol(e->d_name, NULL, 10));
    if (d)
        closedir(d);
}

/* ---- finding ------------------------------------------------------------- */

struct found {
    pid_t *pid;
    size_t n, cap;
    pid_t parent;
    const char *marker;
};

static void
see_child(void *ctx, pid_t pid)
{
    struct found *f = ctx;
    struct stat_line s;

    if (f->n < f->cap && read_stat(pid, &s) && s.parent == (long)f->parent &&
        is_ours(pid))
        f->pid[f->n++] = pid;
}

static int
by_age(const void *x, const void *y)
{
    const pid_t *p = x, *q = y;
    struct stat_line a = {0}, b = {0};

    (void)read_stat(*p, &a);
    (void)read_stat(*q, &b);
    if (a.start != b.start)
        return a.start < b.start ? -1 : 1;
    return *p < *q ? -1 : *p > *q; /* within one tick of the clock */
}

size_t
proc_children(pid_t parent, pid_t *to, size_t cap)
{
    struct found f = {.pid = to, .cap = cap, .parent = parent};

    each_process(see_child, &f);
    if (f.n > 1)
        qsort(to, f.n, sizeof *to, by_age);
    return f.n;
}

static void
see_marked(void *ctx, pid_t pid)
{
    struct found *f = ctx;
    struct buf b = BUF_INIT(MAX_FILE);
    size_t len = strlen(f->marker) + 1;
    struct stat_line s;

    if (f->n < f->cap && pid != getpid() && read_stat(pid, &s) &&
        read_file(pid, "environ", &b) &&
        memmem(b.data, b.len, f->marker, len)) /* with its zero */
        f->pid[f->n++] = pid;
    buf_release(&b);
}

size_t
proc_marked(const char *marker, pid_t *to, size_t cap)
{
    struct found f = {.pid = to, .cap = cap, .marker = marker};

    each_process(see_marked, &f);
    return f.n;
}

/* ---- signals ------------------------------------------------------------- */

int
proc_open(pid_t pid)
{
    int fd = pid > 0 ? (int)syscall(SYS_pidfd_open, pid, 0) : -1;

    /* Looked at once it is held: if it is not what we think it was before, it
     * never will be. */
    if (fd >= 0 && !is_ours(pid)) {
        close(fd);
        fd = -1;
    }
    return fd;
}

int
proc_signal(int pidfd, int signum, struct err *err)
{
    if (syscall(SYS_pidfd_send_signal, pidfd, signum, NULL, 0) == 0)
        return 0;
    return err_errno(err, "signal %d", signum);
}

/* ---- what they use ------------------------------------------------------- */

static uint64_t
count_files(pid_t pid)
{
    char path[64];
    DIR *d = opendir(path_of(path, pid, "fd"));
    uint64_t n = 0;

    while (d && readdir(d))
        n++;
    if (d)
        closedir(d);
    return n > 2 ? n - 2 : 0; /* . and .. */
}

bool
proc_usage(pid_t pid, uint64_t *memory, uint64_t *files)
{
    struct buf b = BUF_INIT(MAX_FILE);
    const char *word[2]; /* all pages, those that are resident */
    uint64_t pages = 0;

    if (read_file(pid, "statm", &b) && proc_words(b.data, word, 2) == 2)
        pages = strtoull(word[1], NULL, 10);
    buf_release(&b);
    *memory = pages * (uint64_t)sysconf(_SC_PAGESIZE);
    *files = count_files(pid);
    return pages > 0 && *files > 0;
}
