/* SPDX-License-Identifier: Apache-2.0 */
#include "report/figures.h"

#include <math.h>

static double
wall(const struct account_worker *w)
{
    double sum = 0;

    for (int k = 0; k < N_PARTS; k++)
        sum += w->part_s[k];
    return sum;
}

static double
longest(const struct account *a, size_t n)
{
    double most = 0;

    for (size_t i = 0; i < n; i++)
        for (size_t r = 0; r < a[i].n_workers; r++)
            most = fmax(most, wall(&a[i].worker[r]));
    return most;
}

static const char *const heads[] = {
    "worker", "host", "iterations", "wall",  "compute",         "data",
    "pull",   "push", "wait",       "other", "hidden transfer", NULL};

static void
table(struct page *p, const struct account *a)
{
    char text[HTML_NUMBER];

    html_data(p, json_is_true(json_object_get(a->summary.root, "resumed"))
                     ? "As each worker has measured it since the run was "
                       "resumed; the parts sum up to its wall time."
                 : a->has_summary
                     ? "As each worker has measured it; the parts sum up to "
                       "its wall time."
                     : "Added up from the events, as there is no summary yet: "
                       "what follows an unanswered order is missing.");
    html_table(p, heads);
    for (size_t r = 0; r < a->n_workers; r++) {
        const struct account_worker *w = &a->worker[r];

        if (!w->is_used)
            continue;
        html_row(p);
        snprintf(text, sizeof text, "%zu", r);
        html_name(p, text);
        html_cell(p, w->host ? w->host : "");
        html_cell(p, html_count(text, (double)w->iterations));
        html_cell(p, html_seconds(text, wall(w)));
        for (int k = 0; k < N_PARTS; k++)
            html_cell(p, html_seconds(text, w->part_s[k]));
        html_cell(p, html_seconds(text, w->hidden_s));
    }
    html_table_end(p);
}

static void
hidden(struct page *p, const struct account *a)
{
    char seconds[HTML_NUMBER], share[HTML_NUMBER];
    double hidden_s, all_s = account_transfer(a, &hidden_s);

    if (hidden_s > 0)
        fprintf(p->f,
                "<p class=\"note\">Transfer hidden behind computing: %s, %s."
                "</p>\n",
                html_seconds(seconds, hidden_s),
                html_percent(share, hidden_s / all_s));
}

/* A row per worker, the parts one after the other; all runs on the same scale,
 * so that they can be compared. */
static void
split(struct page *p, const struct account *a, size_t n, double most)
{
    struct figure f = {.title = "Time of the workers",
                       .about = "A bar for each worker, divided into "
                                "computing, data, pull, push, waiting for the "
                                "policy, and other.",
                       .of = n > 1 ? a->label : NULL,
                       .width = 560,
                       .is_wide = n == 1};
    struct buf b = BUF_INIT(PLOT_MAX);
    double unit = 1;
    const char *x = plot_time_unit(most, &unit);
    size_t rows = 0, rank;

    while (figures_rank(a, rows, &rank))
        rows++;
    if (rows == 0)
        return;
    if (f.is_wide)
        f.width = 1120;
    f.height = 96 + (int)rows * (rows > 8 ? 20 : 28);
    plot_begin(&b, &f, x, "worker");
    buf_addf(&b,
             "set xrange [0:%.7g]\nset yrange [%zu.5:-0.5]\n"
             "unset grid\nset grid xtics lt 1 lw 0.7 lc rgb \"#%06x\"\n"
             "set ytics scale 0 (",
             most / unit, rows - 1, PLOT_GRID);
    for (size_t k = 0; figures_rank(a, k, &rank); k++)
        buf_addf(&b, "%s'%zu' %zu", k ? ", " : "", rank, k);
    buf_adds(&b, ")\n");
    for (int part = 0; part < N_PARTS; part++) {
        plot_data(&b, "p", (size_t)part);
        for (size_t k = 0; figures_rank(a, k, &rank); k++) {
            const struct account_worker *w = &a->worker[rank];
            double from = 0;

            for (int i = 0; i < part; i++)
                from += w->part_s[i];
            buf_addf(&b, "%.7g %zu %.7g %.7g %.2f %.2f\n", from / unit, k,
                     from / unit, (from + w->part_s[part]) / unit,
                     (double)k - 0.34, (double)k + 0.34);
        }
        plot_data_end(&b);
    }
    for (int part = 0; part < N_PARTS; part++) {
        buf_addf(&b, "%s$p%d with boxxyerror fs solid noborder lc rgb ",
                 part ? ", " : "plot ", part);
        plot_colour(&b, PLOT_PART + part);
    }
    buf_adds(&b, "\n");
    html_figure(p, &f, &b);
    buf_release(&b);
    figures_parts(p);
    if (rows < a->n_used)
        fprintf(p->f, "<p class=\"note\">%zu of %u workers are drawn.</p>\n",
                rows, a->n_used);
    hidden(p, a);
    table(p, a);
    html_figure_end(p);
}

/* Share of the workers' time in which the policy held them, over the run. */
static double
share(const struct account *a, size_t slot)
{
    return a->n_used
               ? 100 * a->waiting.sum_s[slot] / (a->waiting.slot_s * a->n_used)
               : 0;
}

/* Slots that the run has filled. */
static size_t
slots(const struct account *a)
{
    double trained_s = fmin(a->end_s - a->zero_s, a->facts.seconds);
    double n = a->waiting.slot_s > 0 ? trained_s / a->waiting.slot_s : 0;

    return n < GAUGE_SLOTS ? (size_t)fmax(n, 0) : GAUGE_SLOTS;
}

static void
waiting_table(struct page *p, const struct account *a, size_t n)
{
    static const char *const columns[] = {"run", "waiting, all",
                                          "waiting, per worker", NULL};
    char text[HTML_NUMBER];

    html_data(p, "");
    html_table(p, columns);
    for (size_t i = 0; i < n; i++) {
        double sum = 0;

        for (size_t r = 0; r < a[i].n_workers; r++)
            sum += a[i].worker[r].part_s[PART_WAIT];
        html_row(p);
        html_name(p, a[i].label);
        html_cell(p, html_percent(text, a[i].facts.waiting_share));
        html_cell(p, html_seconds(text, a[i].n_used ? sum / a[i].n_used : NAN));
    }
    html_table_end(p);
}

static void
waiting(struct page *p, const struct account *a, size_t n)
{
    struct figure f = {.title = "Waiting over the run",
                       .about = "Share of the workers' time in which the "
                                "policy held them, over the time of training.",
                       .width = 1120,
                       .height = 260,
                       .is_wide = true};
    struct buf b = BUF_INIT(PLOT_MAX);
    const char *comma = "plot ";
    char x[64];
    double unit = 1, last = 0;

    for (size_t i = 0; i < n; i++)
        last = fmax(last, (double)slots(&a[i]) * a[i].waiting.slot_s);
    if (last <= 0)
        return;
    snprintf(x, sizeof x, "%s of training", plot_time_unit(last, &unit));
    plot_begin(&b, &f, x, "waiting, %");
    buf_addf(&b, "set xrange [0:%.7g]\nset yrange [0:*<100]\n", last / unit);
    for (size_t i = 0; i < n; i++) {
        plot_data(&b, "w", i);
        for (size_t k = 0; k < slots(&a[i]); k++)
            buf_addf(&b, "%.7g %.5g\n",
                     ((double)k + 0.5) * a[i].waiting.slot_s / unit,
                     fmin(100, share(&a[i], k)));
        plot_data_end(&b);
    }
    for (size_t i = 0; i < n; i++) {
        if (slots(&a[i]) == 0)
            continue;
        buf_addf(&b, "%s$w%zu using 1:2 with lines ", comma, i);
        plot_line(&b, i, 1.75);
        comma = ", ";
    }
    buf_adds(&b, "\n");
    html_figure(p, &f, &b);
    buf_release(&b);
    figures_legend(p, a, n);
    waiting_table(p, a, n);
    html_figure_end(p);
}

void
figures_time(struct page *p, const struct account *a, size_t n)
{
    double most = longest(a, n);

    html_section(p, "time", "Where the time went");
    for (size_t i = 0; i < n; i++)
        if (most > 0)
            split(p, &a[i], n, most);
    waiting(p, a, n);
    html_section_end(p);
}
