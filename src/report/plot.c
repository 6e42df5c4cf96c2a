/* SPDX-License-Identifier: Apache-2.0 */
/* Figures: scripts for gnuplot, and what it draws put into the page. */
#include "report/gnuplot.h"
#include "report/html.h"
#include "report/svg.h"

#include <string.h>

/* ---- scripts ------------------------------------------------------------- */

void
plot_colour(struct buf *b, int colour)
{
    buf_addf(b, "\"#%06x\"", (unsigned)colour);
}

/* No text of a file gets into a script: names are in legends, which are part
 * of the page. */
void
plot_begin(struct buf *b, const struct figure *f, const char *x, const char *y)
{
    buf_addf(b,
             "set terminal svg size %d,%d dynamic noenhanced "
             "font 'Arial,13'\n"
             "set encoding utf8\nunset key\n"
             "set border 3 lc rgb \"#%06x\"\n"
             "set tics nomirror out scale 0.5 textcolor rgb \"#%06x\"\n"
             "set grid xtics ytics lt 1 lw 0.7 lc rgb \"#%06x\"\n"
             "set lmargin 7\nset rmargin 2\nset tmargin 2\n"
             "set bmargin 3.4\n",
             f->width, f->height, PLOT_AXIS, PLOT_TEXT, PLOT_GRID);
    buf_addf(b, "set xlabel '%s' offset 0,0.4 textcolor rgb \"#%06x\"\n", x,
             PLOT_TEXT);
    /* Above the axis, where it can be read without turning one's head. */
    buf_addf(b,
             "set label 1 '%s' at graph 0, graph 1 left offset -4.5,1 "
             "textcolor rgb \"#%06x\"\n",
             y, PLOT_TEXT);
}

void
plot_data(struct buf *b, const char *name, size_t index)
{
    buf_addf(b, "$%s%zu << EOD\n", name, index);
}

void
plot_data_end(struct buf *b)
{
    buf_adds(b, "EOD\n");
}

void
plot_line(struct buf *b, size_t series, double width)
{
    buf_adds(b, "lc rgb ");
    plot_colour(b, PLOT_SERIES + (int)(series % HTML_COLOURS));
    buf_addf(b, " lw %g dt %d", width, series < HTML_COLOURS ? 1 : 2);
}

const char *
plot_time_unit(double max_s, double *unit_s)
{
    static const struct {
        const char *name;
        double from_s, unit_s;
    } units[] = {
        {"hours", 4 * 3600, 3600}, {"minutes", 300, 60}, {"seconds", 1, 1}};

    for (size_t i = 0; i < sizeof units / sizeof *units; i++)
        if (max_s >= units[i].from_s) {
            *unit_s = units[i].unit_s;
            return units[i].name;
        }
    *unit_s = 1e-3;
    return "milliseconds";
}

const char *
plot_sample_unit(double max, double *unit)
{
    *unit = max < 1e4 ? 1 : max < 1e7 ? 1e3 : 1e6;
    return max < 1e4   ? "samples"
           : max < 1e7 ? "thousand samples"
                       : "million samples";
}

/* ---- figures ------------------------------------------------------------- */

static int
draw(struct page *p, const struct figure *f, const struct buf *script)
{
    struct buf raw = BUF_INIT(PLOT_MAX * 2), svg = BUF_INIT(PLOT_MAX * 2);
    char attributes[160], inside[400];
    int n = p->n_figures, r;

    snprintf(attributes, sizeof attributes,
             " class=\"plot\" role=\"img\" viewBox=\"0 0 %d %d\" "
             "aria-labelledby=\"f%dt f%dd\"",
             f->width, f->height, n, n);
    snprintf(inside, sizeof inside,
             "<title id=\"f%dt\">%s</title><desc id=\"f%dd\">%s</desc>", n,
             f->title, n, f->about);
    r = buf_ok(script, &p->why);
    if (r == 0)
        r = gnuplot_draw(script->data, script->len, GNUPLOT_MAX_SECONDS, &raw,
                         &p->why);
    if (r == 0)
        r = svg_adopt(raw.data ? raw.data : "", raw.len, attributes, inside,
                      &svg, &p->why);
    if (r == 0) {
        fwrite(svg.data, 1, svg.len, p->f);
        p->is_drawn = true;
    }
    buf_release(&raw);
    buf_release(&svg);
    return r;
}

void
html_figure(struct page *p, const struct figure *f, const struct buf *script)
{
    p->n_figures++;
    p->is_drawn = false;
    fprintf(p->f, "<figure%s>\n<figcaption>%s",
            f->is_wide ? " class=\"wide\"" : "", f->title);
    if (f->of) {
        fputs(" <span class=\"of\">", p->f);
        html_text(p, f->of);
        fputs("</span>", p->f);
    }
    fputs("</figcaption>\n", p->f);
    if (p->can_plot && p->why.code == ERR_OK) {
        fputs("<div class=\"scroll\">", p->f);
        (void)draw(p, f, script);
        fputs("</div>\n", p->f);
    }
}

void
html_legend(struct page *p)
{
    fputs("<ul class=\"legend\">", p->f);
}

void
html_legend_item(struct page *p, const char *class, const char *text)
{
    fprintf(p->f,
            "<li><svg class=\"swatch\" viewBox=\"0 0 22 8\" "
            "aria-hidden=\"true\"><rect x=\"6\" width=\"10\" height=\"8\" "
            "rx=\"1.5\" class=\"%s\"/></svg>",
            class);
    html_text(p, text);
    fputs("</li>", p->f);
}

void
html_legend_end(struct page *p)
{
    fputs("</ul>\n", p->f);
}

/* Without a drawing the table is all there is. */
void
html_data(struct page *p, const char *note)
{
    fprintf(p->f, "<details%s>\n<summary>Table</summary>\n",
            p->is_drawn ? "" : " open");
    if (*note)
        fprintf(p->f, "<p class=\"note\">%s</p>\n", note);
}

void
html_figure_end(struct page *p)
{
    fputs("</details>\n</figure>\n", p->f);
}
