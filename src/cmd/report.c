/* SPDX-License-Identifier: Apache-2.0 */
/* ebsp report: one page about runs, or about a benchmark. */
#include "report/report.h"

#include "base/err.h"
#include "base/fs.h"
#include "base/mem.h"
#include "cmd/cmd.h"
#include "report/csv.h"
#include "report/draft.h"
#include "report/matrix.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

enum { OPT_CSV = 0x100, OPT_TEXT };

struct options {
    const char *path[REPORT_MAX_RUNS];
    size_t n;
    const char *output, *csv;
    bool text;
};

static const struct argp_option options[] = {
    {"output", 'o', "FILE", 0,
     "write the page to this file; default report.html in the run, in the "
     "current folder for several",
     0},
    {"csv", OPT_CSV, "DIR", 0, "also write the data to files in this folder",
     0},
    {"text", OPT_TEXT, NULL, 0, "print a summary instead of making a page", 0},
    {NULL, 0, NULL, 0, NULL, 0},
};

static error_t
parse(int key, char *arg, struct argp_state *state)
{
    struct options *o = state->input;

    switch (key) {
    case 'o':
        o->output = arg;
        return 0;
    case OPT_CSV:
        o->csv = arg;
        return 0;
    case OPT_TEXT:
        o->text = true;
        return 0;
    case ARGP_KEY_ARG:
        if (o->n == REPORT_MAX_RUNS)
            argp_error(state, "more than %d runs", REPORT_MAX_RUNS);
        else
            o->path[o->n++] = arg;
        return 0;
    case ARGP_KEY_END:
        if (o->n == 0)
            argp_error(state, "expected run directories");
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp argp = {
    .options = options,
    .parser = parse,
    .args_doc = "RUN...\nBENCH",
    .doc = "Make one self-contained page (HTML) with figures and tables of "
           "what runs have reached and where their time went, or of what a "
           "benchmark has found."
           "\vSee ebsp-report(1).",
};

/* What the page is about: runs, or a benchmark. */
struct subject {
    struct account *run;
    struct matrix matrix;
    size_t n_runs; /* 0: the benchmark */
};

static void
write_text(const struct subject *s, FILE *f)
{
    if (s->n_runs)
        report_write_text(s->run, s->n_runs, f);
    else
        matrix_write_text(&s->matrix, f);
}

static void
render(const struct subject *s, FILE *f, struct err *why)
{
    if (s->n_runs)
        report_write(s->run, s->n_runs, f, why);
    else
        matrix_write(&s->matrix, f, why);
}

static void
warn(const struct err *why)
{
    fprintf(stderr,
            "ebsp report: warning: %s; the page has tables in the place of "
            "figures\n",
            why->text);
}

static int
write_stdout(const struct subject *s, struct err *err)
{
    struct err why = ERR_INIT;

    render(s, stdout, &why);
    if (fflush(stdout) != 0 || ferror(stdout))
        return err_errno(err, "standard output");
    if (why.code != ERR_OK)
        warn(&why);
    return 0;
}

static int
write_page(const struct options *o, const struct subject *s, struct err *err)
{
    struct err why = ERR_INIT;
    char *path = o->output  ? mem_strdup(o->output)
                 : o->n > 1 ? mem_strdup("report.html")
                            : fs_join(o->path[0], "report.html");
    struct draft d;
    int r = path ? draft_open(&d, path, err) : err_nomem(err);

    if (r == 0) {
        render(s, d.f, &why);
        r = draft_keep(&d, err);
    }
    if (r == 0 && why.code != ERR_OK) {
        warn(&why);
        write_text(s, stdout);
    }
    if (r == 0)
        printf("%s\n", path);
    mem_free(path);
    return r;
}

static int
write_csv(const struct options *o, const struct subject *s, struct err *err)
{
    return s->n_runs ? csv_write(o->csv, s->run, s->n_runs, err)
                     : matrix_write_csv(&s->matrix, o->csv, err);
}

static int
read_subject(const struct options *o, struct subject *s, struct err *err)
{
    if (o->n == 1 && matrix_is(o->path[0]))
        return matrix_read(&s->matrix, o->path[0], err);
    s->run = mem_alloc(o->n, sizeof *s->run);
    if (!s->run)
        return err_nomem(err);
    for (; s->n_runs < o->n; s->n_runs++) {
        if (matrix_is(o->path[s->n_runs]))
            return err_set(err, ERR_USAGE,
                           "%s is the folder of a benchmark, which has a "
                           "report of its own",
                           o->path[s->n_runs]);
        if (account_read(&s->run[s->n_runs], o->path[s->n_runs], err) != 0)
            return -1;
    }
    return account_label(s->run, s->n_runs, err);
}

static int
run(int argc, char **argv, struct err *err)
{
    struct subject s = {.n_runs = 0};
    struct options o = {.n = 0};
    int r;

    if (cmd_parse(&argp, argc, argv, &o, err) != 0)
        return -1;
    r = read_subject(&o, &s, err);
    if (r == 0 && o.csv)
        r = write_csv(&o, &s, err);
    if (r == 0 && o.text)
        write_text(&s, stdout);
    else if (r == 0)
        r = o.output && !strcmp(o.output, "-") ? write_stdout(&s, err)
                                               : write_page(&o, &s, err);
    while (s.n_runs > 0)
        account_release(&s.run[--s.n_runs]);
    mem_free(s.run);
    matrix_release(&s.matrix);
    return r;
}

const struct cmd cmd_report = {
    .name = "report",
    .args = "RUN...|BENCH",
    .summary = "make a page with figures of runs or of a benchmark",
    .run = run,
};
