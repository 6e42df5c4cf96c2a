/* SPDX-License-Identifier: Apache-2.0 */
/* From cells to bench.json: means, intervals, paired comparisons. */
#include "base/err.h"
#include "base/mem.h"
#include "study/stats.h"
#include "study/study.h"

#include <inttypes.h>
#include <math.h>

static const char *const metrics[] = {
    "target_seconds", "final_accuracy", "best_accuracy", "samples_per_second",
    "waiting_share",  "mean_staleness", "max_staleness", "bytes"};

/* As in a cell of bench.json; NAN where it is not known.  What a failed run did
 * before is no measurement. */
static double
measure(const struct study *s, const struct cell *c, const char *metric)
{
    if (!c->result || result_is(c->result, "failed"))
        return NAN;
    if (metric == metrics[0])
        return result_time_to(c->result, s->target);
    if (metric == metrics[7])
        return result_get(c->result, "bytes_pushed") +
               result_get(c->result, "bytes_pulled");
    return result_get(c->result, metric);
}

/* ---- a cell -------------------------------------------------------------- */

static json_t *
cell_json(const struct study *s, const struct cell *c)
{
    static const char *const numbers[] = {
        "seconds",       "samples",        "updates",
        "final_loss",    "final_accuracy", "best_accuracy",
        "waiting_share", "mean_staleness", "max_staleness",
        "bytes_pushed",  "bytes_pulled",   "samples_per_second",
        "workers_lost",  "eval_seconds"};
    const char *status = c->result ? NULL : "missing";
    json_t *v = json_pack("{s:s, s:s, s:s, s:I, s:s*}", "scenario",
                          s->scenario[c->scenario].name, "convention",
                          convention_names[s->convention[c->convention]],
                          "policy", s->policy[c->policy].spec, "seed",
                          (json_int_t)c->seed, "status", status);

    if (!v || !c->result)
        return v;
    (void)json_object_update(v, c->result);
    for (size_t i = 0; i < ARRAY_LEN(numbers); i++)
        if (!json_object_get(v, numbers[i]))
            (void)json_object_set_new(v, numbers[i], json_null());
    if (!json_object_get(v, "run"))
        (void)json_object_set_new(v, "run", json_null());
    (void)json_object_set_new(v, "target_seconds",
                              result_number(measure(s, c, metrics[0])));
    return v;
}

/* ---- a group ------------------------------------------------------------- */

static json_t *
interval_json(const struct interval *i)
{
    return json_pack("{s:I, s:o, s:o, s:o}", "n", (json_int_t)i->n, "mean",
                     result_number(i->mean), "low", result_number(i->low),
                     "high", result_number(i->high));
}

enum comparison { SPEEDUP, RATE, ACCURACY };

static double
compare(const struct study *s, const struct cell *base, const struct cell *c,
        enum comparison how)
{
    switch (how) {
    case SPEEDUP:
        return measure(s, base, metrics[0]) / measure(s, c, metrics[0]);
    case RATE:
        return measure(s, c, metrics[3]) / measure(s, base, metrics[3]);
    case ACCURACY:
        break;
    }
    return measure(s, c, metrics[1]) - measure(s, base, metrics[1]);
}

static const char *
judge(const struct interval *i, double equal, size_t left_out)
{
    if (left_out > 0 || isnan(i->low))
        return "unknown";
    if (i->low > equal)
        return "better";
    return i->high < equal ? "worse" : "within noise";
}

/* v: room for a value of each seed. */
static json_t *
pairs_json(const struct study *s, const struct cell *base,
           const struct cell *cells, enum comparison how, double *v)
{
    struct interval i;
    size_t left_out;

    for (uint32_t k = 0; k < s->n_seeds; k++)
        v[k] = compare(s, &base[k], &cells[k], how);
    i = how == ACCURACY ? stats_mean(v, s->n_seeds)
                        : stats_geometric(v, s->n_seeds);
    left_out = s->n_seeds - i.n;
    return json_pack("{s:I, s:I, s:o, s:o, s:o, s:s}", "pairs", (json_int_t)i.n,
                     "left_out", (json_int_t)left_out, "mean",
                     result_number(i.mean), "low", result_number(i.low), "high",
                     result_number(i.high), "verdict",
                     judge(&i, how == ACCURACY ? 0 : 1, left_out));
}

struct counts {
    json_int_t runs, diverged, failed, missing, reached;
};

static struct counts
count(const struct study *s, const struct cell *cells)
{
    struct counts n = {0};

    for (uint32_t k = 0; k < s->n_seeds; k++) {
        const json_t *r = cells[k].result;

        n.missing += !r;
        n.diverged += r && result_is(r, "diverged");
        n.failed += r && result_is(r, "failed");
        n.reached += r && !result_is(r, "failed") &&
                     !isnan(measure(s, &cells[k], metrics[0]));
    }
    n.runs = (json_int_t)s->n_seeds - n.missing - n.failed;
    return n;
}

static json_t *
group_json(const struct study *s, size_t scenario, size_t convention,
           size_t policy, double *v)
{
    const struct cell *cells = study_get_cells(s, scenario, convention, policy);
    const struct cell *base =
        study_get_cells(s, scenario, convention, s->baseline);
    struct counts n = count(s, cells);
    json_t *g = json_pack("{s:s, s:s, s:s, s:I, s:I, s:I, s:I, s:I, s:I}",
                          "scenario", s->scenario[scenario].name, "convention",
                          convention_names[s->convention[convention]], "policy",
                          s->policy[policy].spec, "runs", n.runs, "diverged",
                          n.diverged, "failed", n.failed, "missing", n.missing,
                          "reached", n.reached, "censored",
                          s->target > 0 ? n.runs - n.reached : 0);
    json_t *against = json_null();

    for (size_t m = 0; g && m < ARRAY_LEN(metrics); m++) {
        struct interval i;

        for (uint32_t k = 0; k < s->n_seeds; k++)
            v[k] = measure(s, &cells[k], metrics[m]);
        i = stats_mean(v, s->n_seeds);
        (void)json_object_set_new(g, metrics[m], interval_json(&i));
    }
    if (policy != s->baseline)
        against = json_pack(
            "{s:o, s:o, s:o}", "speedup",
            pairs_json(s, base, cells, SPEEDUP, v), "samples_per_second",
            pairs_json(s, base, cells, RATE, v), "final_accuracy",
            pairs_json(s, base, cells, ACCURACY, v));
    if (g && json_object_set_new(g, "against", against) == 0)
        return g;
    json_decref(g);
    return NULL;
}

/* ---- everything ---------------------------------------------------------- */

static int
add_axes(const struct study *s, json_t *v)
{
    json_t *policies = json_array(), *seeds = json_array();
    json_t *conventions = json_array(), *scenarios = json_array();
    int r = 0;

    for (size_t i = 0; i < s->n_policies; i++)
        r |= json_array_append_new(policies, json_text(s->policy[i].spec));
    for (uint32_t i = 0; i < s->n_seeds; i++)
        r |= json_array_append_new(
            seeds, json_integer((json_int_t)(s->first_seed + i)));
    for (size_t i = 0; i < s->n_conventions; i++)
        r |= json_array_append_new(
            conventions, json_string(convention_names[s->convention[i]]));
    for (size_t i = 0; i < s->n_scenarios; i++)
        r |= json_array_append(scenarios, s->scenario[i].doc.root);
    r |= json_object_set_new(v, "policies", policies);
    r |= json_object_set_new(v, "seeds", seeds);
    r |= json_object_set_new(v, "conventions", conventions);
    r |= json_object_set_new(v, "scenarios", scenarios);
    return r;
}

static int
add_groups(const struct study *s, json_t *v, struct err *err)
{
    double *room = mem_alloc(s->n_seeds, sizeof *room);
    json_t *groups = json_array();
    int r = room ? 0 : err_nomem(err);

    for (size_t i = 0; r == 0 && i < s->n_scenarios; i++)
        for (size_t k = 0; k < s->n_conventions; k++)
            for (size_t p = 0; p < s->n_policies; p++)
                r |=
                    json_array_append_new(groups, group_json(s, i, k, p, room));
    r |= json_object_set_new(v, "groups", groups);
    mem_free(room);
    return r;
}

json_t *
study_tabulate(const struct study *s, struct err *err)
{
    json_t *settings = settings_make(s, err), *cells = json_array(), *v = NULL;
    char *checksum = NULL;
    int r = -1;

    if (settings)
        checksum = settings_checksum(settings, s, NULL, err);
    json_decref(settings);
    if (checksum)
        v = json_pack("{s:i, s:s, s:s, s:s, s:s, s:o, s:f}", "format", 1, "job",
                      s->job.name, "mode", s->is_virtual ? "virtual" : "live",
                      "settings", checksum, "baseline",
                      s->policy[s->baseline].spec, "target_accuracy",
                      s->target > 0 ? json_real(s->target) : json_null(),
                      "confidence", STATS_CONFIDENCE);
    mem_free(checksum);
    if (v && add_axes(s, v) == 0) {
        r = 0;
        for (size_t i = 0; i < s->n_cells; i++)
            r |= json_array_append_new(cells, cell_json(s, &s->cell[i]));
        r |= json_object_set(v, "cells", cells);
        r |= add_groups(s, v, err);
    }
    json_decref(cells);
    if (r == 0)
        return v;
    json_decref(v);
    err_nomem(err);
    return NULL;
}
