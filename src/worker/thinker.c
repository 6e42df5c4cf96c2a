/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/thinker.h"

#include "base/clock.h"
#include "base/err.h"
#include "base/mem.h"
#include "wire/join.h"
#include "wire/pieces.h"
#include "worker/emulator.h"

#define STOP_LIMIT_NS (NS_PER_S / 2)

/* Where the thread is; guarded by lock. */
enum stage { STAGE_BUSY, STAGE_DONE, STAGE_IDLE, STAGE_STOP };

struct thinker {
    const struct join *join;
    char *blob;
    uv_async_t done;
    const struct thinker_handlers *h;
    void *ctx;
    uv_thread_t thread;
    uv_mutex_t lock;
    uv_cond_t turn;
    enum stage stage;         /* guarded by lock */
    bool computing;           /* guarded by lock: also after STAGE_STOP */
    struct emulator emulator; /* guarded by lock */
    size_t have;              /* guarded by lock: floats of parameters */
    bool starved;             /* guarded by lock: no more will come ... */
    bool gave_up;             /* guarded by lock: ... and more was needed */
    size_t final;             /* guarded by lock: floats of `filled` */
    const float *filled;
    bool busy; /* the loop's view */

    struct err err; /* these are the thread's while it is busy */
    struct compute compute;
    struct msg_order order;
    struct msg_push told;
    const float *push;
};

/* ---- the thread ---------------------------------------------------------- */

/* Sleeps as long as a slower machine would compute.  Ends early when the worker
 * is to stop, and earlier or later when something else is to be emulated. */
static void
emulate(struct thinker *t, int64_t start)
{
    int64_t now = clock_now_ns(), end;
    struct emulator_order o = {.iteration = t->order.iteration,
                               .n_steps = t->order.n_steps,
                               .start_ns = start,
                               .computed_ns = now,
                               .compute_ns = t->told.compute_ns};
    double factor = 1;

    uv_mutex_lock(&t->lock);
    for (;;) {
        end = emulator_get_end(&t->emulator, &o, &factor);
        now = clock_now_ns();
        if (t->stage == STAGE_STOP || now >= end)
            break;
        uv_cond_timedwait(&t->turn, &t->lock, (uint64_t)(end - now));
    }
    uv_mutex_unlock(&t->lock);
    t->told.compute_ns += now - o.computed_ns;
    t->told.factor = emulator_round(factor);
}

/* Until the first `end` floats of the parameters are there. */
static int
await(void *ctx, size_t end, struct err *err)
{
    struct thinker *t = ctx;
    bool there;

    uv_mutex_lock(&t->lock);
    while (t->have < end && !t->starved && t->stage != STAGE_STOP)
        uv_cond_wait(&t->turn, &t->lock);
    there = t->have >= end;
    t->gave_up |= !there;
    uv_mutex_unlock(&t->lock);
    return there ? 0 : err_set(err, ERR_SYS, "the parameters do not come");
}

/* Tells the loop when there is enough to be sent. */
static void
publish(void *ctx, const float *v, size_t n)
{
    struct thinker *t = ctx;
    bool enough;

    if (compute_is_shared(&t->compute) || t->compute.t->n_floats <= PIECE_MAX)
        return;
    uv_mutex_lock(&t->lock);
    enough = n >= t->final + PIECE_MIN;
    if (enough) {
        t->final = n;
        t->filled = v;
    }
    uv_mutex_unlock(&t->lock);
    if (enough)
        uv_async_send(&t->done);
}

static void
execute(struct thinker *t)
{
    const struct compute_flow flow = {
        .need = await, .final = publish, .ctx = t};
    int64_t start = clock_now_ns();

    if (compute_order(&t->compute, &t->order, &flow, &t->told, &t->push,
                      &t->err) == 0)
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
                                  .threads = (int)j->threads,
                                  .shared = j->shared,
                                  .data_hash = j->data_hash,
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
    enum stage stage;

    uv_mutex_lock(&t->lock);
    stage = t->stage;
    if (stage == STAGE_DONE)
        t->stage = STAGE_IDLE;
    if (stage == STAGE_DONE && t->gave_up)
        t->err = (struct err)ERR_INIT;
    uv_mutex_unlock(&t->lock);
    if (stage == STAGE_BUSY)
        t->h->on_final(t->ctx);
    if (stage != STAGE_DONE)
        return;
    t->busy = false;
    t->h->on_done(t->ctx);
}

static void
on_closed(uv_handle_t *handle)
{
    struct thinker *t = handle->data;

    emulator_release(&t->emulator);
    msg_order_release(&t->order);
    compute_release(&t->compute);
    uv_cond_destroy(&t->turn);
    uv_mutex_destroy(&t->lock);
    mem_free(t->blob);
    mem_free(t);
}

struct thinker *
thinker_new(uv_loop_t *loop, const struct join *j, const char *blob,
            int64_t zero_ns, const struct thinker_handlers *h, void *ctx,
            struct err *err)
{
    struct thinker *t = mem_alloc(1, sizeof *t);

    if (t && blob)
        t->blob = mem_strdup(blob);
    if (!t || (blob && !t->blob)) {
        mem_free(t);
        err_nomem(err);
        return NULL;
    }
    emulator_init(&t->emulator, j->rank, j->seed, zero_ns);
    if (emulator_set(&t->emulator, j->slow, j->pace_ms, err) != 0) {
        mem_free(t->blob);
        mem_free(t);
        return NULL;
    }
    t->join = j;
    t->h = h;
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

void
thinker_order(struct thinker *t, const struct msg_order *o, size_t have)
{
    msg_order_release(&t->order);
    t->order = *o;
    t->busy = true;
    uv_mutex_lock(&t->lock);
    t->have = have;
    t->starved = t->gave_up = false;
    t->final = 0;
    t->stage = STAGE_BUSY;
    uv_cond_signal(&t->turn);
    uv_mutex_unlock(&t->lock);
}

int
thinker_emulate(struct thinker *t, const char *slow, double pace_ms,
                struct err *err)
{
    int r;

    uv_mutex_lock(&t->lock);
    r = emulator_set(&t->emulator, slow, pace_ms, err);
    uv_cond_signal(&t->turn); /* who sleeps thinks about it again */
    uv_mutex_unlock(&t->lock);
    return r;
}

void
thinker_feed(struct thinker *t, size_t have)
{
    uv_mutex_lock(&t->lock);
    t->have = have;
    uv_cond_signal(&t->turn);
    uv_mutex_unlock(&t->lock);
}

void
thinker_starve(struct thinker *t)
{
    uv_mutex_lock(&t->lock);
    t->starved = true;
    uv_cond_signal(&t->turn);
    uv_mutex_unlock(&t->lock);
}

size_t
thinker_get_final(struct thinker *t, const float **v)
{
    size_t n;

    uv_mutex_lock(&t->lock);
    n = t->final;
    *v = t->filled;
    uv_mutex_unlock(&t->lock);
    return n;
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

    uv_mutex_lock(&t->lock);
    t->stage = STAGE_STOP;
    uv_cond_signal(&t->turn);
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
