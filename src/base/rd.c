/* SPDX-License-Identifier: Apache-2.0 */
#include "base/rd.h"

#include <string.h>

void
rd_init(struct rd *r, const void *mem, size_t n)
{
    r->p = mem;
    r->end = r->p + n;
    r->bad = false;
}

const void *
rd_skip(struct rd *r, size_t n)
{
    const uint8_t *p = r->p;

    if (r->bad || (size_t)(r->end - r->p) < n) {
        r->bad = true;
        return NULL;
    }
    r->p += n;
    return p;
}

static uint64_t
get_le(struct rd *r, size_t n)
{
    const uint8_t *p = rd_skip(r, n);
    uint64_t v = 0;

    for (size_t i = 0; p && i < n; i++)
        v |= (uint64_t)p[i] << (8 * i);
    return v;
}

uint8_t
rd_u8(struct rd *r)
{
    return (uint8_t)get_le(r, 1);
}

uint16_t
rd_u16(struct rd *r)
{
    return (uint16_t)get_le(r, 2);
}

uint32_t
rd_u32(struct rd *r)
{
    return (uint32_t)get_le(r, 4);
}

uint64_t
rd_u64(struct rd *r)
{
    return get_le(r, 8);
}

int64_t
rd_i64(struct rd *r)
{
    return (int64_t)get_le(r, 8);
}

float
rd_f32(struct rd *r)
{
    uint32_t bits = rd_u32(r);
    float v;

    memcpy(&v, &bits, 4);
    return v;
}

double
rd_f64(struct rd *r)
{
    uint64_t bits = rd_u64(r);
    double v;

    memcpy(&v, &bits, 8);
    return v;
}

void
rd_bytes(struct rd *r, void *to, size_t n)
{
    const void *p = rd_skip(r, n);

    if (p)
        memcpy(to, p, n);
    else
        memset(to, 0, n);
}

void
rd_str(struct rd *r, char *to, size_t cap)
{
    uint32_t n = rd_u32(r);
    const void *p;

    to[0] = '\0';
    if (n >= cap)
        r->bad = true;
    p = rd_skip(r, n);
    if (!p)
        return;
    if (memchr(p, 0, n)) {
        r->bad = true;
        return;
    }
    memcpy(to, p, n);
    to[n] = '\0';
}

bool
rd_done(const struct rd *r)
{
    return !r->bad && r->p == r->end;
}
