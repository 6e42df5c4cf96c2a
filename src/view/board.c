/* SPDX-License-Identifier: Apache-2.0 */
#include "view/board.h"

#include "base/buf.h"
#include "base/err.h"
#include "base/fs.h"
#include "base/mem.h"
#include "base/str.h"
#include "view/tally.h"
#include "view/tfevents.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <string.h>
#include <unistd.h>

#define FOLDER      "tensorboard"
#define EVERY_S     1.0 /* between points of the training */
#define MAX_WAITING ((size_t)16 << 20)
#define MAX_TAG     64
#define MAX_FILES   1000 /* that began in the same second */

/* Sums at the last point: the next one tells what came since. */
struct past {
    double t;
    uint64_t samples, stale_count, stale_sum;
    double *wait; /* [n], per rank */
    uint32_t n;
};

struct board {
    int fd;
    char *path;
    double start_s;
    off_t at;           /* bytes in the file that are whole */
    struct buf waiting; /* to be written there */
    struct past past;
    struct err failed;
};

/* ---- the file ------------------------------------------------------------ */

/* Host names are taken as they are told, a file name must not. */
static void
get_host(char *to, size_t cap)
{
    if (gethostname(to, cap) != 0)
        (void)str_printf(to, cap, "localhost");
    to[cap - 1] = '\0';
    for (char *c = to; *c; c++)
        if (!isalnum((unsigned char)*c) && *c != '-' && *c != '.')
            *c = '_';
}

static int
create(struct board *b, const char *folder, struct err *err)
{
    char host[65];

    get_host(host, sizeof host);
    for (int i = 0; i < MAX_FILES; i++) {
        mem_free(b->path);
        b->path = i == 0 ? mem_printf("%s/events.out.tfevents.%.0f.%s", folder,
                                      floor(b->start_s), host)
                         : mem_printf("%s/events.out.tfevents.%.0f.%s.%d",
                                      folder, floor(b->start_s), host, i);
        if (!b->path)
            return err_nomem(err);
        b->fd = open(b->path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
        if (b->fd >= 0)
            return 0;
        if (errno != EEXIST)
            break;
    }
    return err_errno(err, "%s", b->path);
}

struct board *
board_new(const char *run, double start_s, struct err *err)
{
    struct board *b = mem_alloc(1, sizeof *b);
    char *folder = fs_join(run, FOLDER);

    if (b) {
        b->fd = -1;
        b->start_s = start_s;
        b->waiting.max = MAX_WAITING;
        tfevents_put_version(&b->waiting, start_s);
    }
    if (!b || !folder)
        err_nomem(err);
    else if (fs_mkdir(folder, false, err) == 0 && create(b, folder, err) == 0)
        goto out;
    (void)board_free(b, NULL);
    b = NULL;
out:
    mem_free(folder);
    return b;
}

/* All that waits, or nothing: a record that is cut in two would spoil what
 * comes behind it. */
void
board_flush(struct board *b)
{
    size_t done = 0;

    if (b->waiting.bad)
        (void)err_set(&b->failed, ERR_SYS, "%s: points are lost", b->path);
    while (!b->waiting.bad && done < b->waiting.len) {
        ssize_t n = pwrite(b->fd, b->waiting.data + done, b->waiting.len - done,
                           b->at + (off_t)done);

        if (n > 0)
            done += (size_t)n;
        else if (n == 0 || errno != EINTR)
            break;
    }
    if (done < b->waiting.len)
        return;
    b->at += (off_t)done;
    buf_clear(&b->waiting);
}

int
board_free(struct board *b, struct err *err)
{
    int r = 0;

    if (!b)
        return 0;
    if (b->fd >= 0) {
        board_flush(b);
        if (b->waiting.len > 0 && ftruncate(b->fd, b->at) != 0)
            err_errno(&b->failed, "%s", b->path);
        if (b->waiting.len > 0)
            err_set(&b->failed, ERR_SYS, "%s: points are lost", b->path);
        if (close(b->fd) != 0)
            err_errno(&b->failed, "%s", b->path);
    }
    if (b->failed.code != ERR_OK)
        r = err_set(err, b->failed.code, "%s", b->failed.text);
    buf_release(&b->waiting);
    mem_free(b->past.wait);
    mem_free(b->path);
    mem_free(b);
    return r;
}

/* ---- points -------------------------------------------------------------- */

static void
add(struct buf *scalars, const char *tag, double v)
{
    if (isfinite(v))
        tfevents_add_scalar(scalars, tag, v);
}

static void
add_worker(struct buf *scalars, const char *what, uint32_t rank, double v)
{
    char tag[MAX_TAG];

    if (str_printf(tag, sizeof tag, "workers/%s/%u", what, rank))
        add(scalars, tag, v);
}

static void
put(struct board *b, double t, uint64_t step, struct buf *scalars)
{
    if (scalars->len > 0)
        tfevents_put_scalars(&b->waiting, b->start_s + t, step, scalars);
    buf_release(scalars);
}

static void
remember(struct board *b, const struct tally *t)
{
    struct past *p = &b->past;

    p->t = t->t;
    p->samples = t->samples;
    p->stale_count = t->stale_count;
    p->stale_sum = t->stale_sum;
    if (t->n > p->n) {
        double *wait = mem_resize(p->wait, p->n, t->n, sizeof *wait);

        if (!wait)
            return; /* those that are new have no points yet */
        p->wait = wait;
        p->n = t->n;
    }
    for (uint32_t i = 0; i < p->n && i < t->n; i++)
        p->wait[i] = tally_part(&t->worker[i], TALLY_WAIT, t->t);
}

/* What the training did since the last point. */
static void
put_training(struct board *b, const struct tally *t)
{
    struct buf s = BUF_INIT(MAX_WAITING);
    struct past *p = &b->past;
    double span = t->t - p->t;
    uint64_t applied = t->stale_count - p->stale_count;

    if (!(span > 0))
        return;
    add(&s, "train/loss", tally_loss(t));
    add(&s, "train/lr", t->lr);
    add(&s, "train/epoch", tally_epoch(t));
    add(&s, "train/samples_per_second",
        (double)(t->samples - p->samples) / span);
    add(&s, "train/workers", tally_present(t));
    if (applied > 0)
        add(&s, "train/staleness",
            (double)(t->stale_sum - p->stale_sum) / (double)applied);
    for (uint32_t i = 0; i < p->n && i < t->n; i++)
        if (t->worker[i].state >= TALLY_HELD)
            add_worker(
                &s, "waiting", i,
                (tally_part(&t->worker[i], TALLY_WAIT, t->t) - p->wait[i]) /
                    span);
    put(b, t->t, t->samples, &s);
    remember(b, t);
}

static void
put_test(struct board *b, const struct tally *t)
{
    struct buf s = BUF_INIT(4096);

    add(&s, "test/accuracy", t->accuracy);
    add(&s, "test/loss", t->test_loss);
    put(b, t->t, t->eval_samples, &s);
}

void
board_follow(struct board *b, const struct tally *t, const char *event)
{
    if (strcmp(event, "start") == 0) {
        tfevents_put_start(&b->waiting, b->start_s + t->t, t->samples);
        remember(b, t);
    } else if (strcmp(event, "eval") == 0) {
        put_test(b, t);
    } else if (strcmp(event, "end") == 0 ||
               (t->phase == TALLY_TRAINING && t->t >= b->past.t + EVERY_S)) {
        put_training(b, t);
    }
}
