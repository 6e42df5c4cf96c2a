/* SPDX-License-Identifier: Apache-2.0 */
/* What a worker hears. */
#include "worker/worker_impl.h"

#include "base/clock.h"

static int
get_piece(struct worker *w, struct piece *x, const struct frame_head *h,
          const void *body, struct err *err)
{
    struct msg_piece m;

    if (msg_get_piece(&m, body, h->body_len, err) != 0)
        return -1;
    *x = (struct piece){m.first, m.count};
    if (m.iteration != w->iteration)
        return err_set(err, ERR_PROTO, "a piece of another iteration");
    return 0;
}

static int
on_piece_body(struct worker *w, const struct frame_head *h, const void *body,
              void **bulk, struct err *err)
{
    struct piece x;

    if (get_piece(w, &x, h, body, err) != 0 ||
        pieces_check_frame(&w->coming, &x, h->bulk_len, err) != 0)
        return -1;
    *bulk = w->params + x.first;
    return 0;
}

static int
on_piece(struct worker *w, const struct frame_head *h, const void *body,
         struct err *err)
{
    struct piece x;

    if (get_piece(w, &x, h, body, err) != 0)
        return -1;
    pieces_add(&w->coming, &x);
    w->pulled_ns = clock_now_ns();
    thinker_feed(w->thinker, w->coming.done);
    return 0;
}

static int
on_body(void *ctx, struct conn *c, const struct frame_head *h, const void *body,
        void **bulk, struct err *err)
{
    struct worker *w = ctx;

    (void)c;
    if (h->type == MSG_DATA && w->fetch)
        return fetch_on_body(w->fetch, h, body, bulk, err);
    if (h->type == MSG_PIECE)
        return on_piece_body(w, h, body, bulk, err);
    if (h->type != MSG_ORDER)
        return h->bulk_len ? err_set(err, ERR_PROTO, "%s with a bulk",
                                     msg_name(h->type))
                           : 0;
    if (!w->ready || thinker_is_busy(w->thinker) || w->due)
        return err_set(err, ERR_PROTO, "unexpected ORDER");
    if (h->bulk_len != 0 && h->bulk_len != worker_vector_bytes(w))
        return err_set(err, ERR_PROTO, "parameters of %llu bytes, expected %zu",
                       (unsigned long long)h->bulk_len, worker_vector_bytes(w));
    if (h->bulk_len == 0)
        return 0;
    *bulk = compute_own(thinker_get_compute(w->thinker), err);
    return *bulk ? 0 : -1;
}

static int
choose_params(struct worker *w, const struct frame_head *h,
              const struct msg_order *o, struct err *err)
{
    bool shared = o->flags & MSG_ORDER_SHARED;
    bool bulk = o->flags & MSG_ORDER_PARAMS;
    bool pieces = o->flags & MSG_ORDER_PIECES;
    bool served = o->flags & MSG_ORDER_SERVED;
    struct compute *c = thinker_get_compute(w->thinker);

    if (bulk != (h->bulk_len > 0) || bulk + shared + pieces + served > 1 ||
        (w->join.served ? bulk || shared || pieces : served))
        return err_set(err, ERR_PROTO, "ORDER: flags and bulk disagree");
    if (shared)
        return compute_use_slot(c, o->slot, err);
    if (pieces) {
        w->params = compute_own(c, err);
        pieces_begin(&w->coming, c->t->n_floats, false);
        return w->params ? 0 : -1;
    }
    if (served) {
        w->params = compute_own(c, err);
        return w->params ? 0 : -1;
    }
    if (!c->params)
        return err_set(err, ERR_PROTO,
                       "ORDER: the first one has no "
                       "parameters");
    return 0;
}

static int
on_order(struct worker *w, struct conn *c, const struct frame_head *h,
         const void *body, struct err *err)
{
    int64_t first = conn_get_frame_start(c), idle;
    struct msg_order order;
    size_t have;

    w->coming = (struct pieces){0};
    if (w->leaving) /* we hear of its end after the answer to it */
        delivery_end(w->leaving);
    if (msg_get_order(&order, body, h->body_len, err) != 0)
        return -1;
    if (choose_params(w, h, &order, err) != 0) {
        msg_order_release(&order);
        return -1;
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
    w->ordered_ns = first;
    w->pulled_ns = clock_now_ns();
    w->pull_ns = w->pulled_ns - first;
    w->total.push_ns += idle - w->wait_ns;
    w->total.wait_ns += w->wait_ns;
    w->total.pull_ns += w->pull_ns;
    w->given = false;
    w->leaving_ns = 0;
    if (w->join.served)
        have = parts_begin(w, !(order.flags & MSG_ORDER_SERVED));
    else
        have = w->coming.n ? 0 : SIZE_MAX;
    thinker_order(w->thinker, &order, have);
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
    case MSG_PIECE:
        return on_piece(w, h, body, err);
    case MSG_DATA:
        if (w->fetch)
            fetch_on_frame(w->fetch, h);
        return 0;
    case MSG_SERVERS:
        return parts_on_servers(w, body, h->body_len, err);
    case MSG_EMULATE:
        return worker_on_emulate(w, body, h->body_len, err);
    case MSG_STOP:
        worker_say_bye(w);
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

static void
on_closed(void *ctx, struct conn *c, const struct err *why)
{
    struct worker *w = ctx;

    (void)c;
    if (w->ending) {
        w->conn = NULL;
        return;
    }
    worker_cut(w, why);
}

const struct conn_handlers worker_handlers = {
    .on_body = on_body,
    .on_frame = on_frame,
    .on_closed = on_closed,
};
