/* SPDX-License-Identifier: Apache-2.0 */
/* A data set of any kind as one run of bytes: what is sent to a host that has
 * no copy of it, and what that host keeps in its cache.
 *
 *   offset size
 *        0    8  "EBSPDATA"
 *        8    4  version of this format, 1
 *       12    4  type of the samples: 0 bytes, 1 floats
 *       16    8  hash of the data set (struct dataset)
 *       24    8  sum of everything but itself
 *       32    8  bytes behind the head
 *       40    8  classes, 0: targets
 *       48    8  targets
 *       56   16  samples for training, for testing
 *       72    4  number of dimensions
 *       76    4  zero
 *       80   40  dimensions, those that are not used are zero
 *      120    8  zero
 *      128       train x, labels, targets, test x, labels, targets, each filled
 *                up with zeros to a multiple of 64 bytes
 *
 * All little endian. */
#ifndef EBSP_DATA_BLOB_H
#define EBSP_DATA_BLOB_H

#include "data/dataset.h"

#define BLOB_HEAD_BYTES 128

/* Of a data set that is open.  Reads all of it once; d->memory follows it, as
 * it is. */
void blob_make_head(const struct dataset *d, uint8_t head[BLOB_HEAD_BYTES]);

/* Reads the file and checks that it is the data set with this hash, undamaged.
 * ERR_CONFIG that says what is wrong with the file, ERR_SYS when it cannot be
 * read. */
struct dataset *blob_open(const char *path, uint64_t hash, struct err *err);

/* Moves the data into memory that processes can inherit, d->shared.  ERR_SYS:
 * not possible here, d is as it was. */
int blob_share(struct dataset *d, struct err *err);
/* In such a process: the data set with this hash, nothing is copied.  The
 * descriptor is taken over. */
struct dataset *blob_attach(int fd, uint64_t hash, struct err *err);

#endif
