/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/frame.h"

#include "base/err.h"
#include "base/mem.h"

#include <inttypes.h>
#include <string.h>

#ifdef HAVE_CONFIG_H
#    include "config.h"
#endif

/* The state of a sum in pieces lives on the stack: no allocation per frame. */
#define XXH_STATIC_LINKING_ONLY
#include <xxhash.h>
#ifdef XXHASH_DISPATCHES
#    include <xxh_x86dispatch.h> /* the same sums */
#endif

enum {
    AT_MAGIC = 0,
    AT_VERSION = 4,
    AT_TYPE = 6,
    AT_BODY_LEN = 8,
    AT_RESERVED = 12,
    AT_BULK_LEN = 16,
    AT_BULK_SUM = 24,
    AT_HEAD_SUM = 32
};

static void
put_le(uint8_t *to, uint64_t v, int n)
{
    for (int i = 0; i < n; i++)
        to[i] = (uint8_t)(v >> (8 * i));
}

static uint64_t
get_le(const uint8_t *from, int n)
{
    uint64_t v = 0;

    for (int i = 0; i < n; i++)
        v |= (uint64_t)from[i] << (8 * i);
    return v;
}

uint64_t
wire_hash(const void *p, size_t n)
{
    return XXH3_64bits(p, n);
}

static uint64_t
head_sum(const uint8_t head[FRAME_HEAD_BYTES], const void *body, size_t n)
{
    XXH3_state_t state;

    XXH3_64bits_reset(&state);
    XXH3_64bits_update(&state, head, AT_HEAD_SUM);
    XXH3_64bits_update(&state, body, n);
    return XXH3_64bits_digest(&state);
}

void
frame_encode_summed(uint8_t to[FRAME_HEAD_BYTES], uint16_t type,
                    const void *body, uint32_t body_len, uint64_t bulk_len,
                    uint64_t bulk_sum)
{
    put_le(to + AT_MAGIC, FRAME_MAGIC, 4);
    put_le(to + AT_VERSION, WIRE_VERSION, 2);
    put_le(to + AT_TYPE, type, 2);
    put_le(to + AT_BODY_LEN, body_len, 4);
    put_le(to + AT_RESERVED, 0, 4);
    put_le(to + AT_BULK_LEN, bulk_len, 8);
    put_le(to + AT_BULK_SUM, bulk_sum, 8);
    put_le(to + AT_HEAD_SUM, head_sum(to, body, body_len), 8);
}

void
frame_encode(uint8_t to[FRAME_HEAD_BYTES], uint16_t type, const void *body,
             uint32_t body_len, const void *bulk, uint64_t bulk_len)
{
    frame_encode_summed(to, type, body, body_len, bulk_len,
                        wire_hash(bulk, bulk_len));
}

int
frame_decode(struct frame_head *h, const uint8_t from[FRAME_HEAD_BYTES],
             uint32_t max_body, uint64_t max_bulk, struct err *err)
{
    if (get_le(from + AT_MAGIC, 4) != FRAME_MAGIC)
        return err_set(err, ERR_PROTO, "peer does not speak ebsp's protocol");
    h->version = (uint16_t)get_le(from + AT_VERSION, 2);
    if (h->version != WIRE_VERSION)
        return err_set(err, ERR_PROTO, "peer speaks protocol %u, this is %d",
                       (unsigned)h->version, WIRE_VERSION);
    h->type = (uint16_t)get_le(from + AT_TYPE, 2);
    h->body_len = (uint32_t)get_le(from + AT_BODY_LEN, 4);
    h->bulk_len = get_le(from + AT_BULK_LEN, 8);
    h->bulk_sum = get_le(from + AT_BULK_SUM, 8);
    h->head_sum = get_le(from + AT_HEAD_SUM, 8);
    if (get_le(from + AT_RESERVED, 4))
        return err_set(err, ERR_PROTO, "frame: reserved field is not zero");
    if (h->body_len > max_body)
        return err_set(err, ERR_PROTO,
                       "frame: body of %" PRIu32
                       " bytes, expected at most %" PRIu32,
                       h->body_len, max_body);
    if (h->bulk_len > max_bulk)
        return err_set(err, ERR_PROTO,
                       "frame: bulk of %" PRIu64
                       " bytes, expected at most %" PRIu64,
                       h->bulk_len, max_bulk);
    if (h->bulk_len % 4)
        return err_set(err, ERR_PROTO,
                       "frame: bulk of %" PRIu64
                       " bytes, expected a multiple of 4",
                       h->bulk_len);
    return 0;
}

int
frame_check_body(const struct frame_head *h,
                 const uint8_t from[FRAME_HEAD_BYTES], const void *body,
                 struct err *err)
{
    if (head_sum(from, body, h->body_len) == h->head_sum)
        return 0;
    return err_set(err, ERR_PROTO,
                   "frame: checksum of header and body is wrong");
}

int
frame_check_bulk(const struct frame_head *h, uint64_t sum, struct err *err)
{
    if (sum == h->bulk_sum)
        return 0;
    return err_set(err, ERR_PROTO, "frame: checksum of the bulk is wrong");
}

struct wire_sum {
    XXH3_state_t state; /* aligned to 64 bytes */
};

struct wire_sum *
wire_sum_new(void)
{
    struct wire_sum *s = mem_alloc_aligned(sizeof *s);

    if (s)
        wire_sum_clear(s);
    return s;
}

void
wire_sum_free(struct wire_sum *s)
{
    mem_free(s);
}

void
wire_sum_clear(struct wire_sum *s)
{
    XXH3_64bits_reset(&s->state);
}

void
wire_sum_add(struct wire_sum *s, const void *p, size_t n)
{
    XXH3_64bits_update(&s->state, p, n);
}

uint64_t
wire_sum_get(const struct wire_sum *s)
{
    return XXH3_64bits_digest(&s->state);
}
