/* SPDX-License-Identifier: Apache-2.0 */
/* bench.json for people. */
#include "base/str.h"
#include "cmd/bench.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static double
get(const json_t *group, const char *metric, const char *what)
{
    return result_get(json_object_get(group, metric), what);
}

static long long
count(const json_t *v, const char *key)
{
    return (long long)json_integer_value(json_object_get(v, key));
}

static const char *
word(const json_t *v, const char *key)
{
    const char *s = json_string_value(json_object_get(v, key));

    return s ? s : "";
}

/* "0.912 +-0.004": the interval is symmetric. */
static void
put_mean(char *to, size_t cap, const json_t *group, const char *metric,
         double scale, int digits)
{
    double mean = get(group, metric, "mean") * scale;
    double half = get(group, metric, "high") * scale - mean;

    if (isnan(mean))
        snprintf(to, cap, "-");
    else if (isnan(half))
        snprintf(to, cap, "%.*f", digits, mean);
    else
        snprintf(to, cap, "%.*f +-%.*f", digits, mean, digits, half);
}

static void
print_rows(FILE *to, const json_t *bench, const char *scenario,
           const char *convention)
{
    bool target = json_is_number(json_object_get(bench, "target_accuracy"));
    size_t i;
    json_t *g;

    fprintf(to, "  %-28s %5s %s%15s %15s %15s %8s %14s %9s\n", "policy", "runs",
            target ? "   seconds to target  " : "", "final %", "best %",
            "samples/s", "waiting", "staleness", "bytes");
    json_array_foreach(json_object_get(bench, "groups"), i, g)
    {
        char time[48], final[48], best[48], rate[48], wait[48], stale[48];
        char bytes[32] = "-";

        if (strcmp(word(g, "scenario"), scenario) != 0 ||
            strcmp(word(g, "convention"), convention) != 0)
            continue;
        put_mean(time, sizeof time, g, "target_seconds", 1, 1);
        put_mean(final, sizeof final, g, "final_accuracy", 100, 2);
        put_mean(best, sizeof best, g, "best_accuracy", 100, 2);
        put_mean(rate, sizeof rate, g, "samples_per_second", 1, 0);
        snprintf(wait, sizeof wait, "%.1f%%",
                 100 * get(g, "waiting_share", "mean"));
        snprintf(stale, sizeof stale, "%.1f (%.0f)",
                 get(g, "mean_staleness", "mean"),
                 get(g, "max_staleness", "mean"));
        if (!isnan(get(g, "bytes", "mean")))
            (void)str_bytes(bytes, get(g, "bytes", "mean"));
        fprintf(to, "  %-28s %5lld ", word(g, "policy"), count(g, "runs"));
        if (target)
            fprintf(to, "%14s (%lld/%lld) ", time, count(g, "reached"),
                    count(g, "runs"));
        fprintf(to, "%15s %15s %15s %8s %14s %9s\n", final, best, rate,
                isnan(get(g, "waiting_share", "mean")) ? "-" : wait,
                isnan(get(g, "mean_staleness", "mean")) ? "-" : stale, bytes);
        if (count(g, "censored") > 0 && target)
            fprintf(to,
                    "  %28s   %lld never reached it: the time is that of "
                    "the others\n",
                    "", count(g, "censored"));
        if (count(g, "diverged") > 0)
            fprintf(to, "  %28s   %lld diverged\n", "", count(g, "diverged"));
        if (count(g, "failed") + count(g, "missing") > 0)
            fprintf(to, "  %28s   %lld failed, %lld missing\n", "",
                    count(g, "failed"), count(g, "missing"));
    }
}

/* "1.77x (1.60 .. 1.95) better" */
static void
put_pairs(char *to, size_t cap, const json_t *pairs, double scale,
          const char *unit)
{
    double mean = result_get(pairs, "mean") * scale;
    const char *verdict = word(pairs, "verdict");
    long long left_out = count(pairs, "left_out");
    char why[48] = "";

    if (isnan(mean)) {
        snprintf(to, cap, "no pair");
        return;
    }
    if (left_out > 0)
        snprintf(why, sizeof why, "%lld pair%s left out", left_out,
                 left_out == 1 ? "" : "s");
    else if (!strcmp(verdict, "unknown"))
        snprintf(why, sizeof why, "one pair");
    else
        snprintf(why, sizeof why, "%s", verdict);
    if (isnan(result_get(pairs, "low")))
        snprintf(to, cap, "%.2f%s %s", mean, unit, why);
    else
        snprintf(to, cap, "%.2f%s (%.2f .. %.2f) %s", mean, unit,
                 result_get(pairs, "low") * scale,
                 result_get(pairs, "high") * scale, why);
}

static void
print_pairs(FILE *to, const json_t *bench, const char *scenario,
            const char *convention)
{
    bool target = json_is_number(json_object_get(bench, "target_accuracy"));
    size_t i;
    json_t *g;

    if (json_array_size(json_object_get(bench, "policies")) < 2)
        return;
    fprintf(to, "  against %s, pairs of the same seed (95 %% intervals):\n",
            word(bench, "baseline"));
    json_array_foreach(json_object_get(bench, "groups"), i, g)
    {
        const json_t *a = json_object_get(g, "against");
        char speedup[96], rate[96], accuracy[96];

        if (strcmp(word(g, "scenario"), scenario) != 0 ||
            strcmp(word(g, "convention"), convention) != 0 ||
            !json_is_object(a))
            continue;
        put_pairs(speedup, sizeof speedup, json_object_get(a, "speedup"), 1,
                  "x");
        put_pairs(rate, sizeof rate, json_object_get(a, "samples_per_second"),
                  1, "x");
        put_pairs(accuracy, sizeof accuracy,
                  json_object_get(a, "final_accuracy"), 100, "");
        fprintf(to, "  %-28s", word(g, "policy"));
        if (target)
            fprintf(to, " to target %s;", speedup);
        fprintf(to, " samples/s %s; final points %s\n", rate, accuracy);
    }
}

void
bench_print(FILE *to, const json_t *bench)
{
    const json_t *conventions = json_object_get(bench, "conventions");
    double target = result_get(bench, "target_accuracy");
    size_t i, k;
    json_t *scenario, *convention;

    fprintf(to, "%s, %s time", word(bench, "job"),
            strcmp(word(bench, "mode"), "live") ? "virtual" : "real");
    if (!isnan(target))
        fprintf(to, ", target accuracy %g %%", 100 * target);
    fputc('\n', to);
    json_array_foreach(json_object_get(bench, "scenarios"), i, scenario)
    {
        json_array_foreach(conventions, k, convention)
        {
            const char *name = word(scenario, "name");
            const char *how = json_string_value(convention);

            fprintf(to, "\n%s", name);
            if (strcmp(how, "job") != 0)
                fprintf(to, ", rate by %s", how);
            fprintf(to, ": %s\n", word(scenario, "description"));
            print_rows(to, bench, name, how);
            print_pairs(to, bench, name, how);
        }
    }
}
