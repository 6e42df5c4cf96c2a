/* SPDX-License-Identifier: Apache-2.0 */
/* A conn that speaks TLS: the same frames, sealed on their way.
 *
 * Coming in, libuv reads records into a buffer, and TLS decrypts each into the
 * place of the part of a frame that it belongs to.  Going out, frames are
 * encrypted when there is something to be written, BATCH bytes at a time. */
#include "io/conn_impl.h"

#include "base/mem.h"

/* Bytes that are encrypted ahead of the network.  Small enough to stay in the
 * processor's cache until the kernel copies them, large enough to make the
 * system call cheap. */
#define BATCH ((size_t)15 * TLS_MAX_PLAIN)
/* Bytes that are read at once: more take longer, for want of cache. */
#define MAX_READ ((size_t)64 << 10)
/* Both sides need about 450 bytes until they trust each other. */
#define STRANGER_READ ((size_t)1024)

int
conn_set_tls(struct conn *c, struct tls_ctx *ctx, struct err *err)
{
    struct sealed *s = &c->sealed;

    s->tls = tls_new(ctx, err);
    s->waiting.end = &s->waiting.first;
    s->leaving.end = &s->leaving.first;
    s->flight.data = c;
    return s->tls ? 0 : -1;
}

bool
conn_has_greeted(const struct conn *c)
{
    return !c->sealed.tls || c->sealed.greeted;
}

struct tls *
conn_get_tls(struct conn *c)
{
    return c->sealed.tls;
}

/* ---- lists of frames ----------------------------------------------------- */

static void
append(struct send_list *l, struct send *s)
{
    s->next = NULL;
    *l->end = s;
    l->end = &s->next;
}

static struct send *
remove_first(struct send_list *l)
{
    struct send *s = l->first;

    l->first = s->next;
    if (!l->first)
        l->end = &l->first;
    return s;
}

/* Ends all that are in the list now: `done` may send more. */
static void
end_all(struct send_list *l, int status)
{
    struct send *s = l->first, *next;

    l->first = NULL;
    l->end = &l->first;
    for (; s; s = next) {
        next = s->next;
        conn_end_send(s, status);
    }
}

/* ---- out ----------------------------------------------------------------- */

static void
give_up(struct conn *c, const struct err *why)
{
    if (c->phase == PHASE_FLUSH)
        conn_close_now(c);
    else
        conn_fail(c, why);
}

/* The next piece of the first frame: of its header and body, or of its bulk. */
static int
encrypt_piece(struct sealed *s, struct err *err)
{
    struct send *f = s->waiting.first;
    size_t room = BATCH - tls_get_waiting(s->tls), n;
    const uint8_t *from;

    if (f->encrypted < f->copied) {
        from = f->bytes + f->encrypted;
        n = f->copied - f->encrypted;
    } else {
        from = f->bulk + (f->encrypted - f->copied);
        n = f->total - f->encrypted;
    }
    n = n < room ? n : room;
    if (tls_write(s->tls, from, n, err) < 0)
        return -1;
    f->encrypted += n;
    s->unencrypted -= n;
    if (f->encrypted == f->total)
        append(&s->leaving, remove_first(&s->waiting));
    return 0;
}

static void
on_landed(uv_write_t *flight, int status)
{
    struct conn *c = flight->data;
    struct sealed *s = &c->sealed;

    s->in_flight = false;
    if (status == 0) {
        c->sent += s->n_flight;
        end_all(&s->leaving, 0);
        sealed_pump(c);
        return;
    }
    conn_on_write_error(c, status);
    end_all(&s->leaving, -1);
    s->unencrypted = 0;
    end_all(&s->waiting, -1);
}

static int
fly(struct conn *c, struct err *err)
{
    struct sealed *s = &c->sealed;
    uv_buf_t out;
    int rc;

    if (!tls_get_waiting(s->tls))
        return 0;
    /* libuv only reads it. */
    out.base = (char *)(uintptr_t)tls_take(s->tls, &s->n_flight);
    out.len = s->n_flight;
    rc = conn_write(c, &s->flight, &out, 1, on_landed);
    if (rc < 0)
        return err_set(err, ERR_SYS, "send: %s", uv_strerror(rc));
    s->in_flight = true;
    return 0;
}

void
sealed_pump(struct conn *c)
{
    struct sealed *s = &c->sealed;
    struct err e = ERR_INIT;
    bool at_end;

    if (s->in_flight || s->at_end || c->write_error || c->phase == PHASE_CLOSED)
        return;
    while (s->greeted && s->waiting.first && tls_get_waiting(s->tls) < BATCH)
        if (encrypt_piece(s, &e) < 0) {
            give_up(c, &e);
            return;
        }
    at_end = c->phase == PHASE_FLUSH && !s->waiting.first;
    if (at_end)
        tls_end(s->tls);
    if (fly(c, &e) < 0) {
        give_up(c, &e);
        return;
    }
    s->at_end = at_end;
    if (at_end)
        conn_shutdown(c);
}

void
sealed_send(struct conn *c, struct send *f)
{
    append(&c->sealed.waiting, f);
    c->sealed.unencrypted += f->total;
    sealed_pump(c);
}

/* ---- in ------------------------------------------------------------------ */

/* A stranger's bytes are counted before anything looks at them. */
uint8_t *
sealed_get_place(struct conn *c, size_t *n)
{
    struct sealed *s = &c->sealed;
    size_t want = c->trusted ? MAX_READ : STRANGER_READ;
    uint8_t *p;

    if (s->in_cap < want) {
        p = mem_resize(s->in, s->in_cap, want, 1);
        if (!p)
            return NULL;
        s->in = p;
        s->in_cap = want;
    }
    *n = c->trusted ? want : want - (size_t)c->received;
    return s->in;
}

/* 1: went on, 0: needs more of the peer, -1: err. */
static int
take_some(struct conn *c, struct err *err)
{
    struct sealed *s = &c->sealed;
    size_t n, got = 0;
    uint8_t *to;
    int rc;

    if (!s->greeted) {
        rc = tls_greet(s->tls, err);
        s->greeted = rc == 1;
        if (rc >= 0) /* a stranger is not told why he failed */
            sealed_pump(c);
        return rc;
    }
    to = conn_get_place(c, &n);
    rc = tls_read(s->tls, to, n, &got, err);
    if (rc == 1)
        conn_take(c, to, got);
    return rc;
}

void
sealed_take(struct conn *c, const void *p, size_t n)
{
    struct sealed *s = &c->sealed;
    struct err e = ERR_INIT;
    int rc = 1;

    if (n && c->received == n && *(const uint8_t *)p != 22) /* handshake */
        rc = err_set(&e, ERR_PROTO, "peer does not speak TLS");
    tls_feed(s->tls, p, n);
    while (rc == 1 && c->phase < PHASE_FLUSH)
        rc = take_some(c, &e);
    if (c->phase >= PHASE_FLUSH)
        return;
    if (rc == 0 && !c->trusted && c->received == STRANGER_READ)
        rc = err_set(&e, ERR_PROTO, "more than %zu bytes before authentication",
                     STRANGER_READ);
    if (rc < 0)
        conn_fail(c, &e);
    else if (tls_is_ended(s->tls))
        conn_on_end(c, UV_EOF);
    else
        sealed_pump(c); /* what TLS itself has to answer */
}

/* ---- end ----------------------------------------------------------------- */

/* The peer shall know that nothing was cut off, or why it was: unless a write
 * is in flight, after which nothing can be put without waiting. */
void
sealed_close(struct conn *c)
{
    struct sealed *s = &c->sealed;
    uv_buf_t out;
    size_t n;

    if (!c->trusted || s->in_flight || s->at_end || c->write_error ||
        shaped_is_busy(c))
        return;
    if (!s->waiting.first)
        tls_end(s->tls);
    if (!tls_get_waiting(s->tls))
        return;
    out.base = (char *)(uintptr_t)tls_take(s->tls, &n);
    out.len = n;
    (void)uv_try_write((uv_stream_t *)&c->tcp, &out, 1);
}

void
sealed_release(struct conn *c)
{
    struct sealed *s = &c->sealed;

    if (!s->tls)
        return;
    end_all(&s->leaving, -1);
    end_all(&s->waiting, -1);
    tls_free(s->tls);
    mem_free(s->in);
}
