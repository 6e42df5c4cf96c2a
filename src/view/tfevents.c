/* SPDX-License-Identifier: Apache-2.0 */
#include "view/tfevents.h"

#include "base/buf.h"

#include <string.h>

#define SESSION_START 1

enum wire { WIRE_VARINT = 0, WIRE_64 = 1, WIRE_BYTES = 2, WIRE_32 = 5 };
enum event {
    EVENT_WALL = 1,
    EVENT_STEP,
    EVENT_VERSION,
    EVENT_SUMMARY = 5,
    EVENT_SESSION = 7
};
enum summary { SUMMARY_VALUE = 1 };
enum value { VALUE_TAG = 1, VALUE_SIMPLE };
enum session { SESSION_STATUS = 1 };

/* ---- checksums ----------------------------------------------------------- */

/* Bit by bit: a point a second needs no table. */
uint32_t
tfevents_crc32c(const void *p, size_t n)
{
    const uint8_t *b = p;
    uint32_t crc = UINT32_MAX;

    for (size_t i = 0; i < n; i++) {
        crc ^= b[i];
        for (int k = 0; k < 8; k++)
            crc = crc & 1 ? crc >> 1 ^ UINT32_C(0x82f63b78) : crc >> 1;
    }
    return ~crc;
}

uint32_t
tfevents_mask(uint32_t crc)
{
    return (crc >> 15 | crc << 17) + UINT32_C(0xa282ead8);
}

/* ---- protobuf ------------------------------------------------------------ */

static void
put_varint(struct buf *to, uint64_t v)
{
    for (; v >= 0x80; v >>= 7)
        buf_u8(to, (uint8_t)(v | 0x80));
    buf_u8(to, (uint8_t)v);
}

static void
put_key(struct buf *to, int member, enum wire kind)
{
    put_varint(to, (uint64_t)member << 3 | (uint64_t)kind);
}

static void
put_bytes(struct buf *to, int member, const void *p, size_t n)
{
    put_key(to, member, WIRE_BYTES);
    put_varint(to, n);
    buf_add(to, p, n);
}

/* ---- records ------------------------------------------------------------- */

static void
put_record(struct buf *to, const struct buf *event)
{
    uint8_t length[8];

    for (size_t i = 0; i < sizeof length; i++)
        length[i] = (uint8_t)((uint64_t)event->len >> 8 * i);
    buf_add(to, length, sizeof length);
    buf_u32(to, tfevents_mask(tfevents_crc32c(length, sizeof length)));
    buf_add(to, event->data, event->len);
    buf_u32(to, tfevents_mask(tfevents_crc32c(event->data, event->len)));
    to->bad |= event->bad;
}

/* An event of one member that is made of bytes. */
static void
put_event(struct buf *to, double wall_s, uint64_t step, enum event member,
          const void *p, size_t n)
{
    struct buf e = BUF_INIT(n + 64);

    put_key(&e, EVENT_WALL, WIRE_64);
    buf_f64(&e, wall_s);
    put_key(&e, EVENT_STEP, WIRE_VARINT);
    put_varint(&e, step);
    put_bytes(&e, (int)member, p, n);
    put_record(to, &e);
    buf_release(&e);
}

void
tfevents_put_version(struct buf *to, double wall_s)
{
    static const char version[] = "brain.Event:2";

    put_event(to, wall_s, 0, EVENT_VERSION, version, sizeof version - 1);
}

void
tfevents_put_start(struct buf *to, double wall_s, uint64_t step)
{
    static const uint8_t start[] = {SESSION_STATUS << 3 | WIRE_VARINT,
                                    SESSION_START};

    put_event(to, wall_s, step, EVENT_SESSION, start, sizeof start);
}

void
tfevents_add_scalar(struct buf *scalars, const char *tag, double value)
{
    size_t n = strlen(tag);
    struct buf v = BUF_INIT(n + 32);

    put_bytes(&v, VALUE_TAG, tag, n);
    put_key(&v, VALUE_SIMPLE, WIRE_32);
    buf_f32(&v, (float)value);
    put_bytes(scalars, SUMMARY_VALUE, v.data, v.len);
    scalars->bad |= v.bad;
    buf_release(&v);
}

void
tfevents_put_scalars(struct buf *to, double wall_s, uint64_t step,
                     const struct buf *scalars)
{
    put_event(to, wall_s, step, EVENT_SUMMARY, scalars->data, scalars->len);
    to->bad |= scalars->bad;
}
