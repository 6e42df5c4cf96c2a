/* SPDX-License-Identifier: Apache-2.0 */
/* The safetensors format: named float tensors in one file that PyTorch users
 * load.  8 bytes header length (little endian), a JSON header
 * {"name": {"dtype": "F32", "shape": [...], "data_offsets": [a, b]}, ...,
 * "__metadata__": {"key": "text"}}, then the data, contiguous. */
#ifndef EBSP_NN_TENSORS_H
#define EBSP_NN_TENSORS_H

#include "base/buf.h"
#include "nn/segment.h"

#include <stddef.h>

struct err;
struct fs_part;

struct tensors_meta {
    const char *key, *value;
};

/* A file in memory, in the order in which its parts are written: its header,
 * then each segment of the table, gaps left out.  The parts point into v. */
struct tensors_image {
    struct buf header;
    struct fs_part *part;
    size_t n_parts;
};
/* After an error there is nothing to release. */
int tensors_image_init(struct tensors_image *f, const struct segtab *t,
                       const float *v, const struct tensors_meta *meta,
                       size_t n_meta, struct err *err);
void tensors_image_release(struct tensors_image *f);

/* Whole file at once (temporary file, fsync, rename).  Every segment of the
 * table under its name, gaps left out. */
int tensors_save(const char *path, const struct segtab *t, const float *v,
                 const struct tensors_meta *meta, size_t n_meta,
                 struct err *err);
/* Names, types and shapes must match the table exactly; the first difference
 * is reported, and v is as it was unless reading itself fails.  Bytes of the
 * file are hostile. */
int tensors_load(const char *path, const struct segtab *t, float *v,
                 struct err *err);
/* The text of a metadata key, or an error when the file has none; freed with
 * mem_free. */
char *tensors_load_meta(const char *path, const char *key, struct err *err);

#endif
