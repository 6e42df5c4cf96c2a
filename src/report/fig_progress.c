/* SPDX-License-Identifier: Apache-2.0 */
#include "report/figures.h"

#include <math.h>

#define POINTS 240 /* drawn of a run's supersteps */
#define DOTS   40  /* with so few each has a dot: one alone has no line */

/* ---- supersteps ---------------------------------------------------------- */

static void
put_lengths(struct buf *b, const char *name, size_t i, const struct curve *c,
            double unit_x, double unit_y, struct err *err)
{
    struct curve thin = {.n = 0};

    if (c->n > POINTS && curve_thin(c, POINTS, &thin, err) == 0)
        c = &thin;
    plot_data(b, name, i);
    for (size_t k = 0; k < c->n; k++)
        buf_addf(b, "%.7g %.7g %.7g %.7g\n", c->point[k].x[0] / unit_x,
                 curve_mean(&c->point[k]) / unit_y, c->point[k].min / unit_y,
                 c->point[k].max / unit_y);
    plot_data_end(b);
    curve_release(&thin);
}

static void
superstep_table(struct page *p, const struct account *a, size_t n)
{
    static const char *const heads[] = {
        "run", "supersteps", "mean", "shortest", "longest", "predicted", NULL};
    char text[HTML_NUMBER];

    html_data(p, "");
    html_table(p, heads);
    for (size_t i = 0; i < n; i++) {
        double sum[2] = {0}, count[2] = {0}, least = INFINITY, most = 0;

        for (size_t k = 0; k < a[i].superstep.n; k++) {
            const struct curve_point *q = &a[i].superstep.point[k];

            sum[0] += q->sum;
            count[0] += (double)q->n;
            least = fmin(least, q->min);
            most = fmax(most, q->max);
        }
        for (size_t k = 0; k < a[i].predicted.n; k++) {
            sum[1] += a[i].predicted.point[k].sum;
            count[1] += (double)a[i].predicted.point[k].n;
        }
        if (count[0] == 0)
            continue;
        html_row(p);
        html_name(p, a[i].label);
        html_cell(p, html_count(text, count[0]));
        html_cell(p, html_seconds(text, sum[0] / count[0]));
        html_cell(p, html_seconds(text, least));
        html_cell(p, html_seconds(text, most));
        html_cell(p,
                  html_seconds(text, count[1] > 0 ? sum[1] / count[1] : NAN));
    }
    html_table_end(p);
}

/* One run: with the range of what a point stands for, and what was predicted.
 */
static void
put_superstep_plots(struct buf *b, const struct account *a, size_t n)
{
    const char *comma = "plot ";

    for (size_t i = 0; i < n; i++) {
        if (a[i].superstep.n == 0)
            continue;
        if (n == 1) {
            buf_addf(b,
                     "%s$s%zu using 1:3:4 with filledcurves fs transparent "
                     "solid 0.16 noborder ",
                     comma, i);
            plot_line(b, i, 1);
            comma = ", ";
        }
        buf_addf(b, "%s$s%zu using 1:2 with %s ", comma, i,
                 a[i].superstep.n <= DOTS ? "linespoints pt 7 ps 0.5"
                                          : "lines");
        plot_line(b, i, 1.75);
        comma = ", ";
        if (n == 1 && a[i].predicted.n) {
            buf_addf(b, "%s$q%zu using 1:2 with points pt 7 ps 0.4 lc rgb ",
                     comma, i);
            plot_colour(b, PLOT_MARK);
        }
    }
    buf_adds(b, "\n");
}

static void
supersteps(struct page *p, const struct account *a, size_t n)
{
    struct figure f = {.title = "Length of the supersteps",
                       .about = "Time from one barrier to the next, over the "
                                "time of training.",
                       .width = 560,
                       .height = 330};
    struct buf b = BUF_INIT(PLOT_MAX);
    char x[64], y[64];
    double last = 0, most = 0, unit_x = 1, unit_y = 1;

    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < a[i].superstep.n; k++) {
            last = fmax(last, a[i].superstep.point[k].x[0]);
            most = fmax(most, a[i].superstep.point[k].max);
        }
    if (last <= 0)
        return;
    snprintf(x, sizeof x, "%s of training", plot_time_unit(last, &unit_x));
    snprintf(y, sizeof y, "%s", plot_time_unit(most, &unit_y));
    plot_begin(&b, &f, x, y);
    buf_addf(&b, "set xrange [0:%.7g]\nset yrange [0:*]\n", last / unit_x);
    for (size_t i = 0; i < n; i++) {
        put_lengths(&b, "s", i, &a[i].superstep, unit_x, unit_y, &p->why);
        put_lengths(&b, "q", i, &a[i].predicted, unit_x, unit_y, &p->why);
    }
    put_superstep_plots(&b, a, n);
    html_figure(p, &f, &b);
    buf_release(&b);
    figures_legend(p, a, n);
    if (n == 1 && a->predicted.n) {
        html_legend(p);
        html_legend_item(p, "f16", "actual");
        html_legend_item(p, "f4", "predicted");
        html_legend_end(p);
    }
    superstep_table(p, a, n);
    html_figure_end(p);
}

/* ---- staleness ----------------------------------------------------------- */

static double
applied(const struct account *a)
{
    double sum = 0;

    for (int s = 0; s < ACCOUNT_BINS; s++)
        sum += (double)a->staleness[s];
    return sum;
}

static int
count_bins(const struct account *a, size_t n)
{
    int bins = 0;

    for (size_t i = 0; i < n; i++)
        for (int s = bins; s < ACCOUNT_BINS; s++)
            if (a[i].staleness[s])
                bins = s + 1;
    return bins;
}

static void
staleness_table(struct page *p, const struct account *a, size_t n, int bins)
{
    const char *heads[ACCOUNT_BINS + 4] = {"run", "mean", "greatest"};
    char number[ACCOUNT_BINS][16], text[HTML_NUMBER];

    for (int s = 0; s < bins; s++) {
        snprintf(number[s], sizeof number[s], "%d%s", s,
                 s == ACCOUNT_BINS - 1 ? "+" : "");
        heads[s + 3] = number[s];
    }
    html_data(p, "Pushes by how many updates lay between the parameters that "
                 "they were computed on and the update that applied them.");
    html_table(p, heads);
    for (size_t i = 0; i < n; i++) {
        html_row(p);
        html_name(p, a[i].label);
        html_cell(p, html_fixed(text, a[i].facts.mean_staleness));
        html_cell(p, html_count(text, a[i].facts.max_staleness));
        for (int s = 0; s < bins; s++)
            html_cell(p, html_count(text, (double)a[i].staleness[s]));
    }
    html_table_end(p);
}

/* Bars side by side in each bin. */
static void
staleness(struct page *p, const struct account *a, size_t n)
{
    struct figure f = {.title = "Staleness of the pushes",
                       .about = "Share of the pushes by their staleness in "
                                "updates.",
                       .width = 560,
                       .height = 330};
    int bins = count_bins(a, n);
    double width = 0.84 / (double)n;
    struct buf b = BUF_INIT(PLOT_MAX);

    if (bins == 0)
        return;
    plot_begin(&b, &f, "staleness, updates", "pushes, %");
    buf_addf(&b,
             "set xrange [-0.6:%d.6]\nset yrange [0:*<100]\n"
             "unset grid\nset grid ytics lt 1 lw 0.7 lc rgb \"#%06x\"\n",
             bins - 1, PLOT_GRID);
    if (bins <= 16)
        buf_adds(&b, "set xtics 1\n");
    for (size_t i = 0; i < n; i++) {
        double all = applied(&a[i]);

        plot_data(&b, "h", i);
        for (int s = 0; s < bins; s++) {
            double left = s - 0.42 + width * (double)i;
            double y = all > 0 ? 100 * (double)a[i].staleness[s] / all : 0;

            buf_addf(&b, "%d 0 %.5g %.5g 0 %.5g\n", s, left, left + width, y);
        }
        plot_data_end(&b);
    }
    for (size_t i = 0; i < n; i++) {
        buf_addf(&b, "%s$h%zu with boxxyerror fs solid %s noborder lc rgb ",
                 i ? ", " : "plot ", i, i < HTML_COLOURS ? "1.0" : "0.55");
        plot_colour(&b, PLOT_SERIES + (int)(i % HTML_COLOURS));
    }
    buf_adds(&b, "\n");
    html_figure(p, &f, &b);
    buf_release(&b);
    figures_legend(p, a, n);
    staleness_table(p, a, n, bins);
    html_figure_end(p);
}

void
figures_progress(struct page *p, const struct account *a, size_t n)
{
    html_section(p, "progress", "Supersteps and staleness");
    supersteps(p, a, n);
    staleness(p, a, n);
    html_section_end(p);
}
