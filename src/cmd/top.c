/* SPDX-License-Identifier: Apache-2.0 */
/* ebsp top: the workers of a run in a live table.  See ebsp-top(1). */
#include "cmd/top.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"
#include "cmd/cmd.h"

#include <stdio.h>
#include <string.h>

#define MIN_INTERVAL 0.1
#define MAX_INTERVAL 3600.0
#define READ_NS      (NS_PER_S / 5) /* at once, of a long stream */

enum { OPT_ONCE = 0x100, OPT_SORT };

struct top {
    const char *run;
    double interval_s;
    enum top_column by;
    bool once, reverse;
    struct top_source source;
    struct top_history history;
    size_t first; /* row shown */
};

static const struct argp_option options[] = {
    {"once", OPT_ONCE, NULL, 0, "print the table as text, and end", 1},
    {"interval", 'd', "S", 0, "seconds between two looks; default 1", 1},
    {"sort", OPT_SORT, "COLUMN", 0,
     "rank, host, state, iterations, rate, compute, data, push, wait, pull, "
     "staleness or heard; default rank",
     1},
    {"reverse", 'r', NULL, 0, "the other way round", 1},
    {NULL, 0, NULL, 0, NULL, 0},
};

static void
parse_column(struct top *t, const char *arg, struct argp_state *state)
{
    const char *near = str_nearest(arg, top_column_names);

    for (int c = 0; c < TOP_COLUMNS; c++)
        if (!strcmp(top_column_names[c], arg)) {
            t->by = (enum top_column)c;
            return;
        }
    if (near)
        argp_error(state, "--sort: no column \"%s\", did you mean \"%s\"?", arg,
                   near);
    else
        argp_error(state, "--sort: no column \"%s\"; see --help", arg);
}

static error_t
parse(int key, char *arg, struct argp_state *state)
{
    struct top *t = state->input;

    switch (key) {
    case OPT_ONCE:
        t->once = true;
        return 0;
    case 'd':
        if (!str_f64(arg, &t->interval_s) || !(t->interval_s >= MIN_INTERVAL) ||
            t->interval_s > MAX_INTERVAL)
            argp_error(state,
                       "--interval: expected %g to %g seconds, got "
                       "\"%s\"",
                       MIN_INTERVAL, MAX_INTERVAL, arg);
        return 0;
    case OPT_SORT:
        parse_column(t, arg, state);
        return 0;
    case 'r':
        t->reverse = true;
        return 0;
    default:
        return cmd_argument(key, arg, state, &t->run, "a run directory");
    }
}

static const struct argp argp = {
    .options = options,
    .parser = parse,
    .args_doc = "RUN",
    .doc = "Show how a run and each of its workers does, in a table that is "
           "kept up to date. RUN is its run directory."
           "\vIt only looks: nothing is changed. See ebsp-top(1).",
};

/* The table as it is now. */
static int
make_page(struct top *t, struct top_page *page, struct err *err)
{
    struct top_view view;
    int r = top_view_make(&view, &t->source,
                          top_history_get(&t->history, t->source.now), err);

    if (r == 0) {
        top_view_sort(&view, t->by, t->reverse);
        r = top_page_make(page, &view, t->by, err);
    }
    top_view_release(&view);
    return r;
}

static int
print_once(struct top *t, struct err *err)
{
    struct top_page page;

    if (top_source_look(&t->source, 0, err) != 0 ||
        make_page(t, &page, err) != 0)
        return -1;
    for (size_t i = 0; i < page.n; i++)
        puts(page.line[i].text);
    top_page_release(&page);
    return 0;
}

/* False: it is enough. */
static bool
handle(struct top *t, enum top_key key, size_t rows)
{
    size_t by = rows > 1 ? rows - 1 : 1;

    switch (key) {
    case TOP_KEY_QUIT:
        return false;
    case TOP_KEY_LEFT:
        t->by = (t->by + TOP_COLUMNS - 1) % TOP_COLUMNS;
        break;
    case TOP_KEY_RIGHT:
        t->by = (t->by + 1) % TOP_COLUMNS;
        break;
    case TOP_KEY_REVERSE:
        t->reverse = !t->reverse;
        break;
    case TOP_KEY_UP:
        t->first -= t->first > 0;
        break;
    case TOP_KEY_DOWN:
        t->first++;
        break;
    case TOP_KEY_PAGE_UP:
        t->first -= t->first < by ? t->first : by;
        break;
    case TOP_KEY_PAGE_DOWN:
        t->first += by;
        break;
    case TOP_KEY_NONE:
        break;
    }
    return true;
}

/* Looks again when it is time; a key, or another size of the window, draws
 * what is known again. */
static int
show(struct top *t, struct err *err)
{
    int64_t interval = (int64_t)(t->interval_s * (double)NS_PER_S), next = 0;
    struct top_page page;
    size_t rows;
    bool go = true;

    while (go) {
        int64_t now = clock_now_ns(), left;

        if (now >= next) {
            if (top_source_look(&t->source, READ_NS, err) != 0)
                return -1;
            next = t->source.behind ? now : now + interval;
            if (!t->source.behind &&
                top_history_take(&t->history, &t->source.tally, t->source.now,
                                 err) != 0)
                return -1;
        }
        if (make_page(t, &page, err) != 0)
            return -1;
        t->first = top_screen_draw(&page, t->first, &rows);
        top_page_release(&page);
        left = next - clock_now_ns();
        go = handle(
            t, top_screen_wait(left > 0 ? (int)(left / 1000000) + 1 : 0), rows);
    }
    return 0;
}

static int
run(int argc, char **argv, struct err *err)
{
    struct top t = {.interval_s = 1};
    int r = cmd_parse(&argp, argc, argv, &t, err);

    if (r != 0)
        return r;
    r = top_source_open(&t.source, t.run, err);
    if (r == 0 && (t.once || !top_screen_is_possible())) {
        r = print_once(&t, err);
    } else if (r == 0) {
        r = top_screen_open(err);
        if (r == 0)
            r = show(&t, err);
        top_screen_close();
    }
    top_source_close(&t.source);
    top_history_release(&t.history);
    return r;
}

const struct cmd cmd_top = {
    .name = "top",
    .args = "[options] RUN",
    .summary = "watch a run and its workers in a live table",
    .run = run,
};
