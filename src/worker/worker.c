/* SPDX-License-Identifier: Apache-2.0 */
/* The thread of a worker that talks.  It connects, says READY when the set-up
 * is done, and from then on turns orders into pushes.  When its connection
 * breaks it comes back under the same rank; only the end of stdin, an order to
 * stop or a refusal ends it. */
#include "worker/worker.h"

#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/habit.h"
#include "base/mem.h"
#include "io/conn.h"
#include "io/loop.h"
#include "wire/join.h"
#include "worker/fetch.h"
#include "worker/greet.h"
#include "worker/probe.h"
#include "worker/thinker.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define BEAT_MS          1000
#define LATE_NS          (2 * NS_PER_S) /* between beats: we did not look */
#define CONNECT_LIMIT_MS 20000
#define RETRY_MS         250 /* after a lost connection, doubles ... */
#define MAX_RETRY_MS     2000
#define RETURN_LIMIT_NS  (60 * NS_PER_S) /* ... for so long */
#define ORPHANED         ERR_SYS         /* exit status when stdin ends */

struct worker {
    struct join join;
    uv_loop_t loop;
    struct conn *conn; /* authenticated */
    bool ready;        /* READY was sent on this connection */
    uv_timer_t beat, retry;
    uv_poll_t orphan;    /* stdin */
    struct fetch *fetch; /* while the data set is on its way */
    struct thinker *thinker;
    struct err err; /* why it ends */
    bool ending;

    uint64_t retry_ms;
    int64_t lost_ns; /* since when nothing was ordered; 0: all is well */
    bool refused;    /* the coordinator has said why */
    int64_t beat_ns, excused_ns, heard_ns;
    uint64_t iteration; /* of the last order */
    struct habit silence;

    int64_t start_ns, ready_ns;
    int64_t push_start_ns, push_sent_ns; /* of the last push */
    int64_t push_ns, wait_ns, pull_ns;   /* of the last exchange */
    struct msg_bye total;
};

static size_t
vector_bytes(const struct worker *w)
{
    return thinker_get_compute(w->thinker)->t->n_floats * sizeof(float);
}

/* ---- the end ------------------------------------------------------------- */

/* At once when nobody is there to talk to, else when what is queued is
 * flushed. */
static void
end(struct worker *w, const struct err *why)
{
    if (why && why->code != ERR_OK && w->err.code == ERR_OK)
        w->err = *why;
    if (w->ending)
        return;
    w->ending = true;
    uv_close((uv_handle_t *)&w->beat, NULL);
    uv_close((uv_handle_t *)&w->retry, NULL);
    uv_close((uv_handle_t *)&w->orphan, NULL);
    fetch_close(w->fetch);
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

/* ---- what it says -------------------------------------------------------- */

/* What cannot be sent is a lost connection: on_closed follows. */
static void
say(struct worker *w, uint16_t type, struct buf *body, const void *bulk,
    size_t n, conn_sent_fn *done)
{
    struct err err = ERR_INIT;

    if (buf_ok(body, &err) != 0)
        end(w, &err);
    else if (!conn_is_closing(w->conn) &&
             conn_send(w->conn, type, body->data, body->len, bulk, n, done, w,
                       &err) != 0)
        conn_close(w->conn, false);
    buf_release(body);
}

static void
send_ready(struct worker *w)
{
    struct compute *c = thinker_get_compute(w->thinker);
    struct buf body = BUF_INIT(256);
    struct msg_ready m;

    compute_forget(c); /* its last order may be lost: computed or not */
    w->push_sent_ns = clock_now_ns();
    if (w->ready_ns == 0)
        w->ready_ns = w->push_sent_ns;
    m = (struct msg_ready){
        .segments_hash = segtab_fingerprint(c->t),
        .n_floats = c->t->n_floats,
        .data_hash = c->data->hash,
        .setup_ns = w->ready_ns - w->start_ns,
    };
    conn_set_limits(w->conn, FRAME_MAX_BODY, vector_bytes(w));
    msg_put_ready(&body, &m);
    w->ready = true;
    say(w, MSG_READY, &body, NULL, 0, NULL);
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
    const float *push;
    struct msg_push m = *thinker_get_result(w->thinker, &push);

    m.push_ns = w->push_ns;
    m.wait_ns = w->wait_ns;
    m.pull_ns = w->pull_ns;
    w->total.iterations++;
    w->total.data_ns += m.data_ns;
    w->total.compute_ns += m.compute_ns;
    msg_put_push(&body, &m);
    w->push_start_ns = w->push_sent_ns = clock_now_ns();
    say(w, MSG_PUSH, &body, push, vector_bytes(w), on_push_sent);
}

static void
say_bye(struct worker *w)
{
    struct buf body = BUF_INIT(256);
    int64_t now = clock_now_ns();

    /* Idle since its last push: there was nothing left to do for it. */
    if (w->ready && !thinker_is_busy(w->thinker) && now > w->push_sent_ns)
        w->total.wait_ns += now - w->push_sent_ns;
    w->total.wall_ns = w->ready_ns ? now - w->ready_ns : 0;
    msg_put_bye(&body, &w->total);
    say(w, MSG_BYE, &body, NULL, 0, NULL);
    end(w, NULL);
}

/* The set-up or an order is done.  What was computed for a connection that is
 * gone is of no use: the mini-batch is somebody else's by now. */
static void
on_thought(void *ctx)
{
    struct worker *w = ctx;
    const struct err *failed = thinker_get_error(w->thinker);

    if (w->ending)
        return;
    if (failed->code != ERR_OK)
        fail(w, failed);
    else if (w->conn && !w->ready)
        send_ready(w);
    else if (w->conn)
        send_push(w);
}

/* ---- set-up -------------------------------------------------------------- */

static void
start_thinker(struct worker *w, const char *blob)
{
    struct err err = ERR_INIT;

    w->thinker = thinker_new(&w->loop, &w->join, blob, on_thought, w, &err);
    if (!w->thinker)
        fail(w, &err);
}

static void
send_fetch(void *ctx, const struct msg_fetch *m)
{
    struct worker *w = ctx;
    struct buf body = BUF_INIT(64);

    if (!w->conn) /* fetch_resume asks again */
        return;
    msg_put_fetch(&body, m);
    say(w, MSG_FETCH, &body, NULL, 0, NULL);
}

static void
on_fetched(void *ctx, const char *path, const struct err *why)
{
    struct worker *w = ctx;

    fetch_close(w->fetch); /* later, so the path is still there */
    w->fetch = NULL;
    if (why->code != ERR_OK)
        fail(w, why);
    else
        start_thinker(w, path);
}

/* On the first connection: the data set, when it is sent, comes before the
 * thread that reads it. */
static void
set_up(struct worker *w)
{
    static const struct fetch_handlers h = {.ask = send_fetch,
                                            .on_done = on_fetched};
    struct err err = ERR_INIT;

    if (!w->join.push_data) {
        start_thinker(w, NULL);
        return;
    }
    w->fetch = fetch_new(&w->loop, w->join.data_hash, &h, w, &err);
    if (!w->fetch)
        fail(w, &err);
}

/* ---- what it hears ------------------------------------------------------- */

static int
on_body(void *ctx, struct conn *c, const struct frame_head *h, const void *body,
        void **bulk, struct err *err)
{
    struct worker *w = ctx;

    (void)c;
    if (h->type == MSG_DATA && w->fetch)
        return fetch_on_body(w->fetch, h, body, bulk, err);
    if (h->type != MSG_ORDER)
        return h->bulk_len ? err_set(err, ERR_PROTO, "%s with a bulk",
                                     msg_name(h->type))
                           : 0;
    if (!w->ready || thinker_is_busy(w->thinker))
        return err_set(err, ERR_PROTO, "unexpected ORDER");
    if (h->bulk_len != 0 && h->bulk_len != vector_bytes(w))
        return err_set(err, ERR_PROTO, "parameters of %llu bytes, expected %zu",
                       (unsigned long long)h->bulk_len, vector_bytes(w));
    *bulk = thinker_get_compute(w->thinker)->params;
    return 0;
}

static int
on_order(struct worker *w, struct conn *c, const struct frame_head *h,
         const void *body, struct err *err)
{
    int64_t first = conn_get_frame_start(c), idle;
    struct msg_order order;

    if (msg_get_order(&order, body, h->body_len, err) != 0)
        return -1;
    if (!(order.flags & MSG_ORDER_PARAMS) != (h->bulk_len == 0)) {
        msg_order_release(&order);
        return err_set(err, ERR_PROTO, "ORDER: flag and bulk disagree");
    }
    /* A second time: its first result was bad, and so may be what local steps
     * have left behind. */
    if (order.iteration == w->iteration)
        compute_forget(thinker_get_compute(w->thinker));
    w->iteration = order.iteration;
    w->lost_ns = 0;
    /* From the last byte sent to the first one received: the policy's share is
     * what it says; the rest was spent on the way and in queues. */
    idle = first - w->push_sent_ns;
    if (idle < 0)
        idle = 0;
    w->wait_ns = order.held_ns < idle ? order.held_ns : idle;
    w->push_ns += idle - w->wait_ns;
    w->pull_ns = clock_now_ns() - first;
    w->total.push_ns += idle - w->wait_ns;
    w->total.wait_ns += w->wait_ns;
    w->total.pull_ns += w->pull_ns;
    thinker_order(w->thinker, &order);
    return 0;
}

static void
on_sign_of_life(struct worker *w)
{
    int64_t now = clock_now_ns();

    habit_add(&w->silence, now - w->heard_ns);
    w->heard_ns = now;
    if (w->ready)
        w->lost_ns = 0;
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
    case MSG_DATA:
        if (w->fetch)
            fetch_on_frame(w->fetch, h);
        return 0;
    case MSG_STOP:
        say_bye(w);
        return 0;
    case MSG_BEAT:
        on_sign_of_life(w);
        return 0;
    case MSG_ERROR:
        if (msg_get_error(&e, body, h->body_len, err) != 0)
            return -1;
        w->refused = true;
        return err_set(err, (enum err_code)e.code, "coordinator: %s", e.text);
    default:
        return err_set(err, ERR_PROTO, "unexpected %s", msg_name(h->type));
    }
}

/* ---- connections --------------------------------------------------------- */

static void on_retry(uv_timer_t *t);
static void on_beat(uv_timer_t *t);

static void
come_back(struct worker *w, const struct err *why)
{
    int64_t now = clock_now_ns();
    struct err e = ERR_INIT;

    w->conn = NULL;
    w->ready = false;
    if (w->lost_ns == 0) {
        w->lost_ns = now;
        w->retry_ms = RETRY_MS;
    }
    err_set(&e, why->code ? why->code : ERR_SYS, "%s",
            why->code ? why->text : "the coordinator closed the connection");
    if (w->ending || w->refused || now - w->lost_ns > RETURN_LIMIT_NS) {
        end(w, w->ending ? NULL : &e);
        return;
    }
    uv_timer_start(&w->retry, on_retry, w->retry_ms, 0);
    w->retry_ms =
        w->retry_ms * 2 < MAX_RETRY_MS ? w->retry_ms * 2 : MAX_RETRY_MS;
}

static void
on_closed(void *ctx, struct conn *c, const struct err *why)
{
    struct worker *w = ctx;

    (void)c;
    if (w->ending) {
        w->conn = NULL;
        return;
    }
    come_back(w, why);
}

static const struct conn_handlers handlers = {
    .on_body = on_body,
    .on_frame = on_frame,
    .on_closed = on_closed,
};

static void
on_connected(void *ctx, struct conn *c, const struct err *why)
{
    struct worker *w = ctx;

    if (!c) {
        if (w->ending)
            return;
        if (w->thinker || w->fetch)
            come_back(w, why);
        else /* it never was there */
            end(w, why);
        return;
    }
    if (w->ending) {
        conn_close(c, false);
        return;
    }
    w->conn = c;
    w->heard_ns = w->excused_ns = clock_now_ns();
    conn_set_handlers(c, &handlers, w);
    uv_timer_start(&w->beat, on_beat, BEAT_MS, BEAT_MS);
    if (w->fetch) {
        fetch_resume(w->fetch);
    } else if (!w->thinker) {
        set_up(w);
    } else if (!thinker_is_busy(w->thinker)) {
        send_ready(w);
    }
}

static void
connect_again(struct worker *w)
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
    struct err err = ERR_INIT;

    if (conn_connect(&w->loop, &to, on_connected, w, &err) != 0)
        on_connected(w, NULL, &err); /* no way there now: perhaps later */
}

static void
on_retry(uv_timer_t *t)
{
    connect_again(t->data);
}

/* What has been silent for too long is gone, even when no network says so. */
static void
check_coordinator(struct worker *w, int64_t now)
{
    static const struct habit_bounds early = {
        .k = 10, .least_ns = 5 * NS_PER_S, .most_ns = 30 * NS_PER_S};
    const struct habit_bounds *b =
        w->ready ? &thinker_get_compute(w->thinker)->job.faults.silence
                 : &early;
    int64_t heard = conn_get_last_heard(w->conn);

    if (w->beat_ns && now - w->beat_ns > LATE_NS)
        w->excused_ns = now; /* what came meanwhile is not read yet */
    w->beat_ns = now;
    if (heard < w->excused_ns)
        heard = w->excused_ns;
    if (now - heard > habit_limit_ns(&w->silence, b))
        conn_close(w->conn, false);
}

static void
on_beat(uv_timer_t *t)
{
    struct worker *w = t->data;

    if (!w->conn || conn_is_closing(w->conn))
        return;
    if (conn_get_queued(w->conn) == 0)
        (void)conn_send(w->conn, MSG_BEAT, NULL, 0, NULL, 0, NULL, NULL, NULL);
    check_coordinator(w, clock_now_ns());
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

static int
talk(struct worker *w, bool *computing, struct err *err)
{
    int rc;

    if (uv_loop_init(&w->loop) != 0)
        return err_set(err, ERR_SYS, "no event loop");
    rc = uv_poll_init(&w->loop, &w->orphan, STDIN_FILENO);
    if (rc < 0) { /* the end of a file would say nothing */
        uv_loop_close(&w->loop);
        return err_set(err, ERR_SYS, "stdin: expected a pipe: %s",
                       uv_strerror(rc));
    }
    w->beat.data = w->retry.data = w->orphan.data = w;
    uv_timer_init(&w->loop, &w->beat);
    uv_timer_init(&w->loop, &w->retry);
    uv_poll_start(&w->orphan, UV_READABLE, on_orphaned);
    connect_again(w);
    while (!w->ending || w->conn)
        uv_run(&w->loop, UV_RUN_ONCE);
    *computing = w->thinker && !thinker_stop(w->thinker);
    if (!*computing) {
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
    r = w->join.task == JOIN_PROBE ? probe_run(&w->join, err)
                                   : talk(w, computing, err);
    if (*computing) /* everything is still in use */
        return r;
    join_release(&w->join);
    mem_free(w);
    return r;
}
