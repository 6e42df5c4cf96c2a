/* SPDX-License-Identifier: Apache-2.0 */
/* Why a call failed.
 *
 * The caller owns the struct, usually on its stack; NULL means "I do not care
 * why".  Setting an error never allocates and never overwrites an earlier one,
 * so the deepest cause survives clean-up code. */
#ifndef EBSP_BASE_ERR_H
#define EBSP_BASE_ERR_H

#include <stdarg.h>

/* The value is the exit status of the process that ends because of it. */
enum err_code {
    ERR_OK = 0,
    ERR_FAIL = 1,     /* anything without a class of its own */
    ERR_USAGE = 2,    /* command line */
    ERR_CONFIG = 3,   /* job, model or data invalid */
    ERR_NOMEM = 4,    /* out of memory */
    ERR_SYS = 5,      /* system call, file system or network */
    ERR_PROTO = 6,    /* protocol or authentication */
    ERR_POLICY = 7,   /* plugin or policy */
    ERR_WORKERS = 8,  /* fewer workers than needed are left */
    ERR_DIVERGED = 9, /* NaN or Inf in loss or parameters */
    ERR_TARGET = 10,  /* target accuracy not reached */
    ERR_BUG = 70      /* an internal invariant does not hold */
};

struct err {
    enum err_code code;
    char text[640];
};
#define ERR_INIT                                                               \
    {                                                                          \
        ERR_OK, ""                                                             \
    }

/* All return -1 so that a caller can write: return err_set(e, ...);
 *
 * err_set   code and text, unless e already holds an error
 * err_errno like err_set with ERR_SYS, ": strerror(errno)" appended
 * err_wrap  puts "text: " in front of the error that e holds
 * err_nomem ERR_NOMEM */
int err_set(struct err *e, enum err_code code, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
int err_vset(struct err *e, enum err_code code, const char *fmt, va_list ap)
    __attribute__((format(printf, 3, 0)));
int err_errno(struct err *e, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
int err_wrap(struct err *e, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
int err_nomem(struct err *e);
void err_clear(struct err *e);

#endif
