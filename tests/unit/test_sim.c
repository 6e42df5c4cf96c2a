/* SPDX-License-Identifier: Apache-2.0 */
/* The parts of the simulator that arithmetic can check. */
#include "base/err.h"
#include "base/rng.h"
#include "job/speed.h"
#include "sim/heap.h"
#include "tap.h"

#include <math.h>

static void
heap_is_ordered(void)
{
    struct sim_heap h = {0};
    struct sim_event last = {.t_ns = -1};
    struct rng r;
    int sorted = 1, taken = 0;

    rng_init(&r, tap_seed(1));
    for (int i = 0; i < 5000; i++) {
        sim_heap_put(&h, (int64_t)rng_below(&r, 50), (uint32_t)i, 0);
        if (i % 3 == 2) {
            (void)sim_heap_take(&h);
            taken++;
        }
    }
    while (h.n > 0) {
        struct sim_event e = sim_heap_take(&h);

        if (e.t_ns < last.t_ns || (e.t_ns == last.t_ns && e.order < last.order))
            sorted = 0;
        last = e;
        taken++;
    }
    ok(sorted, "earliest first, equal times in the order of asking");
    is_int(taken, 5000, "nothing is lost");
    sim_heap_release(&h);
}

static double
mean_ms(const char *spec, int n)
{
    struct speeds s;
    struct err e = ERR_INIT;
    int64_t now = 0;

    if (speeds_parse(&s, 1, spec, 7, &e) != 0) {
        printf("# %s\n", e.text);
        return -1;
    }
    for (int i = 0; i < n; i++)
        now += speed_next(&s.worker[0], now);
    speeds_release(&s);
    return (double)now / 1e6 / n;
}

static void
distributions_have_their_means(void)
{
    ok(mean_ms("12.5", 10) == 12.5, "a plain number is constant");
    ok(mean_ms("all:constant(3)", 10) == 3, "constant");
    ok(fabs(mean_ms("uniform(10,30)", 20000) - 20) < 0.2, "uniform");
    ok(fabs(mean_ms("lognormal(100,0.3)", 20000) - 100 * exp(0.045)) < 1.5,
       "lognormal: median times exp(sigma^2/2)");
    ok(fabs(mean_ms("exponential(50,10)", 20000) - 60) < 0.5, "exponential");
    ok(fabs(mean_ms("periodic(10,3,10000,0.5)", 20000) - 15) < 0.2,
       "periodic: half of the time 10, half of it 30, is 15 on average");
    ok(fabs(mean_ms("pause(10,1000,500)", 20000) - 15) < 0.2,
       "pause: half as much again");
}

static void
pauses_are_real_time(void)
{
    struct speeds s;

    /* at work 0-10, stopped 10-15, at work 15-25, stopped 25-30, ... */
    speeds_parse(&s, 1, "pause(4,10,5)", 1, NULL);
    is_int(speed_next(s.worker, 0), 4000000, "before the first stop");
    is_int(speed_next(s.worker, 8000000), 9000000, "one stop on the way");
    is_int(speed_next(s.worker, 27000000), 7000000,
           "begun in a stop: only the rest of it");
    is_int(speed_next(s.worker, 1006000000), 4000000,
           "stops are gone that passed while it was held");
    speeds_release(&s);
}

static void
times_have_limits(void)
{
    static const char *const endless[] = {
        "lognormal(1e12,5000)", "exponential(1e12,1e12)",
        "pause(1e12,0.000001,1e12)", "periodic(1e12,1e12,1,1)"};
    struct speeds s;

    for (size_t i = 0; i < sizeof endless / sizeof *endless; i++) {
        int64_t most = 0;

        speeds_parse(&s, 1, endless[i], 1, NULL);
        for (int k = 0; k < 100; k++) {
            int64_t t = speed_next(s.worker, 0);

            most = t > most ? t : most;
            if (t < 1 || t > SPEED_MAX_NS)
                most = -1;
        }
        ok(most > 0, "%s stays within 146 years", endless[i]);
        speeds_release(&s);
    }
    ok(mean_ms("pause(1000,0.000001,0)", 1000) == 1000,
       "a thousand million stops of no length take no time");
    is_int(speed_clamp(NAN), SPEED_MAX_NS, "no number is the limit");
    is_int(speed_clamp(-1), 0, "never negative");
}

static void
specs_are_checked(void)
{
    static const char *const wrong[] = {"",
                                        "all:",
                                        "1:5",
                                        "all:constant(1,2)",
                                        "all:5x",
                                        "all:cnst(1)",
                                        "all:5;9:1",
                                        "uniform(3,1)",
                                        "-1",
                                        "constant(-1)",
                                        "lognormal(0,1)",
                                        "twoclass(1,2,1.5)",
                                        "periodic(10,3,100,2)"};
    struct speeds s;

    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        struct err e = ERR_INIT;

        ok(speeds_parse(&s, 4, wrong[i], 1, &e) == -1 && e.code == ERR_USAGE,
           "\"%s\": %s", wrong[i], e.text);
    }
    ok(speeds_parse(&s, 4, "all:10;1-2:20;2:constant(30)", 1, NULL) == 0,
       "later entries win");
    ok(s.worker[0].arg[0] == 10 && s.worker[1].arg[0] == 20 &&
           s.worker[2].arg[0] == 30 && s.worker[3].arg[0] == 10,
       "each worker has its own");
    speeds_release(&s);
}

static void
streams_can_be_rewound(void)
{
    struct speeds s;
    int64_t first[20];
    int same = 1;

    speeds_parse(&s, 2, "lognormal(10,1)", 3, NULL);
    for (int i = 0; i < 20; i++)
        first[i] = speed_next(&s.worker[i % 2], 0);
    speeds_rewind(&s, 3);
    for (int i = 0; i < 20; i++)
        same = same && speed_next(&s.worker[i % 2], 0) == first[i];
    ok(same, "the same times again");
    ok(first[0] != first[1], "workers have streams of their own");
    speeds_release(&s);
}

int
main(void)
{
    heap_is_ordered();
    distributions_have_their_means();
    pauses_are_real_time();
    times_have_limits();
    specs_are_checked();
    streams_can_be_rewound();
    return done();
}
