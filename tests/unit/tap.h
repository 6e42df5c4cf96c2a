/* SPDX-License-Identifier: Apache-2.0 */
/* Smallest useful TAP producer.
 *
 *   ok(cond, "name %d", x)   one test
 *   is_int / is_str          the same, showing both values when they differ
 *   skip("why")              a test that cannot run here
 *   return done();           prints the plan; the exit status
 */
#ifndef EBSP_TAP_H
#define EBSP_TAP_H

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int tap_run, tap_failed;

__attribute__((format(printf, 4, 5))) static inline int
tap_ok(int pass, const char *file, int line, const char *fmt, ...)
{
    va_list ap;

    printf("%sok %d - ", pass ? "" : "not ", ++tap_run);
    va_start(ap, fmt);
    vprintf(fmt, ap);
    va_end(ap);
    putchar('\n');
    if (!pass) {
        tap_failed++;
        printf("# failed at %s:%d\n", file, line);
    }
    fflush(stdout);
    return pass;
}

static inline int
tap_is_int(long long got, long long want, const char *file, int line,
           const char *what)
{
    if (!tap_ok(got == want, file, line, "%s", what))
        printf("# got %lld, expected %lld\n", got, want);
    return got == want;
}

static inline int
tap_is_str(const char *got, const char *want, const char *file, int line,
           const char *what)
{
    int same = got && want && !strcmp(got, want);

    if (!tap_ok(same, file, line, "%s", what))
        printf("# got \"%s\", expected \"%s\"\n", got ? got : "(null)",
               want ? want : "(null)");
    return same;
}

#define ok(cond, ...) tap_ok(!!(cond), __FILE__, __LINE__, __VA_ARGS__)
#define is_int(got, want, what)                                                \
    tap_is_int((long long)(got), (long long)(want), __FILE__, __LINE__, what)
#define is_str(got, want, what) tap_is_str(got, want, __FILE__, __LINE__, what)
#define skip(why)               printf("ok %d # SKIP %s\n", ++tap_run, why)

/* A test that prints "not ok" must also exit non-zero. */
static inline int
done(void)
{
    printf("1..%d\n", tap_run);
    return tap_failed != 0;
}

/* The seed of a property test: EBSP_TEST_SEED, or `fallback`; always shown. */
static inline unsigned long long
tap_seed(unsigned long long fallback)
{
    const char *s = getenv("EBSP_TEST_SEED");
    unsigned long long seed = s ? strtoull(s, NULL, 0) : fallback;

    printf("# EBSP_TEST_SEED=%llu\n", seed);
    return seed;
}

#endif
