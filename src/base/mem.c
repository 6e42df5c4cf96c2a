/* SPDX-License-Identifier: Apache-2.0 */
#include "base/mem.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define HUGE_PAGE ((size_t)2 << 20)

static long fail_after = -1;

void
mem_fail_after(long n)
{
    fail_after = n;
}

static int
told_to_fail(void)
{
    return fail_after >= 0 && fail_after-- == 0;
}

void *
mem_alloc(size_t n, size_t size)
{
    size_t bytes;

    if (told_to_fail() || __builtin_mul_overflow(n, size, &bytes))
        return NULL;
    return calloc(bytes ? bytes : 1, 1);
}

void *
mem_resize(void *p, size_t old_n, size_t n, size_t size)
{
    size_t bytes;
    char *q;

    if (told_to_fail() || __builtin_mul_overflow(n, size, &bytes))
        return NULL;
    q = realloc(p, bytes ? bytes : 1);
    if (q && n > old_n)
        memset(q + old_n * size, 0, (n - old_n) * size);
    return q;
}

void *
mem_alloc_aligned(size_t n_bytes)
{
    size_t align = n_bytes >= HUGE_PAGE ? HUGE_PAGE : 64;
    void *p;

    if (told_to_fail() || n_bytes > SIZE_MAX - align)
        return NULL;
    n_bytes = (n_bytes + align - 1) & ~(align - 1);
    p = aligned_alloc(align, n_bytes ? n_bytes : align);
    if (!p)
        return NULL;
    if (align == HUGE_PAGE)
        (void)madvise(p, n_bytes, MADV_HUGEPAGE); /* a wish, not a need */
    memset(p, 0, n_bytes);
    return p;
}

void
mem_free(void *p)
{
    free(p);
}

char *
mem_strdup(const char *s)
{
    size_t n = strlen(s) + 1;
    char *p = mem_alloc(n, 1);

    return p ? memcpy(p, s, n) : NULL;
}

char *
mem_printf(const char *fmt, ...)
{
    va_list ap, again;
    char *p = NULL;
    int n;

    va_start(ap, fmt);
    va_copy(again, ap);
    n = vsnprintf(NULL, 0, fmt, ap);
    if (n >= 0)
        p = mem_alloc((size_t)n + 1, 1);
    if (p)
        vsnprintf(p, (size_t)n + 1, fmt, again);
    va_end(again);
    va_end(ap);
    return p;
}
