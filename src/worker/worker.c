/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/worker.h"

#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/mem.h"
#include "io/conn.h"
#include "io/loop.h"
#include "wire/join.h"
#include "worker/compute.h"
#include "worker/greet.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define BEAT_MS          1000
#define CONNECT_LIMIT_MS 20000
#define STEP_LIMIT_NS    (NS_PER_S / 2) /* to wait for a step at the end */
#define ORPHANED         ERR_SYS        /* exit status when stdin ends */

/* Where the computing thread is; guarded by lock. */
enum stage { STAGE_SETUP, STAGE_IDLE, STAGE_ORDERED, STAGE_DONE, STAGE_STOP };

struct worker {
    struct join join;
    uv_loop_t loop;
    struct conn *conn;
    uv_timer_t beat;
    uv_async_t done;  /* the computing thread has finished something */
    uv_poll_t orphan; /* stdin */
    struct err err;   /* why it ends, loop thread */
    bool ending;

    uv_thread_t thread;
    bool threaded;
    uv_mutex_t lock;
    uv_cond_t turn;
    enum stage stage;       /* guarded by lock */
    bool computing;         /* guarded by lock: set-up or an order */
    struct err compute_err; /* set before STAGE_DONE */
    struct compute compute; /* the computing thread's while ORDERED */
    struct msg_order order;
    struct msg_push told;
    const float *push;
    bool ready; /* READY was sent */

    int64_t start_ns, ready_ns;
    int64_t push_start_ns, push_sent_ns; /* of the last push */
    int64_t push_ns, wait_ns, pull_ns;   /* of the last exchange */
    struct msg_bye total;
};

/* ---- the computing thread ------------------------------------------------ */

/* Emulated slowness: computing takes `slow` times as long, an iteration at
 * least pace * slow.  Ends early when the worker is to stop. */
static void
emulate(struct worker *w, int64_t start)
{
    double slow = w->join.slow, want;
    int64_t end, now = clock_now_ns(), slept = now;

    want = (double)(w->told.compute_ns) * (slow - 1.0);
    end = now + (int64_t)want;
    want = w->join.pace_ms * slow * 1e6;
    if (start + (int64_t)want > end)
        end = start + (int64_t)want;
    uv_mutex_lock(&w->lock);
    while (w->stage != STAGE_STOP && (now = clock_now_ns()) < end)
        uv_cond_timedwait(&w->turn, &w->lock, (uint64_t)(end - now));
    uv_mutex_unlock(&w->lock);
    w->told.compute_ns += clock_now_ns() - slept;
}

/* The order is the thread's own until it says that it is done. */
static void
execute(struct worker *w)
{
    int64_t start = clock_now_ns();

    if (compute_order(&w->compute, &w->order, &w->told, &w->push,
                      &w->compute_err) == 0 &&
        (w->join.slow > 1.0 || w->join.pace_ms > 0.0))
        emulate(w, start);
}

static void
finish_stage(struct worker *w)
{
    uv_mutex_lock(&w->lock);
    if (w->stage != STAGE_STOP)
        w->stage = STAGE_DONE;
    w->computing = false;
    uv_cond_signal(&w->turn); /* for join_thread */
    uv_mutex_unlock(&w->lock);
    uv_async_send(&w->done);
}

static void
compute_thread(void *arg)
{
    struct worker *w = arg;
    const struct join *j = &w->join;

    (void)compute_init(&w->compute, j->job, j->job_dir, (int)j->threads,
                       &w->compute_err);
    finish_stage(w);
    for (;;) {
        enum stage stage;

        uv_mutex_lock(&w->lock);
        while (w->stage != STAGE_ORDERED && w->stage != STAGE_STOP)
            uv_cond_wait(&w->turn, &w->lock);
        stage = w->stage;
        w->computing = stage == STAGE_ORDERED;
        uv_mutex_unlock(&w->lock);
        if (stage == STAGE_STOP)
            return;
        execute(w);
        finish_stage(w);
    }
}

static void
set_stage(struct worker *w, enum stage stage)
{
    uv_mutex_lock(&w->lock);
    w->stage = stage;
    uv_cond_signal(&w->turn);
    uv_mutex_unlock(&w->lock);
}

/* ---- the talking thread -------------------------------------------------- */

/* The end: at once when nobody is there to talk to, else when what is queued
 * is flushed. */
static void
end(struct worker *w, const struct err *why)
{
    if (why && why->code != ERR_OK && w->err.code == ERR_OK)
        w->err = *why;
    if (w->ending)
        return;
    w->ending = true;
    set_stage(w, STAGE_STOP);
    uv_close((uv_handle_t *)&w->beat, NULL);
    uv_close((uv_handle_t *)&w->orphan, NULL);
    if (w->conn)
        conn_close(w->conn, true);
}

static void
fail(struct worker *w, const struct err *why)
{
    struct buf body = BUF_INIT(WIRE_TEXT_CAP * 2);
    struct msg_error m = {.code = (uint32_t)why->code};

    snprintf(m.text, sizeof m.text, "%.*s", (int)sizeof m.text - 1, why->text);
    msg_put_error(&body, &m);
    if (w->conn && !w->ending && !body.bad)
        (void)conn_send(w->conn, MSG_ERROR, body.data, body.len, NULL, 0, NULL,
                        NULL, NULL);
    buf_release(&body);
    end(w, why);
}

static void
send_ready(struct worker *w)
{
    struct buf body = BUF_INIT(256);
    struct err err = ERR_INIT;
    struct msg_ready m;

    w->ready_ns = w->push_sent_ns = clock_now_ns();
    m = (struct msg_ready){
        .segments_hash = segtab_fingerprint(w->compute.t),
        .n_floats = w->compute.t->n_floats,
        .data_hash = w->compute.data->hash,
        .setup_ns = w->ready_ns - w->start_ns,
    };
    conn_set_limits(w->conn, FRAME_MAX_BODY,
                    w->compute.t->n_floats * sizeof(float));
    msg_put_ready(&body, &m);
    w->ready = true;
    if (conn_send(w->conn, MSG_READY, body.data, body.len, NULL, 0, NULL, NULL,
                  &err) != 0)
        end(w, &err);
    buf_release(&body);
}

static void
on_push_sent(void *ctx, int status)
{
    struct worker *w = ctx;

    if (status != 0)
        return; /* on_closed follows */
    w->push_sent_ns = clock_now_ns();
    w->push_ns = w->push_sent_ns - w->push_start_ns;
    w->total.push_ns += w->push_ns;
}

static void
send_push(struct worker *w)
{
    struct buf body = BUF_INIT(512);
    struct err err = ERR_INIT;

    w->told.push_ns = w->push_ns;
    w->told.wait_ns = w->wait_ns;
    w->told.pull_ns = w->pull_ns;
    w->total.iterations++;
    w->total.data_ns += w->told.data_ns;
    w->total.compute_ns += w->told.compute_ns;
    msg_order_release(&w->order);
    msg_put_push(&body, &w->told);
    w->push_start_ns = w->push_sent_ns = clock_now_ns();
    if (conn_send(w->conn, MSG_PUSH, body.data, body.len, w->push,
                  w->compute.t->n_floats * sizeof(float), on_push_sent, w,
                  &err) != 0)
        end(w, &err);
    buf_release(&body);
}

static void
on_done(uv_async_t *a)
{
    struct worker *w = a->data;
    bool done;

    uv_mutex_lock(&w->lock);
    done = w->stage == STAGE_DONE;
    if (done)
        w->stage = STAGE_IDLE;
    uv_mutex_unlock(&w->lock);
    if (!done || w->ending)
        return;
    if (w->compute_err.code != ERR_OK)
        fail(w, &w->compute_err);
    else if (!w->ready)
        send_ready(w);
    else
        send_push(w);
}

static int
on_body(void *ctx, struct conn *c, const struct frame_head *h, const void *body,
        void **bulk, struct err *err)
{
    struct worker *w = ctx;
    bool idle;

    (void)c;
    (void)body;
    if (h->type != MSG_ORDER)
        return h->bulk_len ? err_set(err, ERR_PROTO, "%s with a bulk",
                                     msg_name(h->type))
                           : 0;
    uv_mutex_lock(&w->lock);
    idle = w->ready && w->stage == STAGE_IDLE;
    uv_mutex_unlock(&w->lock);
    if (!idle)
        return err_set(err, ERR_PROTO, "unexpected ORDER");
    if (h->bulk_len != 0 &&
        h->bulk_len != w->compute.t->n_floats * sizeof(float))
        return err_set(err, ERR_PROTO, "parameters of %llu bytes, expected %zu",
                       (unsigned long long)h->bulk_len,
                       w->compute.t->n_floats * sizeof(float));
    *bulk = w->compute.params;
    return 0;
}

static int
on_order(struct worker *w, struct conn *c, const struct frame_head *h,
         const void *body, struct err *err)
{
    int64_t first = conn_get_frame_start(c), idle;

    if (msg_get_order(&w->order, body, h->body_len, err) != 0)
        return -1;
    if (!(w->order.flags & MSG_ORDER_PARAMS) != (h->bulk_len == 0)) {
        msg_order_release(&w->order);
        return err_set(err, ERR_PROTO, "ORDER: flag and bulk disagree");
    }
    /* From the last byte sent to the first one received: the policy's share is
     * what it says; the rest was spent on the way and in queues. */
    idle = first - w->push_sent_ns;
    if (idle < 0)
        idle = 0;
    w->wait_ns = w->order.held_ns < idle ? w->order.held_ns : idle;
    w->push_ns += idle - w->wait_ns;
    w->pull_ns = clock_now_ns() - first;
    w->total.push_ns += idle - w->wait_ns;
    w->total.wait_ns += w->wait_ns;
    w->total.pull_ns += w->pull_ns;
    set_stage(w, STAGE_ORDERED);
    return 0;
}

static void
say_bye(struct worker *w)
{
    struct buf body = BUF_INIT(256);
    int64_t now = clock_now_ns();
    bool idle;

    uv_mutex_lock(&w->lock);
    idle = w->ready && w->stage == STAGE_IDLE;
    uv_mutex_unlock(&w->lock);
    /* Idle since its last push: there was nothing left to do for it. */
    if (idle && now > w->push_sent_ns)
        w->total.wait_ns += now - w->push_sent_ns;
    w->total.wall_ns = w->ready ? now - w->ready_ns : 0;
    msg_put_bye(&body, &w->total);
    (void)conn_send(w->conn, MSG_BYE, body.data, body.len, NULL, 0, NULL, NULL,
                    NULL);
    buf_release(&body);
    end(w, NULL);
}

static int
on_frame(void *ctx, struct conn *c, const struct frame_head *h,
         const void *body, void *bulk, struct err *err)
{
    struct worker *w = ctx;
    struct msg_error e;

    (void)bulk;
    switch (h->type) {
    case MSG_ORDER:
        return on_order(w, c, h, body, err);
    case MSG_STOP:
        say_bye(w);
        return 0;
    case MSG_ERROR:
        if (msg_get_error(&e, body, h->body_len, err) != 0)
            return -1;
        return err_set(err, (enum err_code)e.code, "coordinator: %s", e.text);
    default:
        return err_set(err, ERR_PROTO, "unexpected %s", msg_name(h->type));
    }
}

static void
on_closed(void *ctx, struct conn *c, const struct err *why)
{
    struct worker *w = ctx;
    struct err gone = ERR_INIT;

    (void)c;
    w->conn = NULL;
    if (!w->ending && why->code == ERR_OK) {
        err_set(&gone, ERR_SYS, "the coordinator closed the connection");
        why = &gone;
    }
    end(w, why);
}

static const struct conn_handlers handlers = {
    .on_body = on_body,
    .on_frame = on_frame,
    .on_closed = on_closed,
};

static void
on_beat(uv_timer_t *t)
{
    struct worker *w = t->data;

    if (w->conn)
        (void)conn_send(w->conn, MSG_BEAT, NULL, 0, NULL, 0, NULL, NULL, NULL);
}

static void
on_connected(void *ctx, struct conn *c, const struct err *why)
{
    struct worker *w = ctx;

    if (!c) {
        end(w, why);
        return;
    }
    if (w->ending) {
        conn_close(c, false);
        return;
    }
    w->conn = c;
    conn_set_handlers(c, &handlers, w);
    uv_timer_start(&w->beat, on_beat, BEAT_MS, BEAT_MS);
    w->computing = true; /* the set-up */
    if (uv_thread_create(&w->thread, compute_thread, w) == 0) {
        w->threaded = true;
    } else {
        struct err err = ERR_INIT;

        w->computing = false;
        err_set(&err, ERR_SYS, "no thread for computing");
        fail(w, &err);
    }
}

/* Nothing is ever written to stdin after the first message: readable means
 * that it has ended, and with it whoever started this process. Computing is
 * not waited for. */
static void
on_orphaned(uv_poll_t *p, int status, int events)
{
    char c;

    (void)p;
    (void)events;
    if (status == 0 && read(STDIN_FILENO, &c, 1) > 0)
        return;
    _exit(ORPHANED);
}

/* ---- life ---------------------------------------------------------------- */

/* Whether the computing thread has ended.  A step of a large network takes
 * longer than anybody wants to wait for a result that nobody wants. */
static bool
join_thread(struct worker *w)
{
    int64_t end = clock_now_ns() + STEP_LIMIT_NS, now;
    bool computing;

    if (!w->threaded)
        return true;
    uv_mutex_lock(&w->lock);
    while (w->computing && (now = clock_now_ns()) < end)
        uv_cond_timedwait(&w->turn, &w->lock, (uint64_t)(end - now));
    computing = w->computing;
    uv_mutex_unlock(&w->lock);
    if (!computing)
        uv_thread_join(&w->thread);
    return !computing;
}

static int
talk(struct worker *w, bool *computing, struct err *err)
{
    const struct join *j = &w->join;
    /* Who runs without TLS has been warned at the coordinator. */
    struct conn_request to = {.host = j->host,
                              .port = j->port,
                              .how = {.tls = j->tls, .insecure = !j->tls},
                              .key = j->key,
                              .rank = j->rank,
                              .life = j->life,
                              .timeout_ms = CONNECT_LIMIT_MS};
    int rc;

    if (uv_loop_init(&w->loop) != 0)
        return err_set(err, ERR_SYS, "no event loop");
    rc = uv_poll_init(&w->loop, &w->orphan, STDIN_FILENO);
    if (rc < 0) { /* the end of a file would say nothing */
        uv_loop_close(&w->loop);
        return err_set(err, ERR_SYS, "stdin: expected a pipe: %s",
                       uv_strerror(rc));
    }
    w->beat.data = w->done.data = w->orphan.data = w;
    uv_timer_init(&w->loop, &w->beat);
    uv_async_init(&w->loop, &w->done, on_done);
    uv_poll_start(&w->orphan, UV_READABLE, on_orphaned);
    if (conn_connect(&w->loop, &to, on_connected, w, &w->err) != 0)
        end(w, NULL);
    /* `done` keeps the loop alive until everything else has gone. */
    while (!w->ending || w->conn)
        uv_run(&w->loop, UV_RUN_ONCE);
    *computing = !join_thread(w);
    if (!*computing) {
        uv_close((uv_handle_t *)&w->done, NULL);
        uv_run(&w->loop, UV_RUN_DEFAULT);
        uv_loop_close(&w->loop);
    }
    return w->err.code == ERR_OK ? 0
                                 : err_set(err, w->err.code, "%s", w->err.text);
}

int
worker_run(bool *computing, struct err *err)
{
    struct worker *w = mem_alloc(1, sizeof *w);
    int r;

    *computing = false;
    if (!w)
        return err_nomem(err);
    w->start_ns = clock_now_ns();
    if (worker_die_with_parent(err) != 0 || worker_greet(&w->join, err) != 0) {
        mem_free(w);
        return -1;
    }
    uv_mutex_init(&w->lock);
    uv_cond_init(&w->turn);
    r = talk(w, computing, err);
    if (*computing) /* everything is still in use */
        return r;
    msg_order_release(&w->order);
    compute_release(&w->compute);
    uv_cond_destroy(&w->turn);
    uv_mutex_destroy(&w->lock);
    join_release(&w->join);
    mem_free(w);
    return r;
}
