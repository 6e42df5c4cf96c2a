/* SPDX-License-Identifier: Apache-2.0 */
#include "serve/serve.h"

#include "base/buf.h"
#include "base/clock.h"
#include "base/mem.h"
#include "serve/serve_impl.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define BEAT_MS          1000
#define LATE_NS          (2 * NS_PER_S) /* between beats: we did not look */
#define CONNECT_LIMIT_MS 20000
#define ORPHANED         ERR_SYS /* exit status when stdin ends */

void
serve_end(struct serve *s, const struct err *why)
{
    if (why && why->code != ERR_OK && s->err.code == ERR_OK)
        s->err = *why;
    if (s->ending)
        return;
    s->ending = true;
    uv_close((uv_handle_t *)&s->beat, NULL);
    uv_close((uv_handle_t *)&s->orphan, NULL);
    clients_close(s);
    if (s->up)
        conn_close(s->up, true);
}

void
serve_say(struct conn *c, uint16_t type, struct buf *body)
{
    struct err err = ERR_INIT;

    if (conn_is_closing(c))
        return;
    if (buf_ok(body, &err) != 0 || conn_send(c, type, body->data, body->len,
                                             NULL, 0, NULL, NULL, &err) != 0)
        conn_close(c, false);
}

void
serve_fail(struct serve *s, const struct err *why)
{
    struct buf body = BUF_INIT(WIRE_TEXT_CAP * 2);
    struct msg_error m = {.code = (uint32_t)why->code};

    snprintf(m.text, sizeof m.text, "%.*s", (int)sizeof m.text - 1, why->text);
    msg_put_error(&body, &m);
    if (s->up && !s->ending)
        serve_say(s->up, MSG_ERROR, &body);
    buf_release(&body);
    serve_end(s, why);
}

/* Without the coordinator there is nothing to serve for. */
static void
check_coordinator(struct serve *s, int64_t now)
{
    int64_t heard = conn_get_last_heard(s->up);
    struct err err = ERR_INIT;

    if (s->beat_ns && now - s->beat_ns > LATE_NS)
        s->excused_ns = now; /* what came meanwhile is not read yet */
    s->beat_ns = now;
    if (heard < s->excused_ns)
        heard = s->excused_ns;
    if (now - heard <= s->job.faults.silence.most_ns)
        return;
    err_set(&err, ERR_SYS, "no sign of life from the coordinator for %.0f s",
            (double)(now - heard) / (double)NS_PER_S);
    conn_close(s->up, false);
    serve_end(s, &err);
}

static void
on_beat(uv_timer_t *t)
{
    struct serve *s = t->data;

    clients_beat(s);
    if (!s->up || conn_is_closing(s->up))
        return;
    if (conn_get_queued(s->up) == 0)
        (void)conn_send(s->up, MSG_BEAT, NULL, 0, NULL, 0, NULL, NULL, NULL);
    check_coordinator(s, clock_now_ns());
}

/* Nothing is ever written to stdin after the first message: readable means that
 * it has ended, and with it whoever started this process. */
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

static void
on_connected(void *ctx, struct conn *c, const struct err *why)
{
    struct serve *s = ctx;

    if (!c) {
        serve_end(s, why);
        return;
    }
    if (s->ending) {
        conn_close(c, false);
        return;
    }
    s->up = c;
    s->excused_ns = clock_now_ns();
    conn_set_handlers(c, &serve_control, s);
    uv_timer_start(&s->beat, on_beat, BEAT_MS, BEAT_MS);
}

static int
begin(struct serve *s, struct err *err)
{
    const struct join *j = s->join;
    struct conn_request to = {.host = j->host,
                              .port = j->port,
                              .how = {.tls = j->tls, .insecure = !j->tls},
                              .key = j->key,
                              .rank = j->rank,
                              .life = j->life,
                              .timeout_ms = CONNECT_LIMIT_MS};
    int rc;

    if (job_parse(&s->job, "job.json", j->job_dir, j->job, strlen(j->job),
                  err) != 0)
        return -1;
    if (uv_loop_init(&s->loop) != 0)
        return err_set(err, ERR_SYS, "no event loop");
    rc = uv_poll_init(&s->loop, &s->orphan, STDIN_FILENO);
    if (rc < 0) { /* the end of a file would say nothing */
        uv_loop_close(&s->loop);
        return err_set(err, ERR_SYS, "stdin: expected a pipe: %s",
                       uv_strerror(rc));
    }
    s->beat.data = s->orphan.data = s;
    uv_timer_init(&s->loop, &s->beat);
    uv_poll_start(&s->orphan, UV_READABLE, on_orphaned);
    if (conn_connect(&s->loop, &to, on_connected, s, err) != 0)
        serve_end(s, err);
    return 0;
}

int
serve_run(const struct join *j, struct err *err)
{
    struct serve *s = mem_alloc(1, sizeof *s);
    int r = -1;

    if (!s)
        return err_nomem(err);
    s->join = j;
    if (begin(s, err) == 0) {
        uv_run(&s->loop, UV_RUN_DEFAULT);
        uv_loop_close(&s->loop);
        r = s->err.code == ERR_OK ? 0 : -1;
        if (r != 0)
            err_set(err, s->err.code, "%s", s->err.text);
    }
    clients_release(s);
    store_free(s->store);
    range_release(&s->part);
    job_release(&s->job);
    mem_free(s);
    return r;
}
