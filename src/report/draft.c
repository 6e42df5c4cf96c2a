/* SPDX-License-Identifier: Apache-2.0 */
#include "report/draft.h"

#include "base/err.h"
#include "base/mem.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

int
draft_open(struct draft *d, const char *path, struct err *err)
{
    mode_t mask = umask(0);
    int fd;

    umask(mask);
    memset(d, 0, sizeof *d);
    d->path = mem_strdup(path);
    d->temp = mem_printf("%s.XXXXXX", path);
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

    if (fflush(d->f) != 0 || ferror(d->f) || fsync(fileno(d->f)) != 0)
        r = err_errno(err, "%s", d->path);
    if (fclose(d->f) != 0 && r == 0)
        r = err_errno(err, "%s", d->path);
    d->f = NULL;
    if (r == 0 && rename(d->temp, d->path) != 0)
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
