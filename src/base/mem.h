/* SPDX-License-Identifier: Apache-2.0 */
/* Memory: one door, so that a test can let the Nth allocation fail. */
#ifndef EBSP_BASE_MEM_H
#define EBSP_BASE_MEM_H

#include <stddef.h>

#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))

/* n * size zeroed bytes, or NULL (also when the product overflows).  Never
 * NULL for zero bytes.  Freed with mem_free. */
void *mem_alloc(size_t n, size_t size);
/* The same, grown or shrunk; bytes beyond old_n * size are zero.  On failure
 * the old block is untouched. */
void *mem_resize(void *p, size_t old_n, size_t n, size_t size);
/* n_bytes zeroed bytes for numbers: aligned to 64 bytes, blocks of 2 MiB and
 * more to 2 MiB with huge pages asked for. */
void *mem_alloc_aligned(size_t n_bytes);
void mem_free(void *p);

char *mem_strdup(const char *s);
char *mem_printf(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* Test hook: the allocation after the next n ones fails; -1 means never. */
void mem_fail_after(long n);

#endif
