/* SPDX-License-Identifier: Apache-2.0 */
/* The inside of TLS, for tls.c and tls_ctx.c. */
#ifndef EBSP_IO_TLS_IMPL_H
#define EBSP_IO_TLS_IMPL_H

#include "io/tls.h"

#include <openssl/ssl.h>

struct tls_ctx {
    int n_refs; /* its owner's and one of each struct tls */
    bool server;
    SSL_CTX *ssl;
    BIO_METHOD *bio;
    uint8_t psk[AUTH_KEY_BYTES];
};

/* tls.c: our ends of an SSL. */
BIO_METHOD *tls_bio_new(void);
/* OpenSSL's words for an error code, or the other ones. */
const char *tls_reason(unsigned long code, const char *otherwise);

#endif
