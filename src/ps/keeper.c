/* SPDX-License-Identifier: Apache-2.0 */
#include "ps/keeper.h"

#include "base/buf.h"
#include "base/clock.h"
#include "base/mem.h"
#include "job/rundir.h"

#include <assert.h>

#define RETRY_FIRST_MS 1000
#define RETRY_LAST_MS  60000

struct task {
    struct snapshot *s; /* NULL: none */
    bool final;
};

struct keeper {
    struct checkpoint_place place; /* last_good: NULL or &good */
    uint64_t good;
    struct buf job_text;
    uv_loop_t *loop;
    const struct keeper_handlers *h; /* NULL: closed */
    void *ctx;
    uv_timer_t retry;
    bool timer_closed;
    unsigned failures; /* in a row */
    struct task next;

    /* While `now` is being written, these and `place` are the thread's. */
    uv_work_t work;
    struct task now;
    struct err err;
    int64_t cost_ns;
};

/* On a thread of libuv's pool. */
static void
write_now(uv_work_t *w)
{
    struct keeper *k = w->data;
    int64_t start = clock_now_ns();

    err_clear(&k->err);
    (void)checkpoint_write(&k->place, k->now.s, &k->err);
    k->cost_ns = clock_now_ns() - start;
}

static void
on_retry(uv_timer_t *t)
{
    struct keeper *k = t->data;

    k->h->on_due(k->ctx);
}

/* Plans the next try. */
static int64_t
hold_off(struct keeper *k)
{
    unsigned ms = RETRY_FIRST_MS;

    for (unsigned i = 1; i < k->failures && ms < RETRY_LAST_MS; i++)
        ms *= 2;
    if (ms > RETRY_LAST_MS)
        ms = RETRY_LAST_MS;
    uv_timer_start(&k->retry, on_retry, ms, 0);
    return (int64_t)ms * (NS_PER_S / 1000);
}

static void
tell(struct keeper *k, uint64_t version, bool final)
{
    char *path = rundir_checkpoint(k->place.run, version);
    char *last =
        k->place.last_good ? rundir_checkpoint(k->place.run, k->good) : NULL;
    struct keeper_result r = {
        .path = path ? path : k->place.run, /* out of memory: the one above */
        .version = version,
        .final = final,
        .cost_ns = k->cost_ns,
        .err = k->err,
        .failures = k->failures,
        .last_path = last,
    };

    if (k->failures > 0 && !final && !k->next.s)
        r.retry_ns = hold_off(k);
    k->h->on_result(k->ctx, &r);
    mem_free(path);
    mem_free(last);
}

static void
free_when_unused(struct keeper *k)
{
    if (!k->timer_closed || k->now.s)
        return;
    buf_release(&k->job_text);
    mem_free(k);
}

static void begin(struct keeper *k, const struct task *t);

static void
on_written(uv_work_t *w, int status)
{
    struct keeper *k = w->data;
    uint64_t version = snapshot_get_version(k->now.s);
    struct task next;

    assert(status == 0); /* nobody cancels it */
    (void)status;
    snapshot_free(k->now.s);
    k->now.s = NULL;
    if (k->err.code == ERR_OK) {
        k->good = version;
        k->place.last_good = &k->good;
        k->failures = 0;
    } else {
        k->failures++;
    }
    if (k->h)
        tell(k, version, k->now.final);
    next = k->next;
    k->next.s = NULL;
    if (next.s)
        begin(k, &next);
    else
        free_when_unused(k);
}

static void
begin(struct keeper *k, const struct task *t)
{
    int r;

    k->now = *t;
    r = uv_queue_work(k->loop, &k->work, write_now, on_written);
    assert(r == 0); /* fails without a callback only */
    (void)r;
}

struct keeper *
keeper_new(uv_loop_t *loop, const char *run, const struct job *job,
           const char *resumed, const struct keeper_handlers *h, void *ctx,
           struct err *err)
{
    struct keeper *k = mem_alloc(1, sizeof *k);

    if (!k) {
        err_nomem(err);
        return NULL;
    }
    k->job_text.max = JSON_MAX_BYTES * 2;
    if (job_dump(job, &k->job_text, err) != 0) {
        buf_release(&k->job_text);
        mem_free(k);
        return NULL;
    }
    k->place = (struct checkpoint_place){
        .run = run,
        .job_text = k->job_text.data,
        .t = graph_get_segments(job->graph),
        .keep = job->checkpoint_keep,
    };
    if (resumed && rundir_version_of(resumed, &k->good))
        k->place.last_good = &k->good;
    k->loop = loop;
    k->h = h;
    k->ctx = ctx;
    k->work.data = k->retry.data = k;
    uv_timer_init(loop, &k->retry);
    return k;
}

/* In a result's handler nothing is begun: what waits comes next anyway. */
void
keeper_submit(struct keeper *k, struct snapshot *s, bool final)
{
    struct task t = {s, final};

    uv_timer_stop(&k->retry);
    if (!k->now.s && !k->next.s) {
        begin(k, &t);
        return;
    }
    snapshot_free(k->next.s);
    k->next = t;
}

bool
keeper_is_busy(const struct keeper *k)
{
    return k->now.s || k->next.s;
}

bool
keeper_is_holding_off(const struct keeper *k)
{
    return uv_is_active((const uv_handle_t *)&k->retry);
}

static void
on_closed(uv_handle_t *h)
{
    struct keeper *k = h->data;

    k->timer_closed = true;
    free_when_unused(k);
}

void
keeper_close(struct keeper *k)
{
    if (!k)
        return;
    k->h = NULL;
    snapshot_free(k->next.s);
    k->next.s = NULL;
    uv_close((uv_handle_t *)&k->retry, on_closed);
}
