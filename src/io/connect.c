/* SPDX-License-Identifier: Apache-2.0 */
/* The worker's side of the handshake: CHALLENGE, HELLO, WELCOME. */
#include "io/conn.h"

#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/rng.h"
#include "io/addr.h"
#include "io/auth.h"
#include "io/conn_priv.h"

#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

struct connector {
    uv_connect_t req;
    struct conn *c;
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
    mem_free(k);
}

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
    conn_set_deadline(c, 0, NULL);
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

static void
on_closed(void *ctx, struct conn *c, const struct err *why)
{
    struct connector *k = ctx;
    struct err e = *why;

    (void)c;
    err_set(&e, ERR_PROTO,
            k->challenged ? "the coordinator closed the connection instead of "
                            "saying WELCOME; another run's key?"
                          : "the coordinator closed the connection");
    err_wrap(&e, "connect to %s", conn_get_peer(c));
    k->on_ready(k->ctx, NULL, &e);
    connector_free(k);
}

static const struct conn_handlers greeting = {on_body, on_frame, on_closed};

static void
on_connected(uv_connect_t *req, int status)
{
    struct connector *k = (struct connector *)req;
    struct err e = ERR_INIT;

    if (status == UV_ECANCELED) /* closed meanwhile: on_closed knows why */
        return;
    if (status < 0)
        err_set(&e, ERR_SYS, "%s", uv_strerror(status));
    else
        (void)conn_start(k->c, &e);
    if (e.code)
        conn_fail(k->c, &e);
}

int
conn_connect(uv_loop_t *loop, const struct conn_request *to,
             connect_fn *on_ready, void *ctx, struct err *err)
{
    struct sockaddr_storage a;
    struct connector *k;
    int rc;

    if (!addr_parse(&a, to->host, to->port))
        return err_set(err, ERR_CONFIG,
                       "address \"%s\": expected a numeric address", to->host);
    if (to->how.tls)
        return err_set(err, ERR_CONFIG, "this build does not speak TLS");
    if (addr_check(&a, to->how, err) < 0)
        return -1;
    k = mem_alloc(1, sizeof *k);
    if (!k)
        return err_nomem(err);
    k->c = conn_new(loop, err);
    if (!k->c) {
        mem_free(k);
        return -1;
    }
    rc = uv_tcp_connect(&k->req, conn_get_tcp(k->c),
                        (const struct sockaddr *)&a, on_connected);
    if (rc < 0) {
        conn_close(k->c, false);
        mem_free(k);
        return err_set(err, ERR_SYS, "connect to %s port %u: %s", to->host,
                       (unsigned)to->port, uv_strerror(rc));
    }
    memcpy(k->key, to->key, sizeof k->key);
    k->talk.rank = to->rank;
    k->talk.life = to->life;
    k->on_ready = on_ready;
    k->ctx = ctx;
    conn_set_handlers(k->c, &greeting, k);
    conn_set_peer(k->c, &a);
    conn_set_deadline(k->c, to->timeout_ms, "no WELCOME from the coordinator");
    return 0;
}
