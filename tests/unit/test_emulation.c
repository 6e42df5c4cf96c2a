/* SPDX-License-Identifier: Apache-2.0 */
/* What a live run emulates: what is said of it, and what comes of it. */
#include "tap.h"

#include "base/buf.h"
#include "base/err.h"
#include "base/fs.h"
#include "base/json.h"
#include "base/mem.h"
#include "job/emulation.h"
#include "job/ranked.h"
#include "worker/emulator.h"

#include <math.h>
#include <stdlib.h>

#define MS INT64_C(1000000)

static uint64_t seed;

/* ---- who ----------------------------------------------------------------- */

static const char *
find(const char *spec, uint32_t rank)
{
    static char text[64];
    char *s = ranked_find(spec, rank, NULL);

    snprintf(text, sizeof text, "%s", s ? s : "-");
    mem_free(s);
    return text;
}

static void
test_who(void)
{
    const char *spec = "all:a;2-4:b;3:trace(x:y;z);", *at = spec;
    struct ranked r;
    int n = 0;

    is_str(find(spec, 0), "a", "all are meant");
    is_str(find(spec, 4), "b", "a range, to its end");
    is_str(find(spec, 3), "trace(x:y;z)", "the last entry holds");
    is_str(find("1:x", 0), "-", "nothing is said");
    is_str(find(NULL, 0), "-", "of nobody");
    while (ranked_next(&at, &r, NULL) == 1)
        n++;
    is_int(n, 3, "a semicolon at the end is no entry");
    for (int i = 0; i < 6; i++) {
        static const char *const wrong[] = {"x:1", "3-2:1", "-1:1",
                                            ":1",  "1-:1",  "4294967295:1"};
        at = wrong[i];
        is_int(ranked_next(&at, &r, NULL), -1, wrong[i]);
    }
}

/* ---- what is said -------------------------------------------------------- */

static void
test_said(void)
{
    static const struct {
        enum emulation_key key;
        const char *text;
    } wrong[] = {{EMULATE_SLOW, "3"},          {EMULATE_SLOW, "0:0.5"},
                 {EMULATE_SLOW, "0:1e7"},      {EMULATE_SLOW, "0:nan"},
                 {EMULATE_SLOW, "0:"},         {EMULATE_SLOW, "0:uniform(2,1)"},
                 {EMULATE_SLOW, "0:trace(x)"}, {EMULATE_SLOW, "0:steps()"},
                 {EMULATE_SLOW, "0:2x"},       {EMULATE_SLOW, "0:pause(1,2,3"},
                 {EMULATE_PACE, "-1"},         {EMULATE_PACE, "1e7"},
                 {EMULATE_PACE, "x"},          {EMULATE_NET, "delay=3"},
                 {EMULATE_NET, "0:delay=x"},   {EMULATE_NET, "0:"}};
    struct emulation e = {0};
    char *slow, *net;
    struct err err;

    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        err_clear(&err);
        ok(emulation_set(&e, wrong[i].key, wrong[i].text, NULL, &err) == -1 &&
               err.code == ERR_USAGE,
           "\"%s\" is refused: %s", wrong[i].text, err.text);
    }
    ok(!e.slow && !e.net && e.pace_ms == 0, "nothing came of that");
    (void)emulation_set(&e, EMULATE_SLOW, "all:2;1:3;2-3:lognormal(1,0.3)", "",
                        NULL);
    (void)emulation_change(&e, EMULATE_SLOW, "1:4;3:5", "", NULL);
    is_str(e.slow, "all:2;2-3:lognormal(1,0.3);1:4;3:5",
           "what is said of the same worker again takes the place");
    is_int(emulation_change(&e, EMULATE_SLOW, "1:6;2:x", "", NULL), -1,
           "half a change");
    is_str(find(e.slow, 1), "4", "is none");
    is_int(emulation_check_ranks(&e, 4, NULL), 0, "all are there");
    err_clear(&err);
    is_int(emulation_check_ranks(&e, 3, &err), -1, "one is not");
    is_str(err.text, "no worker 3 among 3", "which is told");
    (void)emulation_change(&e, EMULATE_SLOW, "all:uniform(1,2)", "", NULL);
    is_str(e.slow, "all:uniform(1,2)", "all are all");
    (void)emulation_set(&e, EMULATE_NET, "0:delay=5", "", NULL);
    (void)emulation_set(&e, EMULATE_PACE, "40", "", NULL);
    is_int(emulation_get(&e, 1, &slow, &net, NULL), 0, "for one worker");
    ok(!net && !strcmp(slow, "uniform(1,2)") && e.pace_ms == 40, "what is his");
    mem_free(slow);
    (void)emulation_set(&e, EMULATE_NET, "", "", NULL);
    ok(!e.net, "nothing is nothing");
    emulation_release(&e);
}

static void
test_object(void)
{
    static const char text[] = "{\"slow\": \"0:3\", \"pace\": 2.5, "
                               "\"net\": \"all:rate=5mbit\", \"kill\": 1}",
                      wrong[] = "{\"pace\": 1,\n \"slow\": \"0:0\"}";
    struct emulation e;
    struct json_doc d;
    struct jcur c;
    struct err err = ERR_INIT;

    (void)json_doc_parse(&d, "x", text, strlen(text), NULL);
    c = jcur_root(&d);
    is_int(emulation_parse(&e, &c, "", NULL), 0, "keys among others");
    ok(!strcmp(e.slow, "0:3") && e.pace_ms == 2.5 &&
           !strcmp(e.net, "all:rate=5mbit"),
       "have their values");
    emulation_release(&e);
    json_doc_release(&d);
    (void)json_doc_parse(&d, "x", wrong, strlen(wrong), NULL);
    c = jcur_root(&d);
    is_int(emulation_parse(&e, &c, "", &err), -1, "a wrong one");
    ok(err.code == ERR_CONFIG && !strncmp(err.text, "x:2:", 4),
       "is told with its place: %s", err.text);
    json_doc_release(&d);
}

static void
test_trace(void)
{
    char dir[] = "/tmp/ebsp-test-XXXXXX";
    static const char text[] = "# factors\n1, 2.5\n\n3 # last\n",
                      wrong[] = "1\n2x\n";
    struct emulation e = {0};
    struct err err = ERR_INIT;
    char *path;

    if (!mkdtemp(dir))
        exit(1);
    path = fs_join(dir, "f(1)");
    (void)fs_write(path, text, strlen(text), NULL);
    is_int(emulation_set(&e, EMULATE_SLOW, "1:2;0:trace(f(1))", dir, &err), 0,
           "a file of factors");
    is_str(e.slow, "1:2;0:steps(1,2.5,3)", "becomes its numbers");
    (void)fs_write(path, wrong, strlen(wrong), NULL);
    ok(emulation_set(&e, EMULATE_SLOW, "0:trace(f(1))", dir, &err) == -1 &&
           err.code == ERR_CONFIG && strstr(err.text, "f(1):2: \"2x\""),
       "a wrong one is told with its line: %s", err.text);
    err_clear(&err);
    ok(emulation_set(&e, EMULATE_SLOW, "0:trace(nowhere)", dir, &err) == -1 &&
           err.code == ERR_SYS,
       "none: %s", err.text);
    is_str(e.slow, "1:2;0:steps(1,2.5,3)", "and all is as it was");
    emulation_release(&e);
    fs_remove(dir, NULL);
    mem_free(path);
}

/* ---- what is drawn ------------------------------------------------------- */

struct sample {
    double mean, deviation, median;
};

static int
by_value(const void *a, const void *b)
{
    const double *x = a, *y = b;

    return (*x > *y) - (*x < *y);
}

/* Of factors of one worker that begins an iteration every second. */
static struct sample
draw(const char *spec, uint32_t rank)
{
    enum { N = 20000 };
    static double v[N];
    struct speeds s;
    struct sample r = {0, 0, 0};

    if (speeds_parse_one(&s, rank, spec, seed, NULL) != 0)
        return (struct sample){NAN, NAN, NAN};
    for (int k = 0; k < N; k++) {
        v[k] =
            (double)speed_time(s.worker, (uint64_t)k, k * 1000 * MS, 1e8) / 1e8;
        r.mean += v[k] / N;
    }
    for (int k = 0; k < N; k++)
        r.deviation += (v[k] - r.mean) * (v[k] - r.mean) / N;
    r.deviation = sqrt(r.deviation);
    qsort(v, N, sizeof *v, by_value);
    r.median = v[N / 2];
    speeds_release(&s);
    return r;
}

static bool
near(double a, double b, double tolerance)
{
    if (fabs(a - b) <= tolerance)
        return true;
    printf("# %g, expected %g within %g\n", a, b, tolerance);
    return false;
}

/* Tolerances are five standard errors of 20000 draws or more. */
static void
test_distributions(void)
{
    struct sample s = draw("3", 0);
    int slow = 0;

    ok(near(s.mean, 3, 1e-9) && s.deviation < 1e-9, "constant");
    s = draw("uniform(1,4)", 0);
    ok(near(s.mean, 2.5, 0.035) && near(s.deviation, 0.866, 0.02), "uniform");
    s = draw("lognormal(2,0.5)", 0);
    ok(near(s.median, 2, 0.05) && near(s.mean, 2.266, 0.05) &&
           near(s.deviation, 1.208, 0.08),
       "lognormal");
    s = draw("exponential(1,0.5)", 0);
    ok(near(s.mean, 1.5, 0.02) && near(s.deviation, 0.5, 0.03),
       "exponential tail");
    for (uint32_t i = 0; i < 4; i++) {
        s = draw("twoclass(1,5,0.25)", i);
        if (!(s.deviation < 1e-9 &&
              (fabs(s.mean - 1) < 1e-9 || fabs(s.mean - 5) < 1e-9)))
            slow = -1000;
    }
    ok(slow == 0, "a class is for good");
    for (uint32_t i = 0; i < 4000; i++) {
        struct speeds one;

        (void)speeds_parse_one(&one, i, "twoclass(1,5,0.25)", seed, NULL);
        slow += speed_time(one.worker, 0, 0, 1e6) > MS;
        speeds_release(&one);
    }
    ok(near(slow, 1000, 140), "a quarter is slow");
    s = draw("periodic(1,3,4000,0.5)", 0);
    ok(near(s.mean, 2, 1e-9), "periodic: half of the time");
    s = draw("steps(1,2,6)", 0);
    ok(near(s.mean, 3, 1e-3) && s.median == 2, "steps are repeated");
    s = draw("pause(1,900,100)", 0); /* iterations of 100 ms at its begin */
    ok(near(s.mean, 1, 1e-9), "no pause is met");
}

static void
test_determinism(void)
{
    struct speeds a, b, other;
    bool same = true, differs = false;

    (void)speeds_parse_one(&a, 3, "lognormal(1,1)", seed, NULL);
    (void)speeds_parse(&b, 4, "all:lognormal(1,1)", seed, NULL);
    (void)speeds_parse_one(&other, 3, "lognormal(1,1)", seed + 1, NULL);
    for (uint64_t k = 0; k < 100; k++) {
        int64_t t = speed_time(a.worker, 99 - k, 5 * (int64_t)k, 1e6);

        same &= t == speed_time(&b.worker[3], 99 - k, 0, 1e6);
        differs |= t != speed_time(&b.worker[2], 99 - k, 0, 1e6) &&
                   t != speed_time(other.worker, 99 - k, 0, 1e6);
    }
    ok(same, "rank and number say it all, in any order, at any time");
    ok(differs, "other workers and seeds draw other numbers");
    is_int(speed_next(&b.worker[3], 0), speed_time(a.worker, 0, 0, 1e6),
           "the simulator draws the same");
    speeds_release(&a);
    speeds_release(&b);
    speeds_release(&other);
}

/* ---- how long an order takes --------------------------------------------- */

static int64_t
end_of(const char *slow, double pace_ms, struct emulator_order o,
       double *factor)
{
    struct emulator e;
    int64_t end;

    emulator_init(&e, 0, seed, 0);
    (void)emulator_set(&e, slow, pace_ms, NULL);
    end = emulator_get_end(&e, &o, factor) / MS;
    emulator_release(&e);
    return end;
}

static void
test_orders(void)
{
    /* from 1000 to 1030 ms, of which 20 were computing */
    struct emulator_order o = {.iteration = 5,
                               .n_steps = 1,
                               .start_ns = 1000 * MS,
                               .computed_ns = 1030 * MS,
                               .compute_ns = 20 * MS};
    double f = 0;

    is_int(end_of(NULL, 0, o, &f), 1030, "nothing is emulated");
    ok(f == 1 && emulator_round(f) == 0, "which is a factor of 1");
    is_int(end_of("3", 0, o, &f), 1070, "computing takes three times as long");
    ok(f == 3 && emulator_round(f) == 3000, "as the factor says");
    is_int(end_of("uniform(0,0)", 0, o, &f), 1030, "nobody is faster");
    is_int(end_of(NULL, 100, o, &f), 1100, "the pace holds him up");
    is_int(end_of("3", 100, o, &f), 1300, "three times");
    is_int(end_of("steps(0,0,0,0,0.5)", 100, o, &f), 1050, "or half of it");
    ok(f == 0.5, "the fifth of its numbers");
    is_int(end_of("3", 10, o, &f), 1070, "who is over his pace is slow, too");
    is_int(end_of("pause(1,1010,500)", 0, o, &f), 1530, "a pause on the way");
    ok(near(f, 26, 1e-9), "is a factor");
    o.n_steps = 4;
    is_int(end_of("steps(1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,9,2,3,4)", 10, o, &f),
           1180, "steps have factors of their own");
    ok(f == 4.5, "the mean is told");
    is_int(emulator_round(1e-9), 1, "never nothing");
    is_int(emulator_round(1e99), UINT32_MAX, "never too much");
}

static void
test_mean(void)
{
    struct emulation e = {0};
    double f = 0;

    (void)emulation_set(&e, EMULATE_SLOW, "1:3;2:uniform(2,4)", "", NULL);
    ok(emulation_mean_factor(&e, 0, 1, &f, NULL) == 0 && f == 1, "not slow");
    ok(emulation_mean_factor(&e, 1, 1, &f, NULL) == 0 && f == 3, "constant");
    ok(emulation_mean_factor(&e, 2, 1, &f, NULL) == 0 && near(f, 3, 0.1),
       "in the mean");
    emulation_release(&e);
}

int
main(void)
{
    seed = tap_seed(1);
    test_who();
    test_said();
    test_object();
    test_trace();
    test_distributions();
    test_determinism();
    test_orders();
    test_mean();
    return done();
}
