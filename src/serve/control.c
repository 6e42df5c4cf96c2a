/* SPDX-License-Identifier: Apache-2.0 */
/* What the coordinator says. */
#include "base/buf.h"
#include "base/mem.h"
#include "io/deliver.h"
#include "serve/serve_impl.h"

#include <string.h>

#define MAX_BODY 4096

/* ---- the range ----------------------------------------------------------- */

float *
serve_vector(struct serve *s, int plane)
{
    return plane == 0 ? store_edit(s->store)
                      : optim_plane(store_get_optim(s->store), plane - 1);
}

static int
out_of_place(uint16_t type, struct err *err)
{
    return err_set(err, ERR_PROTO, "unexpected %s", msg_name(type));
}

static int
on_serve(struct serve *s, const void *body, size_t n, struct err *err)
{
    const struct segtab *t = graph_get_segments(s->job.graph);
    struct store_options options = {0};
    struct msg_serve *m = &s->told;
    struct range r;

    if (s->has_range)
        return out_of_place(MSG_SERVE, err);
    if (msg_get_serve(m, body, n, err) != 0)
        return -1;
    if (m->first % SEGMENT_ALIGN || m->first > t->n_floats ||
        m->count > t->n_floats - m->first)
        return err_set(err, ERR_PROTO,
                       "SERVE: %llu numbers at %llu, but the network has %zu",
                       (unsigned long long)m->count,
                       (unsigned long long)m->first, t->n_floats);
    r = (struct range){(size_t)m->first, (size_t)m->count};
    if (range_cut(t, &r, &s->part, err) != 0)
        return -1;
    s->has_range = true;
    options.threads = store_choose_threads(s->part.n_floats);
    s->store = store_new(&s->part, &s->job.optim, &options, err);
    if (!s->store)
        return -1;
    store_set_version(s->store, m->version);
    optim_set_count(store_get_optim(s->store), m->updates);
    pieces_begin(&s->loading, s->part.n_floats, false);
    conn_set_limits(s->up, MAX_BODY, PIECE_MAX * sizeof(float));
    return 0;
}

/* All that was to be loaded is there. */
static int
begin_to_serve(struct serve *s, struct err *err)
{
    struct buf body = BUF_INIT(64);
    struct msg_serving m;

    s->loading = (struct pieces){0};
    if (clients_open(s, err) != 0)
        return -1;
    m.port = listener_get_port(s->listener);
    msg_put_serving(&body, &m);
    serve_say(s->up, MSG_SERVING, &body);
    buf_release(&body);
    return 0;
}

static int
get_piece(const struct serve *s, struct piece *x, const struct frame_head *h,
          const void *body, struct err *err)
{
    struct msg_piece m;

    if (msg_get_piece(&m, body, h->body_len, err) != 0)
        return -1;
    *x = (struct piece){m.first, m.count};
    if (m.iteration != (uint64_t)s->plane + 1)
        return err_set(err, ERR_PROTO, "a piece of another vector");
    return 0;
}

static int
on_piece(struct serve *s, const struct frame_head *h, const void *body,
         struct err *err)
{
    struct piece x;

    if (get_piece(s, &x, h, body, err) != 0)
        return -1;
    pieces_add(&s->loading, &x);
    if (!pieces_is_whole(&s->loading))
        return 0;
    if (s->plane == optim_planes(store_get_optim(s->store)))
        return begin_to_serve(s, err);
    s->plane++;
    pieces_begin(&s->loading, s->part.n_floats, false);
    return 0;
}

/* ---- sending it ---------------------------------------------------------- */

/* A vector that is sent as it was when it was asked for. */
struct answer {
    struct params *params; /* NULL: `copy` */
    float *copy;
};

static void
answer_free(void *ctx)
{
    struct answer *a = ctx;

    if (a->params)
        store_unref(a->params);
    mem_free(a->copy);
    mem_free(a);
}

static uint64_t
get_sum(void *ctx, const struct piece *x)
{
    struct answer *a = ctx;

    return a->params ? store_get_sum(a->params, x)
                     : wire_hash(a->copy + x->first, x->count * sizeof(float));
}

static int
fill_answer(struct serve *s, struct answer *a, uint32_t plane, struct err *err)
{
    size_t n_bytes = s->part.n_floats * sizeof(float);

    if (plane == 0) {
        a->params = store_ref(s->store);
        return 0;
    }
    if ((int)plane > optim_planes(store_get_optim(s->store)))
        return err_set(err, ERR_PROTO, "COMMAND: there is no plane %u", plane);
    a->copy = mem_alloc_aligned(n_bytes);
    if (!a->copy)
        return err_nomem(err);
    memcpy(a->copy, serve_vector(s, (int)plane), n_bytes);
    return 0;
}

static int
gather(struct serve *s, const struct msg_command *m, struct err *err)
{
    static const struct delivery_handlers handlers = {.get_sum = get_sum,
                                                      .on_over = answer_free};
    struct answer *a = mem_alloc(1, sizeof *a);
    struct delivery *d;

    if (!a)
        return err_nomem(err);
    if (m->iteration == 0)
        err_set(err, ERR_PROTO, "COMMAND: an answer without a number");
    if (m->iteration == 0 || fill_answer(s, a, m->plane, err) != 0) {
        answer_free(a);
        return -1;
    }
    d = delivery_new(s->up, m->iteration, a->params ? a->params->v : a->copy,
                     s->part.n_floats, false, &handlers, a, err);
    if (!d) {
        answer_free(a);
        return -1;
    }
    delivery_ready(d, s->part.n_floats);
    return 0;
}

/* ---- commands ------------------------------------------------------------ */

static int
on_command(struct serve *s, const void *body, size_t n, struct err *err)
{
    struct msg_command m;

    if (msg_get_command(&m, body, n, err) != 0)
        return -1;
    switch ((enum server_command)m.command) {
    case SERVER_ORDER:
        return client_order(s, &m, err);
    case SERVER_ADD:
        return client_add(s, &m, err);
    case SERVER_COMMIT:
        return store_commit(s->store, m.weight, m.lr, err);
    case SERVER_FORGET:
        return client_forget(s, &m, err);
    case SERVER_GATHER:
        return gather(s, &m, err);
    }
    return err_set(err, ERR_PROTO, "COMMAND: unknown");
}

static int
on_body(void *ctx, struct conn *c, const struct frame_head *h, const void *body,
        void **bulk, struct err *err)
{
    struct serve *s = ctx;
    struct piece x;

    (void)c;
    if (h->type != MSG_PIECE)
        return h->bulk_len ? err_set(err, ERR_PROTO, "%s with a bulk",
                                     msg_name(h->type))
                           : 0;
    if (get_piece(s, &x, h, body, err) != 0 ||
        pieces_check_frame(&s->loading, &x, h->bulk_len, err) != 0)
        return -1;
    *bulk = serve_vector(s, s->plane) + x.first;
    return 0;
}

static int
handle(struct serve *s, const struct frame_head *h, const void *body,
       struct err *err)
{
    struct msg_error e;

    switch (h->type) {
    case MSG_SERVE:
        return on_serve(s, body, h->body_len, err);
    case MSG_PIECE:
        return on_piece(s, h, body, err);
    case MSG_COMMAND:
        if (!s->listener)
            return out_of_place(h->type, err);
        return on_command(s, body, h->body_len, err);
    case MSG_STOP:
        serve_end(s, NULL);
        return 0;
    case MSG_BEAT:
        return 0;
    case MSG_ERROR:
        if (msg_get_error(&e, body, h->body_len, err) != 0)
            return -1;
        return err_set(err, (enum err_code)e.code, "coordinator: %s", e.text);
    default:
        return out_of_place(h->type, err);
    }
}

/* What cannot be done here, no server can make up for: the coordinator is told,
 * and the run ends. */
static int
on_frame(void *ctx, struct conn *c, const struct frame_head *h,
         const void *body, void *bulk, struct err *err)
{
    struct serve *s = ctx;

    (void)c;
    (void)bulk;
    if (handle(s, h, body, err) == 0)
        return 0;
    serve_fail(s, err);
    return 0;
}

static void
on_closed(void *ctx, struct conn *c, const struct err *why)
{
    struct serve *s = ctx;
    struct err e = ERR_INIT;

    (void)c;
    s->up = NULL;
    err_set(&e, why->code ? why->code : ERR_SYS, "%s",
            why->code ? why->text : "the coordinator closed the connection");
    serve_end(s, s->ending ? NULL : &e);
}

const struct conn_handlers serve_control = {
    .on_body = on_body, .on_frame = on_frame, .on_closed = on_closed};
