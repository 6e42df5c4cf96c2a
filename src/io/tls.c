/* SPDX-License-Identifier: Apache-2.0 */
#include "io/tls_impl.h"

#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"

#include <openssl/err.h>
#include <string.h>

/* RFC 8446, 5.5: AES-GCM is safe for 2^24.5 full records (388 GB) of one key,
 * which a long run sends. */
#define REKEY_RECORDS (UINT64_C(1) << 22)
#define MAX_OUT       ((size_t)64 << 20) /* its users stop far below */

struct tls {
    SSL *ssl;
    struct tls_ctx *ctx;
    const uint8_t *in; /* of the peer, not yet read by OpenSSL */
    size_t n_in;
    /* Of OpenSSL, for the peer: what grows, and what tls_take gave away. */
    struct buf out, taken;
    uint64_t n_records, rekey; /* of this key; until the next one */
    bool ended, said_end, broken;
};

/* ---- our ends of an SSL -------------------------------------------------- */

static int
bio_read(BIO *bio, char *to, size_t n, size_t *got)
{
    struct tls *t = BIO_get_data(bio);

    BIO_clear_retry_flags(bio);
    *got = n < t->n_in ? n : t->n_in;
    if (*got == 0) {
        BIO_set_retry_read(bio);
        return 0;
    }
    memcpy(to, t->in, *got);
    t->in += *got;
    t->n_in -= *got;
    return 1;
}

static int
bio_write(BIO *bio, const char *from, size_t n, size_t *done)
{
    struct tls *t = BIO_get_data(bio);

    buf_add(&t->out, from, n);
    *done = t->out.bad ? 0 : n;
    return !t->out.bad;
}

static long
bio_ctrl(BIO *bio, int cmd, long num, void *ptr)
{
    (void)bio;
    (void)num;
    (void)ptr;
    return cmd == BIO_CTRL_FLUSH; /* nothing is held back */
}

BIO_METHOD *
tls_bio_new(void)
{
    BIO_METHOD *m = BIO_meth_new(BIO_TYPE_SOURCE_SINK, "ebsp");

    if (m && BIO_meth_set_read_ex(m, bio_read) &&
        BIO_meth_set_write_ex(m, bio_write) && BIO_meth_set_ctrl(m, bio_ctrl))
        return m;
    BIO_meth_free(m);
    return NULL;
}

/* ---- life ---------------------------------------------------------------- */

struct tls *
tls_new(struct tls_ctx *ctx, struct err *err)
{
    struct tls *t = mem_alloc(1, sizeof *t);
    BIO *bio = NULL;

    if (!t)
        goto fail;
    t->out.max = t->taken.max = MAX_OUT;
    t->rekey = REKEY_RECORDS;
    t->ctx = ctx;
    ctx->n_refs++;
    t->ssl = SSL_new(ctx->ssl);
    bio = BIO_new(ctx->bio);
    if (!t->ssl || !bio)
        goto fail;
    BIO_set_data(bio, t);
    BIO_set_init(bio, 1);
    SSL_set_bio(t->ssl, bio, bio);
    if (ctx->server)
        SSL_set_accept_state(t->ssl);
    else
        SSL_set_connect_state(t->ssl);
    return t;
fail:
    ERR_clear_error();
    BIO_free(bio);
    tls_free(t);
    err_nomem(err);
    return NULL;
}

void
tls_free(struct tls *t)
{
    if (!t)
        return;
    SSL_free(t->ssl);
    buf_release(&t->out);
    buf_release(&t->taken);
    tls_ctx_free(t->ctx);
    mem_free(t);
}

/* ---- handshake, records -------------------------------------------------- */

const char *
tls_reason(unsigned long code, const char *otherwise)
{
    const char *text = code ? ERR_reason_error_string(code) : NULL;

    return text ? text : otherwise;
}

/* What went wrong is the oldest entry of OpenSSL's queue: later ones tell where
 * it was noticed. */
static int
fail(struct tls *t, struct err *err)
{
    unsigned long code = ERR_peek_error();
    int reason = ERR_GET_REASON(code);

    t->broken = true;
    if (t->out.bad || reason == ERR_R_MALLOC_FAILURE)
        err_nomem(err);
    else if (reason == SSL_R_BINDER_DOES_NOT_VERIFY)
        err_set(err, ERR_PROTO,
                "TLS with another key: another run's, or an intruder");
    else if (reason == SSL_R_DECRYPTION_FAILED_OR_BAD_RECORD_MAC)
        err_set(err, ERR_PROTO, "TLS: a record is damaged or forged");
    else
        err_set(err, ERR_PROTO, "TLS: %s", tls_reason(code, "it fails"));
    ERR_clear_error();
    return -1;
}

void
tls_feed(struct tls *t, const void *p, size_t n)
{
    t->in = p;
    t->n_in = n;
}

int
tls_greet(struct tls *t, struct err *err)
{
    int rc;

    ERR_clear_error();
    rc = SSL_do_handshake(t->ssl);
    if (rc == 1 && SSL_session_reused(t->ssl))
        return 1;
    if (rc == 1) { /* not by the PSK: there is no other way, but be sure */
        t->broken = true;
        return err_set(err, ERR_PROTO, "TLS without the run key");
    }
    if (SSL_get_error(t->ssl, rc) == SSL_ERROR_WANT_READ)
        return 0;
    return fail(t, err);
}

int
tls_read(struct tls *t, void *to, size_t n, size_t *got, struct err *err)
{
    int rc;

    *got = 0;
    if (t->ended)
        return 0;
    ERR_clear_error();
    rc = SSL_read_ex(t->ssl, to, n, got);
    if (rc == 1)
        return 1;
    rc = SSL_get_error(t->ssl, rc);
    t->ended = rc == SSL_ERROR_ZERO_RETURN;
    if (t->ended || rc == SSL_ERROR_WANT_READ)
        return 0;
    return fail(t, err);
}

int
tls_write(struct tls *t, const void *p, size_t n, struct err *err)
{
    size_t done;

    if (n == 0)
        return 0;
    ERR_clear_error();
    if (t->n_records >= t->rekey) {
        if (!SSL_key_update(t->ssl, SSL_KEY_UPDATE_NOT_REQUESTED))
            return fail(t, err);
        t->n_records = 0;
    }
    t->n_records += (n + TLS_MAX_PLAIN - 1) / TLS_MAX_PLAIN;
    if (!SSL_write_ex(t->ssl, p, n, &done))
        return fail(t, err);
    return 0;
}

void
tls_end(struct tls *t)
{
    if (t->said_end || t->broken)
        return;
    t->said_end = true;
    ERR_clear_error();
    (void)SSL_shutdown(t->ssl); /* the peer need not answer */
    ERR_clear_error();
}

/* ---- what it knows ------------------------------------------------------- */

bool
tls_is_ended(const struct tls *t)
{
    return t->ended;
}

bool
tls_is_broken(const struct tls *t)
{
    return t->broken;
}

size_t
tls_get_waiting(const struct tls *t)
{
    return t->out.len;
}

const void *
tls_take(struct tls *t, size_t *n)
{
    struct buf was = t->taken;

    t->taken = t->out;
    t->out = was;
    buf_clear(&t->out);
    *n = t->taken.len;
    return t->taken.data;
}

const char *
tls_get_cipher(const struct tls *t)
{
    return SSL_get_cipher_name(t->ssl);
}

void
tls_set_rekey(struct tls *t, uint64_t n_records)
{
    t->rekey = n_records;
}
