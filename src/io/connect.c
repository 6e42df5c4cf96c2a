/* SPDX-License-Identifier: Apache-2.0 */
/* The worker's side of the handshake: an address of the coordinator that
 * answers, then CHALLENGE, HELLO, WELCOME. */
#include "io/conn.h"

#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/rng.h"
#include "io/addr.h"
#include "io/auth.h"
#include "io/conn_priv.h"
#include "io/resolve.h"

#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define NS_PER_MS (NS_PER_S / 1000)

struct connector {
    uv_loop_t *loop;
    struct sockaddr_storage addr[RESOLVE_MAX];
    size_t n_addrs, n_tried;
    int64_t limit_ms, deadline_ns;
    struct io_security how;
    struct tls_ctx *tls; /* NULL: frames are plain */
    uv_connect_t req;
    struct conn *c; /* to the address tried last */
    bool connected; /* so no other address is tried */
    uint8_t key[AUTH_KEY_BYTES];
    struct auth_talk talk;
    bool challenged; /* and HELLO is sent */
    connect_fn *on_ready;
    void *ctx;
};

static void
connector_free(struct connector *k)
{
    auth_wipe(k->key, sizeof k->key);
    tls_ctx_free(k->tls);
    mem_free(k);
}

static int64_t
get_time_left(const struct connector *k)
{
    int64_t ms = (k->deadline_ns - clock_now_ns()) / NS_PER_MS;

    return ms > 1 ? ms : 1;
}

/* ---- the handshake ------------------------------------------------------- */

static int
on_body(void *ctx, struct conn *c, const struct frame_head *h, const void *body,
        void **bulk, struct err *err)
{
    const struct connector *k = ctx;
    uint16_t want = k->challenged ? MSG_WELCOME : MSG_CHALLENGE;

    (void)c;
    (void)body;
    (void)bulk;
    if (h->type != want)
        return err_set(err, ERR_PROTO, "coordinator sent %s, expected %s",
                       msg_name(h->type), msg_name(want));
    return 0;
}

static int
send_hello(struct connector *k, struct err *err)
{
    struct msg_hello m = {
        .rank = k->talk.rank, .life = k->talk.life, .pid = (uint64_t)getpid()};
    struct buf b = BUF_INIT(WIRE_MAX_HELLO);
    int rc;

    if (rng_secret(k->talk.hello, sizeof k->talk.hello) < 0)
        return err_set(err, ERR_SYS, "no random numbers");
    if (auth_prove_hello(k->key, &k->talk, m.proof, err) < 0)
        return -1;
    memcpy(m.nonce, k->talk.hello, sizeof m.nonce);
    /* A name that does not fit is cut; it is for people only. */
    if (gethostname(m.host, sizeof m.host) < 0)
        m.host[0] = '\0';
    m.host[sizeof m.host - 1] = '\0';
    msg_put_hello(&b, &m);
    rc = buf_ok(&b, err);
    if (!rc)
        rc =
            conn_send(k->c, MSG_HELLO, b.data, b.len, NULL, 0, NULL, NULL, err);
    buf_release(&b);
    return rc;
}

static int
take_welcome(struct connector *k, const struct msg_welcome *m, struct err *err)
{
    uint8_t proof[WIRE_PROOF_BYTES];
    connect_fn *on_ready = k->on_ready;
    void *ctx = k->ctx;
    struct conn *c = k->c;
    struct err fine = ERR_INIT;

    if (auth_prove_welcome(k->key, &k->talk, proof, err) < 0)
        return -1;
    if (!auth_is_equal(proof, m->proof))
        return err_set(err, ERR_PROTO,
                       "who answers at %s is not the coordinator of this run",
                       conn_get_peer(c));
    conn_set_deadline(c, 0, 0, NULL);
    conn_set_handlers(c, NULL, NULL);
    conn_set_trusted(c);
    connector_free(k);
    on_ready(ctx, c, &fine);
    if (!conn_is_taken(c))
        return err_set(err, ERR_BUG, "nobody takes the connection");
    return 0;
}

static int
on_frame(void *ctx, struct conn *c, const struct frame_head *h,
         const void *body, void *bulk, struct err *err)
{
    struct connector *k = ctx;
    struct msg_challenge challenge;
    struct msg_welcome welcome;

    (void)c;
    (void)bulk;
    if (k->challenged) {
        if (msg_get_welcome(&welcome, body, h->body_len, err) < 0)
            return -1;
        return take_welcome(k, &welcome, err);
    }
    if (msg_get_challenge(&challenge, body, h->body_len, err) < 0)
        return -1;
    memcpy(k->talk.challenge, challenge.nonce, sizeof k->talk.challenge);
    k->challenged = true;
    return send_hello(k, err);
}

/* ---- failure ------------------------------------------------------------- */

static void
give_up(struct connector *k, const struct err *why)
{
    k->on_ready(k->ctx, NULL, why);
    connector_free(k);
}

/* In words for the user, who asks what is wrong with the coordinator. */
static void
explain(const struct connector *k, struct err *e)
{
    const char *peer = conn_get_peer(k->c);
    bool late = clock_now_ns() >= k->deadline_ns;
    struct err tls = ERR_INIT;

    if (k->connected && !conn_has_greeted(k->c) && !late) {
        /* A connection that broke may be the network's fault: worth another
         * try, unlike words that are wrong. */
        err_set(&tls, e->code == ERR_SYS ? ERR_SYS : ERR_PROTO,
                "the coordinator at %s does not speak TLS with this run's key "
                "(%s)",
                peer, e->code ? e->text : "it closed the connection");
        *e = tls;
        return;
    }
    /* In TLS both have proved the key by now, so this is the network, too. */
    err_set(e, k->how.tls ? ERR_SYS : ERR_PROTO,
            k->challenged ? "the coordinator closed the connection instead of "
                            "saying WELCOME; another run's key?"
                          : "the coordinator closed the connection");
    err_wrap(e, "connect to %s", peer);
}

static int try_next(struct connector *k, struct err *err);

static void
on_closed(void *ctx, struct conn *c, const struct err *why)
{
    struct connector *k = ctx;
    struct err e = *why, next = ERR_INIT;

    (void)c;
    if (!k->connected && k->n_tried < k->n_addrs && try_next(k, &next) == 0)
        return;
    explain(k, &e);
    give_up(k, &e);
}

static const struct conn_handlers greeting = {on_body, on_frame, on_closed};

/* ---- addresses ----------------------------------------------------------- */

static void
on_connected(uv_connect_t *req, int status)
{
    struct connector *k = req->data;
    struct err e = ERR_INIT;

    if (status == UV_ECANCELED) /* closed meanwhile: on_closed knows why */
        return;
    if (status < 0) {
        err_set(&e, ERR_SYS, "%s", uv_strerror(status));
        conn_fail(k->c, &e);
        return;
    }
    k->connected = true;
    /* What connecting took is a part of the limit that the user knows. */
    conn_set_deadline(k->c, get_time_left(k), k->limit_ms,
                      "no WELCOME from the coordinator");
    if (conn_start(k->c, &e) < 0)
        conn_fail(k->c, &e);
}

/* Each address has its share of the time that is left. */
static int
try_addr(struct connector *k, struct err *err)
{
    const struct sockaddr_storage *a = &k->addr[k->n_tried++];
    int64_t left = get_time_left(k), n = (int64_t)(k->n_addrs - k->n_tried) + 1;
    char peer[ADDR_CAP];
    struct conn *c;
    int rc;

    if (addr_check(a, k->how, err) < 0)
        return -1;
    c = conn_new(k->loop, err);
    if (!c)
        return -1;
    k->req.data = k;
    rc = k->tls ? conn_set_tls(c, k->tls, err) : 0;
    if (!rc)
        rc = uv_tcp_connect(&k->req, conn_get_tcp(c),
                            (const struct sockaddr *)a, on_connected);
    if (rc < 0) {
        conn_close(c, false);
        addr_format(peer, a);
        return err_set(err, ERR_SYS, "connect to %s: %s", peer,
                       uv_strerror(rc));
    }
    k->c = c;
    conn_set_handlers(c, &greeting, k);
    conn_set_peer(c, a);
    conn_set_deadline(c, left / n, left / n, "no answer");
    return 0;
}

/* -1: none is left, and why the last one was not even tried. */
static int
try_next(struct connector *k, struct err *err)
{
    struct err e = ERR_INIT;

    while (k->n_tried < k->n_addrs) {
        err_clear(&e);
        if (try_addr(k, &e) == 0)
            return 0;
    }
    return err_set(err, e.code, "%s", e.text);
}

static void
on_found(void *ctx, const struct sockaddr_storage *a, size_t n,
         const struct err *why)
{
    struct connector *k = ctx;
    struct err e = *why;

    if (n)
        memcpy(k->addr, a, n * sizeof *a);
    k->n_addrs = n;
    if (e.code || try_next(k, &e) < 0)
        give_up(k, &e);
}

int
conn_connect(uv_loop_t *loop, const struct conn_request *to,
             connect_fn *on_ready, void *ctx, struct err *err)
{
    struct connector *k = mem_alloc(1, sizeof *k);
    int rc = 0;

    if (!k)
        return err_nomem(err);
    k->loop = loop;
    k->limit_ms = to->timeout_ms;
    k->deadline_ns = clock_now_ns() + to->timeout_ms * NS_PER_MS;
    k->how = to->how;
    memcpy(k->key, to->key, sizeof k->key);
    k->talk.rank = to->rank;
    k->talk.life = to->life;
    k->on_ready = on_ready;
    k->ctx = ctx;
    if (to->how.tls) {
        k->tls = tls_ctx_new(to->key, false, err);
        rc = k->tls ? 0 : -1;
    }
    if (!rc && addr_parse(&k->addr[0], to->host, to->port)) {
        k->n_addrs = 1;
        rc = try_next(k, err);
    } else if (!rc) {
        rc = resolve_start(loop, to->host, to->port, to->timeout_ms, on_found,
                           k, err);
    }
    if (rc < 0)
        connector_free(k);
    return rc;
}
