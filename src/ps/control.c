/* SPDX-License-Identifier: Apache-2.0 */
#include "ps/control.h"

#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/fs.h"
#include "base/json.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "io/local.h"
#include "job/rundir.h"
#include "ps/server.h"

#include <stdbool.h>
#include <stdlib.h>

#define POLL_MS    50 /* is what somebody waits for done? */
#define MAX_ANSWER ((size_t)8 << 20)

/* One who waits for the end of what he asked for. */
struct wait {
    struct local_peer *peer; /* NULL: nobody */
    enum control_verb verb;
    double wait_s;
    int64_t until_ns;
    uint64_t version;  /* of the parameters that a checkpoint is to have */
    uint64_t failures; /* of checkpoints, before */
};

struct control {
    struct local_server *local;
    struct server *server;
    struct log *log;
    char *run; /* from the root: who asks may be in another folder */
    int64_t start_ns;
    uv_timer_t timer; /* while somebody waits */
    struct wait wait[LOCAL_MAX_PEERS];
};

/* ---- answers ------------------------------------------------------------- */

/* v is taken; NULL: out of memory. */
static void
answer_json(struct local_peer *p, json_t *v)
{
    struct buf b = BUF_INIT(MAX_ANSWER);
    struct err e = ERR_INIT;

    if (!v)
        err_nomem(&e);
    else
        (void)json_dump(v, 0, &b, &e);
    if (e.code)
        local_answer_err(p, &e);
    else
        local_answer(p, b.data, b.len);
    json_decref(v);
    buf_release(&b);
}

static void
answer_status(struct control *c, struct local_peer *p)
{
    double up = (double)(clock_now_ns() - c->start_ns) / (double)NS_PER_S;
    struct buf b = BUF_INIT(MAX_ANSWER);
    struct err e = ERR_INIT;

    if (control_status(c->server, c->run, up, &b, &e) < 0)
        local_answer_err(p, &e);
    else
        local_answer(p, b.data, b.len);
    buf_release(&b);
}

/* ---- those who wait ------------------------------------------------------ */

static bool
has_checkpoint(const struct control *c, uint64_t version)
{
    const char *path = server_get_checkpoint(c->server);
    uint64_t v;

    return path && rundir_version_of(path, &v) && v >= version;
}

/* Answers when there is something to say. */
static void
look_after(struct control *c, struct wait *w, bool ended)
{
    struct local_peer *p = w->peer;
    struct err e = ERR_INIT, why;

    if (w->verb == CONTROL_CHECKPOINT && has_checkpoint(c, w->version)) {
        w->peer = NULL;
        answer_json(p, json_pack("{s:b, s:o}", "ok", 1, "checkpoint",
                                 control_checkpoint(c->server, c->run)));
        return;
    }
    if (w->verb == CONTROL_CHECKPOINT &&
        server_get_failed_checkpoints(c->server, &why) > w->failures)
        err_set(&e, why.code, "%s; the run tries again later", why.text);
    else if (ended)
        err_set(&e, ERR_FAIL, "the run has ended before it was written");
    else if (clock_now_ns() < w->until_ns)
        return;
    else
        err_set(&e, ERR_SYS, "%s within %g s; see the log of the run",
                w->verb == CONTROL_STOP ? "the run has not ended"
                                        : "the checkpoint is not written",
                w->wait_s);
    w->peer = NULL;
    local_answer_err(p, &e);
}

static void
on_timer(uv_timer_t *timer)
{
    struct control *c = timer->data;
    bool somebody = false;

    for (size_t i = 0; i < ARRAY_LEN(c->wait); i++) {
        if (c->wait[i].peer)
            look_after(c, &c->wait[i], false);
        somebody |= c->wait[i].peer != NULL;
    }
    if (!somebody)
        uv_timer_stop(&c->timer);
}

static void
wait_for(struct control *c, struct local_peer *p,
         const struct control_request *q, uint64_t version)
{
    struct wait *w = c->wait;
    struct err last;

    while (w->peer) /* there is one for each peer that may ask */
        w++;
    *w = (struct wait){
        .peer = p,
        .verb = q->verb,
        .wait_s = q->wait_s,
        .until_ns = clock_now_ns() + (int64_t)(q->wait_s * (double)NS_PER_S),
        .version = version,
        .failures = server_get_failed_checkpoints(c->server, &last)};
    uv_timer_start(&c->timer, on_timer, POLL_MS, POLL_MS);
}

/* ---- requests ------------------------------------------------------------ */

static void
do_checkpoint(struct control *c, struct local_peer *p,
              const struct control_request *q)
{
    struct server_status st;
    struct err e = ERR_INIT;

    server_get_status(c->server, &st);
    if (server_ask_checkpoint(c->server, &e) != 0)
        local_answer_err(p, &e);
    else if (q->wait_s > 0)
        wait_for(c, p, q, st.updates);
    else
        answer_json(p, json_pack("{s:b}", "ok", 1));
}

static void
do_stop(struct control *c, struct local_peer *p,
        const struct control_request *q)
{
    server_stop(c->server, "stopped by ebsp ctl");
    if (q->wait_s > 0)
        wait_for(c, p, q, 0);
    else
        answer_json(p, json_pack("{s:b}", "ok", 1));
}

/* When not all can be added those that are stay; the error tells. */
static void
do_add(struct control *c, struct local_peer *p, const struct control_request *q)
{
    json_t *ranks = json_array();
    struct err e = ERR_INIT;
    uint32_t n = 0, rank;

    while (n < q->slots &&
           server_add_worker(c->server, q->host, &rank, &e) == 0) {
        json_array_append_new(ranks, json_integer(rank));
        n++;
    }
    if (n == q->slots) {
        answer_json(p, json_pack("{s:b, s:o}", "ok", 1, "ranks", ranks));
        return;
    }
    if (n > 0)
        err_wrap(&e, "only %u of %u workers were added", n, q->slots);
    local_answer_err(p, &e);
    json_decref(ranks);
}

static void
do_with_rank(struct control *c, struct local_peer *p,
             const struct control_request *q)
{
    struct err e = ERR_INIT;
    int r = q->verb == CONTROL_CUT
                ? server_cut_worker(c->server, q->rank, &e)
                : server_remove_worker(c->server, q->rank, &e);

    if (r != 0)
        local_answer_err(p, &e);
    else
        answer_json(p, json_pack("{s:b}", "ok", 1));
}

/* Of ranks that may still come, nobody need be there; "": somebody is. */
static void
note_absent(const struct control *c, const char *text, char *to, size_t cap)
{
    char until[16] = "";
    uint32_t first, last;

    *to = '\0';
    if (!server_find_absent(c->server, text, &first, &last))
        return;
    if (last != first)
        str_printf(until, sizeof until, "-%u", last);
    str_printf(to, cap, "no worker %u%s now; it holds when one comes", first,
               until);
}

static void
do_emulate(struct control *c, struct local_peer *p,
           const struct control_request *q)
{
    enum emulation_key key = q->verb == CONTROL_SLOW   ? EMULATE_SLOW
                             : q->verb == CONTROL_PACE ? EMULATE_PACE
                                                       : EMULATE_NET;
    struct err e = ERR_INIT;
    char note[96] = "";

    if (server_emulate(c->server, key, q->text, &e) != 0) {
        local_answer_err(p, &e);
        return;
    }
    if (key != EMULATE_PACE)
        note_absent(c, q->text, note, sizeof note);
    answer_json(p, *note ? json_pack("{s:b, s:s}", "ok", 1, "note", note)
                         : json_pack("{s:b}", "ok", 1));
}

static void
on_request(void *ctx, struct local_peer *p, const char *line, size_t n)
{
    struct control *c = ctx;
    struct control_request q;
    struct err e = ERR_INIT;
    char said[161];

    if (control_read(&q, line, n, &e) != 0) {
        local_answer_err(p, &e);
        return;
    }
    str_escape(said, sizeof said, line, n);
    log_line(c->log, q.verb == CONTROL_STATUS ? LOG_DEBUG : LOG_INFO, "control",
             "uid=%ld pid=%ld %s", (long)local_get_uid(p),
             (long)local_get_pid(p), said);
    switch (q.verb) {
    case CONTROL_STATUS:
        answer_status(c, p);
        break;
    case CONTROL_CHECKPOINT:
        do_checkpoint(c, p, &q);
        break;
    case CONTROL_STOP:
        do_stop(c, p, &q);
        break;
    case CONTROL_ADD_WORKER:
        do_add(c, p, &q);
        break;
    case CONTROL_REMOVE_WORKER:
    case CONTROL_CUT:
        do_with_rank(c, p, &q);
        break;
    case CONTROL_SLOW:
    case CONTROL_PACE:
    case CONTROL_NET:
        do_emulate(c, p, &q);
        break;
    }
    control_request_release(&q);
}

static void
on_closed(void *ctx, struct local_peer *p)
{
    struct control *c = ctx;

    for (size_t i = 0; i < ARRAY_LEN(c->wait); i++)
        if (c->wait[i].peer == p)
            c->wait[i].peer = NULL;
}

static void
on_refused(void *ctx, const struct err *why)
{
    struct control *c = ctx;

    log_info(c->log, "control", "refused: %s", why->text);
}

/* ---- life ---------------------------------------------------------------- */

static void
on_timer_closed(uv_handle_t *handle)
{
    struct control *c = handle->data;

    mem_free(c->run);
    mem_free(c);
}

void
control_close(struct control *c, int exit_status)
{
    if (!c)
        return;
    /* Who hears that the run is over finds no socket of it any more. */
    local_server_hide(c->local);
    for (size_t i = 0; i < ARRAY_LEN(c->wait); i++) {
        struct wait *w = &c->wait[i];

        if (w->peer && w->verb == CONTROL_STOP)
            answer_json(w->peer, json_pack("{s:b, s:i}", "ok", 1, "exit_status",
                                           exit_status));
        else if (w->peer)
            look_after(c, w, true);
        w->peer = NULL;
    }
    local_server_close(c->local);
    uv_close((uv_handle_t *)&c->timer, on_timer_closed);
}

static char *
full_path(const char *path, struct err *err)
{
    char *full = realpath(path, NULL), *copy = full ? mem_strdup(full) : NULL;

    if (!full)
        err_errno(err, "%s", path);
    free(full);
    return copy;
}

struct control *
control_new(uv_loop_t *loop, struct server *s, const char *run, struct log *log,
            struct err *err)
{
    static const struct local_handlers handlers = {on_request, on_closed,
                                                   on_refused};
    struct control *c = mem_alloc(1, sizeof *c);
    char *path;

    if (!c) {
        err_nomem(err);
        return NULL;
    }
    c->server = s;
    c->log = log;
    c->start_ns = clock_now_ns();
    uv_timer_init(loop, &c->timer);
    c->timer.data = c;
    c->run = full_path(run, err);
    path = c->run ? fs_join(c->run, CONTROL_SOCKET) : NULL;
    if (path)
        c->local = local_server_new(loop, path, &handlers, c, err);
    else
        err_nomem(err); /* unless there is another error */
    mem_free(path);
    if (c->local)
        return c;
    control_close(c, 0);
    return NULL;
}
