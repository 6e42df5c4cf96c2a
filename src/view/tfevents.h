/* SPDX-License-Identifier: Apache-2.0 */
/* The bytes of a TensorBoard event file: records with checksums, each an Event
 * in protobuf encoding.  Pure: appends to a buffer, which tells (buf_ok) when
 * there was no room.
 *
 * Record: u64 length, u32 masked CRC-32C of these 8 bytes, the event, u32
 * masked CRC-32C of it; little endian.  Of Event only the members that are
 * needed for scalars: wall_time 1, step 2, file_version 3, summary 5,
 * session_log 7. */
#ifndef EBSP_VIEW_TFEVENTS_H
#define EBSP_VIEW_TFEVENTS_H

#include <stddef.h>
#include <stdint.h>

struct buf;

/* Castagnoli's polynomial, as in iSCSI (RFC 3720, B.4). */
uint32_t tfevents_crc32c(const void *p, size_t n);
/* A checksum that may itself be under a checksum. */
uint32_t tfevents_mask(uint32_t crc);

/* What a file begins with.  wall_s: seconds since 1970. */
void tfevents_put_version(struct buf *to, double wall_s);
/* Points of earlier files with this step or a later one are out of date. */
void tfevents_put_start(struct buf *to, double wall_s, uint64_t step);
/* Scalars are collected first, then written as one event. */
void tfevents_add_scalar(struct buf *scalars, const char *tag, double value);
void tfevents_put_scalars(struct buf *to, double wall_s, uint64_t step,
                          const struct buf *scalars);

#endif
