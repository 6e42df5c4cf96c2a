/* SPDX-License-Identifier: Apache-2.0 */
/* The sliding window of convolution and pooling: options and output extent. */
#ifndef EBSP_NN_LAYERS_WINDOW_H
#define EBSP_NN_LAYERS_WINDOW_H

#include "nn/layer.h"

/* [0] along the height, [1] along the width. */
struct window {
    int64_t kernel[2], stride[2], dilation[2];
    int64_t pad[2], pad_end[2]; /* before the first, after the last */
    int64_t out[2];             /* floor mode */
};

/* Keys "kernel" (needed), "stride" (default: as w->stride came in, 0 meaning
 * the kernel), "padding" and "dilation" of a layer that reads an image. */
int window_read(struct window *w, const struct layer_reader *r,
                struct err *err);

#endif
