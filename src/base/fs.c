/* SPDX-License-Identifier: Apache-2.0 */
#include "base/fs.h"

#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

/* Closes fd. */
static int
read_all(int fd, const char *path, struct buf *to, struct err *err)
{
    ssize_t n = -1;

    for (;;) {
        char part[16384];

        n = read(fd, part, sizeof part);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            break;
        buf_add(to, part, (size_t)n);
        if (to->bad)
            break;
    }
    if (n < 0)
        err_errno(err, "%s", path);
    close(fd);
    if (n < 0)
        return -1;
    if (to->bad && (size_t)n <= to->max - to->len)
        return err_nomem(err);
    if (to->bad)
        return err_set(err, ERR_SYS, "%s: larger than %zu bytes", path,
                       to->max);
    return 0;
}

int
fs_read(const char *path, struct buf *to, struct err *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);

    return fd < 0 ? err_errno(err, "%s", path) : read_all(fd, path, to, err);
}

int
fs_read_regular(const char *path, struct buf *to, struct err *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    struct stat st;

    if (fd < 0 || fstat(fd, &st) != 0) {
        err_errno(err, "%s", path);
    } else if (!S_ISREG(st.st_mode)) {
        err_set(err, ERR_SYS, "%s: not a regular file", path);
    } else {
        return read_all(fd, path, to, err);
    }
    if (fd >= 0)
        close(fd);
    return -1;
}

int
fs_write_all(int fd, const void *data, size_t n, struct err *err)
{
    const char *p = data;

    while (n > 0) {
        ssize_t w = write(fd, p, n);

        if (w < 0 && errno == EINTR)
            continue;
        if (w < 0)
            return err_errno(err, "write");
        p += w;
        n -= (size_t)w;
    }
    return 0;
}

static char *
parent_of(const char *path)
{
    const char *slash = strrchr(path, '/');

    if (!slash)
        return mem_strdup(".");
    if (slash == path)
        return mem_strdup("/");
    return mem_printf("%.*s", (int)(slash - path), path);
}

int
fs_sync_dir(const char *path, struct err *err)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC), r = 0;

    if (fd < 0)
        return err_errno(err, "%s", path);
    if (fsync(fd) != 0 && errno != EINVAL) /* EINVAL: not known there */
        r = err_errno(err, "%s: fsync", path);
    close(fd);
    return r;
}

int
fs_write(const char *path, const void *data, size_t n, struct err *err)
{
    struct fs_part part = {data, n};

    return fs_write_parts(path, &part, 1, err);
}

int
fs_write_parts(const char *path, const struct fs_part *part, size_t n,
               struct err *err)
{
    char *tmp = mem_printf("%s.tmp-%ld", path, (long)getpid());
    char *dir = parent_of(path);
    int fd = -1, r = -1;

    if (!tmp || !dir) {
        err_nomem(err);
        goto out;
    }
    fd = open(tmp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (fd < 0) {
        err_errno(err, "%s", tmp);
        goto out;
    }
    for (size_t i = 0; i < n; i++) {
        if (fs_write_all(fd, part[i].data, part[i].n_bytes, err) != 0) {
            err_wrap(err, "%s", path);
            goto out;
        }
    }
    if (fsync(fd) != 0) {
        err_errno(err, "%s: fsync", path);
        goto out;
    }
    if (close(fd) != 0) { /* NFS and quotas report here */
        fd = -1;
        err_errno(err, "%s", path);
        goto out;
    }
    fd = -1;
    if (rename(tmp, path) != 0) {
        err_errno(err, "%s", path);
        goto out;
    }
    r = fs_sync_dir(dir, err);
out:
    if (fd >= 0)
        close(fd);
    if (r != 0 && tmp)
        unlink(tmp);
    mem_free(tmp);
    mem_free(dir);
    return r;
}

int
fs_mkdir(const char *path, bool parents, struct err *err)
{
    char part[PATH_MAX];
    size_t n = strlen(path);

    if (n >= sizeof part)
        return err_set(err, ERR_SYS, "%.200s...: path too long", path);
    memcpy(part, path, n + 1);
    for (size_t i = 1; parents && i < n; i++) {
        if (part[i] != '/')
            continue;
        part[i] = '\0';
        if (mkdir(part, 0777) != 0 && errno != EEXIST)
            return err_errno(err, "%s", part);
        part[i] = '/';
    }
    if (mkdir(path, 0777) != 0 && !(errno == EEXIST && fs_is_dir(path)))
        return err_errno(err, "%s", path);
    return 0;
}

/* What somebody else has removed meanwhile is no reason to stop. */
static int
remove_one(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
    (void)st;
    (void)flag;
    (void)ftw;
    return remove(path) == 0 || errno == ENOENT ? 0 : -1;
}

/* A folder that somebody else removes under it ends the walk; what is left is
 * less then. */
int
fs_remove(const char *path, struct err *err)
{
    struct stat st;

    while (nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS) != 0)
        if (errno != ENOENT)
            return err_errno(err, "%s", path);
        else if (lstat(path, &st) != 0)
            return 0;
    return 0;
}

bool
fs_exists(const char *path)
{
    return access(path, F_OK) == 0;
}

bool
fs_is_dir(const char *path)
{
    struct stat st;

    return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

int
fs_size(const char *path, uint64_t *n_bytes, struct err *err)
{
    struct stat st;

    if (stat(path, &st) != 0)
        return err_errno(err, "%s", path);
    *n_bytes = (uint64_t)st.st_size;
    return 0;
}

int
fs_space(const char *path, uint64_t *n_bytes, struct err *err)
{
    struct statvfs st;

    if (statvfs(path, &st) != 0)
        return err_errno(err, "%s", path);
    *n_bytes = (uint64_t)st.f_bavail * st.f_frsize;
    return 0;
}

char *
fs_join(const char *dir, const char *name)
{
    if (*name == '/' || *dir == '\0')
        return mem_strdup(name);
    return mem_printf("%s%s%s", dir, dir[strlen(dir) - 1] == '/' ? "" : "/",
                      name);
}

char *
fs_exe_dir(void)
{
    char path[PATH_MAX];
    ssize_t n = readlink("/proc/self/exe", path, sizeof path - 1);

    if (n <= 0)
        return NULL;
    path[n] = '\0';
    return parent_of(path);
}

static int
by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

int
fs_list(const char *path, char ***names, size_t *n, struct err *err)
{
    DIR *d = opendir(path);
    struct dirent *e;

    *names = NULL;
    *n = 0;
    if (!d)
        return err_errno(err, "%s", path);
    while ((e = readdir(d)) != NULL) {
        char **more;

        if (!strcmp(e->d_name, ".") || !strcmp(e->d_name, ".."))
            continue;
        more = mem_resize(*names, *n, *n + 1, sizeof **names);
        if (!more)
            goto nomem;
        *names = more;
        more[*n] = mem_strdup(e->d_name);
        if (!more[*n])
            goto nomem;
        ++*n;
    }
    closedir(d);
    if (*n > 0)
        qsort(*names, *n, sizeof **names, by_name);
    return 0;
nomem:
    closedir(d);
    fs_names_free(*names, *n);
    *names = NULL;
    *n = 0;
    return err_nomem(err);
}

void
fs_names_free(char **names, size_t n)
{
    for (size_t i = 0; i < n; i++)
        mem_free(names[i]);
    mem_free(names);
}
