/* SPDX-License-Identifier: Apache-2.0 */
#include "base/exact.h"
#include "base/rng.h"
#include "tap.h"

#include <math.h>
#include <stdint.h>

/* Both sides err by a last digit or two; see exact.h. */
#define CLOSE 2e-15

static uint64_t
fold(uint64_t h, double v)
{
    uint64_t bits;

    memcpy(&bits, &v, 8);
    return rng_hash(h, bits, 0);
}

static void
agree_with_libm(void)
{
    double log_off = 0, exp_off = 0, cos_off = 0, sin_off = 0;
    struct rng r;

    rng_init(&r, tap_seed(1));
    for (int i = 0; i < 100000; i++) {
        double x = ldexp(0.5 + rng_unit(&r), (int)rng_below(&r, 2000) - 1000);
        double y = 1400 * rng_unit(&r) - 700, t = 4 * rng_unit(&r) - 2;
        double angle = 2 * 3.14159265358979323846 * t;

        log_off = fmax(log_off, fabs(exact_log(x) - log(x)) / fabs(log(x)));
        exp_off = fmax(exp_off, fabs(exact_exp(y) / exp(y) - 1));
        cos_off = fmax(cos_off, fabs(exact_cos_turns(t) - cos(angle)));
        sin_off = fmax(sin_off, fabs(exact_sin_turns(t) - sin(angle)));
    }
    ok(log_off < CLOSE, "log: %.1e relative", log_off);
    ok(exp_off < CLOSE, "exp: %.1e relative", exp_off);
    ok(cos_off < CLOSE, "cos: %.1e", cos_off);
    ok(sin_off < CLOSE, "sin: %.1e", sin_off);
}

static void
ends(void)
{
    ok(exact_log(1.0) == 0.0, "log 1 = 0");
    ok(exact_exp(0.0) == 1.0, "exp 0 = 1");
    ok(exact_exp(-1e9) == 0.0 && isinf(exact_exp(1e9)), "exp far away");
    ok(exact_cos_turns(0.5) == -1.0 && exact_cos_turns(0.25) == 0.0 &&
           exact_sin_turns(0.25) == 1.0 && exact_sin_turns(-0.25) == -1.0,
       "quarters of a turn are exact");
}

/* Whoever sees this fail has a compiler, flags or a processor with which the
 * numbers drawn from a seed differ from everybody else's. */
static void
same_bits_everywhere(void)
{
    uint64_t h = 0;
    struct rng r;

    rng_init(&r, 1);
    for (int i = 0; i < 10000; i++) {
        double x = rng_unit(&r) + 0x1p-60;

        h = fold(h, exact_log(x));
        h = fold(h, exact_exp(100 * x - 50));
        h = fold(h, exact_cos_turns(x));
        h = fold(h, exact_sin_turns(x));
        h = fold(h, rng_normal(&r));
        h = fold(h, rng_gamma(&r, 4 * x));
    }
    is_int((long long)(h >> 32), 0xbc9aacf2, "the known bits");
}

int
main(void)
{
    agree_with_libm();
    ends();
    same_bits_everywhere();
    return done();
}
