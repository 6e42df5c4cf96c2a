/* SPDX-License-Identifier: Apache-2.0 */
/* Frames: what travels over every connection.  Pure bytes, never a descriptor.
 *
 *   offset size
 *        0    4  magic "EBSP" (little endian 0x50534245)
 *        4    2  protocol version
 *        6    2  message type
 *        8    4  body length, at most FRAME_MAX_BODY
 *       12    4  reserved, zero
 *       16    8  bulk length in bytes, a multiple of 4
 *       24    8  XXH3-64 of the bulk
 *       32    8  XXH3-64 of header bytes 0..31 followed by the body
 *       40       body, then bulk
 *
 * All integers little endian.  A body holds the fields of a message (msg.h); a
 * bulk holds floats and goes straight to where it belongs. */
#ifndef EBSP_WIRE_FRAME_H
#define EBSP_WIRE_FRAME_H

#include <stddef.h>
#include <stdint.h>

struct err;

#define WIRE_VERSION     2
#define FRAME_MAGIC      UINT32_C(0x50534245)
#define FRAME_HEAD_BYTES 40
#define FRAME_MAX_BODY   ((uint32_t)1 << 20)
#define FRAME_MAX_BULK   ((uint64_t)1 << 36)

struct frame_head {
    uint16_t version, type;
    uint32_t body_len;
    uint64_t bulk_len;
    uint64_t bulk_sum;
    uint64_t head_sum;
};

/* Fills `to` for a body and bulk that are complete. */
void frame_encode(uint8_t to[FRAME_HEAD_BYTES], uint16_t type, const void *body,
                  uint32_t body_len, const void *bulk, uint64_t bulk_len);
/* The same where the bulk's sum is known already: one bulk, many peers. */
void frame_encode_summed(uint8_t to[FRAME_HEAD_BYTES], uint16_t type,
                         const void *body, uint32_t body_len, uint64_t bulk_len,
                         uint64_t bulk_sum);
/* Magic, version ("peer speaks protocol 2, this is 1") and limits; the sums
 * are checked by the two calls below. ERR_PROTO. */
int frame_decode(struct frame_head *h, const uint8_t from[FRAME_HEAD_BYTES],
                 uint32_t max_body, uint64_t max_bulk, struct err *err);
int frame_check_body(const struct frame_head *h,
                     const uint8_t from[FRAME_HEAD_BYTES], const void *body,
                     struct err *err);
/* sum: of the bulk that came. */
int frame_check_bulk(const struct frame_head *h, uint64_t sum, struct err *err);

/* The same sum for files and parameters, at once or as the bytes come: while
 * they are still in the cache. */
uint64_t wire_hash(const void *p, size_t n);
struct wire_sum;
struct wire_sum *wire_sum_new(void); /* NULL: out of memory */
void wire_sum_free(struct wire_sum *s);
void wire_sum_clear(struct wire_sum *s);
void wire_sum_add(struct wire_sum *s, const void *p, size_t n);
uint64_t wire_sum_get(const struct wire_sum *s);

#endif
