/* SPDX-License-Identifier: Apache-2.0 */
#include "job/follow.h"

#include "base/err.h"
#include "base/fs.h"
#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/inotify.h>
#include <unistd.h>

#define CHUNK    ((size_t)64 << 10)
#define MAX_LINE ((size_t)4 << 20)

int
follow_init(struct follow *f, const char *run, struct err *err)
{
    *f = (struct follow){.fd = -1, .watch = -1, .chunk = BUF_INIT(MAX_LINE)};
    f->path = fs_join(run, "events.jsonl");
    return f->path ? 0 : err_nomem(err);
}

void
follow_release(struct follow *f)
{
    if (f->fd >= 0)
        close(f->fd);
    if (f->watch >= 0)
        close(f->watch);
    json_doc_release(&f->doc);
    buf_release(&f->chunk);
    mem_free(f->path);
}

static int
open_stream(struct follow *f, struct err *err)
{
    f->fd = open(f->path, O_RDONLY | O_CLOEXEC);
    if (f->fd < 0)
        return errno == ENOENT ? 0 : err_errno(err, "%s", f->path);
    /* A user has a limited number of these, and they are only for speed. */
    f->watch = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
    if (f->watch >= 0 && inotify_add_watch(f->watch, f->path, IN_MODIFY) < 0) {
        close(f->watch);
        f->watch = -1;
    }
    return 1;
}

/* What is behind the last whole line is read again: it may have been cut off
 * and another one written in its place. */
static int
read_chunk(struct follow *f, struct err *err)
{
    char told[4096];
    size_t want = CHUNK;

    while (f->watch >= 0 && read(f->watch, told, sizeof told) > 0)
        ; /* what it tells is seen below */
    f->at = 0;
    for (;;) {
        char *to;
        ssize_t n;

        buf_clear(&f->chunk);
        to = buf_grow(&f->chunk, want);
        if (!to)
            return err_set(err, ERR_CONFIG, "%s:%d: the line is too long",
                           f->path, f->number + 1);
        n = pread(f->fd, to, want, (off_t)f->read);
        if (n < 0)
            return err_errno(err, "%s", f->path);
        f->chunk.len = (size_t)n;
        if ((size_t)n < want || memchr(to, '\n', (size_t)n))
            return 0;
        want *= 2;
    }
}

/* A line, without its newline, or NULL. */
static const char *
find_line(struct follow *f, size_t *n)
{
    const char *from = f->chunk.data + f->at, *end;

    if (f->at >= f->chunk.len)
        return NULL;
    end = memchr(from, '\n', f->chunk.len - f->at);
    if (!end)
        return NULL;
    *n = (size_t)(end - from);
    f->at += *n + 1;
    f->read += (int64_t)*n + 1;
    f->number++;
    return from;
}

int
follow_skip(struct follow *f, int64_t n, struct err *err)
{
    size_t line;
    int r = f->fd < 0 ? open_stream(f, err) : 1;

    if (r <= 0 || n <= 0)
        return r < 0 ? -1 : 0;
    f->read = n - 1; /* when it is a newline, a line begins behind it */
    if (read_chunk(f, err) != 0)
        return -1;
    (void)find_line(f, &line);
    return 0;
}

int
follow_next(struct follow *f, const char **event, struct jcur *root,
            struct err *err)
{
    const char *line;
    char where[512];
    size_t n;
    int r;

    if (f->fd < 0 && (r = open_stream(f, err)) <= 0)
        return r;
    line = find_line(f, &n);
    if (!line) {
        if (read_chunk(f, err) != 0)
            return -1;
        line = find_line(f, &n);
    }
    if (!line)
        return 0;
    json_doc_release(&f->doc);
    (void)snprintf(where, sizeof where, "%s:%d", f->path, f->number);
    if (json_doc_parse(&f->doc, where, line, n, err) != 0)
        return -1;
    *root = jcur_root(&f->doc);
    if (!json_is_object(f->doc.root))
        return err_set(err, ERR_CONFIG, "%s: expected an object", where);
    return jcur_str(root, "event", event, err) == 0 ? 1 : -1;
}
