/* SPDX-License-Identifier: Apache-2.0 */
#include "study/stats.h"

#include <math.h>
#include <stdbool.h>

#define MOST_TERMS 10000
#define ENOUGH     1e-15

/* The continued fraction of the incomplete beta function, by the modified
 * method of Lentz (DLMF 8.17.22). */
static double
beta_fraction(double a, double b, double x)
{
    const double tiny = 1e-300;
    double c = 1, d = 1 - (a + b) * x / (a + 1), f;

    d = 1 / (fabs(d) < tiny ? tiny : d);
    f = d;
    for (int m = 1; m < MOST_TERMS; m++) {
        double even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m));
        double odd =
            -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1));
        double step;

        d = 1 + even * d;
        c = 1 + even / c;
        d = 1 / (fabs(d) < tiny ? tiny : d);
        c = fabs(c) < tiny ? tiny : c;
        f *= d * c;
        d = 1 + odd * d;
        c = 1 + odd / c;
        d = 1 / (fabs(d) < tiny ? tiny : d);
        c = fabs(c) < tiny ? tiny : c;
        step = d * c;
        f *= step;
        if (fabs(step - 1) < ENOUGH)
            break;
    }
    return f;
}

/* I_x(a, b), regularized. */
static double
incomplete_beta(double a, double b, double x)
{
    double front;

    if (x <= 0 || x >= 1)
        return x <= 0 ? 0 : 1;
    front =
        exp(lgamma(a + b) - lgamma(a) - lgamma(b) + a * log(x) + b * log1p(-x));
    /* the fraction converges fast on this side only */
    if (x < (a + 1) / (a + b + 2))
        return front * beta_fraction(a, b, x) / a;
    return 1 - front * beta_fraction(b, a, 1 - x) / b;
}

/* P(T > t), t >= 0. */
static double
t_tail(double t, double df)
{
    return 0.5 * incomplete_beta(df / 2, 0.5, df / (df + t * t));
}

double
stats_t_quantile(double p, double df)
{
    double tail = p < 0.5 ? p : 1 - p, low = 0, high = 1;

    while (t_tail(high, df) > tail && high < 1e300)
        high *= 2;
    for (int i = 0; i < 200 && high - low > 1e-13 * high; i++) {
        double middle = low + (high - low) / 2;

        if (t_tail(middle, df) > tail)
            low = middle;
        else
            high = middle;
    }
    return p < 0.5 ? -high : high;
}

static double
value(double v, bool logarithm)
{
    if (!logarithm)
        return v;
    return v > 0 ? log(v) : NAN;
}

static struct interval
describe(const double *v, size_t n, bool logarithm)
{
    struct interval r = {.mean = NAN, .low = NAN, .high = NAN};
    double sum = 0, squares = 0, half;

    for (size_t i = 0; i < n; i++) {
        double x = value(v[i], logarithm);

        if (isfinite(x)) {
            sum += x;
            r.n++;
        }
    }
    if (r.n == 0)
        return r;
    r.mean = sum / (double)r.n;
    if (r.n < 2)
        return r;
    for (size_t i = 0; i < n; i++) {
        double x = value(v[i], logarithm);

        if (isfinite(x))
            squares += (x - r.mean) * (x - r.mean);
    }
    half = stats_t_quantile(0.5 + STATS_CONFIDENCE / 2, (double)(r.n - 1)) *
           sqrt(squares / (double)(r.n - 1) / (double)r.n);
    r.low = r.mean - half;
    r.high = r.mean + half;
    return r;
}

struct interval
stats_mean(const double *v, size_t n)
{
    return describe(v, n, false);
}

struct interval
stats_geometric(const double *v, size_t n)
{
    struct interval r = describe(v, n, true);

    r.mean = exp(r.mean); /* a NAN stays one */
    r.low = exp(r.low);
    r.high = exp(r.high);
    return r;
}
