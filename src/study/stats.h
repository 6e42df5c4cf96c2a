/* SPDX-License-Identifier: Apache-2.0 */
/* What a few repetitions say about a mean: Student's t. */
#ifndef EBSP_STUDY_STATS_H
#define EBSP_STUDY_STATS_H

#include <stddef.h>

#define STATS_CONFIDENCE 0.95

/* NAN: not known.  low and high need two values. */
struct interval {
    size_t n;
    double mean, low, high;
};

/* Of the mean of n values; those that are NAN are left out. */
struct interval stats_mean(const double *v, size_t n);
/* Of the geometric mean, from the logarithms; values that are not above 0 are
 * left out, too. */
struct interval stats_geometric(const double *v, size_t n);

/* The x with P(T <= x) = p of Student's distribution with df degrees of
 * freedom; 0 < p < 1, df >= 1. */
double stats_t_quantile(double p, double df);

#endif
