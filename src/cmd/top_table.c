/* SPDX-License-Identifier: Apache-2.0 */
#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"
#include "cmd/top.h"

#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_HOST 24

const char *const top_column_names[TOP_COLUMNS + 1] = {
    "rank", "host", "state", "iterations", "rate",      "compute",
    "data", "push", "wait",  "pull",       "staleness", "heard",
};

/* ---- sorting ------------------------------------------------------------- */

struct order {
    enum top_column by;
    bool reverse;
};

static double
get_number(const struct top_row *r, enum top_column c)
{
    switch (c) {
    case TOP_ITERATIONS:
        return (double)r->iterations;
    case TOP_RATE:
        return r->rate;
    case TOP_STALENESS:
        return r->staleness;
    case TOP_HEARD:
        return r->heard;
    default:
        return r->share[c - TOP_PARTS];
    }
}

static int
compare_numbers(double a, double b, bool reverse)
{
    if (isnan(a) || isnan(b))
        return isnan(a) - isnan(b);
    return reverse ? (a > b) - (a < b) : (a < b) - (a > b);
}

static int
compare(const void *a, const void *b, void *ctx)
{
    const struct top_row *x = a, *y = b;
    const struct order *o = ctx;
    int by_rank = (x->rank > y->rank) - (x->rank < y->rank), c;

    switch (o->by) {
    case TOP_RANK:
        return o->reverse ? -by_rank : by_rank;
    case TOP_HOST:
        c = strcmp(x->host, y->host);
        break;
    case TOP_STATE:
        c = strcmp(x->state, y->state);
        break;
    default:
        c = compare_numbers(get_number(x, o->by), get_number(y, o->by),
                            o->reverse);
        return c ? c : by_rank;
    }
    return !c ? by_rank : o->reverse ? -c : c;
}

void
top_view_sort(struct top_view *v, enum top_column by, bool reverse)
{
    struct order o = {by, reverse};

    if (v->n > 1)
        qsort_r(v->row, v->n, sizeof *v->row, compare, &o);
}

/* ---- lines --------------------------------------------------------------- */

static void
put(struct top_page *p, enum top_look look, const char *text)
{
    struct top_line *l = &p->line[p->n++];

    l->look = look;
    (void)str_printf(l->text, sizeof l->text, "%s", text);
}

/* The title of the column that is sorted by stands out, without colours, too.
 */
static void
put_titles(struct top_page *p, int host_width, enum top_column by)
{
    static const struct {
        const char *title;
        int width; /* negative: to the left */
    } titles[TOP_COLUMNS] = {
        {"rank", 4}, {"host", 0}, {"state", -8}, {"iter", 8},
        {"it/s", 7}, {"comp", 5}, {"data", 5},   {"push", 5},
        {"wait", 5}, {"pull", 5}, {"stale", 6},  {"heard", 6},
    };
    char text[TOP_LINE] = "";
    size_t at = 0;

    for (int c = 0; c < TOP_COLUMNS; c++) {
        char title[16];

        (void)str_printf(title, sizeof title, "%s", titles[c].title);
        for (char *t = title; *t && c == (int)by; t++)
            *t = (char)toupper((unsigned char)*t);
        at += (size_t)snprintf(
            text + at, sizeof text - at, "%s%*s", c == 0 ? "" : " ",
            c == TOP_HOST ? -host_width : titles[c].width, title);
    }
    put(p, TOP_HEAD, text);
}

static const char *
decimal(char to[32], double x, int digits, double factor, const char *unit)
{
    if (isnan(x))
        return "-";
    (void)str_printf(to, 32, "%.*f%s", digits, x * factor, unit);
    return to;
}

static void
put_row(struct top_page *p, const struct top_row *r, int host_width)
{
    char text[TOP_LINE], rate[32], staleness[32], heard[32];
    char share[TALLY_PARTS][32];
    const char *part[TALLY_PARTS];

    for (int k = 0; k < TALLY_PARTS; k++)
        part[k] = decimal(share[k], r->share[k], 0, 100, "%");
    (void)str_printf(text, sizeof text,
                     "%4u %-*.*s %-8s %8llu %7s %5s %5s %5s %5s %5s %6s %6s",
                     r->rank, host_width, host_width, r->host, r->state,
                     (unsigned long long)r->iterations,
                     decimal(rate, r->rate, r->rate < 1000 ? 1 : 0, 1, ""),
                     part[TALLY_COMPUTE], part[TALLY_DATA], part[TALLY_PUSH],
                     part[TALLY_WAIT], part[TALLY_PULL],
                     decimal(staleness, r->staleness, 0, 1, ""),
                     decimal(heard, r->heard, 1, 1, "s"));
    put(p, r->look, text);
}

int
top_page_make(struct top_page *p, const struct top_view *v, enum top_column by,
              struct err *err)
{
    size_t head = 6;
    int width = 4;

    *p = (struct top_page){.n = 0};
    p->line = mem_alloc(head + v->n, sizeof *p->line);
    if (!p->line)
        return err_nomem(err);
    put(p, v->look, v->title);
    put(p, TOP_PLAIN, v->progress);
    put(p, TOP_PLAIN, v->training);
    put(p, TOP_PLAIN, v->workers);
    put(p, TOP_PLAIN, "");
    for (uint32_t i = 0; i < v->n; i++) {
        int w = (int)strlen(v->row[i].host);

        width = w > width ? w : width;
    }
    width = width > MAX_HOST ? MAX_HOST : width;
    put_titles(p, width, by);
    p->n_head = p->n;
    for (uint32_t i = 0; i < v->n; i++)
        put_row(p, &v->row[i], width);
    return 0;
}

void
top_page_release(struct top_page *p)
{
    mem_free(p->line);
    *p = (struct top_page){.n = 0};
}
