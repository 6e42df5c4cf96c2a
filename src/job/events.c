/* SPDX-License-Identifier: Apache-2.0 */
#include "job/events.h"

#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/fs.h"
#include "base/json.h"
#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <math.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#define FLUSH_BYTES ((size_t)64 << 10)

struct events {
    int fd;
    int64_t start_ns;
    char *path;
    struct buf b;
    size_t whole;      /* bytes in b that are whole events */
    size_t flush_at;   /* bytes in b, too */
    struct err stuck;  /* why b cannot be written now */
    struct err failed; /* something is lost */
};

/* Two runs in one directory would ruin each other.  The lock goes with the
 * process; file systems that know none are taken as they are. */
static int
lock(const struct events *e, struct err *err)
{
    if (flock(e->fd, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK)
        return err_set(err, ERR_SYS, "%s: another ebsp train is at work there",
                       e->path);
    return 0;
}

/* A process that was killed may have left a part of a line. */
static int
cut_torn_line(const struct events *e, struct err *err)
{
    off_t end = lseek(e->fd, 0, SEEK_END), whole = end;
    char last = '\n';

    while (whole > 0 && pread(e->fd, &last, 1, whole - 1) == 1 && last != '\n')
        whole--;
    if (end < 0 || (whole < end && ftruncate(e->fd, whole) != 0))
        return err_errno(err, "%s", e->path);
    return 0;
}

struct events *
events_open(const char *path, bool append, int64_t start_ns, struct err *err)
{
    struct events *e = mem_alloc(1, sizeof *e);
    int flags = O_RDWR | O_CREAT | O_CLOEXEC | (append ? O_APPEND : O_EXCL);

    if (!e || !(e->path = mem_strdup(path))) {
        mem_free(e);
        err_nomem(err);
        return NULL;
    }
    e->b.max = (size_t)64 << 20;
    e->start_ns = start_ns;
    e->flush_at = FLUSH_BYTES;
    e->fd = open(path, flags, 0666);
    if (e->fd < 0) {
        err_errno(err, "%s", path);
    } else if (lock(e, err) == 0 && cut_torn_line(e, err) == 0) {
        return e;
    } else {
        close(e->fd);
    }
    mem_free(e->path);
    mem_free(e);
    return NULL;
}

/* What cannot be written stays in the buffer, from its very byte: when there is
 * room again nothing was lost, unless the buffer got too long. */
void
events_flush(struct events *e)
{
    size_t done = 0;
    bool lost;

    if (!e || (e->b.len == 0 && !e->b.bad))
        return;
    lost = e->b.bad;
    if (lost) { /* the last event is not whole */
        e->b.len = e->whole;
        e->b.bad = false;
    }
    err_clear(&e->stuck);
    while (done < e->b.len) {
        ssize_t n = write(e->fd, e->b.data + done, e->b.len - done);

        if (n > 0)
            done += (size_t)n;
        else if (n == 0 || errno != EINTR)
            break;
    }
    if (done < e->b.len)
        err_errno(&e->stuck, "%s", e->path);
    if (lost && e->stuck.code == ERR_OK)
        err_nomem(&e->failed);
    else if (lost)
        err_set(&e->failed, e->stuck.code, "%s", e->stuck.text);
    if (done > 0)
        memmove(e->b.data, e->b.data + done, e->b.len - done);
    e->b.len -= done;
    e->whole = e->b.len;
    e->flush_at = e->b.len + FLUSH_BYTES;
}

int
events_check(const struct events *e, struct err *err)
{
    const struct err *why;

    if (!e || (e->failed.code == ERR_OK && e->stuck.code == ERR_OK))
        return 0;
    why = e->failed.code ? &e->failed : &e->stuck;
    return err_set(err, why->code, "%s", why->text);
}

int
events_sync(struct events *e, struct err *err)
{
    if (!e)
        return 0;
    events_flush(e);
    if (fsync(e->fd) != 0 && errno != EINVAL && errno != EROFS)
        err_errno(&e->failed, "%s: fsync", e->path);
    return events_check(e, err);
}

int
events_close(struct events *e, struct err *err)
{
    int r;

    if (!e)
        return 0;
    (void)events_sync(e, NULL);
    if (close(e->fd) != 0)
        err_errno(&e->failed, "%s", e->path);
    r = events_check(e, err);
    buf_release(&e->b);
    mem_free(e->path);
    mem_free(e);
    return r;
}

void
events_begin(struct events *e, int64_t now_ns, const char *kind)
{
    int64_t t = e ? now_ns - e->start_ns : 0;

    /* Exact, because a replay gives it to the policy again. */
    if (e)
        buf_addf(&e->b, "{\"t\":%" PRId64 ".%09" PRId64 ",\"event\":\"%s\"",
                 t / NS_PER_S, t % NS_PER_S, kind);
}

void
events_int(struct events *e, const char *key, int64_t v)
{
    if (e)
        buf_addf(&e->b, ",\"%s\":%" PRId64, key, v);
}

void
events_uint(struct events *e, const char *key, uint64_t v)
{
    if (e)
        buf_addf(&e->b, ",\"%s\":%" PRIu64, key, v);
}

void
events_num(struct events *e, const char *key, double v)
{
    if (!e)
        return;
    if (isfinite(v))
        buf_addf(&e->b, ",\"%s\":%.17g", key, v);
    else
        buf_addf(&e->b, ",\"%s\":null", key);
}

void
events_seconds(struct events *e, const char *key, int64_t ns)
{
    if (e)
        buf_addf(&e->b, ",\"%s\":%.9f", key, (double)ns / (double)NS_PER_S);
}

void
events_str(struct events *e, const char *key, const char *v)
{
    json_t *text = e ? json_text(v) : NULL;

    if (!e)
        return;
    buf_addf(&e->b, ",\"%s\":", key);
    if (!text || json_dump(text, 0, &e->b, NULL) != 0)
        buf_adds(&e->b, "null");
    json_decref(text);
}

void
events_hex(struct events *e, const char *key, uint64_t v)
{
    if (e)
        buf_addf(&e->b, ",\"%s\":\"%016" PRIx64 "\"", key, v);
}

void
events_json(struct events *e, const char *key, const char *v)
{
    if (e)
        buf_addf(&e->b, ",\"%s\":%s", key, v);
}

void
events_end(struct events *e)
{
    if (!e)
        return;
    buf_adds(&e->b, "}\n");
    if (!e->b.bad)
        e->whole = e->b.len;
    if (e->b.len >= e->flush_at || e->b.bad)
        events_flush(e);
}
