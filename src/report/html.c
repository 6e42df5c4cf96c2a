/* SPDX-License-Identifier: Apache-2.0 */
#include "report/html.h"

#include "base/clock.h"
#include "base/str.h"
#include "report/style.h"

#include <math.h>
#include <string.h>

static const char none[] = "\xe2\x80\x93"; /* en dash */

void
html_text(struct page *p, const char *s)
{
    for (; *s; s++)
        switch (*s) {
        case '&':
            fputs("&amp;", p->f);
            break;
        case '<':
            fputs("&lt;", p->f);
            break;
        case '>':
            fputs("&gt;", p->f);
            break;
        case '"':
            fputs("&quot;", p->f);
            break;
        case '\'':
            fputs("&#39;", p->f);
            break;
        case '\n':
            fputc(' ', p->f);
            break;
        default: /* other control characters may not be in a page */
            if ((unsigned char)*s >= ' ' || *s == '\t')
                fputc(*s, p->f);
        }
}

void
html_lines(struct page *p, const char *s)
{
    while (*s) {
        char line[512];
        size_t n = strcspn(s, "\n");

        n = n < sizeof line ? n : sizeof line - 1;
        memcpy(line, s, n);
        line[n] = '\0';
        html_text(p, line);
        s += n;
        if (*s == '\n') {
            fputc('\n', p->f);
            s++;
        }
    }
}

void
html_missing_plots(struct page *p)
{
    if (!p->can_plot)
        fputs("<p class=\"warning\">gnuplot was not found when this page was "
              "made, so it has tables in the place of figures.</p>\n",
              p->f);
}

void
html_why(const struct page *p, struct err *why)
{
    if (!p->can_plot)
        err_set(why, ERR_FAIL, "gnuplot is not in PATH");
    else if (p->why.code != ERR_OK)
        err_set(why, p->why.code, "%s", p->why.text);
}

/* The policy forbids all that the page does not need: scripts, and loading
 * anything from anywhere. */
void
html_begin(struct page *p, const char *title)
{
    fputs("<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n"
          "<meta charset=\"utf-8\">\n"
          "<meta http-equiv=\"Content-Security-Policy\" "
          "content=\"default-src 'none'; style-src 'unsafe-inline'; "
          "img-src data:\">\n"
          "<meta name=\"viewport\" "
          "content=\"width=device-width, initial-scale=1\">\n"
          "<meta name=\"color-scheme\" content=\"light dark\">\n"
          "<meta name=\"generator\" content=\"ebsp\">\n"
          "<link rel=\"icon\" href=\"data:,\">\n<title>",
          p->f);
    html_text(p, title);
    fputs("</title>\n<style>\n", p->f);
    for (const char *const *line = report_style; *line; line++)
        fprintf(p->f, "%s\n", *line);
    fputs("</style>\n</head>\n<body>\n", p->f);
}

void
html_end(struct page *p)
{
    char now[32];

    clock_iso(now);
    fprintf(p->f,
            "<footer><p>Made by <code>ebsp report</code>, %s.</p></footer>\n"
            "</body>\n</html>\n",
            now);
}

void
html_section(struct page *p, const char *id, const char *title)
{
    fprintf(p->f,
            "<section id=\"%s\" aria-labelledby=\"%s-h\">\n"
            "<h2 id=\"%s-h\">",
            id, id, id);
    if (!title)
        return;
    fputs(title, p->f);
    html_section_body(p);
}

void
html_section_body(struct page *p)
{
    fputs("</h2>\n<div class=\"grid\">\n", p->f);
}

void
html_section_end(struct page *p)
{
    fputs("</div>\n</section>\n", p->f);
}

void
html_swatch(struct page *p, size_t series)
{
    fprintf(p->f,
            "<svg class=\"swatch\" viewBox=\"0 0 22 8\" aria-hidden=\"true\">"
            "<path d=\"M1 4H21\" class=\"s%zu\"%s/></svg>",
            PLOT_SERIES + series % HTML_COLOURS,
            series < HTML_COLOURS ? "" : " stroke-dasharray=\"5 3\"");
}

/* ---- numbers ------------------------------------------------------------- */

const char *
html_count(char *to, double v)
{
    if (!isfinite(v))
        return none;
    if (fabs(v) < 1e5 && (v == floor(v) || fabs(v) >= 1000))
        snprintf(to, HTML_NUMBER, "%.0f", v);
    else if (fabs(v) < 1000)
        snprintf(to, HTML_NUMBER, "%.4g", v);
    else
        str_count(to, v);
    return to;
}

const char *
html_percent(char *to, double share)
{
    if (!isfinite(share))
        return none;
    snprintf(to, HTML_NUMBER, "%.*f\xc2\xa0%%",
             share != 0 && fabs(share) < 0.001 ? 2 : 1, 100 * share);
    return to;
}

const char *
html_fixed(char *to, double v)
{
    if (!isfinite(v))
        return none;
    snprintf(to, HTML_NUMBER, "%.4g", v);
    return to;
}

const char *
html_bytes(char *to, double v)
{
    return isfinite(v) ? str_bytes(to, v) : none;
}

const char *
html_seconds(char *to, double v)
{
    if (!isfinite(v))
        return none;
    if (fabs(v) < 1)
        snprintf(to, HTML_NUMBER, "%.3g\xc2\xa0ms", v * 1e3);
    else if (v < 120)
        snprintf(to, HTML_NUMBER, "%.4g\xc2\xa0s", v);
    else
        str_duration(to, v);
    return to;
}

/* ---- tables -------------------------------------------------------------- */

void
html_table(struct page *p, const char *const *heads)
{
    fputs("<div class=\"scroll\"><table>\n<thead><tr>", p->f);
    for (; *heads; heads++)
        fprintf(p->f, "<th scope=\"col\">%s</th>", *heads);
    fputs("</tr></thead>\n<tbody>", p->f);
}

void
html_row(struct page *p)
{
    fputs("\n<tr>", p->f);
}

void
html_name(struct page *p, const char *text)
{
    fputs("<th scope=\"row\">", p->f);
    html_text(p, text);
    fputs("</th>", p->f);
}

void
html_cell(struct page *p, const char *text)
{
    fputs("<td>", p->f);
    html_text(p, text);
    fputs("</td>", p->f);
}

void
html_table_end(struct page *p)
{
    fputs("\n</tbody></table></div>\n", p->f);
}
