/* SPDX-License-Identifier: Apache-2.0 */
/* What a benchmark has found, scenario by scenario. */
#include "report/matrix_impl.h"

#include "base/mem.h"

#include <math.h>
#include <string.h>

#define MAX_LABEL 28

static void
legend(struct page *p, const struct matrix *m)
{
    html_legend(p);
    for (size_t k = 0; k < matrix_count(m, "policies"); k++) {
        fputs("<li>", p->f);
        html_swatch(p, k);
        html_text(p, matrix_policy(m, k));
        fputs("</li>", p->f);
    }
    html_legend_end(p);
}

/* ---- the table ----------------------------------------------------------- */

/* Mean of a member of a group, and half its interval, which is symmetric. */
static void
interval(struct page *p, const json_t *v,
         const char *(*show)(char *to, double v))
{
    char text[HTML_NUMBER];
    double mean = matrix_number(v, "mean");
    double half = (matrix_number(v, "high") - matrix_number(v, "low")) / 2;

    if (half < 1e-9 * fabs(mean)) /* what rounding leaves of equal values */
        half = 0;
    fprintf(p->f, "<td>%s", show(text, mean));
    if (isfinite(half))
        fprintf(p->f, " <span class=\"range\">\xc2\xb1\xc2\xa0%s</span>",
                show(text, half));
    fputs("</td>", p->f);
}

static const char *
show_ratio(char *to, double v)
{
    if (!isfinite(v))
        return html_fixed(to, v);
    snprintf(to, HTML_NUMBER, "%.2f\xc3\x97", v);
    return to;
}

static const char *
show_points(char *to, double v)
{
    if (!isfinite(v))
        return html_fixed(to, v);
    snprintf(to, HTML_NUMBER, "%+.2f", 100 * v);
    return to;
}

/* A ratio or difference against the baseline, with what it is worth. */
static void
against(struct page *p, const json_t *group, const char *key,
        const char *(*show)(char *to, double v))
{
    const json_t *all = json_object_get(group, "against");
    const json_t *v = json_object_get(all, key);
    char text[HTML_NUMBER];
    double low = matrix_number(v, "low"), high = matrix_number(v, "high");

    if (!json_is_object(all)) {
        fputs("<td>baseline</td>", p->f);
        return;
    }
    fprintf(p->f, "<td>%s", show(text, matrix_number(v, "mean")));
    if (isfinite(low) && isfinite(high)) {
        fprintf(p->f, " <span class=\"range\">%s", show(text, low));
        fprintf(p->f, " to %s</span>", show(text, high));
    }
    fputs(" <span class=\"range\">", p->f);
    html_text(p, matrix_text(v, "verdict"));
    fputs("</span></td>", p->f);
}

static void
put_count(struct page *p, const json_t *g, const char *key)
{
    char text[HTML_NUMBER];

    if (matrix_number(g, key) > 0)
        fprintf(p->f, " <span class=\"range\">%s %s</span>",
                html_count(text, matrix_number(g, key)), key);
}

/* How many runs there are, and how many of them have reached the target. */
static void
runs(struct page *p, const json_t *g, bool has_target)
{
    char text[HTML_NUMBER];

    fputs("<td>", p->f);
    if (has_target)
        fprintf(p->f, "%s of ", html_count(text, matrix_number(g, "reached")));
    fputs(html_count(text, matrix_number(g, "runs")), p->f);
    put_count(p, g, "diverged");
    put_count(p, g, "failed");
    put_count(p, g, "missing");
    fputs("</td>", p->f);
}

static void
table(struct page *p, const struct matrix *m, const struct matrix_setting *s)
{
    static const char *const heads[] = {"policy",
                                        "reached",
                                        "time to target",
                                        "speedup",
                                        "final accuracy",
                                        "difference, points",
                                        "best accuracy",
                                        "samples/s",
                                        "throughput",
                                        "waiting",
                                        "staleness, mean",
                                        "bytes",
                                        NULL};
    static const char *const no_target[] = {"policy",
                                            "runs",
                                            "final accuracy",
                                            "difference, points",
                                            "best accuracy",
                                            "samples/s",
                                            "throughput",
                                            "waiting",
                                            "staleness, mean",
                                            "bytes",
                                            NULL};
    bool has_target =
        isfinite(matrix_number(m->doc.root, "target_accuracy")) != 0;

    fputs("<div class=\"wide results\">", p->f);
    html_table(p, has_target ? heads : no_target);
    for (size_t k = 0; k < matrix_count(m, "policies"); k++) {
        const char *policy = matrix_policy(m, k);
        const json_t *g = matrix_group(m, s, policy);

        html_row(p);
        fputs("<th scope=\"row\">", p->f);
        html_swatch(p, k);
        html_text(p, policy);
        fputs("</th>", p->f);
        runs(p, g, has_target);
        if (has_target) {
            interval(p, json_object_get(g, "target_seconds"), html_seconds);
            against(p, g, "speedup", show_ratio);
        }
        interval(p, json_object_get(g, "final_accuracy"), html_percent);
        against(p, g, "final_accuracy", show_points);
        interval(p, json_object_get(g, "best_accuracy"), html_percent);
        interval(p, json_object_get(g, "samples_per_second"), html_count);
        against(p, g, "samples_per_second", show_ratio);
        interval(p, json_object_get(g, "waiting_share"), html_percent);
        interval(p, json_object_get(g, "mean_staleness"), html_fixed);
        interval(p, json_object_get(g, "bytes"), html_bytes);
    }
    html_table_end(p);
    fputs("</div>\n", p->f);
}

/* ---- curves -------------------------------------------------------------- */

static double
last_x(const struct matrix *m, const struct matrix_setting *s, const char *axis)
{
    const json_t *cell, *point;
    double last = 0;
    size_t i, k;

    json_array_foreach(json_object_get(m->doc.root, "cells"), i, cell)
    {
        if (!matrix_has_cell(cell, s, matrix_text(cell, "policy")))
            continue;
        json_array_foreach(json_object_get(cell, "curve"), k, point) last =
            fmax(last, matrix_number(point, axis));
    }
    return last;
}

/* One data set for a policy, its seeds divided by empty lines. */
static bool
put_policy(struct buf *b, const struct matrix *m,
           const struct matrix_setting *s, size_t policy, const char *axis,
           double unit)
{
    const json_t *cell, *point;
    bool any = false;
    size_t i, k;

    plot_data(b, "c", policy);
    json_array_foreach(json_object_get(m->doc.root, "cells"), i, cell)
    {
        if (!matrix_has_cell(cell, s, matrix_policy(m, policy)))
            continue;
        json_array_foreach(json_object_get(cell, "curve"), k, point)
        {
            double x = matrix_number(point, axis);
            double y = matrix_number(point, "accuracy");

            if (!isfinite(x) || !isfinite(y))
                continue;
            buf_addf(b, "%.7g %.7g\n", x / unit, 100 * y);
            any = true;
        }
        buf_adds(b, "\n");
    }
    plot_data_end(b);
    return any;
}

static void
curve_table(struct page *p, const struct matrix *m,
            const struct matrix_setting *s)
{
    static const char *const heads[] = {
        "policy",         "seed", "status",    "seconds",
        "final accuracy", "best", "to target", NULL};
    const json_t *cell;
    char text[HTML_NUMBER];
    size_t i;

    html_data(p, "The cells; their evaluations with <code>--csv</code>.");
    html_table(p, heads);
    json_array_foreach(json_object_get(m->doc.root, "cells"), i, cell)
    {
        if (!matrix_has_cell(cell, s, matrix_text(cell, "policy")))
            continue;
        html_row(p);
        html_name(p, matrix_text(cell, "policy"));
        html_cell(p, html_count(text, matrix_number(cell, "seed")));
        html_cell(p, matrix_text(cell, "status"));
        html_cell(p, html_seconds(text, matrix_number(cell, "seconds")));
        html_cell(p, html_percent(text, matrix_number(cell, "final_accuracy")));
        html_cell(p, html_percent(text, matrix_number(cell, "best_accuracy")));
        html_cell(p, html_seconds(text, matrix_number(cell, "target_seconds")));
    }
    html_table_end(p);
}

static void
curves(struct page *p, const struct matrix *m, const struct matrix_setting *s,
       const char *axis)
{
    bool is_time = !strcmp(axis, "seconds");
    struct figure f = {.title = is_time ? "Test accuracy against time"
                                        : "Test accuracy against samples",
                       .about = "A line for each policy and seed.",
                       .width = 560,
                       .height = 330};
    double last = last_x(m, s, axis), unit = 1;
    double target = matrix_number(m->doc.root, "target_accuracy");
    struct buf b = BUF_INIT(PLOT_MAX), plot = BUF_INIT(1 << 16);
    char x[64];

    if (last <= 0)
        return;
    if (is_time)
        snprintf(x, sizeof x, "%s of training", plot_time_unit(last, &unit));
    else
        snprintf(x, sizeof x, "%s", plot_sample_unit(last, &unit));
    plot_begin(&b, &f, x, "accuracy, %");
    buf_addf(&b, "set xrange [0:%.7g]\nset yrange [*:*<100]\n", last / unit);
    for (size_t k = 0; k < matrix_count(m, "policies"); k++) {
        if (!put_policy(&b, m, s, k, axis, unit))
            continue;
        buf_addf(&plot, "%s$c%zu with lines ", plot.len ? ", " : "plot ", k);
        plot_line(&plot, k, 1.4);
    }
    if (isfinite(target)) {
        buf_addf(&b,
                 "set arrow from graph 0, first %.7g to graph 1, first %.7g "
                 "nohead lw 1 dt 2 lc rgb \"#%06x\"\n",
                 100 * target, 100 * target, PLOT_MARK);
    }
    buf_adds(&plot, "\n");
    buf_add(&b, plot.data, plot.len);
    html_figure(p, &f, &b);
    buf_release(&b);
    buf_release(&plot);
    legend(p, m);
    curve_table(p, m, s);
    html_figure_end(p);
}

/* ---- intervals ----------------------------------------------------------- */

/* A policy on an axis of a drawing: the only text of a file that gets into a
 * script, so nothing but harmless characters. */
static void
put_label(struct buf *b, const char *policy)
{
    for (size_t i = 0; i < MAX_LABEL && policy[i]; i++)
        buf_addf(b, "%c",
                 strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                        "0123456789:=.,_+-",
                        policy[i])
                     ? policy[i]
                     : '?');
}

/* A dot with its interval for each policy. */
static void
dots(struct page *p, const struct matrix *m, const struct matrix_setting *s,
     const char *key, const char *title, const char *x)
{
    struct figure f = {.title = title,
                       .about = "A dot for the mean of each policy, with its "
                                "interval.",
                       .width = 560};
    size_t n = matrix_count(m, "policies"), longest = 4, shown = 0;
    struct buf b = BUF_INIT(PLOT_MAX);
    double unit = 1, most = 0;
    const char *const heads[] = {"policy", "runs", "mean", "low", "high", NULL};
    char text[HTML_NUMBER];

    for (size_t k = 0; k < n; k++) {
        const json_t *g = matrix_group(m, s, matrix_policy(m, k));
        double mean = matrix_number_of(g, key, "mean");
        size_t len = strlen(matrix_policy(m, k));

        longest = len > longest ? len : longest;
        most = fmax(most, fmax(mean, matrix_number_of(g, key, "high")));
        shown += isfinite(mean) != 0;
    }
    if (shown == 0 || most <= 0)
        return;
    if (!x)
        x = plot_time_unit(most, &unit);
    f.height = 96 + (int)n * 30;
    plot_begin(&b, &f, x, "");
    buf_addf(&b,
             "set lmargin %zu\nset xrange [0:%.7g]\nset yrange [%zu.6:-0.6]\n"
             "set ytics scale 0 (",
             (longest < MAX_LABEL ? longest : MAX_LABEL) + 2,
             most / unit * 1.05, n - 1);
    for (size_t k = 0; k < n; k++) {
        buf_adds(&b, k ? ", '" : "'");
        put_label(&b, matrix_policy(m, k));
        buf_addf(&b, "' %zu", k);
    }
    buf_adds(&b, ")\n");
    for (size_t k = 0; k < n; k++) {
        const json_t *v =
            json_object_get(matrix_group(m, s, matrix_policy(m, k)), key);
        double mean = matrix_number(v, "mean"), low = matrix_number(v, "low");
        double high = matrix_number(v, "high");

        plot_data(&b, "d", k);
        if (isfinite(mean))
            buf_addf(&b, "%.7g %zu %.7g %.7g\n", mean / unit, k,
                     (isfinite(low) ? low : mean) / unit,
                     (isfinite(high) ? high : mean) / unit);
        else
            buf_addf(&b, "-1 %zu -1 -1\n", k);
        plot_data_end(&b);
    }
    for (size_t k = 0; k < n; k++) {
        buf_addf(&b, "%s$d%zu using 1:2:3:4 with xerrorbars pt 7 ps 0.9 ",
                 k ? ", " : "plot ", k);
        plot_line(&b, k, 1.75);
    }
    buf_adds(&b, "\n");
    html_figure(p, &f, &b);
    buf_release(&b);
    html_data(p, "Means over the seeds with intervals of 95&#8201;%.");
    html_table(p, heads);
    for (size_t k = 0; k < n; k++) {
        const json_t *v =
            json_object_get(matrix_group(m, s, matrix_policy(m, k)), key);

        html_row(p);
        html_name(p, matrix_policy(m, k));
        html_cell(p, html_count(text, matrix_number(v, "n")));
        html_cell(p, html_fixed(text, matrix_number(v, "mean")));
        html_cell(p, html_fixed(text, matrix_number(v, "low")));
        html_cell(p, html_fixed(text, matrix_number(v, "high")));
    }
    html_table_end(p);
    html_figure_end(p);
}

/* The scenario, as it was read. */
static void
describe(struct page *p, const struct matrix *m, const struct matrix_setting *s)
{
    struct buf b = BUF_INIT((size_t)1 << 20);

    fputs("<div class=\"wide\"><p class=\"note\">", p->f);
    html_text(p, matrix_text(s->about, "description"));
    fputs("<br>Learning rate: convention <b>", p->f);
    html_text(p, s->convention);
    fputs("</b>. Target: ", p->f);
    if (isfinite(matrix_number(m->doc.root, "target_accuracy")))
        fprintf(p->f, "%.4g&#8239;%%",
                100 * matrix_number(m->doc.root, "target_accuracy"));
    else
        fputs("none", p->f);
    fputs(". Baseline: ", p->f);
    html_text(p, matrix_text(m->doc.root, "baseline"));
    fputs(".</p>\n", p->f);
    if (s->about && json_dump(s->about, 2, &b, NULL) == 0) {
        fputs("<details><summary>Scenario</summary><pre>", p->f);
        html_lines(p, b.data);
        fputs("</pre></details>\n", p->f);
    }
    fputs("</div>\n", p->f);
    buf_release(&b);
}

void
figures_matrix(struct page *p, const struct matrix *m)
{
    struct matrix_setting s;
    char id[32];

    for (size_t i = 0; matrix_get_setting(m, i, &s); i++) {
        snprintf(id, sizeof id, "s%zu", i);
        html_section(p, id, NULL);
        html_text(p, s.scenario);
        if (matrix_count(m, "conventions") > 1) {
            fputs(" <span class=\"of\">", p->f);
            html_text(p, s.convention);
            fputs("</span>", p->f);
        }
        html_section_body(p);
        describe(p, m, &s);
        table(p, m, &s);
        curves(p, m, &s, "seconds");
        curves(p, m, &s, "samples");
        dots(p, m, &s, "target_seconds", "Time to the target accuracy", NULL);
        dots(p, m, &s, "samples_per_second", "Throughput",
             "samples per second");
        html_section_end(p);
    }
}
