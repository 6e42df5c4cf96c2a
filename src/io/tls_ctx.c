/* SPDX-License-Identifier: Apache-2.0 */
/* The rules of a TLS connection, the same for all: see tls.h. */
#include "io/tls_impl.h"

#include "base/err.h"
#include "base/mem.h"

#include <openssl/err.h>
#include <string.h>
#if defined(__linux__) && (defined(__aarch64__) || defined(__arm__))
#    include <sys/auxv.h>
#endif

#define IDENTITY "ebsp"

static const unsigned char aes_128_gcm[] = {0x13, 0x01};

static bool
has_aes(void)
{
#if defined(__x86_64__) || defined(__i386__)
    return __builtin_cpu_supports("aes") && __builtin_cpu_supports("pclmul");
#elif defined(__linux__) && defined(__aarch64__)
    return (getauxval(AT_HWCAP) & (1UL << 3)) != 0; /* HWCAP_AES */
#elif defined(__linux__) && defined(__arm__)
    return (getauxval(AT_HWCAP2) & (1UL << 0)) != 0; /* HWCAP2_AES */
#else
    return false;
#endif
}

/* The PSK in the shape in which OpenSSL takes one.  It is bound to SHA-256,
 * which both ciphers use, not to the cipher. */
static SSL_SESSION *
make_session(SSL *ssl)
{
    const struct tls_ctx *ctx = SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl));
    const SSL_CIPHER *cipher = SSL_CIPHER_find(ssl, aes_128_gcm);
    SSL_SESSION *s = SSL_SESSION_new();

    if (s && cipher &&
        SSL_SESSION_set1_master_key(s, ctx->psk, sizeof ctx->psk) &&
        SSL_SESSION_set_cipher(s, cipher) &&
        SSL_SESSION_set_protocol_version(s, TLS1_3_VERSION))
        return s;
    SSL_SESSION_free(s);
    return NULL;
}

static int
offer_psk(SSL *ssl, const EVP_MD *md, const unsigned char **identity, size_t *n,
          SSL_SESSION **to)
{
    (void)md; /* SHA-256 */
    *identity = (const unsigned char *)IDENTITY;
    *n = strlen(IDENTITY);
    *to = make_session(ssl);
    return *to != NULL;
}

static int
find_psk(SSL *ssl, const unsigned char *identity, size_t n, SSL_SESSION **to)
{
    *to = NULL;
    if (n != strlen(IDENTITY) || memcmp(identity, IDENTITY, n) != 0)
        return 1; /* unknown: without a certificate there is no other way in */
    *to = make_session(ssl);
    return *to != NULL;
}

/* Nothing is left to what the system's openssl.cnf says. */
static bool
set_rules(struct tls_ctx *ctx, bool server)
{
    SSL_CTX *c = ctx->ssl;
    /* OpenSSL's macros cast const away. */
    char groups[] = "X25519", sigalgs[] = "ed25519";

    SSL_CTX_clear_options(c, SSL_OP_ENABLE_MIDDLEBOX_COMPAT |
                                 SSL_OP_ALLOW_NO_DHE_KEX);
    SSL_CTX_set_options(
        c, SSL_OP_NO_TICKET | SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
               SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_PRIORITIZE_CHACHA);
    SSL_CTX_set_session_cache_mode(c, SSL_SESS_CACHE_OFF);
    /* A coordinator with a certificate is none of ours.  There is no authority
     * that a worker trusts, so none can get through. */
    SSL_CTX_set_verify(c, server ? SSL_VERIFY_NONE : SSL_VERIFY_PEER, NULL);
    if (server)
        SSL_CTX_set_psk_find_session_callback(c, find_psk);
    else
        SSL_CTX_set_psk_use_session_callback(c, offer_psk);
    return SSL_CTX_set_min_proto_version(c, TLS1_3_VERSION) &&
           SSL_CTX_set_max_proto_version(c, TLS1_3_VERSION) &&
           SSL_CTX_set_max_early_data(c, 0) && SSL_CTX_set_num_tickets(c, 0) &&
           SSL_CTX_set1_groups_list(c, groups) &&
           SSL_CTX_set1_sigalgs_list(c, sigalgs);
}

int
tls_ctx_prefer(struct tls_ctx *ctx, bool aes, struct err *err)
{
    const char *aes_first =
        TLS1_3_RFC_AES_128_GCM_SHA256 ":" TLS1_3_RFC_CHACHA20_POLY1305_SHA256;
    const char *chacha_first =
        TLS1_3_RFC_CHACHA20_POLY1305_SHA256 ":" TLS1_3_RFC_AES_128_GCM_SHA256;

    if (!SSL_CTX_set_ciphersuites(ctx->ssl, aes ? aes_first : chacha_first)) {
        ERR_clear_error();
        return err_set(err, ERR_FAIL,
                       "TLS: OpenSSL lacks AES-128-GCM or ChaCha20-Poly1305");
    }
    return 0;
}

struct tls_ctx *
tls_ctx_new(const uint8_t key[AUTH_KEY_BYTES], bool server, struct err *err)
{
    struct tls_ctx *ctx = mem_alloc(1, sizeof *ctx);

    if (!ctx) {
        err_nomem(err);
        return NULL;
    }
    ctx->n_refs = 1;
    ctx->server = server;
    if (auth_derive_psk(key, ctx->psk, err) < 0)
        goto fail;
    ctx->ssl = SSL_CTX_new(server ? TLS_server_method() : TLS_client_method());
    ctx->bio = tls_bio_new();
    if (!ctx->ssl || !ctx->bio || !set_rules(ctx, server)) {
        err_set(err, ERR_FAIL, "TLS: %s",
                tls_reason(ERR_peek_error(), "OpenSSL does not start"));
        goto fail;
    }
    SSL_CTX_set_app_data(ctx->ssl, ctx);
    if (tls_ctx_prefer(ctx, has_aes(), err) < 0)
        goto fail;
    return ctx;
fail:
    ERR_clear_error();
    tls_ctx_free(ctx);
    return NULL;
}

void
tls_ctx_free(struct tls_ctx *ctx)
{
    if (!ctx || --ctx->n_refs)
        return;
    SSL_CTX_free(ctx->ssl);
    BIO_meth_free(ctx->bio);
    auth_wipe(ctx->psk, sizeof ctx->psk);
    mem_free(ctx);
}
