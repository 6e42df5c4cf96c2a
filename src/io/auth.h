/* SPDX-License-Identifier: Apache-2.0 */
/* Proofs that a peer knows the run key, without sending it. */
#ifndef EBSP_IO_AUTH_H
#define EBSP_IO_AUTH_H

#include "wire/msg.h"

#include <stdbool.h>
#include <stdint.h>

struct err;

#define AUTH_KEY_BYTES 32

/* What both sides have seen of a handshake.  A fresh nonce from each side makes
 * a recorded proof worthless, to either of them. */
struct auth_talk {
    uint8_t challenge[WIRE_NONCE_BYTES]; /* from the coordinator */
    uint8_t hello[WIRE_NONCE_BYTES];     /* from the worker */
    uint32_t rank, life;
};

/* HMAC-SHA256(key, "ebsp hello" 0 challenge hello rank life version): the
 * worker knows the key and means this rank, in this of its lives. */
int auth_prove_hello(const uint8_t key[AUTH_KEY_BYTES],
                     const struct auth_talk *talk,
                     uint8_t proof[WIRE_PROOF_BYTES], struct err *err);
/* HMAC-SHA256(key, "ebsp welcome" 0 challenge hello).  Another label, so that
 * a proof can never be thrown back at its sender. */
int auth_prove_welcome(const uint8_t key[AUTH_KEY_BYTES],
                       const struct auth_talk *talk,
                       uint8_t proof[WIRE_PROOF_BYTES], struct err *err);
/* HKDF-Expand(key, "ebsp tls psk", 32), RFC 5869: what TLS gets of the key. */
int auth_derive_psk(const uint8_t key[AUTH_KEY_BYTES],
                    uint8_t psk[AUTH_KEY_BYTES], struct err *err);
/* In constant time. */
bool auth_is_equal(const uint8_t a[WIRE_PROOF_BYTES],
                   const uint8_t b[WIRE_PROOF_BYTES]);
/* Overwrites a secret in a way that the compiler keeps. */
void auth_wipe(void *secret, size_t n);

#endif
