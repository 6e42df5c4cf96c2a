/* SPDX-License-Identifier: Apache-2.0 */
/* TLS 1.3 between two that know the run key, without a socket: bytes of the
 * peer go in, bytes for the peer come out.
 *
 * The key's PSK (auth_derive_psk) authenticates both sides, an X25519 exchange
 * gives each connection keys of its own: who gets hold of the run key later
 * cannot read what he has recorded.  There are no certificates, no tickets, no
 * early data, and no other version. */
#ifndef EBSP_IO_TLS_H
#define EBSP_IO_TLS_H

#include "io/auth.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct err;
struct tls;
struct tls_ctx;

#define TLS_MAX_PLAIN 16384 /* bytes in one record */

/* What the connections of one side share.  Connections keep what they need of
 * it when it is freed. */
struct tls_ctx *tls_ctx_new(const uint8_t key[AUTH_KEY_BYTES], bool server,
                            struct err *err);
void tls_ctx_free(struct tls_ctx *ctx);
/* Which cipher is wanted most; at first AES-128-GCM where the processor has
 * instructions for it, else ChaCha20-Poly1305, which is the faster one then.
 * ChaCha20 is used when either side wants it. */
int tls_ctx_prefer(struct tls_ctx *ctx, bool aes, struct err *err);

struct tls *tls_new(struct tls_ctx *ctx, struct err *err);
void tls_free(struct tls *t);

/* n bytes of the peer, borrowed until tls_greet or tls_read has asked for
 * more. */
void tls_feed(struct tls *t, const void *p, size_t n);
/* Goes on with the handshake, the client's beginning included: 1 it is done, 0
 * needs more of the peer, -1 failed. */
int tls_greet(struct tls *t, struct err *err);
/* Decrypts: 1 *got bytes, 0 needs more of the peer or has seen its close
 * (tls_is_ended), -1 failed. */
int tls_read(struct tls *t, void *to, size_t n, size_t *got, struct err *err);
/* The peer has said that it sends no more. */
bool tls_is_ended(const struct tls *t);
/* Encrypts all of it. */
int tls_write(struct tls *t, const void *p, size_t n, struct err *err);
/* Says that we send no more; only the first time. */
void tls_end(struct tls *t);
/* Something has failed: it is good for nothing more but tls_take. */
bool tls_is_broken(const struct tls *t);

/* How many bytes for the peer there are, and these bytes: they stay where they
 * are until the next tls_take. */
size_t tls_get_waiting(const struct tls *t);
const void *tls_take(struct tls *t, size_t *n);

const char *tls_get_cipher(const struct tls *t);
/* ---- what a test shortens: records until there is a new key -------------- */
void tls_set_rekey(struct tls *t, uint64_t n_records);

#endif
