/* SPDX-License-Identifier: Apache-2.0 */
#include "report/report.h"

#include "report/figures.h"
#include "report/gnuplot.h"

#include <string.h>

static const struct part_of_page {
    const char *id, *name;
    void (*write)(struct page *p, const struct account *a, size_t n);
} parts[] = {
    {"overview", "Overview", figures_overview},
    {"learning", "Learning", figures_learning},
    {"time", "Time", figures_time},
    {"progress", "Supersteps and staleness", figures_progress},
    {"timeline", "Timeline", figures_gantt},
    {"settings", "Scenario and settings", figures_settings},
};
#define N_PAGE_PARTS (sizeof parts / sizeof *parts)

static void
head(struct page *p, const struct account *a, size_t n)
{
    const char *name = a->facts.name;
    bool same = true;

    for (size_t i = 1; i < n; i++)
        same &= !strcmp(a[i].facts.name, name);
    fputs("<header>\n<p class=\"kicker\">ebsp report</p>\n<h1>", p->f);
    html_text(p, same ? name : "Comparison of runs");
    fputs("</h1>\n<p>", p->f);
    if (n == 1) {
        html_text(p, a->facts.policy);
        fprintf(p->f, ", %u %s \xc2\xb7 ", a->n_used,
                a->n_used == 1 ? "worker" : "workers");
        html_text(p, a->run);
    } else {
        fprintf(p->f, "%zu runs", n);
    }
    fputs("</p>\n<nav aria-label=\"Contents\"><ul>", p->f);
    for (size_t i = 0; i < N_PAGE_PARTS; i++)
        fprintf(p->f, "<li><a href=\"#%s\">%s</a></li>", parts[i].id,
                parts[i].name);
    fputs("</ul></nav>\n</header>\n<main>\n", p->f);
}

void
report_write(const struct account *a, size_t n, FILE *f, struct err *why)
{
    struct page p = {.f = f, .can_plot = gnuplot_is_there()};
    char title[200];

    snprintf(title, sizeof title, "%.150s \xc2\xb7 ebsp report",
             n == 1 ? a->facts.name : "Comparison of runs");
    html_begin(&p, title);
    head(&p, a, n);
    html_missing_plots(&p);
    for (size_t i = 0; i < N_PAGE_PARTS; i++)
        parts[i].write(&p, a, n);
    fputs("</main>\n", f);
    html_end(&p);
    html_why(&p, why);
}
