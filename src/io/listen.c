/* SPDX-License-Identifier: Apache-2.0 */
/* The coordinator's side of the handshake: CHALLENGE, HELLO, WELCOME.
 *
 * A stranger costs little: a place among max_pending, auth_ms of time, one
 * small message (and with TLS a handshake, 1 KiB in all).  When all places are
 * taken, newcomers wait in the kernel's queue, and as long as somebody waits,
 * strangers must leave after a grace already: the oldest one of the address
 * that has most of the places.  The grace is grace_ms, and less when the queue
 * is long: what is in it comes to its turn within 2 * grace_ms or little more,
 * so that whoever fills it can delay a worker, and not keep it out.  A worker's
 * handshake takes a round trip or two; one that is too slow for that comes
 * again, and need not hurry when the others are from elsewhere. */
#include "io/conn.h"

#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/rng.h"
#include "io/addr.h"
#include "io/auth.h"
#include "io/conn_priv.h"
#include "io/crowd.h"
#include "io/loop.h"

#include <string.h>
#include <sys/socket.h>

#define GRACE_MS  1000
#define RETRY_MS  100 /* after running out of memory */
#define NS_PER_MS (NS_PER_S / 1000)

/* A stranger. */
struct pending {
    struct listener *l;
    struct conn *c;
    struct auth_talk talk;
    int64_t start_ns;
    uint64_t source;             /* its address, of IPv6 the network */
    struct pending *prev, *next; /* oldest first */
};

_Static_assert(AUTH_KEY_BYTES == IO_KEY_BYTES, "one key");

struct listener {
    uv_tcp_t tcp;
    uv_timer_t timer;
    int n_handles; /* not yet closed */
    bool closing;
    bool due;                    /* the timer has said so once */
    bool waiting;                /* libuv holds a connection to be accepted */
    struct pending *head, *tail; /* those that may still become a peer */
    uint32_t n_pending;          /* these, and those whose conn is closing */
    struct listener_limits limits;
    struct crowd crowd;
    uint8_t key[AUTH_KEY_BYTES];
    struct tls_ctx *tls; /* NULL: frames are plain */
    const struct listener_handlers *handlers;
    void *ctx;
};

static void admit(struct listener *l);
static void arm(struct listener *l);

/* ---- strangers ----------------------------------------------------------- */

static void
unlink_pending(struct pending *p)
{
    struct listener *l = p->l;

    if (p->prev)
        p->prev->next = p->next;
    else if (l->head == p)
        l->head = p->next;
    else
        return; /* not in the list */
    if (p->next)
        p->next->prev = p->prev;
    else
        l->tail = p->prev;
    p->prev = p->next = NULL;
}

static void
free_if_closed(struct listener *l)
{
    if (l->n_handles || l->n_pending)
        return;
    auth_wipe(l->key, sizeof l->key);
    tls_ctx_free(l->tls);
    mem_free(l);
}

/* Gives the place to the next one. */
static void
end_pending(struct pending *p)
{
    struct listener *l = p->l;

    unlink_pending(p);
    mem_free(p);
    l->n_pending--;
    if (l->closing) {
        free_if_closed(l);
        return;
    }
    admit(l);
    arm(l);
}

static int
on_body(void *ctx, struct conn *c, const struct frame_head *h, const void *body,
        void **bulk, struct err *err)
{
    (void)ctx;
    (void)c;
    (void)body;
    (void)bulk;
    if (h->type != MSG_HELLO)
        return err_set(err, ERR_PROTO, "%s before HELLO", msg_name(h->type));
    return 0;
}

static int
check_hello(struct pending *p, const struct msg_hello *hello, struct err *err)
{
    uint8_t proof[WIRE_PROOF_BYTES];

    p->talk.rank = hello->rank;
    p->talk.life = hello->life;
    memcpy(p->talk.hello, hello->nonce, sizeof p->talk.hello);
    if (auth_prove_hello(p->l->key, &p->talk, proof, err) < 0)
        return -1;
    if (!auth_is_equal(proof, hello->proof))
        return err_set(err, ERR_PROTO,
                       "wrong proof: another run's key, or "
                       "an intruder");
    return 0;
}

static int
send_welcome(struct pending *p, struct err *err)
{
    struct msg_welcome m;
    struct buf b = BUF_INIT(WIRE_MAX_HELLO);
    int rc;

    if (auth_prove_welcome(p->l->key, &p->talk, m.proof, err) < 0)
        return -1;
    msg_put_welcome(&b, &m);
    rc = buf_ok(&b, err);
    if (!rc)
        rc = conn_send(p->c, MSG_WELCOME, b.data, b.len, NULL, 0, NULL, NULL,
                       err);
    buf_release(&b);
    return rc;
}

/* HELLO: from here on the conn is a peer's, and the caller's if it wants it. */
static int
on_frame(void *ctx, struct conn *c, const struct frame_head *h,
         const void *body, void *bulk, struct err *err)
{
    struct pending *p = ctx;
    const struct listener_handlers *call = p->l->handlers;
    void *call_ctx = p->l->ctx;
    struct msg_hello hello;

    (void)bulk;
    if (msg_get_hello(&hello, body, h->body_len, err) < 0 ||
        check_hello(p, &hello, err) < 0 || send_welcome(p, err) < 0)
        return -1;
    conn_set_handlers(c, NULL, NULL);
    conn_set_trusted(c);
    end_pending(p);
    if (call->on_peer(call_ctx, c, &hello, err) < 0) {
        conn_set_handlers(c, NULL, NULL);
        return err_set(err, ERR_FAIL, "worker %u is refused",
                       (unsigned)hello.rank);
    }
    if (!conn_is_taken(c))
        return err_set(err, ERR_BUG, "nobody takes worker %u",
                       (unsigned)hello.rank);
    return 0;
}

static void
on_closed(void *ctx, struct conn *c, const struct err *why)
{
    struct pending *p = ctx;
    struct listener *l = p->l;
    struct err e = *why;

    if (!conn_has_greeted(c) && conn_get_received(c))
        err_set(&e, ERR_PROTO, "closed in the middle of the TLS handshake");
    err_set(&e, ERR_PROTO, "closed before HELLO");
    if (!l->closing && l->handlers->on_refused)
        l->handlers->on_refused(l->ctx, conn_get_peer(c), &e);
    end_pending(p);
}

static const struct conn_handlers stranger = {on_body, on_frame, on_closed};

/* ---- admission ----------------------------------------------------------- */

static int
send_challenge(struct pending *p, struct err *err)
{
    struct msg_challenge m;
    struct buf b = BUF_INIT(WIRE_MAX_HELLO);
    int rc;

    if (rng_secret(p->talk.challenge, sizeof p->talk.challenge) < 0)
        return err_set(err, ERR_SYS, "no random numbers");
    memcpy(m.nonce, p->talk.challenge, sizeof m.nonce);
    msg_put_challenge(&b, &m);
    rc = buf_ok(&b, err);
    if (!rc)
        rc = conn_send(p->c, MSG_CHALLENGE, b.data, b.len, NULL, 0, NULL, NULL,
                       err);
    buf_release(&b);
    return rc;
}

static void
add_pending(struct listener *l, struct pending *p)
{
    p->l = l;
    p->start_ns = clock_now_ns();
    p->prev = l->tail;
    if (l->tail)
        l->tail->next = p;
    else
        l->head = p;
    l->tail = p;
    l->n_pending++;
}

/* Takes the connection that waits, if there is a place and memory. */
static void
admit(struct listener *l)
{
    struct pending *p;
    struct err e = ERR_INIT;
    int rc;

    if (!l->waiting || l->n_pending >= l->limits.max_pending)
        return;
    p = mem_alloc(1, sizeof *p);
    if (p)
        p->c = conn_new(l->tcp.loop, &e);
    if (!p || !p->c) {
        mem_free(p);
        return; /* arm() tries again */
    }
    l->waiting = false;
    add_pending(l, p);
    conn_set_handlers(p->c, &stranger, p);
    rc = uv_accept((uv_stream_t *)&l->tcp, (uv_stream_t *)conn_get_tcp(p->c));
    if (rc < 0)
        err_set(&e, ERR_SYS, "accept: %s", uv_strerror(rc));
    else
        p->source = crowd_source(conn_get_tcp(p->c));
    if (rc == 0 && (!l->tls || conn_set_tls(p->c, l->tls, &e) == 0))
        (void)(conn_start(p->c, &e) == 0 && send_challenge(p, &e));
    if (e.code)
        conn_fail(p->c, &e);
}

static void
evict(struct pending *p, const char *why, int64_t ms)
{
    struct err e = ERR_INIT;

    err_set(&e, ERR_PROTO, "%s %.1f s", why, (double)ms / 1000);
    unlink_pending(p);
    conn_fail(p->c, &e);
}

/* ---- a crowd ------------------------------------------------------------- */

static bool
is_crowded(const struct listener *l)
{
    return l->waiting && l->n_pending >= l->limits.max_pending;
}

/* The oldest one of the address that has most of the places: a crowd takes them
 * from itself. */
static struct pending *
find_next_to_leave(const struct listener *l)
{
    struct pending *found = NULL;
    uint32_t most = 0;

    for (struct pending *p = l->head; p; p = p->next) {
        uint32_t n = 0;

        for (const struct pending *q = p; q; q = q->next)
            n += q->source == p->source;
        if (n > most) {
            most = n;
            found = p;
        }
    }
    return found;
}

/* As many leave as wait, of those whose grace is over. */
static void
thin_out(struct listener *l, int64_t now)
{
    struct pending *p;
    uint32_t n;
    int64_t ms;

    if (!is_crowded(l))
        return;
    n = crowd_waiting(&l->tcp);
    ms = crowd_grace(&l->crowd, &l->limits, n);
    for (; n && (p = find_next_to_leave(l)) &&
           now - p->start_ns >= ms * NS_PER_MS;
         n--)
        evict(p, "others wait, and no valid HELLO within", ms);
}

static void
on_timer(uv_timer_t *timer)
{
    struct listener *l = timer->data;
    const struct listener_limits *lim = &l->limits;
    int64_t now = clock_now_ns();

    if (!l->due) {
        /* If it was us who had no time, a HELLO may have come meanwhile: one
         * turn of the loop reads it. */
        l->due = true;
        uv_timer_start(&l->timer, on_timer, 1, 0);
        return;
    }
    l->due = false;
    while (l->head && now - l->head->start_ns >= lim->auth_ms * NS_PER_MS)
        evict(l->head, "no valid HELLO within", lim->auth_ms);
    thin_out(l, now);
    admit(l);
    arm(l);
}

static int64_t
left_ms(const struct pending *p, int64_t ms)
{
    return ms - (clock_now_ns() - p->start_ns) / NS_PER_MS;
}

/* Sets the timer to the next moment at which something is to be decided. */
static void
arm(struct listener *l)
{
    bool full = l->n_pending >= l->limits.max_pending;
    int64_t ms = l->limits.auth_ms;

    if (l->closing)
        return;
    if (!l->head && (full || !l->waiting)) {
        /* Nobody is here, or those that are closing will call. */
        uv_timer_stop(&l->timer);
        return;
    }
    if (l->head)
        ms = left_ms(l->head, ms);
    if (l->head && is_crowded(l)) {
        uint32_t n = crowd_waiting(&l->tcp);
        int64_t grace = crowd_grace(&l->crowd, &l->limits, n);
        int64_t left = left_ms(find_next_to_leave(l), grace);

        ms = left < ms ? left : ms;
    }
    if (l->waiting && !full && ms > RETRY_MS)
        ms = RETRY_MS;
    if (ms > 0)
        l->due = false;
    loop_start_timer(&l->timer, on_timer, ms > 0 ? ms + 1 : 1);
}

static void
on_connection(uv_stream_t *stream, int status)
{
    struct listener *l = stream->data;
    struct err e = ERR_INIT;

    if (status < 0) {
        err_set(&e, ERR_SYS, "accept: %s", uv_strerror(status));
        if (l->handlers->on_refused)
            l->handlers->on_refused(l->ctx, "?", &e);
        return;
    }
    /* libuv holds this one and takes no other until uv_accept. */
    l->waiting = true;
    admit(l);
    arm(l);
}

/* ---- life ---------------------------------------------------------------- */

static void
on_handle_closed(uv_handle_t *handle)
{
    struct listener *l = handle->data;

    l->n_handles--;
    free_if_closed(l);
}

void
listener_close(struct listener *l)
{
    if (!l || l->closing)
        return;
    l->closing = true;
    uv_close((uv_handle_t *)&l->tcp, on_handle_closed);
    uv_close((uv_handle_t *)&l->timer, on_handle_closed);
    for (struct pending *p = l->head; p; p = p->next)
        conn_close(p->c, false);
}

struct listener *
listener_new(uv_loop_t *loop, const char *host, uint16_t port,
             const uint8_t key[IO_KEY_BYTES], struct io_security how,
             const struct listener_handlers *h, void *ctx, struct err *err)
{
    struct sockaddr_storage a;
    struct listener *l;
    int rc;

    if (!addr_parse(&a, host, port)) {
        err_set(err, ERR_CONFIG,
                "address \"%s\": expected a numeric address to listen on",
                host);
        return NULL;
    }
    if (addr_check(&a, how, err) < 0)
        return NULL;
    l = mem_alloc(1, sizeof *l);
    if (!l) {
        err_nomem(err);
        return NULL;
    }
    uv_tcp_init(loop, &l->tcp);
    uv_timer_init(loop, &l->timer);
    l->tcp.data = l->timer.data = l;
    l->n_handles = 2;
    l->limits =
        (struct listener_limits){IO_AUTH_LIMIT_MS, GRACE_MS, IO_MAX_PENDING};
    memcpy(l->key, key, sizeof l->key);
    l->handlers = h;
    l->ctx = ctx;
    if (how.tls && !(l->tls = tls_ctx_new(key, true, err))) {
        listener_close(l);
        return NULL;
    }
    rc = uv_tcp_bind(&l->tcp, (const struct sockaddr *)&a, 0);
    if (!rc)
        rc = uv_listen((uv_stream_t *)&l->tcp, SOMAXCONN, on_connection);
    if (rc < 0) {
        err_set(err, ERR_SYS, "listen on %s port %u: %s", host, (unsigned)port,
                uv_strerror(rc));
        listener_close(l);
        return NULL;
    }
    return l;
}

uint16_t
listener_get_port(const struct listener *l)
{
    struct sockaddr_storage a;
    int n = sizeof a;

    if (uv_tcp_getsockname(&l->tcp, (struct sockaddr *)&a, &n) < 0)
        return 0;
    return addr_port(&a);
}

void
listener_set_limits(struct listener *l, const struct listener_limits *to)
{
    l->limits = *to;
    arm(l);
}
