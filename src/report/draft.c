/* SPDX-License-Identifier: Apache-2.0 */
#include "report/draft.h"

#include "base/err.h"
#include "base/mem.h"

#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* A device or a pipe is written to, never replaced; nor is a link to nothing.
 */
static bool
is_special(const char *path)
{
    struct stat st;

    return (stat(path, &st) == 0 || lstat(path, &st) == 0) &&
           !S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode);
}

static int
open_special(struct draft *d, struct err *err)
{
    d->f = fopen(d->path, "we");
    if (d->f)
        return 0;
    err_errno(err, "%s", d->path);
    draft_drop(d);
    return -1;
}

int
draft_open(struct draft *d, const char *path, struct err *err)
{
    mode_t mask = umask(0);
    char *real = realpath(path, NULL); /* what a symbolic link points to */
    int fd;

    umask(mask);
    memset(d, 0, sizeof *d);
    d->path = mem_strdup(real ? real : path);
    free(real);
    if (d->path && is_special(d->path))
        return open_special(d, err);
    d->temp = d->path ? mem_printf("%s.XXXXXX", d->path) : NULL;
    if (!d->path || !d->temp) {
        draft_drop(d);
        return err_nomem(err);
    }
    fd = mkostemp(d->temp, O_CLOEXEC);
    if (fd < 0) {
        err_errno(err, "%s", path);
        mem_free(d->temp);
        d->temp = NULL; /* there is none to be removed */
        draft_drop(d);
        return -1;
    }
    /* mkostemp makes it for us alone; a report is for others, too. */
    (void)fchmod(fd, 0666 & ~mask);
    d->f = fdopen(fd, "w");
    if (!d->f) {
        err_errno(err, "%s", path);
        close(fd);
        draft_drop(d);
        return -1;
    }
    return 0;
}

int
draft_keep(struct draft *d, struct err *err)
{
    int r = 0;

    if (fflush(d->f) != 0 || ferror(d->f) ||
        (d->temp && fsync(fileno(d->f)) != 0))
        r = err_errno(err, "%s", d->path);
    if (fclose(d->f) != 0 && r == 0)
        r = err_errno(err, "%s", d->path);
    d->f = NULL;
    if (r == 0 && d->temp && rename(d->temp, d->path) != 0)
        r = err_errno(err, "%s", d->path);
    if (r == 0) {
        mem_free(d->temp);
        d->temp = NULL;
    }
    draft_drop(d);
    return r;
}

void
draft_drop(struct draft *d)
{
    if (d->f)
        fclose(d->f);
    if (d->temp)
        unlink(d->temp);
    mem_free(d->temp);
    mem_free(d->path);
    memset(d, 0, sizeof *d);
}

void
draft_put_cell(FILE *f, const char *s)
{
    if (!strpbrk(s, ",\"\r\n")) {
        fputs(s, f);
        return;
    }
    fputc('"', f);
    for (; *s; s++) {
        if (*s == '"')
            fputc('"', f);
        fputc(*s, f);
    }
    fputc('"', f);
}
