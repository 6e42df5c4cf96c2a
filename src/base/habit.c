/* SPDX-License-Identifier: Apache-2.0 */
#include "base/habit.h"

#include "base/clock.h"
#include "base/str.h"

#include <stdlib.h>
#include <string.h>

/* Makes the MAD of normally distributed values their standard deviation. */
#define MAD_SCALE 1.4826

static int
compare(const void *a, const void *b)
{
    const int64_t *x = a, *y = b;

    return (*x > *y) - (*x < *y);
}

static unsigned
count(const struct habit *h)
{
    return h->n < HABIT_SIZE ? h->n : HABIT_SIZE;
}

/* Sorts; n > 0. */
static int64_t
median(int64_t *v, unsigned n)
{
    qsort(v, n, sizeof *v, compare);
    return n % 2 ? v[n / 2] : v[n / 2 - 1] + (v[n / 2] - v[n / 2 - 1]) / 2;
}

static double
scaled_mad(const struct habit *h, int64_t middle)
{
    int64_t v[HABIT_SIZE];
    unsigned n = count(h);

    for (unsigned i = 0; i < n; i++)
        v[i] = h->v[i] > middle ? h->v[i] - middle : middle - h->v[i];
    return MAD_SCALE * (double)median(v, n);
}

void
habit_add(struct habit *h, int64_t ns)
{
    h->v[h->n % HABIT_SIZE] = ns > 0 ? ns : 0;
    /* Wraps to a multiple, so that the place of the next one stays right. */
    if (++h->n == HABIT_SIZE * 1000u)
        h->n = HABIT_SIZE;
}

int64_t
habit_median_ns(const struct habit *h)
{
    int64_t v[HABIT_SIZE];

    if (h->n == 0)
        return -1;
    memcpy(v, h->v, sizeof v);
    return median(v, count(h));
}

int64_t
habit_limit_ns(const struct habit *h, const struct habit_bounds *b)
{
    int64_t middle = habit_median_ns(h);
    double limit;

    if (h->n < HABIT_FEW)
        return b->most_ns;
    limit = (double)middle + b->k * scaled_mad(h, middle);
    if (limit >= (double)b->most_ns)
        return b->most_ns;
    return limit > (double)b->least_ns ? (int64_t)limit : b->least_ns;
}

const char *
habit_text(const struct habit *h, const struct habit_bounds *b, char *to,
           size_t cap)
{
    double s = (double)NS_PER_S, limit = (double)habit_limit_ns(h, b) / s;
    int64_t middle = habit_median_ns(h);

    if (h->n < HABIT_FEW)
        str_printf(to, cap, "%.1f s: no history yet", limit);
    else
        str_printf(to, cap,
                   "%.1f s: median %.3g s + %g x %.3g s of its own, from %.1f "
                   "to %.1f s",
                   limit, (double)middle / s, b->k, scaled_mad(h, middle) / s,
                   (double)b->least_ns / s, (double)b->most_ns / s);
    return to;
}
