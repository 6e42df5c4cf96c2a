/* SPDX-License-Identifier: Apache-2.0 */
/* Pieces of a page: text made safe, numbers for people, tables, and figures
 * that gnuplot draws into the page itself.  All that comes from files goes
 * through html_text. */
#ifndef EBSP_REPORT_HTML_H
#define EBSP_REPORT_HTML_H

#include "base/buf.h"
#include "base/err.h"

#include <stdbool.h>
#include <stdio.h>

struct page {
    FILE *f;
    bool can_plot;
    int n_figures;
    bool is_drawn;  /* the last one */
    struct err why; /* the first drawing that failed */
};

#define HTML_COLOURS 8 /* series that can be told apart by colour */

/* Everything until the content, and after it. */
void html_begin(struct page *p, const char *title);
void html_end(struct page *p);
/* Begins a section with this heading; `id` for links to it.  With NULL the
 * heading follows, then html_section_body. */
void html_section(struct page *p, const char *id, const char *title);
void html_section_body(struct page *p);
void html_section_end(struct page *p);

void html_text(struct page *p, const char *s);
void html_lines(struct page *p, const char *s); /* keeps their ends */
/* A warning where figures cannot be drawn; later what is to be said of it. */
void html_missing_plots(struct page *p);
void html_why(const struct page *p, struct err *why);
/* Class of the series with this index: colour and dashes. */
void html_swatch(struct page *p, size_t series);

/* ---- numbers; `to` holds at least HTML_NUMBER bytes; "–": not known ---- */

#define HTML_NUMBER 40
const char *html_count(char *to, double v);       /* 1234, 12.3k */
const char *html_percent(char *to, double share); /* 12.3 % */
const char *html_fixed(char *to, double v);       /* four digits */
const char *html_bytes(char *to, double v);
const char *html_seconds(char *to, double v);

/* ---- tables: head, then rows of cells ---- */

/* Heads are text of the program, a NULL ends them.  The first column names the
 * row, the others are numbers. */
void html_table(struct page *p, const char *const *heads);
void html_row(struct page *p);
void html_name(struct page *p, const char *text); /* first cell */
void html_cell(struct page *p, const char *text);
void html_table_end(struct page *p);

/* ---- figures ---- */

struct figure {
    const char *title; /* program's text */
    const char *about; /* a sentence for those who cannot see it */
    const char *of;    /* a file's text behind the title, or NULL */
    int width, height;
    bool is_wide; /* over the whole width of the page */
};

/* Opens the figure and draws it: script is what follows plot_begin's.  What
 * cannot be drawn is left to its table. */
void html_figure(struct page *p, const struct figure *f,
                 const struct buf *script);
/* Then a legend, if any; then the table behind it. */
void html_legend(struct page *p);
void html_legend_item(struct page *p, const char *class, const char *text);
void html_legend_end(struct page *p);
void html_data(struct page *p, const char *note);
void html_figure_end(struct page *p);

/* ---- scripts ---- */

#define PLOT_MAX ((size_t)16 << 20)

/* Colours of the page in a script, by their number in classes. */
enum plot_colour {
    PLOT_TEXT = 1,
    PLOT_AXIS = 2,
    PLOT_GRID = 3,
    PLOT_MARK = 4,    /* an event, a prediction */
    PLOT_SERIES = 16, /* + index % HTML_COLOURS */
    PLOT_PART = 32    /* + enum part */
};

/* Size, fonts, axes, grid. */
void plot_begin(struct buf *b, const struct figure *f, const char *x,
                const char *y);
/* "$NAME << EOD" ... */
void plot_data(struct buf *b, const char *name, size_t index);
void plot_data_end(struct buf *b);
/* "lc rgb ... lw ... dt ..." of a series. */
void plot_line(struct buf *b, size_t series, double width);
void plot_colour(struct buf *b, int colour);
/* What a time up to max_s is best told in: name and seconds of it. */
const char *plot_time_unit(double max_s, double *unit_s);
const char *plot_sample_unit(double max, double *unit);

#endif
