/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/msg.h"

#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/rd.h"
#include "ebsp/policy.h"

#include <inttypes.h>
#include <math.h>
#include <stdbool.h>
#include <string.h>

#define CURSOR_BYTES 20 /* epoch, shard, first, count */

static const char *const names[] = {
    [MSG_CHALLENGE] = "CHALLENGE",
    [MSG_HELLO] = "HELLO",
    [MSG_WELCOME] = "WELCOME",
    [MSG_READY] = "READY",
    [MSG_ORDER] = "ORDER",
    [MSG_PUSH] = "PUSH",
    [MSG_BEAT] = "BEAT",
    [MSG_STOP] = "STOP",
    [MSG_BYE] = "BYE",
    [MSG_ERROR] = "ERROR",
    [MSG_FETCH] = "FETCH",
    [MSG_DATA] = "DATA",
    [MSG_PIECE] = "PIECE",
    [MSG_EMULATE] = "EMULATE",
    [MSG_SERVE] = "SERVE",
    [MSG_SERVING] = "SERVING",
    [MSG_SERVERS] = "SERVERS",
    [MSG_COMMAND] = "COMMAND",
    [MSG_HAVE] = "HAVE",
    [MSG_OPEN] = "OPEN",
};

const char *
msg_name(uint16_t type)
{
    if (type < ARRAY_LEN(names) && names[type])
        return names[type];
    return "?";
}

/* ---- encoding ------------------------------------------------------------ */

static bool
is_printable(char c)
{
    return c >= ' ' && c <= '~';
}

/* Peers refuse text that could play with a terminal, so none is sent. */
static void
put_text(struct buf *b, const char *text, size_t cap)
{
    size_t n = strnlen(text, cap - 1);

    buf_u32(b, (uint32_t)n);
    for (size_t i = 0; i < n; i++)
        buf_u8(b, (uint8_t)(is_printable(text[i]) ? text[i] : '?'));
}

void
msg_put_challenge(struct buf *b, const struct msg_challenge *m)
{
    buf_add(b, m->nonce, sizeof m->nonce);
}

void
msg_put_hello(struct buf *b, const struct msg_hello *m)
{
    buf_u32(b, m->rank);
    buf_u32(b, m->life);
    buf_add(b, m->nonce, sizeof m->nonce);
    buf_add(b, m->proof, sizeof m->proof);
    put_text(b, m->host, sizeof m->host);
    buf_u64(b, m->pid);
}

void
msg_put_welcome(struct buf *b, const struct msg_welcome *m)
{
    buf_add(b, m->proof, sizeof m->proof);
}

void
msg_put_ready(struct buf *b, const struct msg_ready *m)
{
    buf_u64(b, m->segments_hash);
    buf_u64(b, m->n_floats);
    buf_u64(b, m->data_hash);
    buf_i64(b, m->setup_ns);
}

void
msg_put_order(struct buf *b, const struct msg_order *m)
{
    buf_u64(b, m->iteration);
    buf_u64(b, m->version);
    buf_u32(b, m->flags);
    buf_u32(b, m->contribution);
    buf_u32(b, m->slot);
    buf_f64(b, m->lr);
    buf_i64(b, m->held_ns);
    buf_u32(b, m->n_steps);
    for (uint32_t i = 0; i < m->n_steps; i++) {
        buf_u32(b, m->step[i].epoch);
        buf_u32(b, m->step[i].shard);
        buf_u64(b, m->step[i].first);
        buf_u32(b, m->step[i].count);
    }
}

void
msg_put_push(struct buf *b, const struct msg_push *m)
{
    buf_u64(b, m->iteration);
    buf_u64(b, m->version);
    buf_u64(b, m->samples);
    buf_u64(b, m->correct);
    buf_u32(b, m->n_steps);
    buf_u32(b, m->flags);
    buf_f64(b, m->loss);
    buf_f64(b, m->norm);
    buf_i64(b, m->data_ns);
    buf_i64(b, m->compute_ns);
    buf_i64(b, m->push_ns);
    buf_i64(b, m->wait_ns);
    buf_i64(b, m->pull_ns);
    buf_i64(b, m->push_hidden_ns);
    buf_i64(b, m->pull_hidden_ns);
    buf_u32(b, m->factor);
}

void
msg_put_piece(struct buf *b, const struct msg_piece *m)
{
    buf_u64(b, m->iteration);
    buf_u64(b, m->first);
    buf_u64(b, m->count);
}

void
msg_put_bye(struct buf *b, const struct msg_bye *m)
{
    buf_u64(b, m->iterations);
    buf_i64(b, m->wall_ns);
    buf_i64(b, m->data_ns);
    buf_i64(b, m->compute_ns);
    buf_i64(b, m->push_ns);
    buf_i64(b, m->wait_ns);
    buf_i64(b, m->pull_ns);
    buf_i64(b, m->push_hidden_ns);
    buf_i64(b, m->pull_hidden_ns);
}

void
msg_put_error(struct buf *b, const struct msg_error *m)
{
    buf_u32(b, m->code);
    put_text(b, m->text, sizeof m->text);
}

void
msg_put_fetch(struct buf *b, const struct msg_fetch *m)
{
    buf_u64(b, m->data_hash);
    buf_u64(b, m->offset);
}

void
msg_put_data(struct buf *b, const struct msg_data *m)
{
    buf_u64(b, m->offset);
    buf_u64(b, m->total);
}

/* ---- decoding ------------------------------------------------------------ */

/* Fields in their order, each checked as it is read; the first one that is
 * wrong fills err, and what follows changes nothing. */
struct in {
    struct rd r;
    uint16_t type;
    struct err *err;
    bool bad;
};

static struct in
in_init(uint16_t type, const void *p, size_t n, struct err *err)
{
    struct in in = {.type = type, .err = err};

    rd_init(&in.r, p, n);
    return in;
}

/* Fields past the end read as zero: not this field's fault, in_end says so. */
static bool
in_wrong(struct in *in, bool wrong)
{
    if (!wrong || in->bad || in->r.bad)
        return false;
    in->bad = true;
    return true;
}

static uint64_t
in_range(struct in *in, const char *field, uint64_t v, uint64_t min,
         uint64_t max)
{
    if (in_wrong(in, v < min || v > max))
        err_set(in->err, ERR_PROTO,
                "%s: %s is %" PRIu64 ", expected %" PRIu64 " to %" PRIu64,
                msg_name(in->type), field, v, min, max);
    return v;
}

static uint32_t
in_u32(struct in *in, const char *field, uint32_t min, uint32_t max)
{
    return (uint32_t)in_range(in, field, rd_u32(&in->r), min, max);
}

static uint64_t
in_u64(struct in *in, const char *field, uint64_t min, uint64_t max)
{
    return in_range(in, field, rd_u64(&in->r), min, max);
}

static int64_t
in_time(struct in *in, const char *field)
{
    int64_t v = rd_i64(&in->r);

    if (in_wrong(in, v < 0))
        err_set(in->err, ERR_PROTO, "%s: %s is %" PRId64 ", expected a time",
                msg_name(in->type), field, v);
    return v;
}

static void
in_text(struct in *in, const char *field, char *to, size_t cap)
{
    bool wrong = false;

    rd_str(&in->r, to, cap);
    for (size_t i = 0; to[i]; i++)
        wrong |= !is_printable(to[i]);
    if (in_wrong(in, wrong))
        err_set(in->err, ERR_PROTO, "%s: %s is not printable ASCII",
                msg_name(in->type), field);
}

/* Everything was read, nothing is left and every field was right. */
static int
in_end(struct in *in)
{
    if (in->bad)
        return -1;
    if (!rd_done(&in->r))
        return err_set(in->err, ERR_PROTO, "%s: body is too %s",
                       msg_name(in->type), in->r.bad ? "short" : "long");
    return 0;
}

int
msg_get_challenge(struct msg_challenge *m, const void *p, size_t n,
                  struct err *err)
{
    struct in in = in_init(MSG_CHALLENGE, p, n, err);

    rd_bytes(&in.r, m->nonce, sizeof m->nonce);
    return in_end(&in);
}

int
msg_get_hello(struct msg_hello *m, const void *p, size_t n, struct err *err)
{
    struct in in = in_init(MSG_HELLO, p, n, err);

    m->rank = rd_u32(&in.r);
    m->life = rd_u32(&in.r);
    rd_bytes(&in.r, m->nonce, sizeof m->nonce);
    rd_bytes(&in.r, m->proof, sizeof m->proof);
    in_text(&in, "host", m->host, sizeof m->host);
    m->pid = rd_u64(&in.r);
    return in_end(&in);
}

int
msg_get_welcome(struct msg_welcome *m, const void *p, size_t n, struct err *err)
{
    struct in in = in_init(MSG_WELCOME, p, n, err);

    rd_bytes(&in.r, m->proof, sizeof m->proof);
    return in_end(&in);
}

int
msg_get_ready(struct msg_ready *m, const void *p, size_t n, struct err *err)
{
    struct in in = in_init(MSG_READY, p, n, err);

    m->segments_hash = rd_u64(&in.r);
    m->n_floats = in_u64(&in, "n_floats", 1, FRAME_MAX_BULK / sizeof(float));
    m->data_hash = rd_u64(&in.r);
    m->setup_ns = in_time(&in, "setup_ns");
    return in_end(&in);
}

/* Exactly m->n_steps cursors are left to be read. */
static int
get_steps(struct in *in, struct msg_order *m)
{
    m->step = mem_alloc(m->n_steps, sizeof *m->step);
    if (!m->step)
        return err_nomem(in->err);
    for (uint32_t i = 0; i < m->n_steps; i++) {
        struct msg_cursor *c = &m->step[i];

        c->epoch = rd_u32(&in->r);
        c->shard = rd_u32(&in->r);
        c->first = rd_u64(&in->r);
        c->count = in_u32(in, "count of a step", 1, UINT32_MAX);
        in_range(in, "first sample of a step", c->first, 0,
                 UINT64_MAX - c->count);
    }
    return in_end(in);
}

int
msg_get_order(struct msg_order *m, const void *p, size_t n, struct err *err)
{
    struct in in = in_init(MSG_ORDER, p, n, err);

    *m = (struct msg_order){0};
    m->iteration = in_u64(&in, "iteration", 1, UINT64_MAX);
    m->version = rd_u64(&in.r);
    m->flags = rd_u32(&in.r);
    if (in_wrong(&in,
                 m->flags & ~(uint32_t)(MSG_ORDER_PARAMS | MSG_ORDER_SHARED |
                                        MSG_ORDER_PIECES | MSG_ORDER_SERVED)))
        err_set(err, ERR_PROTO, "ORDER: unknown bits in flags %#" PRIx32,
                m->flags);
    m->contribution = in_u32(&in, "contribution", 0, EBSP_PUSH_MODEL);
    m->slot = rd_u32(&in.r);
    m->lr = rd_f64(&in.r);
    if (in_wrong(&in, !isfinite(m->lr) || m->lr < 0))
        err_set(err, ERR_PROTO, "ORDER: lr is %g, expected at least 0", m->lr);
    m->held_ns = in_time(&in, "held_ns");
    m->n_steps = in_u32(&in, "n_steps", 1, WIRE_MAX_STEPS);
    /* Nothing is allocated for steps that are not there. */
    if (!in.bad && !in.r.bad &&
        (size_t)(in.r.end - in.r.p) == (size_t)m->n_steps * CURSOR_BYTES) {
        if (get_steps(&in, m) == 0)
            return 0;
        msg_order_release(m);
        return -1;
    }
    if (!in.bad && !in.r.bad)
        return err_set(err, ERR_PROTO,
                       "ORDER: n_steps is %" PRIu32
                       ", but %td bytes of steps follow",
                       m->n_steps, in.r.end - in.r.p);
    return in_end(&in);
}

void
msg_order_release(struct msg_order *m)
{
    mem_free(m->step);
    m->step = NULL;
    m->n_steps = 0;
}

int
msg_get_push(struct msg_push *m, const void *p, size_t n, struct err *err)
{
    struct in in = in_init(MSG_PUSH, p, n, err);

    m->iteration = in_u64(&in, "iteration", 1, UINT64_MAX);
    m->version = rd_u64(&in.r);
    m->samples = in_u64(&in, "samples", 1, INT64_MAX);
    m->correct = in_u64(&in, "correct", 0, m->samples);
    m->n_steps = in_u32(&in, "n_steps", 1, WIRE_MAX_STEPS);
    m->flags = in_u32(&in, "flags", 0, MSG_PUSH_SERVED);
    m->loss = rd_f64(&in.r); /* whatever came out of the network */
    m->norm = rd_f64(&in.r);
    if (in_wrong(&in, m->norm < 0))
        err_set(err, ERR_PROTO, "PUSH: norm is %g, expected at least 0",
                m->norm);
    m->data_ns = in_time(&in, "data_ns");
    m->compute_ns = in_time(&in, "compute_ns");
    m->push_ns = in_time(&in, "push_ns");
    m->wait_ns = in_time(&in, "wait_ns");
    m->pull_ns = in_time(&in, "pull_ns");
    m->push_hidden_ns = in_time(&in, "push_hidden_ns");
    m->pull_hidden_ns = in_time(&in, "pull_hidden_ns");
    m->factor = rd_u32(&in.r);
    return in_end(&in);
}

int
msg_get_piece(struct msg_piece *m, const void *p, size_t n, struct err *err)
{
    struct in in = in_init(MSG_PIECE, p, n, err);

    m->iteration = in_u64(&in, "iteration", 1, UINT64_MAX);
    m->first = in_u64(&in, "first", 0, FRAME_MAX_BULK / sizeof(float));
    m->count = in_u64(&in, "count", 1, FRAME_MAX_BULK / sizeof(float));
    return in_end(&in);
}

int
msg_get_bye(struct msg_bye *m, const void *p, size_t n, struct err *err)
{
    struct in in = in_init(MSG_BYE, p, n, err);

    m->iterations = rd_u64(&in.r);
    m->wall_ns = in_time(&in, "wall_ns");
    m->data_ns = in_time(&in, "data_ns");
    m->compute_ns = in_time(&in, "compute_ns");
    m->push_ns = in_time(&in, "push_ns");
    m->wait_ns = in_time(&in, "wait_ns");
    m->pull_ns = in_time(&in, "pull_ns");
    m->push_hidden_ns = in_time(&in, "push_hidden_ns");
    m->pull_hidden_ns = in_time(&in, "pull_hidden_ns");
    return in_end(&in);
}

static bool
is_code(uint32_t code)
{
    return (code >= ERR_FAIL && code <= ERR_TARGET) || code == ERR_BUG;
}

int
msg_get_error(struct msg_error *m, const void *p, size_t n, struct err *err)
{
    struct in in = in_init(MSG_ERROR, p, n, err);

    m->code = rd_u32(&in.r);
    if (in_wrong(&in, !is_code(m->code)))
        err_set(err, ERR_PROTO, "ERROR: code %" PRIu32 " is unknown", m->code);
    in_text(&in, "text", m->text, sizeof m->text);
    return in_end(&in);
}

int
msg_get_fetch(struct msg_fetch *m, const void *p, size_t n, struct err *err)
{
    struct in in = in_init(MSG_FETCH, p, n, err);

    m->data_hash = rd_u64(&in.r);
    m->offset = in_u64(&in, "offset", 0, FRAME_MAX_BULK);
    in_range(&in, "rest of the offset by 4", m->offset % 4, 0, 0);
    return in_end(&in);
}

int
msg_get_data(struct msg_data *m, const void *p, size_t n, struct err *err)
{
    struct in in = in_init(MSG_DATA, p, n, err);

    m->offset = rd_u64(&in.r);
    m->total = in_u64(&in, "total", 1, FRAME_MAX_BULK * 2);
    in_range(&in, "offset", m->offset, 0, m->total - 1);
    return in_end(&in);
}
