/* SPDX-License-Identifier: Apache-2.0 */
/* Parameter servers, seen from a worker: each has a range of the vector, sends
 * that of the parameters and is sent that of the contribution.  What the
 * coordinator says and what they say comes over connections of their own, so
 * either may be the first. */
#include "worker/worker_impl.h"

#include "base/clock.h"
#include "base/mem.h"

#include <string.h>

#define CONNECT_LIMIT_MS 10000

/* One server's part in this. */
struct part {
    struct worker *w;
    struct msg_server server;
    struct conn *conn;      /* NULL: not connected */
    bool connecting, stale; /* to a server of before */
    uint64_t open;          /* iteration that it has opened; 0: none */
    struct pieces coming;   /* of its parameters */
    struct delivery *leaving;
    bool given;      /* all of the contribution */
    int64_t busy_ns; /* how long there was some of it to be sent */
};

struct parts {
    uint32_t n;
    bool tls;
    bool ordered;   /* the order has come, its contribution is not sent yet */
    const float *v; /* contribution, of which ... */
    size_t final;   /* ... the last so many floats can be sent */
    bool complete;  /* all of it; ... */
    bool accounted; /* ... and all is sent */
    struct part part[];
};

static size_t
n_floats(const struct worker *w)
{
    return worker_vector_bytes(w) / sizeof(float);
}

/* ---- connections --------------------------------------------------------- */

/* One that is lost is as bad as all: the coordinator starts over with us. */
static void
lost(struct worker *w)
{
    if (w->conn && !w->ending)
        conn_close(w->conn, false);
}

static void
detach(struct part *p)
{
    p->stale = p->connecting;
    p->open = 0;
    p->coming = (struct pieces){0};
    if (p->leaving)
        delivery_stop(p->leaving);
    if (!p->conn)
        return;
    conn_set_handlers(p->conn, NULL, NULL);
    conn_close(p->conn, false);
    p->conn = NULL;
}

void
parts_detach(struct worker *w)
{
    for (uint32_t k = 0; w->parts && k < w->parts->n; k++)
        detach(&w->parts->part[k]);
}

void
parts_free(struct worker *w)
{
    mem_free(w->parts);
    w->parts = NULL;
}

bool
parts_are_ready(const struct worker *w)
{
    if (!w->join.served)
        return true;
    for (uint32_t k = 0; w->parts && k < w->parts->n; k++)
        if (!w->parts->part[k].conn)
            return false;
    return w->parts != NULL;
}

/* A network that never has carried anything to it is not made for servers: say
 * so, rather than try again and again. */
static void
missed(struct part *p, const struct err *why)
{
    struct err err = ERR_INIT;

    if (p->w->ready_ns != 0) {
        lost(p->w); /* it may be there when we come back */
        return;
    }
    err_set(&err, ERR_SYS,
            "parameter server at %s port %u: %s; hosts have to reach each "
            "other for that, without it: --servers 0",
            p->server.host, p->server.port, why->text);
    worker_fail(p->w, &err);
}

static const struct conn_handlers handlers;
static void connect_part(struct part *p);

static void
on_connected(void *ctx, struct conn *c, const struct err *why)
{
    struct part *p = ctx;
    struct worker *w = p->w;

    p->connecting = false;
    if (p->stale || w->ending || !w->conn) {
        if (c)
            conn_close(c, false);
        if (p->stale && !w->ending && w->conn)
            connect_part(p);
        return;
    }
    if (!c) {
        missed(p, why);
        return;
    }
    p->conn = c;
    conn_set_handlers(c, &handlers, p);
    conn_set_limits(c, WIRE_MAX_HELLO, PIECE_MAX * sizeof(float));
    worker_say_ready(w);
}

static void
connect_part(struct part *p)
{
    const struct join *j = &p->w->join;
    bool tls = p->w->parts->tls;
    struct conn_request to = {.host = p->server.host,
                              .port = p->server.port,
                              .how = {.tls = tls, .insecure = !tls},
                              .key = j->key,
                              .rank = j->rank,
                              .life = j->life,
                              .timeout_ms = CONNECT_LIMIT_MS};
    struct err err = ERR_INIT;

    p->stale = false;
    p->connecting = true;
    if (conn_connect(&p->w->loop, &to, on_connected, p, &err) == 0)
        return;
    p->connecting = false;
    missed(p, &err);
}

int
parts_on_servers(struct worker *w, const void *body, size_t n, struct err *err)
{
    struct msg_servers m;

    if (!w->join.served || w->ready)
        return err_set(err, ERR_PROTO, "unexpected SERVERS");
    if (msg_get_servers(&m, body, n, err) != 0)
        return -1;
    if (!w->parts) {
        w->parts = mem_alloc(1, sizeof *w->parts + m.n * sizeof(struct part));
        if (!w->parts)
            return err_nomem(err);
        w->parts->n = m.n;
    }
    if (m.n != w->parts->n)
        return err_set(err, ERR_PROTO, "SERVERS: %u of them, there were %u",
                       m.n, w->parts->n);
    w->parts->tls = m.tls;
    for (uint32_t k = 0; k < m.n; k++) {
        struct part *p = &w->parts->part[k];

        detach(p);
        p->w = w;
        p->server = m.server[k];
        if (!p->connecting)
            connect_part(p);
    }
    return 0;
}

int
parts_check(const struct worker *w, struct err *err)
{
    const struct msg_server *last;

    if (!w->join.served)
        return 0;
    last = &w->parts->part[w->parts->n - 1].server;
    if (last->first + last->count == n_floats(w))
        return 0;
    return err_set(err, ERR_PROTO, "the servers hold %llu numbers, not %zu",
                   (unsigned long long)(last->first + last->count),
                   n_floats(w));
}

void
parts_watch(struct worker *w, int64_t now_ns, int64_t limit_ns)
{
    for (uint32_t k = 0; w->parts && k < w->parts->n; k++) {
        struct conn *c = w->parts->part[k].conn;
        int64_t heard = c ? conn_get_last_heard(c) : now_ns;

        if (heard < w->excused_ns)
            heard = w->excused_ns;
        if (now_ns - heard > limit_ns)
            lost(w);
        else if (c && !conn_is_closing(c) && conn_get_queued(c) == 0)
            (void)conn_send(c, MSG_BEAT, NULL, 0, NULL, 0, NULL, NULL, NULL);
    }
}

/* ---- parameters ---------------------------------------------------------- */

/* Opened for the order that we have, and not for an earlier try of it. */
static bool
is_open(const struct part *p)
{
    return p->open != 0 && p->open == p->w->iteration && !p->given;
}

/* So many of the first parameters are there. */
static size_t
have(const struct worker *w)
{
    size_t n = 0;

    for (uint32_t k = 0; k < w->parts->n; k++) {
        const struct part *p = &w->parts->part[k];

        if (!is_open(p))
            return n;
        n += p->coming.done;
        if (!pieces_is_whole(&p->coming))
            return n;
    }
    return n;
}

static void pump(struct worker *w);

static int
on_open(struct part *p, const void *body, size_t n, struct err *err)
{
    struct worker *w = p->w;
    struct msg_open m;

    if (msg_get_open(&m, body, n, err) != 0)
        return -1;
    if (!w->ready ||
        (thinker_is_busy(w->thinker) && m.iteration != w->iteration))
        return err_set(err, ERR_PROTO, "unexpected OPEN");
    if (m.params && !thinker_is_busy(w->thinker))
        w->params = compute_own(thinker_get_compute(w->thinker), err);
    if (m.params && !w->params)
        return err_set(err, ERR_PROTO, "OPEN: no parameters were ordered");
    /* Once more, and before its order: what we have is not wanted. */
    if (p->open == m.iteration && p->given)
        w->parts->ordered = false;
    p->open = m.iteration;
    p->given = false;
    p->busy_ns = 0;
    pieces_begin(&p->coming, m.params ? (size_t)p->server.count : 0, false);
    pump(w);
    return 0;
}

static int
get_piece(const struct part *p, struct piece *x, const struct frame_head *h,
          const void *body, struct err *err)
{
    struct msg_piece m;

    if (msg_get_piece(&m, body, h->body_len, err) != 0)
        return -1;
    *x = (struct piece){m.first, m.count};
    if (m.iteration != p->open)
        return err_set(err, ERR_PROTO, "a piece of another iteration");
    return 0;
}

static int
on_body(void *ctx, struct conn *c, const struct frame_head *h, const void *body,
        void **bulk, struct err *err)
{
    struct part *p = ctx;
    struct piece x;

    (void)c;
    if (h->type != MSG_PIECE)
        return h->bulk_len ? err_set(err, ERR_PROTO, "%s with a bulk",
                                     msg_name(h->type))
                           : 0;
    if (get_piece(p, &x, h, body, err) != 0 ||
        pieces_check_frame(&p->coming, &x, h->bulk_len, err) != 0)
        return -1;
    *bulk = p->w->params + p->server.first + x.first;
    return 0;
}

static int
on_piece(struct part *p, const struct frame_head *h, const void *body,
         struct err *err)
{
    struct worker *w = p->w;
    struct piece x;

    if (get_piece(p, &x, h, body, err) != 0)
        return -1;
    pieces_add(&p->coming, &x);
    w->pulled_ns = clock_now_ns();
    if (w->parts->ordered && is_open(p))
        thinker_feed(w->thinker, have(w));
    return 0;
}

static int
on_frame(void *ctx, struct conn *c, const struct frame_head *h,
         const void *body, void *bulk, struct err *err)
{
    struct part *p = ctx;
    struct msg_error e;

    (void)c;
    (void)bulk;
    switch (h->type) {
    case MSG_OPEN:
        return on_open(p, body, h->body_len, err);
    case MSG_PIECE:
        return on_piece(p, h, body, err);
    case MSG_BEAT:
        return 0;
    case MSG_ERROR:
        if (msg_get_error(&e, body, h->body_len, err) != 0)
            return -1;
        return err_set(err, (enum err_code)e.code, "server: %s", e.text);
    default:
        return err_set(err, ERR_PROTO, "unexpected %s", msg_name(h->type));
    }
}

static void
on_closed(void *ctx, struct conn *c, const struct err *why)
{
    struct part *p = ctx;

    (void)c;
    (void)why;
    p->conn = NULL;
    if (p->leaving)
        delivery_stop(p->leaving);
    lost(p->w);
}

static const struct conn_handlers handlers = {
    .on_body = on_body, .on_frame = on_frame, .on_closed = on_closed};

size_t
parts_begin(struct worker *w, bool keep)
{
    w->parts->ordered = true;
    w->parts->complete = w->parts->accounted = false;
    w->parts->v = NULL;
    w->parts->final = 0;
    return keep ? SIZE_MAX : have(w);
}

/* ---- the contribution ---------------------------------------------------- */

int64_t
parts_get_busy_ns(const struct worker *w, int64_t now_ns)
{
    int64_t most = 0;

    for (uint32_t k = 0; k < w->parts->n; k++) {
        const struct part *p = &w->parts->part[k];
        int64_t ns =
            p->leaving ? delivery_get_busy_ns(p->leaving, now_ns) : p->busy_ns;

        most = ns > most ? ns : most;
    }
    return most;
}

/* All is sent: the exchange is over for us. */
static void
account(struct worker *w)
{
    struct parts *all = w->parts;

    for (uint32_t k = 0; k < all->n; k++)
        if (!all->part[k].given || all->part[k].leaving)
            return;
    if (!all->complete || all->accounted)
        return;
    all->accounted = true;
    worker_push_is_sent(w);
}

static void
on_given(void *ctx)
{
    struct part *p = ctx;

    p->given = true;
}

static void
on_over(void *ctx)
{
    struct part *p = ctx;
    struct worker *w = p->w;

    p->busy_ns = delivery_get_busy_ns(p->leaving, clock_now_ns());
    p->leaving = NULL;
    if (w->ending || !w->conn)
        return;
    account(w);
    pump(w);
}

/* How many of the last floats of its range can be sent. */
static size_t
ready(const struct part *p)
{
    size_t end = (size_t)(p->server.first + p->server.count);
    size_t after = n_floats(p->w) - end, n = p->w->parts->final;

    n = n > after ? n - after : 0;
    return n < p->server.count ? n : (size_t)p->server.count;
}

/* Sends what can be sent to those who have opened. */
static void
pump(struct worker *w)
{
    static const struct delivery_handlers h = {.on_given = on_given,
                                               .on_over = on_over};
    struct err err = ERR_INIT;

    if (!w->parts->ordered || !w->parts->v)
        return;
    for (uint32_t k = 0; k < w->parts->n; k++) {
        struct part *p = &w->parts->part[k];
        size_t n = ready(p);

        if (!is_open(p) || n == 0 || !p->conn || conn_is_closing(p->conn))
            continue;
        if (!p->leaving)
            p->leaving = delivery_new(
                p->conn, w->iteration, w->parts->v + p->server.first,
                (size_t)p->server.count, true, &h, p, &err);
        if (!p->leaving) {
            worker_fail(w, &err);
            return;
        }
        delivery_ready(p->leaving, n);
    }
}

void
parts_push(struct worker *w, const float *v, size_t n, bool complete)
{
    w->parts->v = v;
    w->parts->final = n;
    w->parts->complete = complete;
    pump(w);
    account(w);
}
