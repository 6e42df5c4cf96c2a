/* SPDX-License-Identifier: Apache-2.0 */
#include "base/exact.h"

#include <math.h> /* frexp, ldexp, floor, INFINITY: exact by definition */

/* ln 2 in two parts; the first has 21 trailing zero bits, so that its product
 * with any exponent is exact (as in fdlibm). */
#define LN2_HIGH 6.93147180369123816490e-01
#define LN2_LOW  1.90821492927058770002e-10
#define LN2_INV  1.44269504088896338700
#define TWO_PI   6.28318530717958647693

/* c[0] + c[1] x + ... + c[n] x^n by Horner's rule. */
static inline double
series(const double *c, int n, double x)
{
    double sum = c[n];

    while (n-- > 0)
        sum = sum * x + c[n];
    return sum;
}

/* log m = 2 atanh(s), s = (m - 1)/(m + 1), for m in [sqrt(1/2), sqrt(2)):
 * |s| < 0.172, and what is left out is below 1e-18. */
double
exact_log(double x)
{
    static const double c[] = {
        1.0 / 3,  1.0 / 5,  1.0 / 7,  1.0 / 9,  1.0 / 11, 1.0 / 13,
        1.0 / 15, 1.0 / 17, 1.0 / 19, 1.0 / 21, 1.0 / 23,
    };
    double m, s, s2;
    int e;

    m = frexp(x, &e);
    if (m < 0.70710678118654752440) {
        m *= 2.0;
        e--;
    }
    s = (m - 1.0) / (m + 1.0);
    s2 = s * s;
    return e * LN2_HIGH +
           (e * LN2_LOW + 2.0 * s * (1.0 + s2 * series(c, 10, s2)));
}

/* x = k ln 2 + r with |r| < 0.35; Taylor to r^14. */
double
exact_exp(double x)
{
    static const double c[] = {
        1.0,
        1.0,
        1.0 / 2,
        1.0 / 6,
        1.0 / 24,
        1.0 / 120,
        1.0 / 720,
        1.0 / 5040,
        1.0 / 40320,
        1.0 / 362880,
        1.0 / 3628800,
        1.0 / 39916800,
        1.0 / 479001600,
        1.0 / 6227020800,
        1.0 / 87178291200,
    };
    double k, r;

    if (x > 709.7)
        return INFINITY;
    if (x < -745.2)
        return 0.0;
    k = floor(x * LN2_INV + 0.5);
    r = (x - k * LN2_HIGH) - k * LN2_LOW;
    return ldexp(series(c, 14, r), (int)k);
}

/* The cosine of t turns and `shift` quarters: quadrant q, and a rest of at
 * most an eighth of a turn.  Each quarter makes one of sine and cosine out of
 * the other. */
static double
quadrant(double t, int shift)
{
    static const double cosine[] = {
        1.0,
        -1.0 / 2,
        1.0 / 24,
        -1.0 / 720,
        1.0 / 40320,
        -1.0 / 3628800,
        1.0 / 479001600,
        -1.0 / 87178291200,
        1.0 / 20922789888000,
    };
    static const double sine[] = {
        1.0,
        -1.0 / 6,
        1.0 / 120,
        -1.0 / 5040,
        1.0 / 362880,
        -1.0 / 39916800,
        1.0 / 6227020800,
        -1.0 / 1307674368000,
        1.0 / 355687428096000,
    };
    double a, v;
    int q;

    t -= floor(t);
    q = (int)(t * 4.0 + 0.5);
    a = (t - q * 0.25) * TWO_PI;
    q = (q + shift) & 3;
    v = (q & 1) ? a * series(sine, 8, a * a) : series(cosine, 8, a * a);
    return q == 1 || q == 2 ? -v : v;
}

double
exact_cos_turns(double t)
{
    return quadrant(t, 0);
}

/* sin x = cos(x - a quarter) */
double
exact_sin_turns(double t)
{
    return quadrant(t, 3);
}
