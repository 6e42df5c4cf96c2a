/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/fetch.h"

#include "base/err.h"
#include "base/fs.h"
#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/file.h>
#include <unistd.h>

#define LOOK_MS 100 /* at what another worker of this host receives */

struct fetch {
    uv_loop_t *loop;
    uv_timer_t timer;
    uv_fs_t sync;
    bool syncing, closing;
    const struct fetch_handlers *h;
    void *ctx;
    uint64_t hash;
    char *dir, *path, *part, *lock;
    int lock_fd, part_fd; /* -1: not open */
    bool asked;
    uint64_t got;       /* bytes that are in `part` */
    struct msg_data at; /* the chunk that is being received */
    uint8_t chunk[WIRE_MAX_DATA];
};

/* ---- the end ------------------------------------------------------------- */

static void
close_fd(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

static void
destroy(struct fetch *f)
{
    close_fd(&f->part_fd);
    close_fd(&f->lock_fd); /* and with it the lock */
    mem_free(f->dir);
    mem_free(f->path);
    mem_free(f->part);
    mem_free(f->lock);
    mem_free(f);
}

static void
on_timer_closed(uv_handle_t *handle)
{
    struct fetch *f = handle->data;

    f->closing = true;
    if (!f->syncing)
        destroy(f);
}

void
fetch_close(struct fetch *f)
{
    if (!f)
        return;
    f->h = NULL;
    uv_close((uv_handle_t *)&f->timer, on_timer_closed);
}

/* The lock is let go first: whoever is told may take a while. */
static void
done(struct fetch *f, const struct err *why)
{
    close_fd(&f->part_fd);
    close_fd(&f->lock_fd);
    uv_timer_stop(&f->timer);
    f->h->on_done(f->ctx, f->path, why);
}

static void
fail(struct fetch *f, const char *what)
{
    struct err err = ERR_INIT;

    err_errno(&err, "%s", what);
    done(f, &err);
}

/* ---- receiving ----------------------------------------------------------- */

static void
ask(struct fetch *f)
{
    struct msg_fetch m = {.data_hash = f->hash, .offset = f->got};

    f->asked = true;
    f->h->ask(f->ctx, &m);
}

void
fetch_resume(struct fetch *f)
{
    if (f->asked && f->part_fd >= 0 && !f->syncing)
        ask(f);
}

int
fetch_on_body(struct fetch *f, const struct frame_head *h, const void *body,
              void **bulk, struct err *err)
{
    if (!f->asked || f->part_fd < 0 || f->syncing)
        return err_set(err, ERR_PROTO, "unexpected DATA");
    if (msg_get_data(&f->at, body, h->body_len, err) != 0)
        return -1;
    if (f->at.offset != f->got || h->bulk_len == 0 ||
        h->bulk_len > sizeof f->chunk ||
        h->bulk_len > f->at.total - f->at.offset)
        return err_set(err, ERR_PROTO, "DATA: not what comes next");
    *bulk = f->chunk;
    return 0;
}

static void
on_synced(uv_fs_t *req)
{
    struct fetch *f = req->data;
    struct err err = ERR_INIT;
    ssize_t result = req->result;

    uv_fs_req_cleanup(req);
    f->syncing = false;
    if (!f->h) { /* closed meanwhile */
        if (f->closing)
            destroy(f);
        return;
    }
    if (result < 0) {
        err_set(&err, ERR_SYS, "%s: %s", f->part, uv_strerror((int)result));
        done(f, &err);
    } else if (rename(f->part, f->path) != 0) {
        fail(f, f->path);
    } else {
        (void)fs_sync_dir(f->dir, NULL); /* else it is sent once more */
        done(f, &err);
    }
}

void
fetch_on_frame(struct fetch *f, const struct frame_head *h)
{
    struct err err = ERR_INIT;
    int rc;

    if (fs_write_all(f->part_fd, f->chunk, (size_t)h->bulk_len, &err) != 0) {
        err_wrap(&err, "%s", f->part);
        done(f, &err);
        return;
    }
    f->got += h->bulk_len;
    if (f->got < f->at.total)
        return;
    f->sync.data = f;
    f->syncing = true;
    rc = uv_fs_fsync(f->loop, &f->sync, f->part_fd, on_synced);
    if (rc < 0) {
        f->syncing = false;
        err_set(&err, ERR_SYS, "%s: %s", f->part, uv_strerror(rc));
        done(f, &err);
    }
}

/* ---- the cache ----------------------------------------------------------- */

/* Whoever gets the lock receives it, unless it is there by then. */
static void
look(uv_timer_t *timer)
{
    struct fetch *f = timer->data;
    struct err none = ERR_INIT;

    if (fs_exists(f->path)) {
        done(f, &none);
        return;
    }
    if (f->lock_fd < 0)
        f->lock_fd = open(f->lock, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (f->lock_fd < 0) {
        fail(f, f->lock);
        return;
    }
    if (flock(f->lock_fd, LOCK_EX | LOCK_NB) != 0) {
        if (errno == EWOULDBLOCK || errno == EINTR)
            uv_timer_start(timer, look, LOOK_MS, 0);
        else
            fail(f, f->lock);
        return;
    }
    if (fs_exists(f->path)) {
        done(f, &none);
        return;
    }
    f->part_fd = open(f->part, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (f->part_fd < 0)
        fail(f, f->part);
    else
        ask(f);
}

char *
fetch_cache_dir(struct err *err)
{
    const char *xdg = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
    char *dir = NULL;

    if (xdg && xdg[0] == '/')
        dir = fs_join(xdg, "ebsp/data");
    else if (home && home[0] == '/')
        dir = fs_join(home, ".cache/ebsp/data");
    else
        err_set(err, ERR_SYS,
                "no folder for data: neither XDG_CACHE_HOME nor HOME is an "
                "absolute path");
    if (!dir)
        err_nomem(err);
    return dir;
}

struct fetch *
fetch_new(uv_loop_t *loop, uint64_t data_hash, const struct fetch_handlers *h,
          void *ctx, struct err *err)
{
    struct fetch *f = mem_alloc(1, sizeof *f);

    if (!f) {
        err_nomem(err);
        return NULL;
    }
    f->loop = loop;
    f->hash = data_hash;
    f->h = h;
    f->ctx = ctx;
    f->lock_fd = f->part_fd = -1;
    f->timer.data = f;
    f->dir = fetch_cache_dir(err);
    if (!f->dir || fs_mkdir(f->dir, true, err) != 0)
        goto fail;
    f->path = mem_printf("%s/%016llx", f->dir, (unsigned long long)data_hash);
    f->part = mem_printf("%s.part", f->path ? f->path : "");
    f->lock = mem_printf("%s.lock", f->path ? f->path : "");
    if (!f->path || !f->part || !f->lock) {
        err_nomem(err);
        goto fail;
    }
    uv_timer_init(loop, &f->timer);
    uv_timer_start(&f->timer, look, 0, 0);
    return f;
fail:
    destroy(f);
    return NULL;
}
