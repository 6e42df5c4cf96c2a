/* SPDX-License-Identifier: Apache-2.0 */
/* A conn with an emulated link (io/link.h) between its frames and its socket.
 *
 * Each direction is a line of chunks, each due at a time.  Going out, bytes of
 * a write are copied onto the line as far as a window allows, which is when the
 * write counts as done, as with the buffer of a socket; a chunk is written when
 * it is due.  Coming in, what the socket gives is put on the line, until a
 * window is full, and taken when it is due. */
#include "io/conn_impl.h"

#include "base/clock.h"
#include "base/mem.h"
#include "io/link.h"

#include <string.h>

/* Of libuv's timers: what is due within a tick is one chunk. */
#define TICK_NS    (NS_PER_S / 1000)
#define MIN_WINDOW 65536.0
#define MAX_WINDOW ((size_t)16 << 20)
#define MAX_CHUNK  ((size_t)256 << 10)
#define READ_BYTES ((size_t)64 << 10)

struct chunk {
    uv_write_t req; /* of one that goes out */
    struct chunk *next;
    int64_t due_ns;
    size_t n;
    uint8_t bytes[];
};

struct line {
    struct link link;
    struct chunk *first, **end;
    size_t n_bytes;
};

/* A write of which not everything is on the line. */
struct parcel {
    uv_write_t *req;
    uv_write_cb cb;
    uv_buf_t part[2];
    struct parcel *next;
};

struct shaped {
    uv_timer_t timer;
    struct line out, in;
    struct parcel *first, **end; /* waiting for the window */
    size_t n_waiting;            /* their bytes */
    bool paused;                 /* the window of what comes in is full */
    bool shut;                   /* when all is out the sending half ends */
    int status;                  /* why nothing more comes in: 0, UV_EOF, ... */
    uint8_t scratch[READ_BYTES];
};

/* ---- lines --------------------------------------------------------------- */

/* Bytes that may be on a line: twice what it takes to keep it busy, as the
 * buffers of a kernel allow. */
static size_t
get_window(const struct line *l)
{
    const struct link_spec *s = &l->link.spec;
    double trip_s = 2.0 * (double)s->delay_ns / (double)NS_PER_S, w;

    if (!(s->bytes_per_s > 0))
        return MAX_WINDOW;
    w = MIN_WINDOW + 2.0 * s->bytes_per_s * trip_s;
    return w < (double)MAX_WINDOW ? (size_t)w : MAX_WINDOW;
}

static int
add_chunk(struct line *l, const uint8_t *p, size_t n, int64_t due_ns)
{
    struct chunk *k = mem_alloc(1, sizeof *k + n);

    if (!k)
        return -1;
    k->due_ns = due_ns;
    k->n = n;
    memcpy(k->bytes, p, n);
    *l->end = k;
    l->end = &k->next;
    l->n_bytes += n;
    return 0;
}

/* Puts n bytes on the line, with so many behind them that are not. */
static int
add(struct line *l, const uint8_t *p, size_t n, size_t behind)
{
    int64_t now = clock_now_ns(), first = 0, last = 0;
    size_t begin = 0, at = 0;

    while (at < n) {
        size_t len = n - at < LINK_SEGMENT ? n - at : LINK_SEGMENT;
        int64_t due = link_pass(&l->link, len, n - at - len + behind, now);

        if (at > begin &&
            (due - first > TICK_NS || at + len - begin > MAX_CHUNK)) {
            if (add_chunk(l, p + begin, at - begin, last) < 0)
                return -1;
            begin = at;
        }
        if (at == begin)
            first = due;
        last = due;
        at += len;
    }
    return n > begin ? add_chunk(l, p + begin, n - begin, last) : 0;
}

/* The first chunk when it is due, half a tick early or late. */
static struct chunk *
take_due(struct line *l, int64_t now)
{
    struct chunk *k = l->first;

    if (!k || k->due_ns > now + TICK_NS / 2)
        return NULL;
    l->first = k->next;
    if (!l->first)
        l->end = &l->first;
    l->n_bytes -= k->n;
    return k;
}

static void
line_release(struct line *l)
{
    while (l->first) {
        struct chunk *k = l->first;

        l->first = k->next;
        mem_free(k);
    }
}

/* ---- out ----------------------------------------------------------------- */

static void
fail(struct conn *c)
{
    struct err e = ERR_INIT;

    err_nomem(&e);
    if (c->phase == PHASE_FLUSH)
        conn_close_now(c);
    else
        conn_fail(c, &e);
}

static void
end_parcel(struct shaped *s, int status)
{
    struct parcel *p = s->first;

    s->first = p->next;
    if (!s->first)
        s->end = &s->first;
    s->n_waiting -= p->part[0].len + p->part[1].len;
    p->cb(p->req, status);
    mem_free(p);
}

/* As much of the first write as the window allows. */
static int
load(struct shaped *s)
{
    struct parcel *p = s->first;
    size_t window = get_window(&s->out);

    for (int i = 0; i < 2; i++) {
        uv_buf_t *b = &p->part[i];
        size_t room = window > s->out.n_bytes ? window - s->out.n_bytes : 0;
        size_t n = b->len < room ? b->len : room;

        if (n == 0)
            continue;
        if (add(&s->out, (const uint8_t *)b->base, n, s->n_waiting - n) < 0)
            return -1;
        b->base += n;
        b->len -= n;
        s->n_waiting -= n;
    }
    if (p->part[0].len + p->part[1].len == 0)
        end_parcel(s, 0);
    return 0;
}

static void
on_out(uv_write_t *req, int status)
{
    struct conn *c = req->data;

    if (status < 0)
        conn_on_write_error(c, status);
    mem_free(req); /* it is the chunk's first member */
}

static void
write_chunk(struct conn *c, struct chunk *k)
{
    uv_buf_t b = {.base = (char *)k->bytes, .len = k->n};
    int rc;

    k->req.data = c;
    rc = uv_write(&k->req, (uv_stream_t *)&c->tcp, &b, 1, on_out);
    if (rc < 0) {
        conn_on_write_error(c, rc);
        mem_free(k);
    }
}

/* What is due goes out, and what waits goes on the line. */
static void
pump_out(struct conn *c)
{
    struct shaped *s = c->shaped;
    struct chunk *k;

    while (c->phase != PHASE_CLOSED) {
        if (s->first && c->write_error) {
            end_parcel(s, c->write_error);
        } else if (s->first && s->out.n_bytes < get_window(&s->out)) {
            if (load(s) < 0) {
                fail(c);
                return;
            }
        } else if ((k = take_due(&s->out, clock_now_ns())) != NULL) {
            write_chunk(c, k);
        } else {
            break;
        }
    }
    if (s->shut && !shaped_is_busy(c) && c->phase != PHASE_CLOSED) {
        s->shut = false;
        conn_shutdown(c);
    }
}

static void set_timer(struct conn *c);

int
conn_write(struct conn *c, uv_write_t *req, const uv_buf_t *part, unsigned n,
           uv_write_cb cb)
{
    struct shaped *s = c->shaped;
    struct parcel *p;

    if (!s)
        return uv_write(req, (uv_stream_t *)&c->tcp, part, n, cb);
    p = mem_alloc(1, sizeof *p);
    if (!p)
        return UV_ENOMEM;
    p->req = req;
    p->cb = cb;
    for (unsigned i = 0; i < n; i++) {
        p->part[i] = part[i];
        s->n_waiting += part[i].len;
    }
    *s->end = p;
    s->end = &p->next;
    set_timer(c); /* cb is never called from here */
    return 0;
}

/* ---- in ------------------------------------------------------------------ */

uint8_t *
shaped_get_place(struct conn *c, size_t *n)
{
    *n = READ_BYTES;
    return c->shaped->scratch;
}

void
shaped_take(struct conn *c, const void *p, size_t n)
{
    struct shaped *s = c->shaped;

    if (add(&s->in, p, n, 0) < 0) {
        fail(c);
        return;
    }
    if (s->in.n_bytes >= get_window(&s->in)) {
        s->paused = true;
        uv_read_stop((uv_stream_t *)&c->tcp);
    }
    set_timer(c);
}

void
shaped_end(struct conn *c, int status)
{
    c->shaped->status = status;
    uv_read_stop((uv_stream_t *)&c->tcp);
    set_timer(c);
}

static void
pump_in(struct conn *c)
{
    struct shaped *s = c->shaped;
    struct chunk *k;

    while (c->phase < PHASE_FLUSH && (k = take_due(&s->in, clock_now_ns()))) {
        conn_take_all(c, k->bytes, k->n);
        mem_free(k);
    }
    if (c->phase >= PHASE_FLUSH)
        return;
    if (s->status && !s->in.first) {
        conn_on_end(c, s->status);
    } else if (s->paused && s->in.n_bytes < get_window(&s->in)) {
        s->paused = false;
        /* It was being read before, so it can be. */
        uv_read_start((uv_stream_t *)&c->tcp, conn_on_alloc, conn_on_read);
    }
}

/* ---- time ---------------------------------------------------------------- */

static void
on_timer(uv_timer_t *timer)
{
    struct conn *c = timer->data;

    pump_in(c);
    pump_out(c);
    set_timer(c);
}

/* At once when something can be done now, else when the next chunk is due. */
static void
set_timer(struct conn *c)
{
    struct shaped *s = c->shaped;
    int64_t now = clock_now_ns(), due = INT64_MAX;

    if (c->phase == PHASE_CLOSED)
        return;
    if (s->in.first && c->phase < PHASE_FLUSH)
        due = s->in.first->due_ns;
    if (s->out.first && s->out.first->due_ns < due)
        due = s->out.first->due_ns;
    if ((s->first &&
         (c->write_error || s->out.n_bytes < get_window(&s->out))) ||
        (s->status && !s->in.first && c->phase < PHASE_FLUSH))
        due = now;
    if (due == INT64_MAX)
        uv_timer_stop(&s->timer);
    else
        uv_timer_start(
            &s->timer, on_timer,
            due > now ? (uint64_t)((due - now + TICK_NS / 2) / TICK_NS) : 0, 0);
}

/* ---- life ---------------------------------------------------------------- */

int
conn_set_link(struct conn *c, const struct link_spec *spec, uint64_t seed,
              struct err *err)
{
    struct shaped *s = c->shaped;

    if (s) {
        s->out.link.spec = s->in.link.spec = *spec;
        set_timer(c); /* its window may have grown */
        return 0;
    }
    if (link_is_none(spec) || c->phase >= PHASE_FLUSH)
        return 0;
    s = mem_alloc(1, sizeof *s);
    if (!s)
        return err_nomem(err);
    link_init(&s->out.link, spec, seed, 0);
    link_init(&s->in.link, spec, seed, 1);
    s->out.end = &s->out.first;
    s->in.end = &s->in.first;
    s->end = &s->first;
    uv_timer_init(c->tcp.loop, &s->timer);
    s->timer.data = c;
    c->n_handles++;
    c->shaped = s;
    return 0;
}

bool
conn_has_link(const struct conn *c)
{
    return c->shaped && !link_is_none(&c->shaped->out.link.spec);
}

bool
shaped_is_busy(const struct conn *c)
{
    return c->shaped && (c->shaped->first || c->shaped->out.first);
}

size_t
shaped_get_queued(const struct conn *c)
{
    return c->shaped ? c->shaped->n_waiting + c->shaped->out.n_bytes : 0;
}

bool
shaped_shutdown(struct conn *c)
{
    if (!shaped_is_busy(c))
        return false;
    c->shaped->shut = true;
    return true;
}

void
shaped_flush(struct conn *c)
{
    struct shaped *s = c->shaped;

    if (!s)
        return;
    c->eof |= s->status != 0;
    if (s->paused && !s->status)
        uv_read_start((uv_stream_t *)&c->tcp, conn_on_alloc, conn_on_read);
    s->paused = false;
}

void
shaped_close(struct conn *c, uv_close_cb on_closed)
{
    if (c->shaped)
        uv_close((uv_handle_t *)&c->shaped->timer, on_closed);
}

void
shaped_release(struct conn *c)
{
    struct shaped *s = c->shaped;

    if (!s)
        return;
    while (s->first)
        end_parcel(s, UV_ECANCELED);
    line_release(&s->out);
    line_release(&s->in);
    mem_free(s);
    c->shaped = NULL;
}
