/* SPDX-License-Identifier: Apache-2.0 */
/* What a parameter server is sent to begin with, and what it says. */
#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"
#include "io/deliver.h"
#include "ps/fleet_impl.h"

#include <string.h>

#define MAX_BODY 4096 /* of what a server sends */

/* ---- its range ----------------------------------------------------------- */

static void load_next(struct member *m);

static void
on_loaded(void *ctx)
{
    struct member *m = ctx;

    m->plane++;
    load_next(m);
}

static void
on_over(void *ctx)
{
    (void)ctx; /* the store keeps the numbers */
}

/* Plane after plane: what a server is sent next follows what it has got. */
static void
load_next(struct member *m)
{
    static const struct delivery_handlers h = {.on_given = on_loaded,
                                               .on_over = on_over};
    struct optim *o = store_get_optim(m->fleet->store);
    const float *v;
    struct delivery *d;

    if (m->plane > optim_planes(o) || !m->conn || conn_is_closing(m->conn))
        return;
    v = m->plane == 0 ? store_peek(m->fleet->store)
                      : optim_plane(o, m->plane - 1);
    d = delivery_new(m->conn, (uint64_t)m->plane + 1, v + m->range.first,
                     m->range.count, false, &h, m, NULL);
    if (d)
        delivery_ready(d, m->range.count);
    else
        conn_close(m->conn, false);
}

/* ---- what they say ------------------------------------------------------- */

static int
on_serving(struct member *m, const void *body, size_t n, struct err *err)
{
    struct fleet *f = m->fleet;
    struct msg_serving s;

    if (m->state != MEMBER_LOADING ||
        m->plane <= optim_planes(store_get_optim(f->store)))
        return err_set(err, ERR_PROTO, "unexpected SERVING");
    if (msg_get_serving(&s, body, n, err) != 0)
        return -1;
    m->port = s.port;
    m->state = MEMBER_SERVING;
    if (++f->n_serving == f->n)
        f->h->on_ready(f->ctx);
    return 0;
}

static int
on_have(struct member *m, const void *body, size_t n, struct err *err)
{
    struct msg_have have;

    if (m->state != MEMBER_SERVING)
        return err_set(err, ERR_PROTO, "unexpected HAVE");
    if (msg_get_have(&have, body, n, err) != 0)
        return -1;
    m->received = have.received;
    m->sent = have.sent;
    m->fleet->h->on_have(m->fleet->ctx, m->k, &have);
    return 0;
}

/* The range that a piece belongs to, and where that is. */
static int
get_piece(const struct member *m, struct piece *x, struct gather **g,
          struct pieces **coming, float **v, const struct frame_head *h,
          const void *body, struct err *err)
{
    struct msg_piece p;
    uint64_t i;

    if (msg_get_piece(&p, body, h->body_len, err) != 0)
        return -1;
    *x = (struct piece){p.first, p.count};
    for (*g = m->fleet->gathers; *g; *g = (*g)->next) {
        i = p.iteration - (*g)->first;
        if (p.iteration < (*g)->first || i >= (*g)->n)
            continue;
        *coming = &(*g)->coming[i * m->fleet->n + m->k];
        *v = (*g)->v[i] + m->range.first;
        return 0;
    }
    return err_set(err, ERR_PROTO, "a piece that nobody has asked for");
}

static int
on_body(void *ctx, struct conn *c, const struct frame_head *h, const void *body,
        void **bulk, struct err *err)
{
    struct member *m = ctx;
    struct pieces *coming;
    struct gather *g;
    struct piece x;
    float *v;

    (void)c;
    if (h->type != MSG_PIECE)
        return h->bulk_len ? err_set(err, ERR_PROTO, "%s with a bulk",
                                     msg_name(h->type))
                           : 0;
    if (get_piece(m, &x, &g, &coming, &v, h, body, err) != 0 ||
        pieces_check_frame(coming, &x, h->bulk_len, err) != 0)
        return -1;
    *bulk = v + x.first;
    return 0;
}

static int
on_piece(struct member *m, const struct frame_head *h, const void *body,
         struct err *err)
{
    struct pieces *coming;
    struct gather *g;
    struct piece x;
    float *v;

    if (get_piece(m, &x, &g, &coming, &v, h, body, err) != 0)
        return -1;
    pieces_add(coming, &x);
    if (pieces_is_whole(coming))
        g->left--;
    fleet_end_gathers(m->fleet);
    return 0;
}

static int
on_error(struct member *m, const void *body, size_t n, struct err *err)
{
    struct msg_error e;
    char text[WIRE_TEXT_CAP];

    if (msg_get_error(&e, body, n, err) != 0)
        return -1;
    str_escape(text, sizeof text, e.text, strlen(e.text));
    fleet_lose(m, (enum err_code)e.code, text);
    return 0;
}

static int
on_frame(void *ctx, struct conn *c, const struct frame_head *h,
         const void *body, void *bulk, struct err *err)
{
    struct member *m = ctx;

    (void)c;
    (void)bulk;
    switch (h->type) {
    case MSG_SERVING:
        return on_serving(m, body, h->body_len, err);
    case MSG_HAVE:
        return on_have(m, body, h->body_len, err);
    case MSG_PIECE:
        return on_piece(m, h, body, err);
    case MSG_BEAT:
        return 0;
    case MSG_ERROR:
        return on_error(m, body, h->body_len, err);
    default:
        return err_set(err, ERR_PROTO, "unexpected %s", msg_name(h->type));
    }
}

static void
on_closed(void *ctx, struct conn *c, const struct err *why)
{
    struct member *m = ctx;

    (void)c;
    m->conn = NULL;
    if (why->code == ERR_PROTO)
        fleet_lose(m, ERR_PROTO, why->text);
    else
        fleet_cut(m, why->code ? why->text : "it closed its connection");
}

static const struct conn_handlers handlers = {
    .on_body = on_body, .on_frame = on_frame, .on_closed = on_closed};

int
fleet_attach(struct fleet *f, struct conn *c, const struct msg_hello *hello,
             const char *address, bool tls, struct err *err)
{
    uint32_t k = hello->rank - WIRE_SERVER_RANK;
    struct msg_serve serve = {.tls = tls};
    struct buf body = BUF_INIT(256);
    struct member *m;

    if (!f || k >= f->n || f->over || f->member[k].state != MEMBER_ABSENT)
        return err_set(err, ERR_FAIL, "no such parameter server is waited for");
    m = &f->member[k];
    str_escape(m->host, sizeof m->host, hello->host, strlen(hello->host));
    if (!str_printf(m->address, sizeof m->address, "%s", address))
        return err_set(err, ERR_PROTO, "an address of that length");
    m->pid = hello->pid;
    m->tls = tls;
    m->conn = c;
    m->state = MEMBER_LOADING;
    conn_set_handlers(c, &handlers, m);
    conn_set_limits(c, MAX_BODY, PIECE_MAX * sizeof(float));
    memcpy(serve.host, m->address, sizeof serve.host);
    serve.first = m->range.first;
    serve.count = m->range.count;
    serve.version = store_get_version(f->store);
    serve.updates = optim_get_count(store_get_optim(f->store));
    msg_put_serve(&body, &serve);
    fleet_say(m, MSG_SERVE, &body);
    buf_release(&body);
    load_next(m);
    return 0;
}
