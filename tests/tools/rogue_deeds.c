/* SPDX-License-Identifier: Apache-2.0 */
#include "base/mem.h"
#include "base/rng.h"
#include "rogue.h"

#include <math.h>
#include <string.h>
#include <unistd.h>

/* ---- frames -------------------------------------------------------------- */

static void
send_error(struct rogue *r, uint32_t code)
{
    struct msg_error m = {.code = code, .text = "so it pleases me"};
    struct buf body = BUF_INIT(1024);

    msg_put_error(&body, &m);
    (void)wire_send(&r->wire, MSG_ERROR, &body, NULL, 0);
    buf_release(&body);
}

/* Right in itself, with a bulk where the type has one. */
static void
send_frame(struct rogue *r, const char *type)
{
    static const struct msg_challenge challenge;
    static const struct msg_hello hello = {.host = "rogue"};
    static const struct msg_welcome welcome;
    static const struct msg_bye bye = {.iterations = UINT64_MAX,
                                       .wall_ns = INT64_MAX,
                                       .compute_ns = INT64_MAX};
    struct msg_cursor step = {.count = 1};
    struct msg_order order = {.iteration = 1, .n_steps = 1, .step = &step};
    struct msg_push push = {
        .iteration = r->orders + 1, .samples = 20, .n_steps = 1};
    struct msg_ready ready = rogue_make_ready(r);
    struct msg_fetch fetch = {.data_hash = r->c.data->hash};
    struct msg_data data = {.total = 4};
    struct msg_piece piece = {.iteration = r->orders + 1, .count = 1};
    struct buf body = BUF_INIT(4096);
    size_t n = 0;
    uint16_t t;

    for (t = MSG_CHALLENGE; strcmp(msg_name(t), type) != 0; t++)
        if (t == 99)
            rogue_die("no such type");
    if (t == MSG_CHALLENGE)
        msg_put_challenge(&body, &challenge);
    else if (t == MSG_HELLO)
        msg_put_hello(&body, &hello);
    else if (t == MSG_WELCOME)
        msg_put_welcome(&body, &welcome);
    else if (t == MSG_READY)
        msg_put_ready(&body, &ready);
    else if (t == MSG_ORDER)
        msg_put_order(&body, &order);
    else if (t == MSG_PUSH)
        msg_put_push(&body, &push);
    else if (t == MSG_BYE)
        msg_put_bye(&body, &bye);
    else if (t == MSG_FETCH)
        msg_put_fetch(&body, &fetch);
    else if (t == MSG_DATA)
        msg_put_data(&body, &data);
    else if (t == MSG_PIECE)
        msg_put_piece(&body, &piece);
    if (t == MSG_PUSH)
        n = rogue_vector_bytes(r);
    if (t == MSG_DATA || t == MSG_PIECE)
        n = 4;
    if (!wire_send(&r->wire, t, &body, r->c.own, n))
        rogue_end(r);
    buf_release(&body);
}

/* ---- deeds at any time --------------------------------------------------- */

static void
make_noise(struct rogue *r)
{
    uint8_t noise[4096];
    struct rng rng;

    rng_init(&rng, r->deed.seed);
    for (size_t i = 0; i < sizeof noise; i++)
        noise[i] = (uint8_t)rng_u64(&rng);
    (void)wire_send_bytes(&r->wire, noise, sizeof noise);
}

/* As itself: goes on over the new connection.  As another one, or in another
 * life: whatever comes of it. */
static void
connect_again(struct rogue *r)
{
    const struct deed *d = &r->deed;
    bool me = strcmp(d->value[0], "me") == 0;
    uint32_t rank =
        me ? r->join.rank : (uint32_t)strtoul(d->value[0], NULL, 10);
    uint32_t life = (uint32_t)strtoul(d->value[1], NULL, 10);
    struct msg_ready ready = rogue_make_ready(r);
    struct wire other;

    if (!wire_meet(&other, &r->join, rank, life, false))
        fprintf(stderr, "rogue: not let in\n");
    if (me && life == r->join.life) {
        wire_close(&r->wire);
        r->wire = other;
        r->given_back = true;
        rogue_send_ready(r, &ready);
        return;
    }
    wire_drain(&other, 200);
    wire_close(&other);
}

static void
come_back(struct rogue *r)
{
    struct msg_ready ready = rogue_make_ready(r);

    wire_close(&r->wire);
    if (!wire_meet(&r->wire, &r->join, r->join.rank, r->join.life, false))
        rogue_end(r);
    r->given_back = true;
    rogue_send_ready(r, &ready);
}

static void
fetch_for_ever(struct rogue *r)
{
    struct msg_fetch m = {.data_hash = r->c.data->hash};
    struct buf body = BUF_INIT(4096);
    struct frame_head h;

    do {
        buf_clear(&body);
        msg_put_fetch(&body, &m);
        if (!wire_send(&r->wire, MSG_FETCH, &body, NULL, 0))
            break;
        m.offset = 64;
    } while (wire_next(&r->wire, -1, &h, &body, NULL, 0) == 1 &&
             h.type != MSG_ERROR);
    rogue_end(r);
}

/* What has an order in it happens when that is answered. */
void
rogue_strike(struct rogue *r, const char *when)
{
    const struct deed *d = &r->deed;

    if (strcmp(d->when, when) != 0 || !rogue_is_due(r))
        return;
    if (rogue_does(r, "garbage")) {
        make_noise(r);
    } else if (rogue_does(r, "frame")) {
        send_frame(r, d->value[0]);
        return;
    } else if (rogue_does(r, "error")) {
        send_error(r, (uint32_t)strtoul(d->value[0], NULL, 10));
    } else if (rogue_does(r, "close")) {
        rogue_end(r);
    } else if (rogue_does(r, "reset")) {
        wire_reset(&r->wire);
        rogue_end(r);
    } else if (rogue_does(r, "silence")) {
        rogue_linger();
    } else if (rogue_does(r, "deaf")) {
        r->wire.deaf = true;
    } else if (rogue_does(r, "exit")) {
        exit((int)strtol(d->value[0], NULL, 10));
    } else if (rogue_does(r, "again")) {
        connect_again(r);
        return;
    } else if (rogue_does(r, "flap")) {
        come_back(r);
        return;
    } else if (rogue_does(r, "fetches")) {
        fetch_for_ever(r);
    } else {
        rogue_die("unknown deed");
    }
    if (!r->wire.deaf)
        wire_drain(&r->wire, -1);
    else
        while (wire_send(&r->wire, MSG_BEAT, NULL, NULL, 0))
            usleep(1000000);
    rogue_end(r);
}

/* ---- in a push ---------------------------------------------------------- */

/* The deeds that are in the push itself. */
void
rogue_spoil(const struct rogue *r, struct msg_push *m, size_t *n)
{
    m->loss = rogue_does(r, "nan-loss") ? NAN : m->loss;
    m->norm = rogue_does(r, "nan-norm") ? NAN : m->norm;
    m->norm = rogue_does(r, "inf-norm") ? INFINITY : m->norm;
    m->norm *= rogue_does(r, "norm") ? strtod(r->deed.value[0], NULL) : 1;
    m->iteration += rogue_does(r, "order");
    m->version += rogue_does(r, "version");
    m->samples += rogue_does(r, "samples");
    m->n_steps += rogue_does(r, "steps");
    if (rogue_does(r, "time"))
        m->compute_ns = m->data_ns = INT64_MAX;
    if (rogue_does(r, "short"))
        *n -= 4;
    if (rogue_does(r, "long"))
        *n += 4;
}

static void
send_piece(struct rogue *r, struct msg_piece m, const float *bulk, size_t n)
{
    struct buf body = BUF_INIT(64);

    msg_put_piece(&body, &m);
    if (!wire_send(&r->wire, MSG_PIECE, &body, bulk, n * sizeof *bulk))
        rogue_end(r);
    buf_release(&body);
}

size_t
rogue_push_pieces(struct rogue *r, struct msg_push *m, const float *v)
{
    const char *how = r->deed.value[0];
    size_t n = r->c.t->n_floats, half = n / 2;
    struct msg_piece last = {m->iteration, half, n - half};
    struct msg_piece first = {m->iteration, 0, half};
    bool well = strcmp(how, "well") == 0;

    if (strcmp(how, "order") == 0)
        last.iteration++;
    if (strcmp(how, "beyond") == 0)
        last.first = n;
    if (strcmp(how, "long") == 0)
        last.count = n + 1;
    if (strcmp(how, "early") == 0)
        last = first;
    send_piece(r, last, v + half,
               strcmp(how, "bytes") == 0 ? half - 1 : n - half);
    if (strcmp(how, "twice") == 0)
        send_piece(r, last, v + half, n - half);
    if (well)
        send_piece(r, first, v, half);
    if (strcmp(how, "bulk") == 0)
        return n * sizeof *v;
    m->flags = MSG_PUSH_PIECES;
    return 0;
}

/* As bytes: in parts, or slowly. */
void
rogue_push_strangely(struct rogue *r, const struct buf *body, const void *push)
{
    uint8_t head[FRAME_HEAD_BYTES];
    size_t n = rogue_vector_bytes(r);

    frame_encode(head, MSG_PUSH, body->data, (uint32_t)body->len, push, n);
    (void)wire_send_bytes(&r->wire, head, sizeof head);
    (void)wire_send_bytes(&r->wire, body->data, body->len);
    for (size_t i = 0; rogue_does(r, "slow") && i < n; i++) {
        if (!wire_send_bytes(&r->wire, (const char *)push + i, 1))
            rogue_end(r);
        usleep(1000000);
    }
    (void)wire_send_bytes(&r->wire, push, n / 2);
    if (rogue_does(r, "half-silence"))
        rogue_linger();
    rogue_end(r);
}
