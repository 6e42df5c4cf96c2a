/* SPDX-License-Identifier: Apache-2.0 */
#include "io/auth.h"

#include "base/err.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <string.h>

#define MAX_LABEL 16

/* label, its final zero, both nonces, then n bytes of tail */
static int
prove(const uint8_t key[AUTH_KEY_BYTES], const char *label,
      const struct auth_talk *talk, const void *tail, size_t n,
      uint8_t proof[WIRE_PROOF_BYTES], struct err *err)
{
    uint8_t text[MAX_LABEL + 2 * WIRE_NONCE_BYTES + 10];
    size_t len = strlen(label) + 1, n_proof = 0;

    memcpy(text, label, len);
    memcpy(text + len, talk->challenge, WIRE_NONCE_BYTES);
    len += WIRE_NONCE_BYTES;
    memcpy(text + len, talk->hello, WIRE_NONCE_BYTES);
    len += WIRE_NONCE_BYTES;
    memcpy(text + len, tail, n);
    len += n;
    if (!EVP_Q_mac(NULL, "HMAC", NULL, "SHA256", NULL, key, AUTH_KEY_BYTES,
                   text, len, proof, WIRE_PROOF_BYTES, &n_proof) ||
        n_proof != WIRE_PROOF_BYTES)
        return err_set(err, ERR_FAIL, "cannot compute HMAC-SHA256");
    return 0;
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
