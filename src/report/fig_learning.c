/* SPDX-License-Identifier: Apache-2.0 */
#include "report/figures.h"

#include <math.h>

#define NOISY_POINTS 120 /* what a curve of noisy values is thinned to */

/* What is drawn against what. */
struct view {
    const char *title, *about, *y;
    const struct curve *(*get)(const struct account *a);
    double scale;
    bool is_noisy; /* a value per push: means, and the range of them */
    const struct curve *(*dashed)(const struct account *a); /* or NULL */
};

static const struct curve *
get_accuracy(const struct account *a)
{
    return &a->accuracy;
}

static const struct curve *
get_train_loss(const struct account *a)
{
    return &a->train_loss;
}

static const struct curve *
get_test_loss(const struct account *a)
{
    return &a->test_loss;
}

static double
last_x(const struct account *a, size_t n, const struct view *v, int axis)
{
    double last = 0;

    for (size_t i = 0; i < n; i++) {
        const struct curve *c = v->get(&a[i]);

        if (c->n)
            last = fmax(last, c->point[c->n - 1].x[axis]);
    }
    return last;
}

/* The least value above 0 of losses that fall by orders of magnitude, where
 * those are drawn that have no logarithm; else -INFINITY. */
static double
steep_floor(const struct account *a, size_t n, const struct view *v)
{
    double least = INFINITY, most = 0;

    for (size_t i = 0; i < 2 * n && v->is_noisy; i++) {
        const struct curve *c = i < n ? v->get(&a[i]) : v->dashed(&a[i - n]);

        for (size_t k = 0; k < c->n; k++) {
            double y = curve_mean(&c->point[k]);

            if (y < 0)
                return -INFINITY;
            if (y > 0)
                least = fmin(least, y);
            most = fmax(most, y);
        }
    }
    return most > 30 * least ? least : -INFINITY;
}

static void
put_curve(struct buf *b, const char *name, size_t i, const struct curve *c,
          const struct view *v, int axis, double unit, double least)
{
    plot_data(b, name, i);
    for (size_t k = 0; k < c->n; k++) {
        const struct curve_point *q = &c->point[k];

        buf_addf(b, "%.7g %.7g %.7g %.7g\n", q->x[axis] / unit,
                 fmax(curve_mean(q), least) * v->scale,
                 fmax(q->min, least) * v->scale,
                 fmax(q->max, least) * v->scale);
    }
    plot_data_end(b);
}

/* Datasets $a (curve) and $d (dashed) of each run, then how they are drawn. */
static int
put_curves(struct buf *b, const struct account *a, size_t n,
           const struct view *v, int axis, double unit, double least,
           struct err *err)
{
    const char *comma = "plot ";

    for (size_t i = 0; i < n; i++) {
        const struct curve *c = v->get(&a[i]);
        struct curve thin = {.n = 0};

        if (v->is_noisy && c->n > NOISY_POINTS) {
            if (curve_thin(c, NOISY_POINTS, &thin, err) != 0)
                return -1;
            c = &thin;
        }
        if (c->n)
            put_curve(b, "a", i, c, v, axis, unit, least);
        curve_release(&thin);
        if (v->dashed && v->dashed(&a[i])->n)
            put_curve(b, "d", i, v->dashed(&a[i]), v, axis, unit, least);
    }
    for (size_t i = 0; i < n; i++) {
        const struct curve *c = v->get(&a[i]);

        if (c->n && n == 1 && v->is_noisy) {
            buf_addf(b,
                     "%s$a%zu using 1:3:4 with filledcurves fs transparent "
                     "solid 0.16 noborder ",
                     comma, i);
            plot_line(b, i, 1);
            comma = ", ";
        }
        if (c->n) {
            buf_addf(b, "%s$a%zu using 1:2 with %s ", comma, i,
                     !v->is_noisy && c->n <= 40 ? "linespoints pt 7 ps 0.5"
                                                : "lines");
            plot_line(b, i, n > 4 ? 1.5 : 2);
            comma = ", ";
        }
        if (v->dashed && v->dashed(&a[i])->n) {
            buf_addf(b, "%s$d%zu using 1:2 with lines lc rgb ", comma, i);
            plot_colour(b, PLOT_SERIES + (int)(i % HTML_COLOURS));
            buf_adds(b, " lw 1.5 dt 3");
            comma = ", ";
        }
    }
    buf_adds(b, "\n");
    return 0;
}

static void
table(struct page *p, const struct account *a, size_t n, const struct view *v,
      const char *what)
{
    const char *const heads[] = {"run", "seconds", "samples", what, NULL};
    char text[HTML_NUMBER];

    html_data(p, v->is_noisy ? "Means of several values; all of them with "
                               "<code>--csv</code>."
                             : "");
    html_table(p, heads);
    for (size_t i = 0; i < n; i++) {
        const struct curve *c = v->get(&a[i]);
        struct curve thin = {.n = 0};

        if (c->n > FIGURE_ROWS &&
            curve_thin(c, FIGURE_ROWS, &thin, &p->why) == 0)
            c = &thin;
        for (size_t k = 0; k < c->n; k++) {
            const struct curve_point *q = &c->point[k];

            html_row(p);
            html_name(p, a[i].label);
            html_cell(p, html_fixed(text, q->x[0]));
            html_cell(p, html_count(text, q->x[1]));
            html_cell(p, html_fixed(text, curve_mean(q) * v->scale));
        }
        curve_release(&thin);
    }
    html_table_end(p);
}

static void
draw(struct page *p, const struct account *a, size_t n, const struct view *v,
     int axis)
{
    struct figure f = {.width = 560, .height = 330};
    struct buf b = BUF_INIT(PLOT_MAX);
    char title[64], about[256], x[64];
    double unit = 1, last = last_x(a, n, v, axis);
    double least = steep_floor(a, n, v);

    if (last <= 0)
        return;
    if (axis == 0)
        snprintf(x, sizeof x, "%s of training", plot_time_unit(last, &unit));
    else
        snprintf(x, sizeof x, "%s", plot_sample_unit(last, &unit));
    snprintf(title, sizeof title, "%s against %s", v->title,
             axis == 0 ? "time" : "samples");
    snprintf(about, sizeof about, "%s, %s, over %s: %zu %s.", title, v->about,
             x, n, n == 1 ? "run" : "runs");
    f.title = title;
    f.about = about;
    plot_begin(&b, &f, x, v->y);
    if (isfinite(least))
        buf_adds(&b, "set logscale y\nset format y '%g'\n");
    else if (!v->is_noisy)
        buf_adds(&b, "set yrange [*:*<100]\n");
    buf_addf(&b, "set xrange [0:%.7g]\n", last / unit);
    if (put_curves(&b, a, n, v, axis, unit, least, &p->why) != 0)
        b.bad = true;
    html_figure(p, &f, &b);
    buf_release(&b);
    figures_legend(p, a, n);
    if (v->dashed)
        fprintf(p->f,
                "<p class=\"note\">Lines: mean over pushes%s. Dashed: "
                "test loss.</p>\n",
                n == 1 ? ", with their range" : "");
    table(p, a, n, v, v->y);
    html_figure_end(p);
}

void
figures_learning(struct page *p, const struct account *a, size_t n)
{
    static const struct view views[] = {
        {.title = "Test accuracy",
         .about = "evaluated beside the training",
         .y = "accuracy, %",
         .get = get_accuracy,
         .scale = 100},
        {.title = "Loss",
         .about = "of the mini-batches of the workers, and of the test data",
         .y = "loss",
         .get = get_train_loss,
         .scale = 1,
         .is_noisy = true,
         .dashed = get_test_loss},
    };

    html_section(p, "learning", "Learning");
    for (size_t i = 0; i < 2; i++)
        for (int axis = 0; axis < 2; axis++)
            draw(p, a, n, &views[i], axis);
    html_section_end(p);
}
