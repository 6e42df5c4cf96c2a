/* SPDX-License-Identifier: Apache-2.0 */
/* Who gets through TLS to a coordinator, and to which one. */
#include "bare.h"

#include <dirent.h>
#include <fcntl.h>
#include <netdb.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

/* ---- the rules ----------------------------------------------------------- */

/* Computed by Python's hmac from what ebsp-protocol(7) says. */
static void
test_psk(void)
{
    static const char want[] =
        "1f22a8b56d539256e7be06806dbc5b58048864b72bac2eaf940e18e26a15e6d1";
    uint8_t key[AUTH_KEY_BYTES], psk[AUTH_KEY_BYTES];
    char hex[2 * AUTH_KEY_BYTES + 1];

    for (uint8_t i = 0; i < AUTH_KEY_BYTES; i++)
        key[i] = i;
    is_int(auth_derive_psk(key, psk, NULL), 0, "a PSK of the run key");
    for (size_t i = 0; i < sizeof psk; i++)
        snprintf(hex + 2 * i, 3, "%02x", psk[i]);
    is_str(hex, want, "is what the manual says");
}

static const char *
agree(bool client_aes, bool server_aes)
{
    struct tls_ctx *ctx[2] = {tls_ctx_new(run_key, false, NULL),
                              tls_ctx_new(run_key, true, NULL)};
    struct tls *t[2];
    static char cipher[64];
    int done[2] = {0};

    tls_ctx_prefer(ctx[0], client_aes, NULL);
    tls_ctx_prefer(ctx[1], server_aes, NULL);
    for (int i = 0; i < 2; i++) {
        t[i] = tls_new(ctx[i], NULL);
        tls_ctx_free(ctx[i]);
    }
    done[0] = tls_greet(t[0], NULL);
    for (int i = 0; i < 4 && !(done[0] && done[1]); i++) {
        size_t n;
        const void *p = tls_take(t[i % 2], &n);

        tls_feed(t[1 - i % 2], p, n);
        done[1 - i % 2] = tls_greet(t[1 - i % 2], NULL);
    }
    snprintf(cipher, sizeof cipher, "%s",
             done[0] == 1 && done[1] == 1 ? tls_get_cipher(t[0]) : "none");
    tls_free(t[0]);
    tls_free(t[1]);
    return cipher;
}

static void
test_ciphers(void)
{
    is_str(agree(true, true), "TLS_AES_128_GCM_SHA256", "both like AES");
    is_str(agree(true, false), "TLS_CHACHA20_POLY1305_SHA256",
           "the coordinator has no AES");
    is_str(agree(false, true), "TLS_CHACHA20_POLY1305_SHA256",
           "the worker has no AES");
    is_str(agree(false, false), "TLS_CHACHA20_POLY1305_SHA256",
           "nobody has AES");
}

/* ---- other TLS ----------------------------------------------------------- */

enum other { AS_WE, WITHOUT_PSK, OTHER_IDENTITY, OTHER_CIPHER, OLD_VERSION };

static const char *identity;

static int
offer(SSL *ssl, const EVP_MD *md, const unsigned char **id, size_t *n,
      SSL_SESSION **to)
{
    static const unsigned char cipher[] = {0x13, 0x01};
    uint8_t psk[AUTH_KEY_BYTES];

    (void)md;
    *id = (const unsigned char *)identity;
    *n = identity ? strlen(identity) : 0;
    *to = NULL;
    if (!identity)
        return 1;
    auth_derive_psk(run_key, psk, NULL);
    *to = SSL_SESSION_new();
    SSL_SESSION_set1_master_key(*to, psk, sizeof psk);
    SSL_SESSION_set_cipher(*to, SSL_CIPHER_find(ssl, cipher));
    SSL_SESSION_set_protocol_version(*to, TLS1_3_VERSION);
    return 1;
}

/* An SSL on a socket that does not block. */
static SSL *
put_on(SSL_CTX *ctx, int fd)
{
    SSL *ssl = SSL_new(ctx);

    fcntl(fd, F_SETFL, O_NONBLOCK);
    SSL_set_fd(ssl, fd);
    SSL_CTX_free(ctx);
    return ssl;
}

/* How the listener refuses a client that differs from ours in one thing. */
static const char *
other_client(struct world *w, enum other what)
{
    SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
    struct bare b = bare_connect(w);
    int before = w->n_refused;
    SSL *ssl;

    identity = what == OTHER_IDENTITY ? "other" : "ebsp";
    if (what == WITHOUT_PSK)
        identity = NULL;
    SSL_CTX_set_psk_use_session_callback(ctx, offer);
    SSL_CTX_set_ciphersuites(ctx, what == OTHER_CIPHER
                                      ? "TLS_AES_128_CCM_SHA256"
                                      : "TLS_AES_128_GCM_SHA256");
    if (what == OLD_VERSION)
        SSL_CTX_set_max_proto_version(ctx, TLS1_2_VERSION);
    ssl = put_on(ctx, b.fd);
    WAIT(w, SSL_connect(ssl) == 1 || w->n_refused > before);
    if (w->n_refused == before) /* it shakes hands: it is let in so far */
        shutdown(b.fd, SHUT_WR);
    WAIT(w, w->n_refused > before);
    SSL_free(ssl);
    bare_close(&b);
    return w->refused.text;
}

static void
test_other_clients(void)
{
    struct world w;

    world_init(&w);
    is_str(other_client(&w, AS_WE), "closed before HELLO",
           "another program that knows the key can shake hands");
    is_str(other_client(&w, WITHOUT_PSK),
           "TLS: no suitable signature algorithm", "one without a key cannot");
    is_str(other_client(&w, OTHER_IDENTITY),
           "TLS: no suitable signature algorithm", "nor one with another key");
    is_str(other_client(&w, OTHER_CIPHER), "TLS: no shared cipher",
           "nor with another cipher");
    is_str(other_client(&w, OLD_VERSION), "TLS: unsupported protocol",
           "nor in TLS 1.2");
    is_int(w.n_peers, 0, "none was let in");
    ok(world_meet(&w), "a worker is");
    ok(world_end(&w), "nothing is left on the loop");
}

/* Its own word for it is all that this certificate has. */
static void
certify(SSL_CTX *ctx)
{
    EVP_PKEY *key = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
    X509 *x = X509_new();

    ASN1_INTEGER_set(X509_get_serialNumber(x), 1);
    X509_gmtime_adj(X509_getm_notBefore(x), -60);
    X509_gmtime_adj(X509_getm_notAfter(x), 3600);
    X509_set_pubkey(x, key);
    X509_set_issuer_name(x, X509_get_subject_name(x));
    X509_sign(x, key, NULL);
    SSL_CTX_use_certificate(ctx, x);
    SSL_CTX_use_PrivateKey(ctx, key);
    X509_free(x);
    EVP_PKEY_free(key);
}

static const char *
other_server(bool old)
{
    SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
    struct fake f;
    SSL *ssl;

    certify(ctx);
    if (old)
        SSL_CTX_set_max_proto_version(ctx, TLS1_2_VERSION);
    fake_init(&f, 5000);
    ssl = put_on(ctx, f.b.fd);
    WAIT(&f.w, SSL_accept(ssl) == 1 || f.w.client.n_ready);
    WAIT(&f.w, f.w.client.n_ready);
    SSL_free(ssl);
    return fake_end(&f);
}

static void
test_other_servers(void)
{
    is_str(other_server(false),
           "does not speak TLS with this run's key "
           "(TLS: certificate verify failed)",
           "a coordinator with a certificate is none");
    ok(strstr(other_server(true), "does not speak TLS with this run's key"),
       "nor is one with TLS 1.2");
}

/* ---- no TLS -------------------------------------------------------------- */

static void
test_strangers(void)
{
    static uint8_t flood[4096] = {22, 3, 1, 0x3f, 0xff, 1, 0, 0x3f, 0xfb};
    uint8_t frame[FRAME_HEAD_BYTES];
    struct world w;

    world_init(&w);
    frame_encode(frame, MSG_HELLO, NULL, 0, NULL, 0);
    is_str(bare_refused(&w, frame, sizeof frame, false),
           "peer does not speak TLS", "a plain frame");
    is_str(bare_refused(&w, "GET / HTTP/1.0\r\n\r\n", 18, false),
           "peer does not speak TLS", "another protocol");
    is_str(bare_refused(&w, "\x15\x03\x03\0\2\1\0", 7, false),
           "peer does not speak TLS", "a goodbye instead of a greeting");
    is_str(bare_refused(&w, "", 0, true), "closed before HELLO", "silence");
    is_str(bare_refused(&w, flood, 100, true),
           "closed in the middle of the TLS handshake", "a beginning");
    is_str(bare_refused(&w, flood, sizeof flood, false),
           "more than 1024 bytes before authentication", "a flood");
    listener_set_limits(w.l, &(struct listener_limits){100, 50, 64});
    is_str(bare_refused(&w, flood, 100, false), "no valid HELLO within 0.1 s",
           "a beginning without an end");
    is_int(w.n_peers, 0, "none was let in");
    listener_set_limits(w.l, &(struct listener_limits){5000, 1000, 64});
    ok(world_meet(&w), "a worker is");
    ok(world_end(&w), "nothing is left on the loop");
}

/* One side speaks TLS, the other does not. */
static void
test_mixed(void)
{
    struct world w;

    world_how.tls = false;
    world_init(&w);
    w.how.tls = true;
    world_connect(&w, run_key);
    WAIT(&w, w.client.n_ready && w.n_refused);
    is_str(w.refused.text, "peer speaks TLS, expected plain frames",
           "TLS at a plain listener");
    ok(!w.client.c && w.client.why.code != ERR_OK, "for the worker: %s",
       w.client.why.text);
    ok(world_end(&w), "nothing is left on the loop");

    world_how.tls = true;
    world_init(&w);
    listener_set_limits(w.l, &(struct listener_limits){100, 50, 64});
    w.how.tls = false;
    world_connect(&w, run_key);
    WAIT(&w, w.client.n_ready && w.n_refused);
    is_str(w.refused.text, "no valid HELLO within 0.1 s",
           "a plain worker waits for a listener with TLS in vain");
    ok(!w.client.c && w.client.why.code == ERR_PROTO, "for the worker: %s",
       w.client.why.text);
    ok(world_end(&w), "nothing is left on the loop");
}

/* ---- addresses ----------------------------------------------------------- */

/* The address is as it should be, but nobody is there: told later, or at once
 * on a machine without a network. */
static void
is_tried(struct world *w, const struct conn_request *to, const char *what)
{
    struct side s = {0};
    struct err e = ERR_INIT;
    int rc = conn_connect(&w->loop, to, client_on_ready, &s, &e);

    if (rc == 0) {
        WAIT(w, s.n_ready);
        ok(s.n_ready == 1 && !s.c, "%s, which hears once of it", what);
        e = s.why;
    } else {
        ok(s.n_ready == 0, "%s, which is told at once", what);
    }
    ok(e.code == ERR_SYS, "%s", e.text);
}

static void
test_addresses(void)
{
    struct world w;
    struct conn_request to;
    struct listener *l;
    struct err e = ERR_INIT;

    world_init(&w);
    l = listener_new(&w.loop, "0.0.0.0", 0, run_key,
                     (struct io_security){.tls = true}, &world_handlers, &w,
                     &e);
    ok(l != NULL, "with TLS a listener may be reached from anywhere");
    listener_close(l);
    l = listener_new(&w.loop, "0.0.0.0", 0, run_key,
                     (struct io_security){.insecure = true}, &world_handlers,
                     &w, &e);
    ok(l != NULL, "without it, if that is what the user wants");
    listener_close(l);

    to = world_request(&w, run_key);
    to.host = "192.0.2.1"; /* for documentation: nobody has it */
    to.timeout_ms = 50;
    is_tried(&w, &to, "so may a coordinator");
    to.how = (struct io_security){.insecure = true};
    is_tried(&w, &to, "also without TLS");
    ok(world_end(&w), "nothing is left on the loop");
}

/* "localhost" has an address of each kind, and the listener one of them; it is
 * written so that it is looked up. */
static void
test_names(void)
{
    static const char name[] = "LocalHost";
    char long_name[80];
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *found;
    struct world w;
    struct conn_request to;
    struct side s = {0};
    struct err e = ERR_INIT;
    int rc;

    world_init(&w);
    to = world_request(&w, run_key);
    to.host = name;
    if (getaddrinfo(name, NULL, &hints, &found) == 0) {
        freeaddrinfo(found);
        conn_connect(&w.loop, &to, client_on_ready, &w.client, &e);
        WAIT(&w, w.client.n_ready && (!w.client.c || w.server.c));
        ok(w.client.c && w.server.c, "a coordinator is found by name: %s",
           w.client.why.text);
    } else {
        skip("this machine does not know localhost");
    }
    /* No resolver has to ask for this one. */
    memset(long_name, 'a', sizeof long_name);
    long_name[sizeof long_name - 1] = '\0';
    to.host = long_name;
    rc = conn_connect(&w.loop, &to, client_on_ready, &s, &e);
    if (rc == 0) {
        WAIT(&w, s.n_ready);
        e = s.why;
    }
    ok(e.code == ERR_SYS && strstr(e.text, "host \"aaaa"), "%s", e.text);
    ok(world_end(&w), "nothing is left on the loop");
}

/* ---- resources ----------------------------------------------------------- */

static int
count_fds(void)
{
    DIR *d = opendir("/proc/self/fd");
    int n = 0;

    while (d && readdir(d))
        n++;
    if (d)
        closedir(d);
    return n;
}

int
main(void)
{
    int fds;

    signal(SIGPIPE, SIG_IGN);
    world_how.tls = true;
    test_psk();
    test_ciphers();
    test_names(); /* opens what libuv and libc keep open */
    fds = count_fds();
    test_other_clients();
    test_other_servers();
    test_strangers();
    test_mixed();
    test_addresses();
    test_names();
    is_int(count_fds(), fds, "no descriptor is left open");
    return done();
}
