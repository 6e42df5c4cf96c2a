/* SPDX-License-Identifier: Apache-2.0 */
/* A run whose parameters lie with parameter servers (ps/fleet.h): workers and
 * servers meet, contributions are whole when all ranges are, and the numbers
 * come back for evaluations, checkpoints and the end. */
#include "base/buf.h"
#include "base/mem.h"
#include "base/str.h"
#include "ps/server_impl.h"

#include <string.h>

/* ---- workers and servers ------------------------------------------------- */

void
served_tell(struct session *w)
{
    struct buf body = BUF_INIT(FRAME_MAX_BODY);
    struct msg_servers m;

    if (!fleet_is_ready(w->server->fleet))
        return;
    fleet_describe(w->server->fleet, &m);
    msg_put_servers(&body, &m);
    if (body.bad || conn_send(w->conn, MSG_SERVERS, body.data, body.len, NULL,
                              0, NULL, NULL, NULL) != 0)
        conn_close(w->conn, false);
    buf_release(&body);
}

/* How the parameters are divided, for people. */
static void
tell_balance(const struct server *s)
{
    uint32_t n = fleet_get_size(s->fleet);
    size_t all = s->t->n_floats;
    char bytes[32];

    for (uint32_t k = 0; k < n; k++) {
        struct fleet_server m;

        fleet_get_server(s->fleet, k, &m);
        log_info(
            s->c.log, "servers",
            "server=%u host=%s pid=%llu address=%s parameters=%s share=%.2f%%",
            k, m.host, (unsigned long long)m.pid, m.address,
            str_bytes(bytes, (double)m.range.count * sizeof(float)),
            100.0 * (double)m.range.count / (double)all);
    }
}

static void
on_ready(void *ctx)
{
    struct server *s = ctx;

    tell_balance(s);
    for (uint32_t i = 0; i < s->n_sessions; i++)
        if (s->session[i].state == SESSION_JOINED && s->session[i].conn)
            served_tell(&s->session[i]);
}

void
served_order(const struct session *w, bool keep)
{
    struct msg_command m = {.command = SERVER_ORDER,
                            .rank = w->rank,
                            .life = w->life,
                            .iteration = w->share.iteration,
                            .keep = keep};

    fleet_command(w->server->fleet, &m);
}

void
served_forget(const struct session *w)
{
    struct msg_command m = {
        .command = SERVER_FORGET, .rank = w->rank, .life = w->life};

    fleet_command(w->server->fleet, &m);
}

void
served_add(const struct session *w, double weight)
{
    struct msg_command m = {.command = SERVER_ADD,
                            .rank = w->rank,
                            .iteration = w->share.iteration,
                            .kind = w->share.contribution,
                            .weight = share_weight(&w->share, weight)};

    fleet_command(w->server->fleet, &m);
}

void
served_commit(const struct server *s, double weight, double lr)
{
    struct msg_command m = {
        .command = SERVER_COMMIT, .weight = weight, .lr = lr};

    fleet_command(s->fleet, &m);
}

/* ---- contributions ------------------------------------------------------- */

bool
served_is_whole(const struct session *w)
{
    uint32_t n = fleet_get_size(w->server->fleet);

    return n == 0 ||
           w->ranges == (n == 64 ? UINT64_MAX : (UINT64_C(1) << n) - 1);
}

/* Of an order that was given up, or of a process that is gone, nobody wants to
 * know any more. */
static void
on_have(void *ctx, uint32_t k, const struct msg_have *m)
{
    struct server *s = ctx;
    struct session *w;

    if (m->rank >= s->n_sessions)
        return;
    w = &s->session[m->rank];
    if (!w->conn || m->life != w->life || m->iteration != w->answered ||
        w->state != SESSION_READY || w->parked ||
        host_get_state(s->host, w->rank) != HOST_RUNNING)
        return;
    w->ranges |= UINT64_C(1) << k;
    session_complete(w);
}

static void
on_lost(void *ctx, uint32_t k, const struct err *why)
{
    struct server *s = ctx;

    (void)k;
    server_fail(s, why);
}

const struct fleet_handlers server_fleet_handlers = {
    .on_ready = on_ready, .on_have = on_have, .on_lost = on_lost};

/* ---- the numbers --------------------------------------------------------- */

/* What is on its way to an evaluation or a checkpoint. */
struct sight {
    struct server *server;
    struct params *params; /* for an evaluation ... */
    uint64_t samples;
    int64_t taken_ns;
    struct snapshot *snapshot; /* ... or a checkpoint */
};

static int
gather(struct server *s, const struct sight *sight, float *const v[],
       uint32_t n, fleet_done_fn *done, struct err *err)
{
    struct sight *copy = mem_alloc(1, sizeof *copy);

    if (!copy)
        return err_nomem(err);
    *copy = *sight;
    if (fleet_gather(s->fleet, v, n, done, copy, err) == 0)
        return 0;
    mem_free(copy);
    return -1;
}

static void
on_evaluation(void *ctx, bool arrived)
{
    struct sight x = *(struct sight *)ctx;
    struct err err = ERR_INIT;

    mem_free(ctx);
    if (arrived && x.server->phase != SERVER_OVER) {
        if (watcher_submit(x.server->watcher, x.params, x.samples, x.taken_ns,
                           &err) == 0)
            return;
        server_fail(x.server, &err);
    }
    store_unref(x.params);
}

int
served_evaluate(struct server *s, int64_t now_ns, struct err *err)
{
    struct sight x = {.server = s,
                      .samples = assign_get_done(s->ledger.assign),
                      .taken_ns = now_ns};

    x.params = store_blank(s->ledger.store);
    if (!x.params)
        return err_nomem(err);
    if (gather(s, &x, &x.params->v, 1, on_evaluation, err) == 0)
        return 0;
    store_unref(x.params);
    return -1;
}

static void
on_checkpoint(void *ctx, bool arrived)
{
    struct sight x = *(struct sight *)ctx;

    mem_free(ctx);
    if (arrived && x.server->phase != SERVER_OVER)
        keeper_submit(x.server->keeper, x.snapshot, false);
    else
        snapshot_free(x.snapshot);
}

int
served_save(struct server *s, struct snapshot *snapshot, struct err *err)
{
    struct sight x = {.server = s, .snapshot = snapshot};
    float *v[FLEET_VECTORS];
    uint32_t n = 0;

    for (; n < FLEET_VECTORS && (v[n] = snapshot_get_vector(snapshot, (int)n));
         n++)
        ;
    return gather(s, &x, v, n, on_checkpoint, err);
}

/* From here on all is as if there had been no servers. */
static void
on_end(void *ctx, bool arrived)
{
    struct server *s = ctx;

    if (!arrived || s->phase != SERVER_ENDING)
        return;
    store_fill(s->ledger.store);
    fleet_stop(s->fleet);
    server_filled(s);
}

int
served_end(struct server *s, struct err *err)
{
    struct optim *o = store_get_optim(s->ledger.store);
    float *v[FLEET_VECTORS] = {store_edit(s->ledger.store)};
    uint32_t n = 1;

    for (int i = 0; i < optim_planes(o); i++)
        v[n++] = optim_plane(o, i);
    return fleet_gather(s->fleet, v, n, on_end, s, err);
}
