/* SPDX-License-Identifier: Apache-2.0 */
/* A parameter server and a worker that says what it likes, on one loop; the
 * coordinator's commands are calls. */
#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/mem.h"
#include "serve/serve_impl.h"
#include "tap.h"

#include <ebsp/policy.h>

#include <signal.h>

#define N        64
#define LIMIT_NS (20 * NS_PER_S)

static float ones[2 * N]; /* what is pushed */
static struct segment segment = {.kind = SEGMENT_WEIGHT, .count = N};

struct scene {
    struct serve s;
    struct join join;
    uv_timer_t tick; /* so that a wait can look at its clock */
    struct conn *c;  /* the worker's; NULL: closed */
    int n_failed, n_open, n_pieces, n_errors;
    struct msg_open open;
    float params[N];
};

/* ---- the worker ---------------------------------------------------------- */

static int
on_body(void *ctx, struct conn *c, const struct frame_head *h, const void *body,
        void **bulk, struct err *err)
{
    struct scene *x = ctx;

    (void)c;
    (void)body;
    (void)err;
    if (h->bulk_len == sizeof x->params)
        *bulk = x->params;
    return 0;
}

static int
on_frame(void *ctx, struct conn *c, const struct frame_head *h,
         const void *body, void *bulk, struct err *err)
{
    struct scene *x = ctx;

    (void)c;
    (void)bulk;
    x->n_pieces += h->type == MSG_PIECE;
    x->n_errors += h->type == MSG_ERROR;
    if (h->type != MSG_OPEN)
        return 0;
    x->n_open++;
    return msg_get_open(&x->open, body, h->body_len, err);
}

static void
on_closed(void *ctx, struct conn *c, const struct err *why)
{
    struct scene *x = ctx;

    (void)why;
    if (x->c == c)
        x->c = NULL;
}

static const struct conn_handlers handlers = {
    .on_body = on_body, .on_frame = on_frame, .on_closed = on_closed};

static void
on_connected(void *ctx, struct conn *c, const struct err *why)
{
    struct scene *x = ctx;

    (void)why;
    x->n_failed += !c;
    x->c = c;
    if (c)
        conn_set_handlers(c, &handlers, x);
}

/* ---- the scene ----------------------------------------------------------- */

static void
on_tick(uv_timer_t *t)
{
    (void)t;
}

/* Runs the loop until it holds. */
#define UNTIL(x, condition)                                                    \
    do {                                                                       \
        int64_t until = clock_now_ns() + LIMIT_NS;                             \
                                                                               \
        while (!(condition) && clock_now_ns() < until)                         \
            uv_run(&(x)->s.loop, UV_RUN_ONCE);                                 \
    } while (0)

/* Connects as a worker of a life and waits until that is decided. */
static bool
arrive(struct scene *x, uint32_t rank, uint32_t life)
{
    struct conn_request to = {.host = "127.0.0.1",
                              .port = listener_get_port(x->s.listener),
                              .how = {.insecure = true},
                              .key = x->join.key,
                              .rank = rank,
                              .life = life,
                              .timeout_ms = 20000};

    x->c = NULL;
    x->n_failed = x->n_errors = x->n_open = x->n_pieces = 0;
    conn_connect(&x->s.loop, &to, on_connected, x, NULL);
    UNTIL(x, x->n_failed || x->n_errors || x->c);
    UNTIL(x, x->n_errors || !x->c ||
                 (rank < x->s.n_clients && x->s.client[rank].conn &&
                  x->s.client[rank].life == life));
    return x->c && !x->n_errors;
}

static void
begin(struct scene *x)
{
    static const char text[] =
        "{\"input\": [8], \"layers\": [{\"type\": \"dense\", \"units\": 2}, "
        "{\"type\": \"softmax_cross_entropy\"}], \"data\": {\"type\": "
        "\"blobs\"}, \"batch\": 1, \"workers\": 2, "
        "\"optimizer\": {\"type\": \"sgd\", \"lr\": 1}}";
    struct store_options o = {0};
    struct serve *s = &x->s;

    memset(x, 0, sizeof *x);
    for (size_t i = 0; i < ARRAY_LEN(ones); i++)
        ones[i] = 1;
    uv_loop_init(&s->loop);
    uv_timer_init(&s->loop, &x->tick);
    uv_timer_start(&x->tick, on_tick, 50, 50);
    s->join = &x->join;
    job_parse(&s->job, "job.json", ".", text, strlen(text), NULL);
    s->part = (struct segtab){.seg = &segment, .n = 1, .n_floats = N};
    s->store = store_new(&s->part, &s->job.optim, &o, NULL);
    memcpy(s->told.host, "127.0.0.1", sizeof "127.0.0.1");
    ok(clients_open(s, NULL) == 0, "it listens");
}

static void
end(struct scene *x)
{
    struct serve *s = &x->s;

    if (x->c)
        conn_close(x->c, false);
    clients_close(s);
    uv_close((uv_handle_t *)&x->tick, NULL);
    uv_run(&s->loop, UV_RUN_DEFAULT);
    uv_loop_close(&s->loop);
    clients_release(s);
    store_free(s->store);
    job_release(&s->job);
}

static int
order(struct scene *x, uint32_t life, uint64_t iteration, bool keep)
{
    struct msg_command m = {
        .rank = 1, .life = life, .iteration = iteration, .keep = keep};

    return client_order(&x->s, &m, NULL);
}

static int
add(struct scene *x, uint32_t rank, uint64_t iteration)
{
    struct msg_command m = {.rank = rank, .iteration = iteration, .weight = 1};

    return client_add(&x->s, &m, NULL);
}

static void
push(struct scene *x, uint64_t iteration, size_t first, size_t count,
     size_t n_sent)
{
    struct msg_piece m = {iteration, first, count};
    struct buf body = BUF_INIT(64);

    msg_put_piece(&body, &m);
    conn_send(x->c, MSG_PIECE, body.data, body.len, ones,
              n_sent * sizeof(float), NULL, NULL, NULL);
    buf_release(&body);
}

/* ---- tests --------------------------------------------------------------- */

static void
an_order_is_answered(struct scene *x)
{
    ok(arrive(x, 1, 0), "a worker is let in");
    store_edit(x->s.store)[0] = 5;
    ok(order(x, 0, 1, false) == 0, "an order");
    UNTIL(x, x->n_pieces == 1);
    ok(x->n_open == 1 && x->open.iteration == 1 && x->open.params,
       "the worker is told that it may push");
    ok(x->params[0] == 5, "and gets the parameters");
    ok(add(x, 1, 1) == -1, "what has not come is not added");
    push(x, 1, N / 2, N / 2, N / 2);
    push(x, 1, 0, N / 2, N / 2);
    UNTIL(x, x->s.client[1].have == 1);
    ok(add(x, 1, 2) == -1 && add(x, 0, 1) == -1 && add(x, 9, 1) == -1,
       "nor what is of another iteration or worker");
    ok(add(x, 1, 1) == 0 && store_commit(x->s.store, 1, 1, NULL) == 0,
       "what has come is");
    ok(store_peek(x->s.store)[0] == 4, "and moves the parameters");
    ok(order(x, 0, 2, true) == 0, "an order without parameters");
    UNTIL(x, x->n_open == 2);
    ok(!x->open.params && x->n_pieces == 1, "is only told");
}

/* Each in a connection of its own, after an order that allows something. */
static void
nonsense_ends_the_connection(struct scene *x)
{
    static const struct {
        const char *what;
        uint64_t iteration;
        size_t first, count, n_sent;
    } bad[] = {
        {"another iteration", 8, N / 2, N / 2, N / 2},
        {"not from the end", 7, 0, N / 2, N / 2},
        {"beyond the range", 7, N / 2, N, N},
        {"more than the range", 7, 0, 2 * N, 2 * N},
        {"more bytes than it says", 7, N / 2, N / 2, N},
        {"fewer bytes than it says", 7, N / 2, N / 2, 4},
        {"no bytes", 7, N / 2, N / 2, 0},
        {"numbers that overflow", 7, SIZE_MAX / 2, N, N},
    };

    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        arrive(x, 1, 0);
        order(x, 0, 7, true);
        UNTIL(x, x->n_open == 1);
        push(x, bad[i].iteration, bad[i].first, bad[i].count, bad[i].n_sent);
        UNTIL(x, !x->s.client[1].conn);
        ok(!x->s.client[1].conn && x->s.client[1].have == 0, "a piece: %s",
           bad[i].what);
        UNTIL(x, !x->c);
    }
    arrive(x, 1, 0);
    push(x, 7, N / 2, N / 2, N / 2);
    UNTIL(x, !x->s.client[1].conn);
    ok(!x->s.client[1].conn, "a piece of an order of an earlier connection");
    UNTIL(x, !x->c);
    arrive(x, 1, 0);
    conn_send(x->c, MSG_COMMAND, NULL, 0, NULL, 0, NULL, NULL, NULL);
    UNTIL(x, !x->s.client[1].conn);
    ok(!x->s.client[1].conn, "a command of a worker");
    UNTIL(x, !x->c);
}

static void
lives_are_kept_apart(struct scene *x)
{
    struct msg_command forget = {.rank = 1, .life = 0};

    ok(!arrive(x, 10, 0), "a rank that nobody can have");
    ok(arrive(x, 1, 1), "a process that replaces another one");
    client_forget(&x->s, &forget, NULL);
    ok(x->s.client[1].conn != NULL,
       "what is over for the old one is not for it");
    order(x, 0, 9, true);
    ok(x->s.client[1].coming.n == 0, "an order for the old one is not its");
    forget.life = 1;
    client_forget(&x->s, &forget, NULL);
    ok(!x->s.client[1].conn, "forgotten");
    UNTIL(x, !x->c);
    ok(!arrive(x, 1, 0), "the old one does not come back");
}

int
main(void)
{
    static struct scene x;

    signal(SIGPIPE, SIG_IGN);
    begin(&x);
    an_order_is_answered(&x);
    nonsense_ends_the_connection(&x);
    lives_are_kept_apart(&x);
    end(&x);
    return done();
}
