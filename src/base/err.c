/* SPDX-License-Identifier: Apache-2.0 */
#include "base/err.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

int
err_vset(struct err *e, enum err_code code, const char *fmt, va_list ap)
{
    if (e && e->code == ERR_OK) {
        e->code = code;
        vsnprintf(e->text, sizeof e->text, fmt, ap);
    }
    return -1;
}

int
err_set(struct err *e, enum err_code code, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    err_vset(e, code, fmt, ap);
    va_end(ap);
    return -1;
}

int
err_errno(struct err *e, const char *fmt, ...)
{
    int saved = errno;
    char what[512];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(what, sizeof what, fmt, ap);
    va_end(ap);
    return err_set(e, ERR_SYS, "%s: %s", what, strerror(saved));
}

int
err_wrap(struct err *e, const char *fmt, ...)
{
    char old[sizeof e->text];
    size_t len;
    va_list ap;

    if (!e || e->code == ERR_OK)
        return -1;
    memcpy(old, e->text, sizeof old);
    va_start(ap, fmt);
    vsnprintf(e->text, sizeof e->text, fmt, ap);
    va_end(ap);
    len = strlen(e->text);
    snprintf(e->text + len, sizeof e->text - len, ": %s", old);
    return -1;
}

int
err_nomem(struct err *e)
{
    return err_set(e, ERR_NOMEM, "out of memory");
}

void
err_clear(struct err *e)
{
    if (e) {
        e->code = ERR_OK;
        e->text[0] = '\0';
    }
}
