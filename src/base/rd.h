/* SPDX-License-Identifier: Apache-2.0 */
/* Sticky little-endian reader for hostile bytes: read all fields, ask once. */
#ifndef EBSP_BASE_RD_H
#define EBSP_BASE_RD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct rd {
    const uint8_t *p, *end;
    bool bad; /* set by the first read past the end; never cleared */
};

void rd_init(struct rd *r, const void *mem, size_t n);
uint8_t rd_u8(struct rd *r);
uint16_t rd_u16(struct rd *r);
uint32_t rd_u32(struct rd *r);
uint64_t rd_u64(struct rd *r);
int64_t rd_i64(struct rd *r);
float rd_f32(struct rd *r);
double rd_f64(struct rd *r);
/* n bytes to `to` (zeros when there are fewer). */
void rd_bytes(struct rd *r, void *to, size_t n);
/* n bytes in place, or NULL. */
const void *rd_skip(struct rd *r, size_t n);
/* u32 length and bytes into the array `to` as a string; longer than cap - 1 or
 * an embedded zero is bad. */
void rd_str(struct rd *r, char *to, size_t cap);
/* Nothing was read past the end and nothing is left. */
bool rd_done(const struct rd *r);

#endif
