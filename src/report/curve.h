/* SPDX-License-Identifier: Apache-2.0 */
/* Series of any length in few points.
 *
 * A curve keeps mean, least and greatest value of buckets of equally many
 * values; when it is full, neighbours are joined.  So no peak is lost.  Each
 * value has two abscissae (seconds and samples), as it is drawn against both.
 *
 * A gauge adds up what spans of time cover, in slots of equal length, which
 * double when time has gone beyond the last one. */
#ifndef EBSP_REPORT_CURVE_H
#define EBSP_REPORT_CURVE_H

#include <stddef.h>
#include <stdint.h>

struct err;

#define CURVE_POINTS 1000 /* at most; even */
#define GAUGE_SLOTS  80   /* even */

struct curve_point {
    double x[2]; /* of the last value in the bucket */
    double sum, min, max;
    uint64_t n;
};

struct curve {
    struct curve_point *point;
    size_t n, cap;
    uint64_t per; /* values a bucket, but for the last one */
};

struct gauge {
    double slot_s; /* 0: time has not begun */
    double sum_s[GAUGE_SLOTS];
};

void curve_release(struct curve *c);
/* A value that is not finite is left out. */
int curve_add(struct curve *c, double x0, double x1, double y, struct err *err);
/* Forgets what is beyond: a run went on from an earlier point. */
void curve_cut(struct curve *c, int axis, double x);
double curve_mean(const struct curve_point *p);
/* Fewer points (at most n >= 1) of the same values: for noisy ones.  `to` is
 * empty before. */
int curve_thin(const struct curve *c, size_t n, struct curve *to,
               struct err *err);

void gauge_add(struct gauge *g, double begin_s, double end_s);
/* Time has come to here, whether anything is added or not. */
void gauge_reach(struct gauge *g, double end_s);
/* Forgets what is later. */
void gauge_cut(struct gauge *g, double end_s);

#endif
