/* SPDX-License-Identifier: Apache-2.0 */
/* The thread of a worker that talks.  It connects, says READY when the set-up
 * is done, and from then on turns orders into pushes.  When its connection
 * breaks it comes back under the same rank; only the end of stdin, an order to
 * stop or a refusal ends it. */
#include "worker/worker.h"

#include "base/clock.h"
#include "base/err.h"
#include "base/mem.h"
#include "serve/serve.h"
#include "worker/greet.h"
#include "worker/probe.h"
#include "worker/worker_impl.h"

#include <unistd.h>

#define BEAT_MS          1000
#define LATE_NS          (2 * NS_PER_S) /* between beats: we did not look */
#define CONNECT_LIMIT_MS 20000
#define RETRY_MS         250 /* after a lost connection, doubles ... */
#define MAX_RETRY_MS     2000
#define RETURN_LIMIT_NS  (60 * NS_PER_S) /* ... for so long */
#define ORPHANED         ERR_SYS         /* exit status when stdin ends */

/* ---- the end ------------------------------------------------------------- */

/* At once when nobody is there to talk to, else when what is queued is
 * flushed. */
void
worker_end(struct worker *w, const struct err *why)
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
    if (w->leaving)
        delivery_stop(w->leaving);
    parts_detach(w);
    if (w->conn)
        conn_close(w->conn, true);
}

/* ---- set-up -------------------------------------------------------------- */

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
        worker_fail(w, failed);
    else if (w->ready)
        worker_say_push(w);
    else
        worker_say_ready(w);
}

static void
on_final(void *ctx)
{
    worker_say_pieces(ctx);
}

static void
start_thinker(struct worker *w, const char *blob)
{
    static const struct thinker_handlers h = {.on_done = on_thought,
                                              .on_final = on_final};
    struct err err = ERR_INIT;

    w->thinker = thinker_new(&w->loop, &w->join, blob, w->zero_ns, &h, w, &err);
    if (!w->thinker)
        worker_fail(w, &err);
}

static void
ask(void *ctx, const struct msg_fetch *m)
{
    struct worker *w = ctx;

    if (w->conn) /* else fetch_resume asks again */
        worker_say_fetch(w, m);
}

static void
on_fetched(void *ctx, const char *path, const struct err *why)
{
    struct worker *w = ctx;

    fetch_close(w->fetch); /* later, so the path is still there */
    w->fetch = NULL;
    if (why->code != ERR_OK)
        worker_fail(w, why);
    else
        start_thinker(w, path);
}

/* On the first connection: the data set, when it is sent, comes before the
 * thread that reads it. */
static void
set_up(struct worker *w)
{
    static const struct fetch_handlers h = {.ask = ask, .on_done = on_fetched};
    struct err err = ERR_INIT;

    if (!w->join.push_data) {
        start_thinker(w, NULL);
        return;
    }
    w->fetch = fetch_new(&w->loop, w->join.data_hash, &h, w, &err);
    if (!w->fetch)
        worker_fail(w, &err);
}

/* ---- connections --------------------------------------------------------- */

static void on_retry(uv_timer_t *t);
static void on_beat(uv_timer_t *t);

void
worker_cut(struct worker *w, const struct err *why)
{
    int64_t now = clock_now_ns();
    struct err e = ERR_INIT;

    w->conn = NULL;
    w->ready = w->due = false;
    w->coming = (struct pieces){0};
    if (w->leaving)
        delivery_stop(w->leaving);
    parts_detach(w);
    if (w->thinker)
        thinker_starve(w->thinker);
    if (w->lost_ns == 0) {
        w->lost_ns = now;
        w->retry_ms = RETRY_MS;
    }
    err_set(&e, why->code ? why->code : ERR_SYS, "%s",
            why->code ? why->text : "the coordinator closed the connection");
    if (w->ending || w->refused || now - w->lost_ns > RETURN_LIMIT_NS) {
        worker_end(w, w->ending ? NULL : &e);
        return;
    }
    uv_timer_start(&w->retry, on_retry, w->retry_ms, 0);
    w->retry_ms =
        w->retry_ms * 2 < MAX_RETRY_MS ? w->retry_ms * 2 : MAX_RETRY_MS;
}

static void
on_connected(void *ctx, struct conn *c, const struct err *why)
{
    struct worker *w = ctx;

    if (!c) {
        if (w->ending)
            return;
        if (w->thinker || w->fetch)
            worker_cut(w, why);
        else /* it never was there */
            worker_end(w, why);
        return;
    }
    if (w->ending) {
        conn_close(c, false);
        return;
    }
    w->conn = c;
    w->heard_ns = w->excused_ns = clock_now_ns();
    conn_set_handlers(c, &worker_handlers, w);
    worker_set_link(w);
    uv_timer_start(&w->beat, on_beat, BEAT_MS, BEAT_MS);
    if (w->fetch) {
        fetch_resume(w->fetch);
    } else if (!w->thinker) {
        set_up(w);
    } else {
        worker_say_ready(w);
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
    else
        parts_watch(w, now, b->most_ns);
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
    w->zero_ns = clock_now_ns() - (int64_t)(w->join.age_ms * 1e6);
    r = w->join.task == JOIN_PROBE   ? probe_run(&w->join, err)
        : w->join.task == JOIN_SERVE ? serve_run(&w->join, err)
                                     : talk(w, computing, err);
    if (*computing) /* everything is still in use */
        return r;
    parts_free(w);
    join_release(&w->join);
    mem_free(w);
    return r;
}
