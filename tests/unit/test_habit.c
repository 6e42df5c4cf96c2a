/* SPDX-License-Identifier: Apache-2.0 */
#include "base/clock.h"
#include "base/habit.h"
#include "base/rng.h"
#include "tap.h"

static const struct habit_bounds bounds = {
    .k = 10, .least_ns = 100, .most_ns = 100000};

static void
median_and_limit(void)
{
    struct habit h = {0};

    is_int(habit_median_ns(&h), -1, "no history");
    is_int(habit_limit_ns(&h, &bounds), 100000, "then the upper bound holds");
    for (int i = 0; i < HABIT_FEW - 1; i++)
        habit_add(&h, 1000);
    is_int(habit_limit_ns(&h, &bounds), 100000, "and with little, too");
    habit_add(&h, 1000);
    is_int(habit_limit_ns(&h, &bounds), 1000, "no deviation: the median");
    habit_add(&h, 1010);
    habit_add(&h, 990);
    habit_add(&h, 1010);
    habit_add(&h, 990);
    habit_add(&h, 1010);
    /* 990 990 1000x5 1010x3: deviations 0x5 10x5, median 5 */
    is_int(habit_median_ns(&h), 1000, "the middle");
    is_int(habit_limit_ns(&h, &bounds), 1000 + 74, "median + k * 1.4826 * MAD");
}

static void
bounded(void)
{
    struct habit h = {0};

    for (int i = 0; i < 10; i++)
        habit_add(&h, 3);
    is_int(habit_limit_ns(&h, &bounds), 100, "not below the lower bound");
    for (int i = 0; i < 2 * HABIT_SIZE; i++)
        habit_add(&h, i * 10000);
    is_int(habit_limit_ns(&h, &bounds), 100000, "not above the upper one");
    habit_add(&h, -5);
    is_int(h.v[(h.n - 1) % HABIT_SIZE], 0, "a negative duration is none");
}

/* That is what the median is for. */
static void
outliers(void)
{
    unsigned long long seed = tap_seed(3);
    struct habit h = {0};
    struct rng r;

    rng_init(&r, seed);
    for (int i = 0; i < HABIT_SIZE; i++)
        habit_add(&h, i % 5 == 0 ? 90000 : 1000 + (int64_t)rng_below(&r, 20));
    ok(habit_limit_ns(&h, &bounds) < 1500, "a fifth of outliers: limit %lld",
       (long long)habit_limit_ns(&h, &bounds));
}

static void
only_the_last_count(void)
{
    struct habit h = {0};

    for (int i = 0; i < 70000; i++)
        habit_add(&h, 7);
    for (int i = 0; i < HABIT_SIZE / 2 + 1; i++)
        habit_add(&h, 2000);
    is_int(habit_median_ns(&h), 2000, "more than half are new");
    for (int i = 0; i < HABIT_SIZE; i++)
        habit_add(&h, 3000);
    is_int(habit_limit_ns(&h, &bounds), 3000, "all are new");
}

static void
said(void)
{
    struct habit_bounds b = {
        .k = 10, .least_ns = 5 * NS_PER_S, .most_ns = 30 * NS_PER_S};
    struct habit h = {0};
    char text[128];

    is_str(habit_text(&h, &b, text, sizeof text), "30.0 s: no history yet",
           "nothing is known");
    for (int i = 0; i < 8; i++)
        habit_add(&h, NS_PER_S);
    is_str(habit_text(&h, &b, text, sizeof text),
           "5.0 s: median 1 s + 10 x 0 s of its own, from 5.0 to 30.0 s",
           "in words");
}

int
main(void)
{
    median_and_limit();
    bounded();
    outliers();
    only_the_last_count();
    said();
    return done();
}
