/* SPDX-License-Identifier: Apache-2.0 */
/* What is usual: the recent history of one duration and the limit beyond which
 * it is suspicious, median + k * MAD (median absolute deviation from the
 * median; both survive almost half of the values being outliers), between
 * bounds.  Before HABIT_FEW values the upper bound holds. */
#ifndef EBSP_BASE_HABIT_H
#define EBSP_BASE_HABIT_H

#include <stddef.h>
#include <stdint.h>

#define HABIT_SIZE 63 /* values that are remembered */
#define HABIT_FEW  5

struct habit_bounds {
    double k;
    int64_t least_ns, most_ns;
};

struct habit {
    int64_t v[HABIT_SIZE];
    unsigned n; /* values seen, of which the last HABIT_SIZE count */
};

void habit_add(struct habit *h, int64_t ns);
/* -1: no history. */
int64_t habit_median_ns(const struct habit *h);
int64_t habit_limit_ns(const struct habit *h, const struct habit_bounds *b);
/* "5.0 s: median 1 s + 10 x 0.02 s of its own, from 5.0 to 30.0 s"; returns
 * `to`. */
const char *habit_text(const struct habit *h, const struct habit_bounds *b,
                       char *to, size_t cap);

#endif
