/* SPDX-License-Identifier: Apache-2.0 */
/* The door to oneDNN: engine, errors, memory layouts.  Private to nn/; only
 * the plan and the layers include this. */
#ifndef EBSP_NN_DNN_H
#define EBSP_NN_DNN_H

#include <dnnl.h>
#include <stdbool.h>
#include <stddef.h>

struct err;

struct dnn {
    dnnl_engine_t engine;
    dnnl_stream_t stream;
};

int dnn_open(struct dnn *d, struct err *err);
void dnn_close(struct dnn *d);

/* 0, or -1 with "oneDNN: what: reason". */
int dnn_check(dnnl_status_t status, const char *what, struct err *err);

/* Layout of float32 with these dimensions; `any` leaves it to a primitive. */
int dnn_layout(dnnl_memory_desc_t *md, int n_dims, const dnnl_dim_t *dim,
               dnnl_format_tag_t tag, struct err *err);
/* The same dimensions in another layout. */
int dnn_relayout(dnnl_memory_desc_t *md, const dnnl_memory_desc_t *like,
                 dnnl_format_tag_t tag, struct err *err);
/* Row-major order of the dimensions for 1 to 5 of them. */
dnnl_format_tag_t dnn_plain(int n_dims);
bool dnn_equal(const dnnl_memory_desc_t *a, const dnnl_memory_desc_t *b);
/* Element by element at the same address, though perhaps described
 * differently: the stride of a dimension of extent 1 means nothing. */
bool dnn_same_bytes(const dnnl_memory_desc_t *a, const dnnl_memory_desc_t *b);
size_t dnn_bytes(const dnnl_memory_desc_t *md);

/* An image layout in which neighbouring channels are neighbours in memory
 * (nhwc, nChw8c, nChw16c): `units` images of height x width pixels of `lanes`
 * floats each, one behind the other.  False for other layouts. */
struct dnn_pixels {
    size_t units, height, width, lanes;
};
bool dnn_get_pixels(const dnnl_memory_desc_t *md, struct dnn_pixels *px);

/* Whether oneDNN knows Winograd convolutions on this processor. */
bool dnn_has_winograd(void);
/* The name of this processor. */
const char *dnn_processor(char *to, size_t cap);

/* "nhwc", "nChw8c", ... */
const char *dnn_layout_name(const dnnl_memory_desc_t *md);

#endif
