/* SPDX-License-Identifier: Apache-2.0 */
#include "report/figures.h"

#include "base/mem.h"

#include <math.h>

#define SUPERSTEPS 4   /* shown at most */
#define ITERATIONS 5   /* of the slowest worker, where there are none */
#define MAX_DRAWN  600 /* spans: more cannot be told from each other */

/* What is shown of a run: from begin to end, on the clock of the spans. */
struct window {
    double begin_s, end_s;
    size_t n; /* supersteps in it, the newest ones; 0: there are none */
};

static const struct account_superstep *
get_superstep(const struct account *a, size_t back)
{
    return &a->last[(a->n_last - 1 - back) % ACCOUNT_SUPERSTEPS];
}

static size_t
first_span(const struct account *a)
{
    return a->n_spans > ACCOUNT_SPANS ? a->n_spans - ACCOUNT_SPANS : 0;
}

static size_t
count_spans(const struct account *a, double begin_s, double end_s)
{
    size_t n = 0;

    for (uint64_t i = first_span(a); i < a->n_spans; i++) {
        const struct account_span *s = &a->span[i % ACCOUNT_SPANS];

        n += s->end_s > begin_s && s->begin_s < end_s;
    }
    return n;
}

/* The last supersteps, as many as can be seen; for policies without them some
 * iterations of the slowest worker. */
static struct window
choose(const struct account *a)
{
    struct window w = {.n = 0};
    size_t n = a->n_last < ACCOUNT_SUPERSTEPS ? a->n_last : ACCOUNT_SUPERSTEPS;
    double slowest = 0;

    for (size_t k = 0; k < n && k < SUPERSTEPS; k++) {
        const struct account_superstep *s = get_superstep(a, k);
        double end_s = k ? w.end_s : s->end_s;

        if (k && count_spans(a, s->begin_s, end_s) > MAX_DRAWN)
            break;
        w = (struct window){s->begin_s, end_s, k + 1};
    }
    if (w.n)
        return w;
    for (uint64_t i = first_span(a); i < a->n_spans; i++)
        w.end_s = fmax(w.end_s, a->span[i % ACCOUNT_SPANS].end_s);
    for (size_t r = 0; r < a->n_workers; r++)
        slowest = fmax(slowest, a->worker[r].span_s);
    w.begin_s = w.end_s - ITERATIONS * slowest;
    while (slowest > 0 && count_spans(a, w.begin_s, w.end_s) > MAX_DRAWN &&
           w.end_s - w.begin_s > slowest / 4)
        w.begin_s += (w.end_s - w.begin_s) / 4;
    return w;
}

/* Row of a rank, or -1. */
static int
row_of(const struct account *a, uint32_t rank)
{
    size_t shown;

    for (size_t k = 0; figures_rank(a, k, &shown); k++)
        if (shown == rank)
            return (int)k;
    return -1;
}

static void
put_spans(struct buf *b, const struct account *a, const struct window *w,
          double unit)
{
    for (int part = 0; part < N_PARTS; part++) {
        plot_data(b, "p", (size_t)part);
        for (uint64_t i = first_span(a); i < a->n_spans; i++) {
            const struct account_span *s = &a->span[i % ACCOUNT_SPANS];
            double from = fmax(s->begin_s, w->begin_s) - w->begin_s;
            double to = fmin(s->end_s, w->end_s) - w->begin_s;
            int row = (int)s->part == part ? row_of(a, s->rank) : -1;

            if (row >= 0 && to > from)
                buf_addf(b, "%.7g %d %.7g %.7g %.2f %.2f\n", from / unit, row,
                         from / unit, to / unit, row - 0.34, row + 0.34);
        }
        /* gnuplot does not plot nothing */
        buf_adds(b, "-1 -9 -1 -1 -9 -9\n");
        plot_data_end(b);
    }
}

/* Vertical lines: x, y and how far down. */
static void
put_barriers(struct buf *b, const struct account *a, const struct window *w,
             size_t rows, double unit)
{
    for (int is_predicted = 0; is_predicted < 2; is_predicted++) {
        plot_data(b, "b", (size_t)is_predicted);
        for (size_t k = w->n; k-- > 0;) {
            const struct account_superstep *s = get_superstep(a, k);
            double at = (is_predicted ? s->predicted_s : s->end_s) - w->begin_s;

            if (isfinite(at))
                buf_addf(b, "%.7g -0.5 0 %zu\n", at / unit, rows);
        }
        buf_adds(b, "-1 -9 0 0\n");
        plot_data_end(b);
    }
}

static void
table(struct page *p, const struct account *a, const struct window *w)
{
    static const char *const heads[] = {"barrier", "began",      "predicted",
                                        "actual",  "difference", NULL};
    char text[HTML_NUMBER];

    html_data(p, w->n ? "Seconds of training."
                      : "The policy of this run has no supersteps; the busiest "
                        "stretch at its end is drawn.");
    if (w->n == 0)
        return;
    html_table(p, heads);
    for (size_t k = w->n; k-- > 0;) {
        const struct account_superstep *s = get_superstep(a, k);

        html_row(p);
        snprintf(text, sizeof text, "%llu",
                 (unsigned long long)(a->n_supersteps - k));
        html_name(p, text);
        html_cell(p, html_seconds(text, s->begin_s - a->zero_s));
        html_cell(p, html_seconds(text, s->predicted_s - a->zero_s));
        html_cell(p, html_seconds(text, s->end_s - a->zero_s));
        html_cell(p, html_seconds(text, s->end_s - s->predicted_s));
    }
    html_table_end(p);
}

static void
legend(struct page *p, const struct account *a, const struct window *w)
{
    bool has_predicted = false;

    figures_parts(p);
    for (size_t k = 0; k < w->n; k++)
        has_predicted |= isfinite(get_superstep(a, k)->predicted_s) != 0;
    if (w->n == 0)
        return;
    html_legend(p);
    html_legend_item(p, "f1", "barrier");
    if (has_predicted)
        html_legend_item(p, "f4", "predicted barrier (dashed)");
    html_legend_end(p);
}

static void
gantt(struct page *p, const struct account *a, bool is_named)
{
    struct figure f = {.about = "A row for each worker with what it did, and "
                                "lines where the barriers were and where they "
                                "had been predicted.",
                       .of = is_named ? a->label : NULL,
                       .width = 1120,
                       .is_wide = true};
    struct window w = choose(a);
    struct buf b = BUF_INIT(PLOT_MAX);
    double unit = 1, length_s = w.end_s - w.begin_s;
    char title[64], x[64];
    size_t rows = 0, rank;

    if (length_s <= 0)
        return;
    while (figures_rank(a, rows, &rank))
        rows++;
    if (w.n > 1)
        snprintf(title, sizeof title, "The last %zu supersteps", w.n);
    else
        snprintf(title, sizeof title, "%s",
                 w.n ? "The last superstep" : "The last iterations");
    f.title = title;
    f.height = 96 + (int)rows * (rows > 8 ? 20 : 30);
    snprintf(x, sizeof x, "%s", plot_time_unit(length_s / 4, &unit));
    plot_begin(&b, &f, x, "worker");
    buf_addf(&b,
             "set xrange [0:%.7g]\nset yrange [%zu.5:-0.5]\n"
             "unset grid\nset grid xtics lt 1 lw 0.7 lc rgb \"#%06x\"\n"
             "set ytics scale 0 (",
             length_s / unit * 1.004, rows - 1, PLOT_GRID);
    for (size_t k = 0; figures_rank(a, k, &rank); k++)
        buf_addf(&b, "%s'%zu' %zu", k ? ", " : "", rank, k);
    buf_adds(&b, ")\n");
    put_spans(&b, a, &w, unit);
    put_barriers(&b, a, &w, rows, unit);
    buf_adds(&b, "plot ");
    for (int part = 0; part < N_PARTS; part++) {
        buf_addf(&b, "$p%d with boxxyerror fs solid noborder lc rgb ", part);
        plot_colour(&b, PLOT_PART + part);
        buf_adds(&b, ", ");
    }
    buf_adds(&b, "$b0 with vectors nohead lw 1.5 lc rgb ");
    plot_colour(&b, PLOT_TEXT);
    buf_adds(&b, ", $b1 with vectors nohead lw 1.75 dt 2 lc rgb ");
    plot_colour(&b, PLOT_MARK);
    buf_adds(&b, "\n");
    html_figure(p, &f, &b);
    buf_release(&b);
    legend(p, a, &w);
    table(p, a, &w);
    html_figure_end(p);
}

void
figures_gantt(struct page *p, const struct account *a, size_t n)
{
    html_section(p, "timeline", "Timeline");
    for (size_t i = 0; i < n; i++)
        gantt(p, &a[i], n > 1);
    html_section_end(p);
}
