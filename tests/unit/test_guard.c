/* SPDX-License-Identifier: Apache-2.0 */
/* Which pushes are not to be trusted. */
#include "base/rng.h"
#include "ps/guard.h"
#include "tap.h"

#include <ebsp/policy.h>

#include <float.h>
#include <math.h>

#define FACTOR 100.0

enum { GRADIENT = EBSP_PUSH_GRADIENT, DELTA = EBSP_PUSH_DELTA };

/* One that has accepted n gradients of this norm. */
static struct guard
grown(unsigned n, double norm)
{
    struct guard g = {0};

    for (unsigned i = 0; i < n; i++)
        guard_accept(&g, GRADIENT, norm);
    return g;
}

static void
test_not_finite(void)
{
    static const double odd[] = {NAN, -NAN, INFINITY, -INFINITY};
    struct guard empty = {0}, full = grown(GUARD_FEW, 1);
    unsigned caught = 0;

    for (unsigned i = 0; i < 4; i++) {
        caught += guard_judge(&empty, FACTOR, GRADIENT, odd[i], 1) ==
                  GUARD_NOT_FINITE;
        caught += guard_judge(&empty, FACTOR, GRADIENT, 1, odd[i]) ==
                  GUARD_NOT_FINITE;
        caught +=
            guard_judge(&full, 0, DELTA, odd[i], odd[i]) == GUARD_NOT_FINITE;
    }
    is_int(caught, 12,
           "NaN and infinity are caught from the first push on, "
           "in loss and norm, also with factor 0");
    is_int(guard_judge(&full, FACTOR, GRADIENT, DBL_MAX, 1), GUARD_GOOD,
           "a loss may be as large as it likes");
}

static void
test_outliers(void)
{
    struct guard few = grown(GUARD_FEW - 1, 1), g = grown(GUARD_FEW, 1);

    is_int(guard_judge(&few, FACTOR, GRADIENT, 1, 1e30), GUARD_GOOD,
           "before there is a history nothing is an outlier");
    is_int(guard_judge(&g, FACTOR, GRADIENT, 1, FACTOR), GUARD_GOOD,
           "just the factor is none");
    is_int(guard_judge(&g, FACTOR, GRADIENT, 1, nextafter(FACTOR, INFINITY)),
           GUARD_OUTLIER, "a little more is one");
    is_int(guard_judge(&g, 0, GRADIENT, 1, 1e30), GUARD_GOOD,
           "factor 0: none is");
    is_int(guard_judge(&g, FACTOR, DELTA, 1, 1e30), GUARD_GOOD,
           "another kind of contribution has nothing to be compared with");
    guard_accept(&g, DELTA, 1e30);
    is_int(guard_judge(&g, FACTOR, GRADIENT, 1, 1e30), GUARD_GOOD,
           "... and begins a history of its own");
    is_int(g.n, 1, "... with one push in it");
}

static void
test_history(void)
{
    struct guard g = grown(GUARD_FEW, 8);

    for (int i = 0; i < 1000; i++)
        guard_accept(&g, GRADIENT, 1e-9);
    is_int(guard_judge(&g, FACTOR, GRADIENT, 1, 800), GUARD_GOOD,
           "the largest counts however long ago it was: gradients vanish");
    is_int(guard_judge(&g, FACTOR, GRADIENT, 1, 801), GUARD_OUTLIER,
           "... and no more than that");
    g = grown(GUARD_FEW, 0);
    is_int(guard_judge(&g, FACTOR, GRADIENT, 1, 1), GUARD_GOOD,
           "nothing but zeros so far: the first other norm is good");
    g = grown(GUARD_FEW, 1e308);
    is_int(guard_judge(&g, FACTOR, GRADIENT, 1, DBL_MAX), GUARD_GOOD,
           "the product may overflow");
}

/* Norms of an honest training: they fall over six orders of magnitude, with
 * noise of a factor of ten around that. */
static void
test_honest(void)
{
    const char *given = getenv("EBSP_TEST_SEED");
    uint64_t seed = given ? strtoull(given, NULL, 10) : 1;
    unsigned rejected = 0;
    struct rng r;

    printf("# seed %llu\n", (unsigned long long)seed);
    rng_init(&r, seed);
    for (int run = 0; run < 200; run++) {
        struct guard g = {0};

        for (int i = 0; i < 1000; i++) {
            double norm = pow(10, rng_unit(&r) - 6.0 * i / 1000);

            rejected +=
                guard_judge(&g, FACTOR, GRADIENT, 1, norm) != GUARD_GOOD;
            guard_accept(&g, GRADIENT, norm);
        }
    }
    is_int(rejected, 0, "an honest training: nothing is rejected");
}

int
main(void)
{
    test_not_finite();
    test_outliers();
    test_history();
    test_honest();
    return done();
}
