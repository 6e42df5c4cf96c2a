/* SPDX-License-Identifier: Apache-2.0 */
#include "relay_pipe.h"

#include "base/clock.h"
#include "base/mem.h"
#include "base/rng.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define CHUNK      16384
#define SEGMENT    1448 /* what TCP puts into one packet of Ethernet */
#define BLOCK      1024 /* noise hits each with the same probability */
#define MAX_QUEUE  ((size_t)256 << 10)
#define MAX_RECORD ((uint64_t)1 << 20)
#define NS_PER_MS  1e6

struct piece {
    struct piece *next;
    int64_t due_ns;
    const struct rule *event; /* NULL: bytes */
    size_t n, sent;
    uint8_t data[];
};

/* How the end of a stream, and its violent end, travel through the queue. */
static const struct rule end_of_stream = {.act = RULE_HALF};
static const struct rule was_reset = {.act = RULE_RESET};

void
pipe_init(struct pipe *p, const struct settings *set, uint64_t seed,
          int64_t now)
{
    memset(p, 0, sizeof *p);
    p->from = p->to = -1;
    p->set = set;
    p->seed = seed;
    p->start_ns = now;
    p->last = &p->first;
}

static void
drop_first(struct pipe *p)
{
    struct piece *q = p->first;

    p->first = q->next;
    if (!p->first)
        p->last = &p->first;
    p->queued -= q->n;
    mem_free(q);
}

void
pipe_release(struct pipe *p)
{
    while (p->first)
        drop_first(p);
    if (p->record)
        fclose(p->record);
}

/* A number in [0, 1) that belongs to a place in the stream, however the bytes
 * are cut into reads. */
static double
chance(const struct pipe *p, uint64_t what, uint64_t place)
{
    return (double)(rng_hash(p->seed, what, place) >> 11) * 0x1p-53;
}

static void
enqueue(struct pipe *p, const struct rule *event, const void *data, size_t n,
        int64_t due)
{
    struct piece *q = mem_alloc(1, sizeof *q + n);

    if (!q)
        abort(); /* a test without memory has no result */
    q->event = event;
    q->n = n;
    if (n > 0)
        memcpy(q->data, data, n);
    p->last_due_ns = q->due_ns = due > p->last_due_ns ? due : p->last_due_ns;
    *p->last = q;
    p->last = &q->next;
    p->queued += n;
}

static void
enqueue_event(struct pipe *p, const struct rule *event, int64_t now)
{
    enqueue(p, event, NULL, 0, now + (int64_t)(p->set->delay_ms * NS_PER_MS));
}

/* When the bytes [at, at + n) of the stream arrive on the other side. */
static int64_t
due_of(struct pipe *p, uint64_t at, size_t n, int64_t now)
{
    const struct settings *s = p->set;
    double ms = s->delay_ms + s->jitter_ms * chance(p, 'j', at);

    if (p->line_free < now)
        p->line_free = now;
    if (s->rate > 0)
        p->line_free += (int64_t)((double)n / s->rate * 1e9);
    for (uint64_t i = (at + SEGMENT - 1) / SEGMENT; i * SEGMENT < at + n; i++)
        if (chance(p, 'l', i) < s->loss)
            ms += s->loss_ms;
    return p->line_free + (int64_t)(ms * NS_PER_MS);
}

static void
send_on(struct pipe *p, const uint8_t *data, size_t n, uint64_t at, int64_t now)
{
    while (n > 0 && !p->deaf) {
        /* A slow line passes packets, not lumps. */
        size_t k = p->set->rate > 0 && n > SEGMENT ? SEGMENT : n;

        enqueue(p, NULL, data, k, due_of(p, at, k, now));
        data += k;
        at += k;
        n -= k;
    }
}

/* The next n bytes of the stream, between two places where something is to
 * happen. */
static void
pass(struct pipe *p, uint8_t *data, size_t n, int64_t now)
{
    size_t lost = p->skip < n ? (size_t)p->skip : n;
    uint64_t at = p->in;

    if (n > 0) {
        *data ^= p->flip;
        p->flip = 0;
    }
    for (uint64_t b = at / BLOCK; b * BLOCK < at + n; b++) {
        uint64_t bit = rng_hash(p->seed, 'b', b) % (BLOCK * 8);
        uint64_t place = b * BLOCK + bit / 8;

        if (place >= at && place < at + n && chance(p, 'n', b) < p->set->noise)
            data[place - at] ^= (uint8_t)(1 << bit % 8);
    }
    for (size_t i = 0; i < n; i++)
        p->past[(at + i) % sizeof p->past] = data[i];
    p->in += n;
    p->skip -= lost;
    send_on(p, data + lost, n - lost, at + lost, now);
}

static void
replay(struct pipe *p, size_t n, int64_t now)
{
    uint64_t from = p->in > n ? p->in - n : 0;
    uint8_t again[SEGMENT];

    while (from < p->in) {
        size_t k = 0;

        while (k < sizeof again && from + k < p->in) {
            again[k] = p->past[(from + k) % sizeof p->past];
            k++;
        }
        send_on(p, again, k, from, now);
        from += k;
    }
}

static void
stop_hearing(struct pipe *p)
{
    while (p->first)
        drop_first(p);
    p->deaf = true;
}

static void
say(const struct pipe *p, const struct rule *r)
{
    printf("%s %s %g at %llu\n", p->name, rule_name(r->act), r->number[0],
           (unsigned long long)(r->when == RULE_AT ? r->where : p->in));
}

enum fate
pipe_do(struct pipe *p, const struct rule *r, int64_t now)
{
    if (r != &end_of_stream && r != &was_reset)
        say(p, r);
    switch (r->act) {
    case RULE_RESET:
        return FATE_RESET;
    case RULE_CLOSE:
        return FATE_CLOSE;
    case RULE_HALF:
        if (!p->ended)
            (void)shutdown(p->to, SHUT_WR);
        p->ended = true;
        stop_hearing(p);
        break;
    case RULE_STALL:
        p->stalled_until = r->number[0] > 0
                               ? now + (int64_t)(r->number[0] * NS_PER_MS)
                               : PIPE_NEVER;
        p->stalled_by = r->when == RULE_NOW ? NULL : r;
        return r->direction[0] && r->direction[1] ? FATE_STALL : FATE_GOES_ON;
    case RULE_RESUME:
        p->stalled_until = 0;
        break;
    case RULE_CORRUPT:
        p->flip = (uint8_t)(1 << (int)r->number[0]);
        break;
    case RULE_SKIP:
        p->skip += (uint64_t)r->number[0];
        break;
    case RULE_REPLAY:
        replay(p, (size_t)r->number[0], now);
        break;
    default:
        break;
    }
    return FATE_GOES_ON;
}

/* The first rule of those not yet fired whose place is in the next n bytes. */
static size_t
find_place(const struct pipe *p, const struct rule *const rules[],
           size_t n_rules, size_t n)
{
    size_t best = n_rules;

    for (size_t i = 0; i < n_rules; i++)
        if (rules[i] && rules[i]->when == RULE_AT && !(p->fired >> i & 1) &&
            rules[i]->where >= p->in && rules[i]->where - p->in < n &&
            (best == n_rules || rules[i]->where < rules[best]->where))
            best = i;
    return best;
}

/* What changes the bytes is done as they come; everything else takes its turn
 * in the queue, behind the bytes before it. */
static void
fire(struct pipe *p, const struct rule *r, int64_t now)
{
    if (r->act == RULE_CORRUPT || r->act == RULE_SKIP || r->act == RULE_REPLAY)
        (void)pipe_do(p, r, now);
    else
        enqueue_event(p, r, now);
}

void
pipe_read(struct pipe *p, const struct rule *const rules[], size_t n_rules,
          int64_t now)
{
    uint8_t chunk[CHUNK], *from = chunk;
    ssize_t got = read(p->from, chunk, sizeof chunk);
    size_t n, i;

    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (got <= 0) {
        p->came_to_end = true;
        enqueue_event(p, got < 0 ? &was_reset : &end_of_stream, now);
        return;
    }
    n = (size_t)got;
    if (p->record && p->in < MAX_RECORD)
        (void)fwrite(chunk, 1, n, p->record);
    while (n > 0) {
        size_t k = n;

        i = find_place(p, rules, n_rules, n);
        if (i < n_rules)
            k = (size_t)(rules[i]->where - p->in);
        pass(p, from, k, now);
        from += k;
        n -= k;
        if (i < n_rules) {
            p->fired |= UINT64_C(1) << i;
            fire(p, rules[i], now);
        }
    }
}

enum fate
pipe_write(struct pipe *p, int64_t now)
{
    enum fate f = FATE_GOES_ON;

    while (f == FATE_GOES_ON && pipe_wants_write(p, now)) {
        struct piece *q = p->first;
        ssize_t n;

        if (q->event) {
            const struct rule *event = q->event;

            drop_first(p);
            f = pipe_do(p, event, now);
            continue;
        }
        n = send(p->to, q->data + q->sent, q->n - q->sent, MSG_NOSIGNAL);
        if (n < 0 && (errno == EAGAIN || errno == EINTR))
            break;
        if (n < 0) {
            p->ended = true;
            stop_hearing(p);
            return FATE_LOST;
        }
        q->sent += (size_t)n;
        p->out += (uint64_t)n;
        if (q->sent == q->n)
            drop_first(p);
    }
    return f;
}

void
pipe_stall_like(struct pipe *p, const struct pipe *other)
{
    p->stalled_until = other->stalled_until;
    for (struct piece *q = p->first; q; q = q->next)
        if (q->event && q->event == other->stalled_by)
            q->event = NULL; /* a piece of no bytes */
}

void
pipe_lose(struct pipe *p, int64_t now)
{
    if (p->came_to_end)
        return;
    p->came_to_end = true;
    enqueue_event(p, &was_reset, now);
}

bool
pipe_wants_read(const struct pipe *p)
{
    return !p->came_to_end && p->queued < MAX_QUEUE;
}

bool
pipe_wants_write(const struct pipe *p, int64_t now)
{
    return p->first && p->first->due_ns <= now && p->stalled_until <= now;
}

int64_t
pipe_next(const struct pipe *p)
{
    if (!p->first)
        return PIPE_NEVER;
    return p->first->due_ns > p->stalled_until ? p->first->due_ns
                                               : p->stalled_until;
}
