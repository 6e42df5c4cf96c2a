/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/thinker.h"

#include "base/clock.h"
#include "base/err.h"
#include "base/mem.h"
#include "wire/join.h"

#define STOP_LIMIT_NS (NS_PER_S / 2)

/* Where the thread is; guarded by lock. */
enum stage { STAGE_BUSY, STAGE_DONE, STAGE_IDLE, STAGE_STOP };

struct thinker {
    const struct join *join;
    char *blob;
    uv_async_t done;
    thinker_fn *on_done;
    void *ctx;
    uv_thread_t thread;
    uv_mutex_t lock;
    uv_cond_t turn;
    enum stage stage; /* guarded by lock */
    bool computing;   /* guarded by lock: also after STAGE_STOP */
    bool busy;        /* the loop's view */

    struct err err; /* these are the thread's while it is busy */
    struct compute compute;
    struct msg_order order;
    struct msg_push told;
    const float *push;
};

/* ---- the thread ---------------------------------------------------------- */

/* Emulated slowness: computing takes `slow` times as long, an iteration at
 * least pace * slow (each step of an order is one).  Ends early when the worker
 * is to stop. */
static void
emulate(struct thinker *t, int64_t start)
{
    double slow = t->join->slow, want;
    int64_t end, now = clock_now_ns(), slept = now;

    want = (double)(t->told.compute_ns) * (slow - 1.0);
    end = now + (int64_t)want;
    want = t->join->pace_ms * slow * 1e6 * t->order.n_steps;
    if (start + (int64_t)want > end)
        end = start + (int64_t)want;
    uv_mutex_lock(&t->lock);
    while (t->stage != STAGE_STOP && (now = clock_now_ns()) < end)
        uv_cond_timedwait(&t->turn, &t->lock, (uint64_t)(end - now));
    uv_mutex_unlock(&t->lock);
    t->told.compute_ns += clock_now_ns() - slept;
}

static void
execute(struct thinker *t)
{
    int64_t start = clock_now_ns();

    if (compute_order(&t->compute, &t->order, &t->told, &t->push, &t->err) ==
            0 &&
        (t->join->slow > 1.0 || t->join->pace_ms > 0.0))
        emulate(t, start);
}

static void
finish(struct thinker *t)
{
    uv_mutex_lock(&t->lock);
    if (t->stage != STAGE_STOP)
        t->stage = STAGE_DONE;
    t->computing = false;
    uv_cond_signal(&t->turn); /* for thinker_stop */
    uv_mutex_unlock(&t->lock);
    uv_async_send(&t->done);
}

static void
think(void *arg)
{
    struct thinker *t = arg;
    const struct join *j = t->join;
    struct compute_setup setup = {.job = j->job,
                                  .job_dir = j->job_dir,
                                  .data_dir = j->data_dir,
                                  .blob = t->blob,
                                  .blob_hash = j->data_hash,
                                  .threads = (int)j->threads,
                                  .shared = j->shared,
                                  .echo = j->echo};

    (void)compute_init(&t->compute, &setup, &t->err);
    finish(t);
    for (;;) {
        bool stop;

        uv_mutex_lock(&t->lock);
        while (t->stage != STAGE_BUSY && t->stage != STAGE_STOP)
            uv_cond_wait(&t->turn, &t->lock);
        stop = t->stage == STAGE_STOP;
        t->computing = !stop;
        uv_mutex_unlock(&t->lock);
        if (stop)
            return;
        execute(t);
        finish(t);
    }
}

/* ---- the loop ------------------------------------------------------------ */

static void
on_done(uv_async_t *a)
{
    struct thinker *t = a->data;
    bool done;

    uv_mutex_lock(&t->lock);
    done = t->stage == STAGE_DONE;
    if (done)
        t->stage = STAGE_IDLE;
    uv_mutex_unlock(&t->lock);
    if (!done)
        return;
    t->busy = false;
    t->on_done(t->ctx);
}

static void
on_closed(uv_handle_t *handle)
{
    struct thinker *t = handle->data;

    msg_order_release(&t->order);
    compute_release(&t->compute);
    uv_cond_destroy(&t->turn);
    uv_mutex_destroy(&t->lock);
    mem_free(t->blob);
    mem_free(t);
}

struct thinker *
thinker_new(uv_loop_t *loop, const struct join *j, const char *blob,
            thinker_fn *fn, void *ctx, struct err *err)
{
    struct thinker *t = mem_alloc(1, sizeof *t);

    if (t && blob)
        t->blob = mem_strdup(blob);
    if (!t || (blob && !t->blob)) {
        mem_free(t);
        err_nomem(err);
        return NULL;
    }
    t->join = j;
    t->on_done = fn;
    t->ctx = ctx;
    t->stage = STAGE_BUSY;
    t->busy = t->computing = true;
    t->done.data = t;
    uv_mutex_init(&t->lock);
    uv_cond_init(&t->turn);
    uv_async_init(loop, &t->done, on_done);
    if (uv_thread_create(&t->thread, think, t) == 0)
        return t;
    uv_close((uv_handle_t *)&t->done, on_closed);
    err_set(err, ERR_SYS, "no thread for computing");
    return NULL;
}

bool
thinker_is_busy(const struct thinker *t)
{
    return t->busy;
}

const struct err *
thinker_get_error(const struct thinker *t)
{
    return &t->err;
}

struct compute *
thinker_get_compute(struct thinker *t)
{
    return &t->compute;
}

static void
set_stage(struct thinker *t, enum stage stage)
{
    uv_mutex_lock(&t->lock);
    t->stage = stage;
    uv_cond_signal(&t->turn);
    uv_mutex_unlock(&t->lock);
}

void
thinker_order(struct thinker *t, const struct msg_order *o)
{
    msg_order_release(&t->order);
    t->order = *o;
    t->busy = true;
    set_stage(t, STAGE_BUSY);
}

const struct msg_push *
thinker_get_result(const struct thinker *t, const float **push)
{
    *push = t->push;
    return &t->told;
}

bool
thinker_stop(struct thinker *t)
{
    int64_t end = clock_now_ns() + STOP_LIMIT_NS, now;
    bool computing;

    set_stage(t, STAGE_STOP);
    uv_mutex_lock(&t->lock);
    while (t->computing && (now = clock_now_ns()) < end)
        uv_cond_timedwait(&t->turn, &t->lock, (uint64_t)(end - now));
    computing = t->computing;
    uv_mutex_unlock(&t->lock);
    if (computing)
        return false;
    uv_thread_join(&t->thread);
    uv_close((uv_handle_t *)&t->done, on_closed);
    return true;
}
