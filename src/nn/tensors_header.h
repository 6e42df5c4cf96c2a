/* SPDX-License-Identifier: Apache-2.0 */
/* The header of a safetensors file, apart from files: text in, offsets out.
 * Private to nn/ and its tests.  `name` stands for the file in messages; all
 * errors about the bytes are ERR_CONFIG, with text of the file escaped. */
#ifndef EBSP_NN_TENSORS_HEADER_H
#define EBSP_NN_TENSORS_HEADER_H

#include "nn/tensors.h"

struct buf;

#define TENSORS_PREFIX 8 /* bytes: length of the header */

/* Appends length and header, padded so that the data begin at a multiple of 8
 * bytes; the tensors follow in the order of the table, without gaps. */
int tensors_header_write(const struct segtab *t,
                         const struct tensors_meta *meta, size_t n_meta,
                         struct buf *to, struct err *err);
/* Length of the header from the first 8 bytes of a file of n_bytes. */
int tensors_header_length(const char *name,
                          const unsigned char prefix[TENSORS_PREFIX],
                          uint64_t n_bytes, size_t *len, struct err *err);
/* The header describes exactly the table, and its tensors fill the n_data
 * bytes of data without gap or overlap.  at[i]: byte of the data where segment
 * i begins. */
int tensors_header_parse(const char *name, const char *text, size_t len,
                         uint64_t n_data, const struct segtab *t, uint64_t *at,
                         struct err *err);
char *tensors_header_meta(const char *name, const char *text, size_t len,
                          const char *key, struct err *err);

#endif
