/* SPDX-License-Identifier: Apache-2.0 */
#include "base/buf.h"

#include "base/err.h"
#include "base/mem.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void
buf_release(struct buf *b)
{
    mem_free(b->data);
    b->data = NULL;
    b->len = b->cap = 0;
    b->bad = false;
}

void
buf_clear(struct buf *b)
{
    b->len = 0;
    b->bad = false;
}

char *
buf_take(struct buf *b, size_t *len)
{
    char *data = b->data;

    if (len)
        *len = b->len;
    b->data = NULL;
    b->len = b->cap = 0;
    return data;
}

int
buf_ok(const struct buf *b, struct err *err)
{
    if (!b->bad)
        return 0;
    return err_set(err, ERR_NOMEM,
                   "buffer full or out of memory (limit %zu bytes)", b->max);
}

void *
buf_grow(struct buf *b, size_t n)
{
    char *p;

    if (b->bad || n > b->max - b->len) {
        b->bad = true;
        return NULL;
    }
    if (n >= b->cap - b->len) { /* >=: one byte for the final zero */
        size_t cap = b->cap ? b->cap : 64;

        while (cap - b->len <= n)
            cap *= 2;
        p = mem_resize(b->data, b->cap, cap, 1);
        if (!p) {
            b->bad = true;
            return NULL;
        }
        b->data = p;
        b->cap = cap;
    }
    p = b->data + b->len;
    b->len += n;
    b->data[b->len] = '\0';
    return p;
}

void
buf_add(struct buf *b, const void *mem, size_t n)
{
    void *p = buf_grow(b, n);

    if (p && n)
        memcpy(p, mem, n);
}

void
buf_adds(struct buf *b, const char *s)
{
    buf_add(b, s, strlen(s));
}

void
buf_addf(struct buf *b, const char *fmt, ...)
{
    va_list ap, again;
    int n;

    va_start(ap, fmt);
    va_copy(again, ap);
    n = vsnprintf(NULL, 0, fmt, ap);
    if (n < 0) {
        b->bad = true;
    } else {
        /* buf_grow keeps room for the zero that vsnprintf writes */
        char *p = buf_grow(b, (size_t)n);

        if (p)
            vsnprintf(p, (size_t)n + 1, fmt, again);
    }
    va_end(again);
    va_end(ap);
}

static void
add_le(struct buf *b, uint64_t v, size_t n)
{
    uint8_t *p = buf_grow(b, n);

    for (size_t i = 0; p && i < n; i++)
        p[i] = (uint8_t)(v >> (8 * i));
}

void
buf_u8(struct buf *b, uint8_t v)
{
    add_le(b, v, 1);
}

void
buf_u16(struct buf *b, uint16_t v)
{
    add_le(b, v, 2);
}

void
buf_u32(struct buf *b, uint32_t v)
{
    add_le(b, v, 4);
}

void
buf_u64(struct buf *b, uint64_t v)
{
    add_le(b, v, 8);
}

void
buf_i64(struct buf *b, int64_t v)
{
    add_le(b, (uint64_t)v, 8);
}

void
buf_f32(struct buf *b, float v)
{
    uint32_t bits;

    memcpy(&bits, &v, 4);
    add_le(b, bits, 4);
}

void
buf_f64(struct buf *b, double v)
{
    uint64_t bits;

    memcpy(&bits, &v, 8);
    add_le(b, bits, 8);
}

void
buf_str(struct buf *b, const char *s)
{
    size_t n = strlen(s);

    if (n > UINT32_MAX) {
        b->bad = true;
        return;
    }
    buf_u32(b, (uint32_t)n);
    buf_add(b, s, n);
}
