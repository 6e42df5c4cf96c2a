/* SPDX-License-Identifier: Apache-2.0 */
/* A worker's session: which frames it may send when, and the orders it gets. */
#include "base/buf.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/str.h"
#include "ps/feeder.h"
#include "ps/server_impl.h"

#include <ebsp/policy.h>

#include <string.h>

#define MAX_BODY 4096 /* of what a worker sends */

static uint64_t
vector_bytes(const struct session *w)
{
    return (uint64_t)w->server->t->n_floats * sizeof(float);
}

void
session_attach(struct session *w, struct conn *c, const struct msg_hello *hello)
{
    str_escape(w->host, sizeof w->host, hello->host, strlen(hello->host));
    w->pid = hello->pid;
    w->conn = c;
    w->state = SESSION_JOINED;
    w->since_ns = w->heard_ns = w->moved_ns = clock_now_ns();
    w->queued = 0;
    w->sent = 0;
    w->fetched = false;
    w->coming = (struct pieces){0};
    w->pushed = false;
    conn_set_handlers(c, &session_handlers, w);
    conn_set_limits(c, MAX_BODY, transfer_max_bulk(w->server));
    served_tell(w);
}

void
session_detach(struct session *w)
{
    if (!w->conn)
        return;
    w->bytes_pushed += conn_get_received(w->conn);
    w->bytes_pulled += conn_get_sent(w->conn);
    conn_set_handlers(w->conn, NULL, NULL);
    conn_close(w->conn, false);
    w->conn = NULL;
}

/* Whoever tells of it says which worker it was. */
static int
out_of_place(const struct frame_head *h, struct err *err)
{
    return err_set(err, ERR_PROTO, "unexpected %s", msg_name(h->type));
}

static int
on_body(void *ctx, struct conn *c, const struct frame_head *h, const void *body,
        void **bulk, struct err *err)
{
    struct session *w = ctx;
    bool running = w->state == SESSION_READY &&
                   host_get_state(w->server->host, w->rank) == HOST_RUNNING &&
                   !w->parked;

    (void)c;
    switch (h->type) {
    case MSG_READY:
    case MSG_FETCH: /* once: it puts off the deadline for READY */
        if (w->state != SESSION_JOINED || h->bulk_len ||
            (h->type == MSG_FETCH && w->fetched))
            return out_of_place(h, err);
        return 0;
    case MSG_PUSH:
    case MSG_PIECE:
        /* one may still be on its way when the run ends */
        if ((!running || w->pushed) && w->state != SESSION_STOPPING)
            return out_of_place(h, err);
        if (h->type == MSG_PIECE)
            return transfer_on_body(w, h, body, bulk, err);
        return transfer_on_push(w, h, bulk, err);
    case MSG_BYE:
        if (w->state != SESSION_STOPPING || h->bulk_len)
            return out_of_place(h, err);
        return 0;
    case MSG_BEAT:
    case MSG_ERROR:
        return h->bulk_len ? out_of_place(h, err) : 0;
    default:
        return out_of_place(h, err);
    }
}

/* Time to become ready is counted from its last bytes of the data set. */
static void
on_fed(void *ctx)
{
    struct session *w = ctx;

    w->since_ns = clock_now_ns();
}

/* What a worker says that something has taken is at most what has passed. */
static void
at_most(int64_t *ns, int64_t since_ns)
{
    int64_t passed = clock_now_ns() - since_ns;

    if (*ns > passed)
        *ns = passed;
}

static int
on_ready(struct session *w, const void *body, size_t n, struct err *err)
{
    struct server *s = w->server;
    struct msg_ready m;

    if (msg_get_ready(&m, body, n, err) != 0)
        return -1;
    if (m.n_floats != s->t->n_floats ||
        m.segments_hash != segtab_fingerprint(s->t))
        return err_set(err, ERR_PROTO,
                       "it has built another network from the same job");
    if (m.data_hash != s->c.data->hash)
        return err_set(err, ERR_CONFIG,
                       "it has other data: hash %016llx, expected %016llx",
                       (unsigned long long)m.data_hash,
                       (unsigned long long)s->c.data->hash);
    w->setup_ns = m.setup_ns;
    at_most(&w->setup_ns, s->made_ns);
    w->held_since_ns = clock_now_ns();
    w->state = SESSION_READY;
    server_session_ready(s, w);
    return 0;
}

void
session_complete(struct session *w)
{
    if (!w->pushed || !served_is_whole(w))
        return;
    w->pushed = false;
    w->iterations++;
    w->cuts = 0;
    server_pushed(w->server, w);
}

static int
on_push(struct session *w, const struct frame_head *h, const void *body,
        struct err *err)
{
    if (w->state == SESSION_STOPPING)
        return 0;
    if (msg_get_push(&w->told, body, h->body_len, err) != 0)
        return -1;
    if (w->told.iteration != w->share.iteration ||
        w->told.version != w->share.version ||
        w->told.samples != w->share.samples || w->told.n_steps != w->share.n)
        return err_set(err, ERR_PROTO, "push does not answer its order");
    if (transfer_take_push(w, &w->told, h, err) != 0)
        return -1;
    at_most(&w->told.data_ns, w->ordered_ns);
    at_most(&w->told.compute_ns, w->ordered_ns);
    at_most(&w->told.push_ns, w->server->made_ns);
    at_most(&w->told.pull_ns, w->server->made_ns);
    at_most(&w->told.push_hidden_ns, w->server->made_ns);
    at_most(&w->told.pull_hidden_ns, w->server->made_ns);
    w->pushed = true;
    session_complete(w);
    return 0;
}

/* The accounts of the processes that a rank has had are added up. */
static int
on_bye(struct session *w, const void *body, size_t n, struct err *err)
{
    struct msg_bye m;

    if (msg_get_bye(&m, body, n, err) != 0)
        return -1;
    at_most(&m.wall_ns, w->server->made_ns);
    at_most(&m.data_ns, w->server->made_ns);
    at_most(&m.compute_ns, w->server->made_ns);
    at_most(&m.push_ns, w->server->made_ns);
    at_most(&m.wait_ns, w->server->made_ns);
    at_most(&m.pull_ns, w->server->made_ns);
    at_most(&m.push_hidden_ns, w->server->made_ns);
    at_most(&m.pull_hidden_ns, w->server->made_ns);
    w->bye.iterations += m.iterations;
    w->bye.wall_ns += m.wall_ns;
    w->bye.data_ns += m.data_ns;
    w->bye.compute_ns += m.compute_ns;
    w->bye.push_ns += m.push_ns;
    w->bye.wait_ns += m.wait_ns;
    w->bye.pull_ns += m.pull_ns;
    w->bye.push_hidden_ns += m.push_hidden_ns;
    w->bye.pull_hidden_ns += m.pull_hidden_ns;
    w->has_bye = true;
    server_session_gone(w->server, w);
    return 0;
}

static int
on_frame(void *ctx, struct conn *c, const struct frame_head *h,
         const void *body, void *bulk, struct err *err)
{
    struct session *w = ctx;
    struct msg_error e;
    char text[WIRE_TEXT_CAP];
    int64_t now;

    (void)bulk;
    switch (h->type) {
    case MSG_READY:
        return on_ready(w, body, h->body_len, err);
    case MSG_FETCH:
        w->fetched = true;
        return feeder_start(w->server->feeder, c, body, h->body_len, on_fed, w,
                            err);
    case MSG_PIECE:
        return transfer_on_piece(w, h, body, err);
    case MSG_PUSH:
        return on_push(w, h, body, err);
    case MSG_BYE:
        return on_bye(w, body, h->body_len, err);
    case MSG_ERROR:
        if (msg_get_error(&e, body, h->body_len, err) != 0)
            return -1;
        str_escape(text, sizeof text, e.text, strlen(e.text));
        w->confessed = true;
        return err_set(err, (enum err_code)e.code, "%s", text);
    default: /* BEAT */
        now = clock_now_ns();
        habit_add(&w->beats, now - w->heard_ns);
        w->heard_ns = now;
        return 0;
    }
}

static void
on_closed(void *ctx, struct conn *c, const struct err *why)
{
    struct session *w = ctx;
    struct server *s = w->server;

    w->bytes_pushed += conn_get_received(c);
    w->bytes_pulled += conn_get_sent(c);
    w->conn = NULL;
    if (s->phase >= SERVER_ENDING || w->state == SESSION_STOPPING) {
        server_session_gone(s, w);
        return;
    }
    /* What it did wrong, or says that it cannot do, no new connection heals. */
    if (w->confessed || why->code == ERR_PROTO || why->code == ERR_CONFIG)
        server_session_lost(s, w, why->code, why->text);
    else
        server_session_cut(s, w,
                           why->code ? why->text : "it closed its connection");
    server_settle(s);
}

const struct conn_handlers session_handlers = {
    .on_body = on_body,
    .on_frame = on_frame,
    .on_closed = on_closed,
};

/* The mini-batches as the message has them; `small` when they fit. */
static struct msg_cursor *
copy_cursors(const struct share *o, struct msg_cursor *small, size_t n_small,
             struct err *err)
{
    struct msg_cursor *step = small;

    if (o->n > n_small) {
        step = mem_alloc(o->n, sizeof *step);
        if (!step) {
            err_nomem(err);
            return NULL;
        }
    }
    for (uint32_t i = 0; i < o->n; i++) {
        const struct data_cursor *c = &o->cursor[i];

        step[i] = (struct msg_cursor){.epoch = c->epoch,
                                      .shard = c->shard,
                                      .first = c->first,
                                      .count = c->count};
    }
    return step;
}

/* What the worker has been told to compute on stays as it is for so long. */
static void
let_go(struct session *w)
{
    if (w->pulled)
        store_unref(w->pulled);
    w->pulled = NULL;
}

/* Puts the newest parameters into an order: names them when the worker can read
 * them where they are, or gets them from elsewhere.  The reference is w->pulled
 * or, for what is sent, the result. */
static struct params *
pull(struct session *w, struct msg_order *m)
{
    struct params *p;

    let_go(w);
    if (w->server->fleet) {
        m->flags = MSG_ORDER_SERVED;
        return NULL;
    }
    p = store_ref(w->server->ledger.store);
    if (!w->shared.base || w->has_link || p->slot == STORE_PRIVATE) {
        m->flags = transfer_flag(w);
        return p;
    }
    m->flags = MSG_ORDER_SHARED;
    m->slot = p->slot;
    w->pulled = p;
    return NULL;
}

/* Sends the order that is in w->share. */
static int
send_order(struct session *w, bool with_params, int64_t held_ns,
           struct err *err)
{
    struct buf body = BUF_INIT(FRAME_MAX_BODY);
    struct err why = ERR_INIT;
    struct msg_cursor small[16];
    struct msg_cursor *step =
        copy_cursors(&w->share, small, ARRAY_LEN(small), err);
    struct msg_order m = {
        .iteration = w->share.iteration,
        .version = w->share.version,
        .contribution = w->share.contribution,
        .lr = w->share.lr,
        .held_ns = held_ns,
        .n_steps = w->share.n,
        .step = step,
    };
    struct params *sent = NULL;
    int r;

    if (!step)
        return -1;
    if (with_params)
        sent = pull(w, &m);
    msg_put_order(&body, &m);
    if (step != small)
        mem_free(step);
    r = buf_ok(&body, err);
    w->ordered_ns = clock_now_ns();
    transfer_expect(w);
    served_order(w, !with_params);
    /* What cannot be sent is a lost connection: on_closed follows. */
    if (r != 0 || conn_is_closing(w->conn)) {
        if (sent)
            store_unref(sent);
    } else if ((sent ? transfer_params(w, &body, sent, &why)
                     : conn_send(w->conn, MSG_ORDER, body.data, body.len, NULL,
                                 0, NULL, NULL, &why)) != 0) {
        conn_close(w->conn, false);
    }
    buf_release(&body);
    return r;
}

/* Does anybody who is there, or may be, own this shard? */
static bool
has_owner(const struct server *s, uint32_t shard)
{
    for (uint32_t i = shard; i < s->n_sessions; i += s->ledger.shards.n)
        if (s->session[i].state >= SESSION_EXPECTED &&
            s->session[i].state <= SESSION_CUT)
            return true;
    return false;
}

/* A worker that has nothing left of its own shard takes over those of workers
 * that are gone for good.  The rank whose shard it is; its own if there is
 * nothing. */
static uint32_t
find_work(const struct session *w)
{
    const struct server *s = w->server;

    if (!assign_has(s->ledger.assign, w->rank))
        for (uint32_t i = 0; i < s->ledger.shards.n; i++)
            if (assign_has(s->ledger.assign, i) && !has_owner(s, i))
                return i;
    return w->rank;
}

bool
session_has_work(const struct session *w)
{
    return assign_has(w->server->ledger.assign, find_work(w));
}

int
session_order(struct session *w, const struct host_release *how,
              struct err *err)
{
    struct server *s = w->server;
    int64_t held_ns =
        s->now_ns > w->held_since_ns ? s->now_ns - w->held_since_ns : 0;
    bool none;

    if (how->steps > WIRE_MAX_STEPS)
        return err_set(err, ERR_POLICY,
                       "policy \"%s\": %u local steps, at most %d are possible",
                       host_get_policy(s->host), how->steps, WIRE_MAX_STEPS);
    if (ledger_take(&s->ledger, &w->share, find_work(w), how, &none, err) != 0)
        return -1;
    if (none)
        return 0;
    /* It may write its next contribution from here on. */
    if (store_let_go(s->ledger.store, w->push, err) != 0)
        return -1;
    w->held_ns += held_ns;
    return send_order(w, !how->keep, held_ns, err);
}

int
session_repeat(struct session *w, struct err *err)
{
    w->share.version = store_get_version(w->server->ledger.store);
    return send_order(w, true, 0, err);
}

void
session_stop(struct session *w)
{
    bool reads = w->state == SESSION_JOINED;

    if (!w->conn) {
        if (w->state == SESSION_CUT && w->server->phase == SERVER_ENDING)
            server_session_missed(w->server, w);
        w->state = SESSION_ABSENT;
        return;
    }
    w->state = SESSION_STOPPING;
    w->since_ns = clock_now_ns();
    if (reads ||
        conn_send(w->conn, MSG_STOP, NULL, 0, NULL, 0, NULL, NULL, NULL) != 0)
        conn_close(w->conn, false);
}

/* What it has contributed may not be committed yet. */
static int
free_push(struct session *w, struct err *err)
{
    if (w->push && store_let_go(w->server->ledger.store, w->push, err) != 0)
        return -1;
    if (!w->shared.base)
        mem_free(w->push);
    shm_release(&w->shared);
    w->push = NULL;
    return 0;
}

int
session_prepare(struct session *w, bool share, struct err *err)
{
    let_go(w); /* by whoever had the rank before */
    if (w->server->fleet)
        return 0; /* nothing comes here */
    if (!share && w->push && !w->shared.base)
        return 0;
    /* New for each process: one that should be dead may still write. */
    if (free_push(w, err) != 0)
        return -1;
    share = share && shm_new(&w->shared, "ebsp-push", vector_bytes(w),
                             SHM_PEERS_WRITE, NULL) == 0;
    w->push = share ? (float *)(void *)w->shared.base
                    : mem_alloc_aligned(vector_bytes(w));
    return w->push ? 0 : err_nomem(err);
}

void
session_release(struct session *w)
{
    share_release(&w->share);
    let_go(w);
    if (!w->shared.base)
        mem_free(w->push);
    mem_free(w->packed);
    shm_release(&w->shared);
}
