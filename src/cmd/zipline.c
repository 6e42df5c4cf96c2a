/* SPDX-License-Identifier: Apache-2.0 */
/* ebsp zipline: one decision of elasticbsp, for pushes from a file. */
#include "cmd/zipline.h"

#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"
#include "cmd/cmd.h"
#include "zipline/baseline.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define MAX_LOOKAHEAD 1000000

/* ---- algorithms ---- */

static enum zipline_status
run_zipline(struct zipline *z, const struct zipline_worker *workers, size_t n,
            struct zipline_point *points, struct zipline_plan *plan)
{
    (void)points;
    return zipline_decide(z, workers, n, NULL, plan);
}

static enum zipline_status
run_paper(struct zipline *z, const struct zipline_worker *workers, size_t n,
          struct zipline_point *points, struct zipline_plan *plan)
{
    (void)z;
    return zipline_paper(workers, n, points, plan);
}

static enum zipline_status
run_gridscan(struct zipline *z, const struct zipline_worker *workers, size_t n,
             struct zipline_point *points, struct zipline_plan *plan)
{
    (void)z;
    return zipline_gridscan(workers, n, points, plan);
}

static enum zipline_status
run_fullgridscan(struct zipline *z, const struct zipline_worker *workers,
                 size_t n, struct zipline_point *points,
                 struct zipline_plan *plan)
{
    (void)z;
    return zipline_fullgridscan(workers, n, points, plan);
}

static enum zipline_status
run_naive(struct zipline *z, const struct zipline_worker *workers, size_t n,
          struct zipline_point *points, struct zipline_plan *plan)
{
    (void)z;
    return zipline_naive(workers, n, NULL, points, plan);
}

static double
steps_rnlogn(double n, double r)
{
    return r * n * log2(n + 1);
}

static double
steps_rn(double n, double r)
{
    return r * n;
}

static double
steps_rn2(double n, double r)
{
    return r * n * n;
}

static double
steps_naive(double n, double r)
{
    return n * pow(r, n);
}

const struct zipline_algorithm zipline_algorithms[] = {
    {"zipline", true, run_zipline, steps_rnlogn},
    {"paper", true, run_paper, steps_rn2},
    {"gridscan", false, run_gridscan, steps_rn},
    {"fullgridscan", false, run_fullgridscan, steps_rn2},
    {"naive", true, run_naive, steps_naive},
    {NULL, false, NULL, NULL},
};

static const struct zipline_algorithm *
find_algorithm(const char *name)
{
    const struct zipline_algorithm *a = zipline_algorithms;

    while (a->name && strcmp(a->name, name) != 0)
        a++;
    return a->name ? a : NULL;
}

/* ---- options ---- */

struct options {
    const char *file;
    const struct zipline_algorithm *algorithm;
    uint32_t lookahead; /* 0: not given */
    uint32_t first;
    bool json, benchmark;
};

static const struct argp_option option_table[] = {
    {"lookahead", 'R', "R", 0, "points per worker, 1 to 1000000; default 15",
     0},
    {"first", 'f', "0|1", 0,
     "index of a worker's first point: 0 is its last push, 1 (default) the "
     "push after that",
     0},
    {"algorithm", 'a', "NAME", 0,
     "zipline (default), paper, gridscan, fullgridscan or naive", 0},
    {"json", 'j', NULL, 0, "print JSON", 0},
    {"benchmark", 'b', NULL, 0,
     "measure the processor time per decision, 10 to 100000 workers", 0},
    {NULL, 0, NULL, 0, NULL, 0},
};

static error_t
parse_option(int key, char *arg, struct argp_state *state)
{
    struct options *o = state->input;
    uint64_t v;

    switch (key) {
    case 'R':
        if (!str_u64(arg, &v) || v < 1 || v > MAX_LOOKAHEAD)
            argp_error(state, "--lookahead: expected 1 to %d, got \"%s\"",
                       MAX_LOOKAHEAD, arg);
        o->lookahead = (uint32_t)v;
        return 0;
    case 'f':
        if (strcmp(arg, "0") != 0 && strcmp(arg, "1") != 0)
            argp_error(state, "--first: expected 0 or 1, got \"%s\"", arg);
        o->first = *arg == '1';
        return 0;
    case 'a':
        o->algorithm = find_algorithm(arg);
        if (!o->algorithm)
            argp_error(state,
                       "--algorithm: expected zipline, paper, gridscan, "
                       "fullgridscan or naive, got \"%s\"",
                       arg);
        return 0;
    case 'j':
        o->json = true;
        return 0;
    case 'b':
        o->benchmark = true;
        return 0;
    case ARGP_KEY_ARG:
        if (o->file)
            argp_error(state, "expected one file, got \"%s\" too", arg);
        o->file = arg;
        return 0;
    case ARGP_KEY_END:
        if (o->benchmark && o->file)
            argp_error(state, "--benchmark takes no file, got \"%s\"", o->file);
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp argp = {
    .options = option_table,
    .parser = parse_option,
    .args_doc = "[FILE.csv|-]",
    .doc = "Tells when workers of unequal speed should meet: one predicted "
           "push per worker, as close together as possible.\v"
           "FILE.csv, or - for the standard input, holds lines of "
           "worker,previous_push,last_push with times in any one unit.  "
           "See ebsp-zipline(1).",
};

/* ---- one decision ---- */

static void
print_plan(const struct pushes *p, const struct zipline_plan *plan)
{
    char a[PUSHES_TIME_CHARS];

    printf("distance %s\n", pushes_time(p, plan->distance, true, a));
    printf("start    %s\n", pushes_time(p, plan->start, false, a));
    printf("barrier  %s\n", pushes_time(p, plan->barrier, false, a));
    printf("%8s %8s %s\n", "worker", "index", "time");
    for (size_t i = 0; i < p->n; i++)
        printf("%8lld %8u %s\n", (long long)p->ids[i], plan->points[i].index,
               pushes_time(p, plan->points[i].time, false, a));
}

/* By hand, because jansson has no numbers beyond double and int64. */
static void
print_plan_json(const struct pushes *p, const struct zipline_plan *plan)
{
    char a[PUSHES_TIME_CHARS], b[PUSHES_TIME_CHARS], c[PUSHES_TIME_CHARS];

    printf("{\"distance\": %s, \"start\": %s, \"barrier\": %s, \"points\": [",
           pushes_time(p, plan->distance, true, a),
           pushes_time(p, plan->start, false, b),
           pushes_time(p, plan->barrier, false, c));
    for (size_t i = 0; i < p->n; i++)
        printf("%s\n {\"worker\": %lld, \"index\": %u, \"time\": %s}",
               i ? "," : "", (long long)p->ids[i], plan->points[i].index,
               pushes_time(p, plan->points[i].time, false, a));
    printf("\n]}\n");
}

static int
refuse(const struct pushes *p, enum zipline_status status, size_t culprit,
       struct err *err)
{
    if (status == ZIPLINE_NO_MEMORY)
        return err_nomem(err);
    if (status == ZIPLINE_TOO_MUCH)
        return err_set(err, ERR_USAGE,
                       "--algorithm naive: more than %llu combinations of the "
                       "points of %zu workers",
                       (unsigned long long)ZIPLINE_NAIVE_LIMIT, p->n);
    return err_set(err, ERR_CONFIG, "%s:%u: %s", p->name, p->lines[culprit],
                   zipline_status_text(status));
}

static int
decide(const struct options *o, struct err *err)
{
    struct pushes p;
    struct zipline z;
    struct zipline_plan plan;
    struct zipline_point *points = NULL;
    enum zipline_status status;
    int r = -1;

    zipline_init(&z);
    if (pushes_load(&p, o->file ? o->file : "-", err) != 0)
        return -1;
    if (pushes_look_ahead(&p, o->first, o->lookahead, err) != 0)
        goto out;
    points = mem_alloc(p.n, sizeof *points);
    if (!points) {
        err_nomem(err);
        goto out;
    }
    status = o->algorithm->decide(&z, p.workers, p.n, points, &plan);
    if (status != ZIPLINE_OK) {
        refuse(&p, status, plan.culprit, err);
        goto out;
    }
    if (o->json)
        print_plan_json(&p, &plan);
    else
        print_plan(&p, &plan);
    r = 0;
out:
    mem_free(points);
    zipline_release(&z);
    pushes_release(&p);
    return r;
}

static int
run(int argc, char **argv, struct err *err)
{
    struct options o = {.first = 1};

    if (cmd_parse(&argp, argc, argv, &o, err) != 0)
        return -1;
    if (o.benchmark) {
        struct bench_options b = {o.algorithm, o.lookahead, o.first, o.json};

        return zipline_benchmark(&b, err);
    }
    if (!o.file && isatty(STDIN_FILENO))
        return err_set(err, ERR_USAGE,
                       "expected a file, or - for the standard input");
    if (!o.algorithm)
        o.algorithm = zipline_algorithms;
    if (o.lookahead == 0)
        o.lookahead = 15;
    return decide(&o, err);
}

const struct cmd cmd_zipline = {
    .name = "zipline",
    .args = "[options] [FILE.csv|-]",
    .summary = "tell when workers of unequal speed should meet",
    .run = run,
};
