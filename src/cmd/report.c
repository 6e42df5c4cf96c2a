/* SPDX-License-Identifier: Apache-2.0 */
/* ebsp report: one page about runs. */
#include "report/report.h"

#include "base/err.h"
#include "base/fs.h"
#include "base/mem.h"
#include "cmd/cmd.h"
#include "report/csv.h"
#include "report/draft.h"

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
    .args_doc = "RUN...",
    .doc = "Make one self-contained page (HTML) with figures and tables of "
           "what runs have reached and where their time went."
           "\vSee ebsp-report(1).",
};

static int
write_page(const struct options *o, const struct account *a, struct err *err)
{
    struct err why = ERR_INIT;
    char *path = o->output  ? mem_strdup(o->output)
                 : o->n > 1 ? mem_strdup("report.html")
                            : fs_join(o->path[0], "report.html");
    struct draft d;
    int r = path ? draft_open(&d, path, err) : err_nomem(err);

    if (r == 0) {
        report_write(a, o->n, d.f, &why);
        r = draft_keep(&d, err);
    }
    if (r == 0 && why.code != ERR_OK) {
        fprintf(stderr,
                "ebsp report: warning: %s; the page has tables in the place of "
                "figures\n",
                why.text);
        report_write_text(a, o->n, stdout);
    }
    if (r == 0)
        printf("%s\n", path);
    mem_free(path);
    return r;
}

static int
report(const struct options *o, struct account *a, struct err *err)
{
    if (account_label(a, o->n, err) != 0)
        return -1;
    if (o->csv && csv_write(o->csv, a, o->n, err) != 0)
        return -1;
    if (o->text) {
        report_write_text(a, o->n, stdout);
        return 0;
    }
    return write_page(o, a, err);
}

static int
run(int argc, char **argv, struct err *err)
{
    struct options o = {.n = 0};
    struct account *a;
    size_t n = 0;
    int r = 0;

    if (cmd_parse(&argp, argc, argv, &o, err) != 0)
        return -1;
    a = mem_alloc(o.n, sizeof *a);
    if (!a)
        return err_nomem(err);
    while (r == 0 && n < o.n) {
        r = account_read(&a[n], o.path[n], err);
        n += r == 0;
    }
    if (r == 0)
        r = report(&o, a, err);
    while (n > 0)
        account_release(&a[--n]);
    mem_free(a);
    return r;
}

const struct cmd cmd_report = {
    .name = "report",
    .args = "RUN...",
    .summary = "make a page with figures of one or several runs",
    .run = run,
};
