/* SPDX-License-Identifier: Apache-2.0 */
/* A file read from front to back: as it is, expanded from gzip, or member by
 * member out of a tar archive.  The only door to zlib and libarchive.
 *
 * The bytes are a stranger's.  Every error but running out of memory is
 * ERR_CONFIG and names the file, the member and the byte. */
#ifndef EBSP_DATA_ARCHIVE_H
#define EBSP_DATA_ARCHIVE_H

#include <stddef.h>
#include <stdint.h>

struct err;
struct input;

enum input_form {
    INPUT_PLAIN, /* whatever the bytes are */
    INPUT_GZIP,  /* expanded when it is gzip, else as it is */
    INPUT_TAR    /* tar, or gzip of tar; input_next comes first */
};

struct input *input_open(const char *path, enum input_form form,
                         struct err *err);
void input_close(struct input *in);

/* INPUT_TAR: on to the next regular file.  Its name (valid until the next
 * call) and size.  1, 0 after the last (the check sum was right then), -1. */
int input_next(struct input *in, const char **member, uint64_t *n_bytes,
               struct err *err);
/* Exactly n bytes of the file or member. */
int input_read(struct input *in, void *to, size_t n, struct err *err);
/* The file says of itself that it is n_bytes long: true, or for gzip at least
 * possible?  Asked before memory is taken for what a file merely claims. */
int input_expect(struct input *in, uint64_t n_bytes, struct err *err);
/* Nothing follows, and gzip's check sum is right. */
int input_end(struct input *in, struct err *err);

/* "mnist/train.gz", "cifar.tar.gz: batches/test.bin": for messages. */
const char *input_name(const struct input *in);
/* Bytes of the file or member that were read. */
uint64_t input_tell(const struct input *in);
/* Size of the file on disk. */
uint64_t input_size(const struct input *in);

#endif
