/* SPDX-License-Identifier: Apache-2.0 */
/* Workers: their connections, what they push here and what they are sent. */
#include "base/buf.h"
#include "base/mem.h"
#include "io/deliver.h"
#include "serve/serve_impl.h"

#define MAX_BODY 256 /* of what a worker sends */

static size_t
n_floats(const struct client *c)
{
    return c->serve->part.n_floats;
}

/* Adds what its connection has moved since it was last counted. */
static void
count(struct client *c)
{
    uint64_t received = conn_get_received(c->conn);
    uint64_t sent = conn_get_sent(c->conn);

    c->serve->received += received - c->received;
    c->serve->sent += sent - c->sent;
    c->received = received;
    c->sent = sent;
}

/* Nothing more comes of its connection. */
static void
detach(struct client *c)
{
    if (!c->conn)
        return;
    count(c);
    conn_set_handlers(c->conn, NULL, NULL);
    conn_close(c->conn, false);
    c->conn = NULL;
    c->coming = (struct pieces){0};
}

/* ---- what it pushes ------------------------------------------------------ */

static int
get_piece(const struct client *c, struct piece *x, const struct frame_head *h,
          const void *body, struct err *err)
{
    struct msg_piece m;

    if (msg_get_piece(&m, body, h->body_len, err) != 0)
        return -1;
    *x = (struct piece){m.first, m.count};
    if (m.iteration != c->expected || c->life != c->expected_life)
        return err_set(
            err, ERR_PROTO, "a piece of iteration %llu, expected %llu",
            (unsigned long long)m.iteration, (unsigned long long)c->expected);
    return 0;
}

static int
on_body(void *ctx, struct conn *conn, const struct frame_head *h,
        const void *body, void **bulk, struct err *err)
{
    struct client *c = ctx;
    struct piece x;

    (void)conn;
    if (h->type == MSG_BEAT && h->bulk_len == 0)
        return 0;
    if (h->type != MSG_PIECE)
        return err_set(err, ERR_PROTO, "unexpected %s", msg_name(h->type));
    if (get_piece(c, &x, h, body, err) != 0 ||
        pieces_check_frame(&c->coming, &x, h->bulk_len, err) != 0)
        return -1;
    *bulk = c->push + x.first;
    return 0;
}

static void
say_have(struct client *c)
{
    struct serve *s = c->serve;
    struct buf body = BUF_INIT(128);
    struct msg_have m = {
        .rank = c->rank, .life = c->life, .iteration = c->have};

    count(c);
    m.received = s->received;
    m.sent = s->sent;
    msg_put_have(&body, &m);
    if (s->up)
        serve_say(s->up, MSG_HAVE, &body);
    buf_release(&body);
}

static int
on_frame(void *ctx, struct conn *conn, const struct frame_head *h,
         const void *body, void *bulk, struct err *err)
{
    struct client *c = ctx;
    struct piece x;

    (void)conn;
    (void)bulk;
    if (h->type != MSG_PIECE)
        return 0;
    if (get_piece(c, &x, h, body, err) != 0)
        return -1;
    pieces_add(&c->coming, &x);
    if (pieces_is_whole(&c->coming)) {
        c->have = c->expected;
        c->coming = (struct pieces){0};
        say_have(c);
    }
    return 0;
}

/* Why is the coordinator's to ask: the worker tells it. */
static void
on_closed(void *ctx, struct conn *conn, const struct err *why)
{
    struct client *c = ctx;

    (void)conn;
    (void)why;
    count(c);
    c->conn = NULL;
    c->coming = (struct pieces){0};
}

static const struct conn_handlers handlers = {
    .on_body = on_body, .on_frame = on_frame, .on_closed = on_closed};

/* ---- connections --------------------------------------------------------- */

static int
on_peer(void *ctx, struct conn *conn, const struct msg_hello *hello,
        struct err *err)
{
    struct serve *s = ctx;
    struct client *c;

    if (hello->rank >= s->n_clients)
        return err_set(err, ERR_PROTO, "rank %u of %u workers", hello->rank,
                       s->n_clients);
    c = &s->client[hello->rank];
    if (hello->life < c->life)
        return err_set(err, ERR_FAIL, "worker %u has been replaced", c->rank);
    detach(c); /* it knows of a cut that we have not noticed */
    c->life = hello->life;
    c->conn = conn;
    c->expected = 0; /* an order of before is somebody else's by now */
    c->received = c->sent = 0;
    conn_set_handlers(conn, &handlers, c);
    conn_set_limits(conn, MAX_BODY, PIECE_MAX * sizeof(float));
    return 0;
}

int
clients_open(struct serve *s, struct err *err)
{
    static const struct listener_handlers peers = {.on_peer = on_peer};
    const struct job *j = &s->job;
    /* Whoever runs without TLS has been warned at the coordinator. */
    struct io_security how = {.tls = s->told.tls, .insecure = !s->told.tls};

    s->n_clients = faults_max_workers(&j->faults, j->workers);
    s->client = mem_alloc(s->n_clients, sizeof *s->client);
    if (!s->client)
        return err_nomem(err);
    for (uint32_t i = 0; i < s->n_clients; i++) {
        s->client[i].serve = s;
        s->client[i].rank = i;
    }
    s->listener = listener_new(&s->loop, s->told.host, 0, s->join->key, how,
                               &peers, s, err);
    return s->listener ? 0 : -1;
}

void
clients_close(struct serve *s)
{
    if (s->listener)
        listener_close(s->listener);
    s->listener = NULL;
    for (uint32_t i = 0; i < s->n_clients; i++)
        detach(&s->client[i]);
}

void
clients_release(struct serve *s)
{
    for (uint32_t i = 0; i < s->n_clients; i++)
        mem_free(s->client[i].push);
    mem_free(s->client);
}

void
clients_beat(struct serve *s)
{
    for (uint32_t i = 0; i < s->n_clients; i++) {
        struct conn *c = s->client[i].conn;

        if (c && conn_get_queued(c) == 0)
            (void)conn_send(c, MSG_BEAT, NULL, 0, NULL, 0, NULL, NULL, NULL);
    }
}

/* ---- commands ------------------------------------------------------------ */

static struct client *
find(struct serve *s, const struct msg_command *m, struct err *err)
{
    if (m->rank < s->n_clients)
        return &s->client[m->rank];
    err_set(err, ERR_PROTO, "COMMAND: rank %u of %u workers", m->rank,
            s->n_clients);
    return NULL;
}

static void
on_over(void *ctx)
{
    store_unref(ctx);
}

static uint64_t
get_sum(void *ctx, const struct piece *x)
{
    return store_get_sum(ctx, x);
}

static int
send_params(struct client *c, struct err *err)
{
    static const struct delivery_handlers h = {.get_sum = get_sum,
                                               .on_over = on_over};
    struct params *p = store_ref(c->serve->store);
    struct delivery *d = delivery_new(c->conn, c->expected, p->v, n_floats(c),
                                      false, &h, p, err);

    if (!d) {
        store_unref(p);
        return -1;
    }
    delivery_ready(d, n_floats(c));
    return 0;
}

int
client_order(struct serve *s, const struct msg_command *m, struct err *err)
{
    struct client *c = find(s, m, err);
    struct msg_open open = {.iteration = m->iteration, .params = !m->keep};
    struct buf body = BUF_INIT(64);

    if (!c)
        return -1;
    if (m->iteration == 0)
        return err_set(err, ERR_PROTO, "COMMAND: iteration 0");
    if (!c->push &&
        !(c->push = mem_alloc_aligned(n_floats(c) * sizeof *c->push)))
        return err_nomem(err);
    /* It may write its next contribution from here on. */
    if (store_let_go(s->store, c->push, err) != 0)
        return -1;
    c->have = 0;
    c->expected = m->iteration;
    c->expected_life = m->life;
    /* Who is not here has lost his connection, notices it and comes back. */
    if (!c->conn || c->life != m->life || conn_is_closing(c->conn))
        return 0;
    pieces_begin(&c->coming, n_floats(c), true);
    msg_put_open(&body, &open);
    serve_say(c->conn, MSG_OPEN, &body);
    buf_release(&body);
    return m->keep || conn_is_closing(c->conn) ? 0 : send_params(c, err);
}

int
client_add(struct serve *s, const struct msg_command *m, struct err *err)
{
    struct client *c = find(s, m, err);

    if (!c)
        return -1;
    if (m->iteration == 0 || c->have != m->iteration)
        return err_set(err, ERR_PROTO,
                       "COMMAND: contribution %llu of worker %u is not here",
                       (unsigned long long)m->iteration, m->rank);
    return store_add(s->store, c->push, m->kind, m->weight, err);
}

int
client_forget(struct serve *s, const struct msg_command *m, struct err *err)
{
    struct client *c = find(s, m, err);

    if (!c)
        return -1;
    if (c->life <= m->life)
        detach(c);
    return 0;
}
