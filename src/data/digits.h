/* SPDX-License-Identifier: Apache-2.0 */
/* The skeletons of the digits and how one image is drawn from them. */
#ifndef EBSP_DATA_DIGITS_H
#define EBSP_DATA_DIGITS_H

#include <stdbool.h>
#include <stdint.h>

#define DIGIT_SIDE   28
#define DIGIT_PIXELS (DIGIT_SIDE * DIGIT_SIDE)

/* A stroke is a smooth curve through its points, in a box of 100 x 100 with y
 * downwards; a point that comes twice is a corner. */
#define STROKE_POINTS 16
struct stroke {
    int n;
    int8_t at[STROKE_POINTS][2];
};

#define GLYPH_STROKES 3
struct glyph {
    int n_strokes;
    struct stroke stroke[GLYPH_STROKES];
};

/* The ways to write a digit. */
#define DIGIT_WAYS 4
struct digit_ways {
    int n;
    struct glyph way[DIGIT_WAYS];
};
extern const struct digit_ways digit_ways[10];

struct rng;

/* One image of `digit`.  noise from 0 (clean) to 1. */
void digit_draw(int digit, double noise, struct rng *r,
                uint8_t image[DIGIT_PIXELS]);

#endif
