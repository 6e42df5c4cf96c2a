/* SPDX-License-Identifier: Apache-2.0 */
#include "io/auth.h"

#include "base/err.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <string.h>

#define MAX_LABEL 16

_Static_assert(WIRE_PROOF_BYTES == 32 && AUTH_KEY_BYTES == 32, "of SHA-256");

static int
hmac(const uint8_t key[AUTH_KEY_BYTES], const void *text, size_t n,
     uint8_t to[32], struct err *err)
{
    size_t n_to = 0;

    if (!EVP_Q_mac(NULL, "HMAC", NULL, "SHA256", NULL, key, AUTH_KEY_BYTES,
                   text, n, to, 32, &n_to) ||
        n_to != 32)
        return err_set(err, ERR_FAIL, "cannot compute HMAC-SHA256");
    return 0;
}

/* label, its final zero, both nonces, then n bytes of tail */
static int
prove(const uint8_t key[AUTH_KEY_BYTES], const char *label,
      const struct auth_talk *talk, const void *tail, size_t n,
      uint8_t proof[WIRE_PROOF_BYTES], struct err *err)
{
    uint8_t text[MAX_LABEL + 2 * WIRE_NONCE_BYTES + 10];
    size_t len = strlen(label) + 1;

    memcpy(text, label, len);
    memcpy(text + len, talk->challenge, WIRE_NONCE_BYTES);
    len += WIRE_NONCE_BYTES;
    memcpy(text + len, talk->hello, WIRE_NONCE_BYTES);
    len += WIRE_NONCE_BYTES;
    memcpy(text + len, tail, n);
    len += n;
    return hmac(key, text, len, proof, err);
}

int
auth_prove_hello(const uint8_t key[AUTH_KEY_BYTES],
                 const struct auth_talk *talk, uint8_t proof[WIRE_PROOF_BYTES],
                 struct err *err)
{
    uint8_t tail[10];

    for (int i = 0; i < 4; i++) {
        tail[i] = (uint8_t)(talk->rank >> (8 * i));
        tail[4 + i] = (uint8_t)(talk->life >> (8 * i));
    }
    tail[8] = WIRE_VERSION & 0xff;
    tail[9] = WIRE_VERSION >> 8;
    return prove(key, "ebsp hello", talk, tail, sizeof tail, proof, err);
}

int
auth_prove_welcome(const uint8_t key[AUTH_KEY_BYTES],
                   const struct auth_talk *talk,
                   uint8_t proof[WIRE_PROOF_BYTES], struct err *err)
{
    return prove(key, "ebsp welcome", talk, "", 0, proof, err);
}

int
auth_derive_psk(const uint8_t key[AUTH_KEY_BYTES], uint8_t psk[AUTH_KEY_BYTES],
                struct err *err)
{
    /* One block of output: its number follows the label. */
    static const char text[] = "ebsp tls psk\x01";

    return hmac(key, text, sizeof text - 1, psk, err);
}

bool
auth_is_equal(const uint8_t a[WIRE_PROOF_BYTES],
              const uint8_t b[WIRE_PROOF_BYTES])
{
    return CRYPTO_memcmp(a, b, WIRE_PROOF_BYTES) == 0;
}

void
auth_wipe(void *secret, size_t n)
{
    OPENSSL_cleanse(secret, n);
}
