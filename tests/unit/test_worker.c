/* SPDX-License-Identifier: Apache-2.0 */
/* The talking thread of a worker: a coordinator in the same loop says what it
 * likes when it likes. */
#include "pair.h"

#include "worker/worker_impl.h"

#include <ebsp/policy.h>

#include <string.h>

#define JOB                                                                    \
    "{\"input\": [1000], \"layers\": [{\"type\": \"dense\", \"units\": 300}, " \
    "{\"type\": \"dense\", \"units\": 2}, "                                    \
    "{\"type\": \"softmax_cross_entropy\"}], "                                 \
    "\"data\": {\"type\": \"blobs\", \"classes\": 2, \"features\": 1000, "     \
    "\"train\": 8, \"test\": 1}, \"batch\": 1, "                               \
    "\"optimizer\": {\"type\": \"sgd\", \"lr\": 0.01}, \"workers\": 1}"

#define PUSHES 5

struct scene {
    struct world world;
    struct worker w;
    float *params, *got;
    size_t n;
    bool hasty; /* the first answer is read before anything else happens */
    /* Of the coordinator. */
    struct conn *c;
    struct pieces coming;
    uint64_t n_ready, n_pushes, n_wrong;
    struct err why;
};

static void
order(struct buf *b, uint64_t iteration, uint32_t flags)
{
    struct msg_cursor step = {.count = 1};
    struct msg_order m = {.iteration = iteration,
                          .version = iteration,
                          .flags = flags,
                          .contribution = EBSP_PUSH_GRADIENT,
                          .n_steps = 1,
                          .step = &step};

    msg_put_order(b, &m);
}

/* ---- the coordinator ----------------------------------------------------- */

static int
on_body(void *ctx, struct conn *c, const struct frame_head *h, const void *body,
        void **bulk, struct err *err)
{
    struct scene *s = ctx;
    struct msg_piece m;
    struct piece x;

    (void)c;
    if (h->type != MSG_PIECE)
        return 0;
    if (msg_get_piece(&m, body, h->body_len, err) != 0)
        return -1;
    x = (struct piece){m.first, m.count};
    if (pieces_check(&s->coming, &x, err) != 0)
        return -1;
    s->n_wrong += m.iteration != s->n_pushes + 1;
    pieces_add(&s->coming, &x);
    *bulk = s->got + x.first;
    return 0;
}

/* The first order has parameters, the others keep them. */
static int
on_frame(void *ctx, struct conn *c, const struct frame_head *h,
         const void *body, void *bulk, struct err *err)
{
    struct scene *s = ctx;
    struct buf b = BUF_INIT(4096);
    bool first = h->type == MSG_READY;
    int r = 0;

    (void)body;
    (void)bulk;
    if (h->type == MSG_PUSH) {
        s->n_wrong += !pieces_is_whole(&s->coming);
        for (size_t i = 0; i < s->n; i++)
            s->n_wrong += s->got[i] != 1e-3f * s->params[i];
        s->n_pushes++;
    }
    s->n_ready += first;
    if (h->type == MSG_PUSH || first)
        pieces_begin(&s->coming, s->n, true);
    if (first || (h->type == MSG_PUSH && s->n_pushes < PUSHES &&
                  !(s->hasty && s->n_pushes == 1))) {
        order(&b, s->n_pushes + 1, first ? MSG_ORDER_PARAMS : 0);
        r = conn_send(c, MSG_ORDER, b.data, b.len, first ? s->params : NULL,
                      first ? s->n * sizeof *s->params : 0, NULL, NULL, err);
    }
    buf_release(&b);
    return r;
}

static void
on_closed(void *ctx, struct conn *c, const struct err *why)
{
    struct scene *s = ctx;

    (void)c;
    s->c = NULL;
    s->why = *why;
}

static const struct conn_handlers coordinator = {on_body, on_frame, on_closed};

/* ---- the worker ---------------------------------------------------------- */

/* As when the coordinator is so fast that its answer is read in the same turn
 * of the loop in which the contribution was written. */
static void
answer_at_once(struct scene *s)
{
    struct buf b = BUF_INIT(4096);
    struct frame_head h = {.type = MSG_ORDER};
    void *bulk = NULL;

    order(&b, 2, 0);
    h.body_len = (uint32_t)b.len;
    if (worker_handlers.on_body(&s->w, s->w.conn, &h, b.data, &bulk, &s->why) !=
            0 ||
        worker_handlers.on_frame(&s->w, s->w.conn, &h, b.data, NULL, &s->why) !=
            0)
        s->n_wrong++;
    buf_release(&b);
}

static void
on_thought(void *ctx)
{
    struct scene *s = ctx;
    const struct err *e = thinker_get_error(s->w.thinker);

    if (e->code != ERR_OK) {
        printf("# %s\n", e->text);
        s->n_wrong++;
    } else if (!s->w.ready) {
        s->n = thinker_get_compute(s->w.thinker)->t->n_floats;
        s->params = mem_alloc_aligned(s->n * sizeof *s->params);
        s->got = mem_alloc_aligned(s->n * sizeof *s->got);
        for (size_t i = 0; i < s->n; i++)
            s->params[i] = (float)(i % 1000) + 1;
        worker_say_ready(&s->w);
    } else {
        worker_say_push(&s->w);
        if (s->hasty && s->w.iteration == 1)
            answer_at_once(s);
    }
}

static void
on_final(void *ctx)
{
    worker_say_pieces(&((struct scene *)ctx)->w);
}

/* A worker that only talks: it answers with a fraction of the parameters. */
static bool
begin(struct scene *s)
{
    static const struct thinker_handlers h = {on_thought, on_final};
    struct err e = ERR_INIT;

    memset(s, 0, sizeof *s);
    world_init(&s->world);
    if (!world_meet(&s->world))
        return false;
    s->c = s->world.server.c;
    s->world.server.c = NULL;
    s->w.conn = s->world.client.c;
    s->world.client.c = NULL;
    conn_set_handlers(s->c, &coordinator, s);
    conn_set_handlers(s->w.conn, &worker_handlers, &s->w);
    s->w.join = (struct join){.job = (char *)(uintptr_t)JOB,
                              .job_dir = (char *)(uintptr_t) "/",
                              .threads = 1,
                              .echo = true};
    s->w.thinker = thinker_new(&s->world.loop, &s->w.join, NULL, 0, &h, s, &e);
    if (!s->w.thinker)
        printf("# %s\n", e.text);
    return s->w.thinker;
}

static bool
end(struct scene *s)
{
    bool r;

    if (s->c)
        conn_close(s->c, false);
    conn_set_handlers(s->w.conn, NULL, NULL);
    conn_close(s->w.conn, false);
    if (s->w.leaving)
        delivery_stop(s->w.leaving);
    r = thinker_stop(s->w.thinker);
    r &= world_end(&s->world);
    mem_free(s->params);
    mem_free(s->got);
    return r;
}

static void
answers_come_when_they_come(bool hasty)
{
    struct scene s;

    if (!begin(&s)) {
        ok(false, "a worker and a coordinator meet");
        return;
    }
    s.hasty = hasty;
    WAIT(&s.world, s.n_pushes == PUSHES || s.n_wrong || !s.c);
    ok(s.n > PIECE_MAX && s.n_ready == 1, "contributions go in pieces");
    ok(s.n_pushes == PUSHES && s.n_wrong == 0 && s.why.code == ERR_OK,
       hasty ? "an answer may be heard before the end of what it answers"
             : "each order is answered");
    if (s.why.code != ERR_OK)
        printf("# %s\n", s.why.text);
    ok(end(&s), "nothing is left");
}

int
main(void)
{
    signal(SIGPIPE, SIG_IGN);
    answers_come_when_they_come(false);
    answers_come_when_they_come(true);
    return done();
}
