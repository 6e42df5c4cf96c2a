/* SPDX-License-Identifier: Apache-2.0 */
/* Statistics, the axes of a matrix, and what is made of its cells. */
#include "base/err.h"
#include "base/mem.h"
#include "study/advice.h"
#include "study/stats.h"
#include "study/study.h"
#include "tap.h"

#include <math.h>

static int
near(double a, double b)
{
    return fabs(a - b) <= 1e-6 * fmax(1, fabs(b));
}

/* Tables of Student's distribution (and arithmetic for 1 and 2 degrees). */
static void
quantiles_are_those_of_the_tables(void)
{
    ok(near(stats_t_quantile(0.975, 1), tan(M_PI * 0.475)), "1 degree: Cauchy");
    ok(near(stats_t_quantile(0.975, 2), 0.95 / sqrt(2 * 0.975 * 0.025)),
       "2 degrees");
    ok(fabs(stats_t_quantile(0.975, 4) - 2.776445) < 1e-5, "4 degrees");
    ok(fabs(stats_t_quantile(0.975, 9) - 2.262157) < 1e-5, "9 degrees");
    ok(fabs(stats_t_quantile(0.995, 30) - 2.749996) < 1e-5, "99 %%, 30");
    ok(fabs(stats_t_quantile(0.975, 1e6) - 1.959966) < 1e-5, "normal");
    ok(near(stats_t_quantile(0.025, 4), -stats_t_quantile(0.975, 4)),
       "symmetric");
}

static void
intervals(void)
{
    const double v[] = {1, 2, NAN, 3, 4, 5}, one[] = {NAN, 7};
    const double ratio[] = {2, 8, 0}, same[] = {1.5, 1.5};
    struct interval i = stats_mean(v, 6);

    ok(i.n == 5 && near(i.mean, 3), "what is not known is left out");
    /* deviation sqrt(2.5), by sqrt(5), times 2.776 */
    ok(fabs(i.high - 3 - 1.963243) < 1e-5 && fabs(3 - i.low - 1.963243) < 1e-5,
       "an interval of a mean");
    i = stats_mean(one, 2);
    ok(i.n == 1 && i.mean == 7 && isnan(i.low) && isnan(i.high),
       "one value has no interval");
    i = stats_mean(one, 1);
    ok(i.n == 0 && isnan(i.mean), "none has no mean");
    i = stats_geometric(ratio, 3);
    ok(i.n == 2 && near(i.mean, 4) && near(i.low * i.high, 16),
       "a geometric mean lies in the middle of its factors");
    i = stats_geometric(same, 2);
    ok(near(i.low, 1.5) && near(i.high, 1.5), "no scatter, no width");
}

static void
policies_are_split(void)
{
    struct err e = ERR_INIT;
    char **v = NULL;
    size_t n = 0;

    ok(study_split_policies("bsp,dssp:low=3,high=15,./a=b/c.so:x=1,asp", &v, &n,
                            &e) == 0,
       "policies %s", e.text);
    is_int(n, 4, "four of them");
    is_str(v[0], "bsp", "the first");
    is_str(v[1], "dssp:low=3,high=15", "options keep their commas");
    is_str(v[2], "./a=b/c.so:x=1", "a path may have an =");
    is_str(v[3], "asp", "the last");
    for (size_t i = 0; i < n; i++)
        mem_free(v[i]);
    mem_free(v);
    v = NULL;
    n = 0;
    ok(study_split_policies("bsp,,asp", &v, &n, &e) != 0, "an empty one: %s",
       e.text);
    for (size_t i = 0; i < n; i++)
        mem_free(v[i]);
    mem_free(v);
}

static int
scenario(const char *text, struct err *e)
{
    struct scenario s;
    int r;

    err_clear(e);
    r = scenario_parse(&s, "s.json", ".", text, strlen(text), e);
    if (r == 0) {
        r = scenario_check(&s, 4, e);
        scenario_release(&s);
    }
    return r;
}

static void
scenarios_are_checked(void)
{
    struct err e = ERR_INIT;

    ok(scenario("{\"name\": \"a\", \"slow\": \"0:3\", \"kill\": [{\"rank\": 1, "
                "\"at\": 0.5}]}",
                &e) == 0,
       "a scenario %s", e.text);
    ok(scenario("{\"name\": \"../a\"}", &e) != 0, "%s", e.text);
    ok(scenario("{\"name\": \"a\", \"slwo\": \"0:3\"}", &e) != 0 &&
           strstr(e.text, "slow"),
       "%s", e.text);
    ok(scenario("{\"name\": \"a\", \"slow\": \"4:3\"}", &e) != 0, "%s", e.text);
    ok(scenario("{\"name\": \"a\", \"kill\": [{\"rank\": 4, \"at\": 0}]}",
                &e) != 0,
       "%s", e.text);
    ok(scenario("{\"name\": \"a\", \"kill\": [{\"rank\": 0, \"at\": 2}]}",
                &e) != 0,
       "%s", e.text);
}

/* ---- cells --------------------------------------------------------------- */

static json_t *
result(const char *status, double reached_at, double rate)
{
    json_t *v = json_pack("{s:s, s:n, s:f}", "status", status, "failure",
                          "samples_per_second", rate);
    json_t *curve = json_array();

    json_array_append_new(curve, result_point(1, 10, 1, 0.5));
    if (!isnan(reached_at))
        json_array_append_new(curve, result_point(reached_at, 20, 0.5, 0.9));
    json_array_append_new(curve, result_point(100, 30, 0.4, 0.8));
    result_take_curve(v, curve);
    return v;
}

static const json_t *
against(const json_t *bench, size_t group, const char *what)
{
    const json_t *g = json_array_get(json_object_get(bench, "groups"), group);

    return json_object_get(json_object_get(g, "against"), what);
}

static const char *
verdict(const json_t *bench, size_t group, const char *what)
{
    return json_string_value(
        json_object_get(against(bench, group, what), "verdict"));
}

/* Three policies, the second twice as fast, the third sometimes late. */
static void
cells_are_compared(void)
{
    static char job[] = "{\"input\": [2], \"layers\": [{\"type\": \"dense\", "
                        "\"units\": 2}, {\"type\": \"softmax_cross_entropy\"}],"
                        "\"data\": {\"type\": \"blobs\"}, \"batch\": 1, "
                        "\"optimizer\": {\"type\": \"sgd\", \"lr\": 1}}";
    char name[3][2] = {"a", "b", "c"}, version[] = "1";
    struct study_policy policy[3] = {
        {name[0], name[0], version},
        {name[1], name[1], version},
        {name[2], name[2], version},
    };
    struct study s = {.target = 0.9,
                      .policy = policy,
                      .n_policies = 3,
                      .n_conventions = 1,
                      .first_seed = 5,
                      .n_seeds = 3};
    struct scenario plain;
    struct err e = ERR_INIT;
    json_t *bench;
    const json_t *g;

    if (!ok(job_parse(&s.job, "j", ".", job, sizeof job - 1, &e) == 0 &&
                scenario_init_plain(&plain, &e) == 0,
            "fixture %s", e.text))
        return;
    s.scenario = &plain;
    s.n_scenarios = 1;
    ok(study_make_cells(&s, &e) == 0 && s.n_cells == 9, "nine cells %s",
       e.text);
    is_str(s.cell[8].id, "plain,job,c,7", "a cell's name");
    ok(strcmp(s.cell[0].settings, s.cell[1].settings) != 0,
       "each of its own settings");
    for (size_t i = 0; i < 3; i++) {
        double t = 10 + (double)i;

        s.cell[i].result = result("done", t, 100 + (double)i);
        s.cell[3 + i].result = result("done", t / 2, 100 - (double)i);
        s.cell[6 + i].result = result("done", i == 2 ? NAN : t, 100);
    }
    bench = study_tabulate(&s, &e);
    if (!ok(bench != NULL, "bench.json %s", e.text))
        return;
    ok(near(result_get(against(bench, 1, "speedup"), "mean"), 2), "twice");
    is_str(verdict(bench, 1, "speedup"), "better", "faster is better");
    is_str(verdict(bench, 1, "samples_per_second"), "within noise",
           "1, 0.98, 0.96: the interval contains 1");
    is_str(verdict(bench, 1, "final_accuracy"), "within noise",
           "no difference at all");
    is_str(verdict(bench, 2, "speedup"), "unknown",
           "no verdict on incomplete pairs");
    ok(result_get(against(bench, 2, "speedup"), "left_out") == 1,
       "what is left out is counted");
    g = json_array_get(json_object_get(bench, "groups"), 2);
    ok(result_get(g, "runs") == 3 && result_get(g, "reached") == 2 &&
           result_get(g, "censored") == 1 &&
           result_get(json_object_get(g, "target_seconds"), "n") == 2,
       "a censored run is counted, not averaged");
    ok(near(result_get(json_object_get(g, "best_accuracy"), "mean"),
            (0.9 + 0.9 + 0.8) / 3) &&
           near(result_get(json_object_get(g, "final_accuracy"), "mean"), 0.8),
       "best and final accuracy");
    json_decref(bench);
    for (size_t i = 0; i < 9; i++) {
        mem_free(s.cell[i].id);
        mem_free(s.cell[i].settings);
        json_decref(s.cell[i].result);
    }
    mem_free(s.cell);
    scenario_release(&plain);
    job_release(&s.job);
}

static void
divergence_has_no_final_accuracy(void)
{
    struct err why = {.code = ERR_DIVERGED, .text = "NaN"};
    json_t *curve = json_array(), *r;

    json_array_append_new(curve, result_point(1, 10, 1, 0.5));
    r = result_failed(&why, curve);
    ok(result_is(r, "diverged") && isnan(result_get(r, "final_accuracy")) &&
           result_get(r, "best_accuracy") == 0.5 &&
           result_time_to(r, 0.5) == 1 && isnan(result_time_to(r, 0.6)),
       "a run that diverged has a curve and no end");
    json_array_append_new(json_object_get(r, "curve"),
                          result_point(3, 30, 1, 0.9));
    ok(result_time_to(r, 0.6) == 1.5,
       "the time to an accuracy lies between two evaluations");
    json_decref(r);
    why.code = ERR_SYS;
    r = result_failed(&why, NULL);
    ok(result_is(r, "failed"), "another failure is one");
    json_decref(r);
}

static int
compare(const char *before, const char *now, struct err *e)
{
    json_t *a = json_loads(before, 0, NULL), *b = json_loads(now, 0, NULL);
    int r;

    err_clear(e);
    r = settings_compare(a, b, "dir", e);
    json_decref(a);
    json_decref(b);
    return r;
}

#define COMMON                                                                 \
    "{\"format\": 1, \"ebsp\": \"1\", \"mode\": \"live\", \"workers\": 0, "    \
    "\"pace\": 0, "

static void
changed_settings_are_named(void)
{
    static const char before[] =
        COMMON "\"job\": {\"batch\": 5, \"optimizer\": {\"lr\": 0.1}}, "
               "\"scenarios\": {\"a\": {\"pace\": 1}}, \"plugins\": {}}";
    struct err e = ERR_INIT;

    ok(compare(before,
               COMMON "\"job\": {\"batch\": 5, \"optimizer\": {\"lr\": 0.1}}, "
                      "\"scenarios\": {\"b\": {}}, \"plugins\": {\"x\": \"1\"}"
                      "}",
               &e) == 0,
       "another scenario, another policy: %s", e.text);
    ok(compare(before,
               COMMON "\"job\": {\"batch\": 5, \"optimizer\": {\"lr\": 0.2}}, "
                      "\"scenarios\": {}, \"plugins\": {}}",
               &e) != 0 &&
           strstr(e.text, "the job's optimizer.lr was 0.1, is 0.2"),
       "%s", e.text);
    ok(compare(before,
               COMMON "\"job\": {\"batch\": 5, \"optimizer\": {\"lr\": 0.1}}, "
                      "\"scenarios\": {\"a\": {\"pace\": 2}}, "
                      "\"plugins\": {}}",
               &e) != 0 &&
           strstr(e.text, "scenario a.pace was 1, is 2"),
       "%s", e.text);
    ok(compare(before,
               COMMON "\"job\": {\"optimizer\": {\"lr\": 0.1}}, "
                      "\"scenarios\": {}, \"plugins\": {}}",
               &e) != 0 &&
           strstr(e.text, "the job's batch was 5, is absent"),
       "%s", e.text);
}

/* ---- advice -------------------------------------------------------------- */

static void
young_and_fast_is_chosen(void)
{
    struct candidate c[] = {
        {.spec = "bsp", .rate = 90, .pushes = 4},
        {.spec = "asp", .rate = 100, .pushes = 1, .r.mean_staleness = 3},
        {.spec = "kasync", .rate = 97, .pushes = 2, .r.mean_staleness = 2},
        {.spec = "elasticbsp",
         .rate = 96,
         .pushes = 1,
         .r.mean_staleness = 2.5},
        {.spec = "x", .rate = 98, .pushes = 1, .r.mean_staleness = 2.5}};

    is_int(advice_choose(c, 5), 4, "of equally young ones the faster");
    is_int(advice_choose(c, 4), 3, "an update of two pushes counts as two");
    c[0].rate = 95;
    is_int(advice_choose(c, 5), 0, "nothing is as young as bsp");
}

static bool
warns(const struct job *j, const struct candidate *c, double spread,
      enum advice_warning w)
{
    static const struct candidate bsp = {.spec = "bsp", .rate = 100};

    return advice_warn(j, c, &bsp, spread) & 1u << w;
}

static void
bad_combinations_are_known(void)
{
    static const char text[] =
        "{\"input\": [1, 2, 2], \"layers\": [{\"type\": \"batchnorm\"}, "
        "{\"type\": \"flatten\"}, {\"type\": \"dense\", \"units\": 2}, "
        "{\"type\": \"softmax_cross_entropy\"}],"
        "\"data\": {\"type\": \"blobs\", \"features\": 4}, \"batch\": 1, "
        "\"optimizer\": {\"type\": \"sgd\", \"lr\": 1, \"momentum\": 0.9}}";
    struct candidate c = {
        .spec = "asp", .rate = 400, .pushes = 1, .r.mean_staleness = 3};
    struct err e = ERR_INIT;
    struct job j;

    if (!ok(job_parse(&j, "j", ".", text, sizeof text - 1, &e) == 0, "job %s",
            e.text))
        return;
    ok(warns(&j, &c, 1, ADVICE_STALE_BATCHNORM) &&
           !warns(&j, &c, 1, ADVICE_STALE_MOMENTUM),
       "asynchronous, momentum, batch normalization");
    c.r.mean_staleness = 0;
    ok(!warns(&j, &c, 1, ADVICE_STALE_BATCHNORM), "not when nothing is stale");
    c.r.mean_staleness = 3;
    j.optim.momentum = 0.5;
    ok(advice_warn(&j, &c, &c, 1) == 0, "nor without momentum");
    j.lr_scaling = LR_SCALING_LINEAR;
    ok(!warns(&j, &c, 1, ADVICE_STALE_SCALED), "a single push is not scaled");
    c.pushes = 2;
    ok(warns(&j, &c, 1, ADVICE_STALE_SCALED), "two stale ones are");
    c.pushes = 8;
    ok(warns(&j, &c, 1, ADVICE_BIG_STEP), "eight, and no warm-up");
    j.schedule.warmup_epochs = 1;
    ok(!warns(&j, &c, 1, ADVICE_BIG_STEP), "with a warm-up it is fine");
    j.progress = PROGRESS_UPDATES;
    c.pushes = 1;
    ok(warns(&j, &c, 1, ADVICE_EARLY_DECAY), "a schedule of updates with asp");
    c.spec = "elasticbsp:lookahead=30";
    c.r.superstep_iterations = 8;
    ok(warns(&j, &c, 1.05, ADVICE_NEAR_EQUAL) &&
           !warns(&j, &c, 2, ADVICE_NEAR_EQUAL),
       "elasticbsp among equals");
    c.r.superstep_iterations = 100;
    ok(warns(&j, &c, 2, ADVICE_FAR_AHEAD), "supersteps that are too long");
    c.spec = "elasticbsp:lookahead=30,objective=rate";
    ok(!warns(&j, &c, 2, ADVICE_FAR_AHEAD), "rate weighs them");
    c = (struct candidate){.spec = "ssp:staleness=3", .rate = 110, .pushes = 1};
    ok(warns(&j, &c, 3, ADVICE_BOUND_HELPS_NOT) &&
           !warns(&j, &c, 1.2, ADVICE_BOUND_HELPS_NOT),
       "a bound and a worker that is slow for good");
    c.r.waiting_share = 0.3;
    ok(warns(&j, &c, 1, ADVICE_WAITING), "much waiting");
    c.r.dropped = 5;
    ok(!warns(&j, &c, 1, ADVICE_DROPS), "dropped work is dealt out again");
    j.assign.kind = ASSIGN_IID;
    ok(warns(&j, &c, 1, ADVICE_DROPS), "but not that of a shard");
    job_release(&j);
}

int
main(void)
{
    quantiles_are_those_of_the_tables();
    intervals();
    policies_are_split();
    scenarios_are_checked();
    cells_are_compared();
    divergence_has_no_final_accuracy();
    changed_settings_are_named();
    young_and_fast_is_chosen();
    bad_combinations_are_known();
    return done();
}
