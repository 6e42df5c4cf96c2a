/* SPDX-License-Identifier: Apache-2.0 */
/* One image from the data set to the floats of a mini-batch, in one pass:
 * scaled, normalized, cropped and flipped. */
#ifndef EBSP_DATA_AUGMENT_H
#define EBSP_DATA_AUGMENT_H

#include "data/loader.h"

/* y = scale * x + offset per channel; bytes are taken as x / 255.  No fused
 * multiply-add: the same bits on every machine. */
struct pixel_map {
    int channels, height, width; /* {K}: 1, 1, K */
    bool identity;               /* scale 1, offset 0 */
    float *scale, *offset;       /* channels */
};
int pixel_map_init(struct pixel_map *m, const struct dataset *d,
                   const struct augment_config *a, struct err *err);
void pixel_map_release(struct pixel_map *m);

/* Where the crop is taken from: pixel (i, j) of the result is pixel
 * (i + dy, j + dx) of the image, zero outside; then mirrored if flip. */
struct view {
    int dy, dx;
    bool flip;
};
/* What `key` draws for a sample. */
struct view augment_draw(const struct augment_config *a, uint64_t key);

/* One image of the data set's type. */
void pixel_map_image(const struct pixel_map *m, enum data_type type,
                     const void *image, const struct view *v, float *to);

#endif
