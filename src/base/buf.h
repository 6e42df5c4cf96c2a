/* SPDX-License-Identifier: Apache-2.0 */
/* Growing bytes with a limit from birth, and a little-endian writer on them. */
#ifndef EBSP_BASE_BUF_H
#define EBSP_BASE_BUF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct err;

/* After a failed append `bad` is set and every later append does nothing, so
 * that a writer appends everything and asks once (buf_ok). */
struct buf {
    char *data; /* data[len] is always '\0' once something was added */
    size_t len, cap, max;
    bool bad;
};
#define BUF_INIT(limit)                                                        \
    {                                                                          \
        .max = (limit)                                                         \
    }

void buf_release(struct buf *b);
void buf_clear(struct buf *b); /* len = 0, keeps the memory */
/* The bytes; the caller frees them with mem_free.  The buffer is empty then. */
char *buf_take(struct buf *b, size_t *len);
int buf_ok(const struct buf *b, struct err *err);

void buf_add(struct buf *b, const void *mem, size_t n);
void buf_adds(struct buf *b, const char *s);
void buf_addf(struct buf *b, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
/* n uninitialized bytes at the end, or NULL. */
void *buf_grow(struct buf *b, size_t n);

void buf_u8(struct buf *b, uint8_t v);
void buf_u16(struct buf *b, uint16_t v);
void buf_u32(struct buf *b, uint32_t v);
void buf_u64(struct buf *b, uint64_t v);
void buf_i64(struct buf *b, int64_t v);
void buf_f32(struct buf *b, float v);
void buf_f64(struct buf *b, double v);
/* u32 length, then the bytes */
void buf_str(struct buf *b, const char *s);

#endif
