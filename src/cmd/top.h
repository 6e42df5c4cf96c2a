/* SPDX-License-Identifier: Apache-2.0 */
/* ebsp top:
 *   top.c         options; the loop
 *   top_ask.c     what is known of a run: its events, and what it answers
 *   top_view.c    a picture of that (pure)
 *   top_table.c   the picture as lines of text (pure)
 *   top_screen.c  lines on a terminal: the only door to ncurses */
#ifndef EBSP_CMD_TOP_H
#define EBSP_CMD_TOP_H

#include "job/follow.h"
#include "view/tally.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct err;

/* ---- top_ask.c ----------------------------------------------------------- */

enum top_life {
    TOP_ALIVE,
    TOP_MUTE,   /* it is there, and does not answer */
    TOP_DENIED, /* another user's: it does not tell */
    TOP_ENDED,
    TOP_KILLED, /* its socket is there, and nobody behind it */
    TOP_AWAY    /* no socket, and no end in its events */
};

struct top_source {
    const char *run;
    struct follow follow;
    struct tally tally;
    struct json_doc status; /* root NULL: no answer */
    enum top_life life;
    double now;  /* at the clock of the events */
    bool behind; /* there are more events than there was time to read */
};

int top_source_open(struct top_source *s, const char *run, struct err *err);
void top_source_close(struct top_source *s);
/* Reads new events for up to budget_ns (0: all of them), and asks the run. */
int top_source_look(struct top_source *s, int64_t budget_ns, struct err *err);

/* ---- top_view.c ---------------------------------------------------------- */

/* Sums as they were some time ago: what came since is what is shown. */
struct top_past {
    double t;
    uint64_t samples;
    struct top_past_worker {
        uint64_t iterations;
        double part[TALLY_PARTS];
    } * worker; /* [n] */
    uint32_t n;
};

#define TOP_PASTS    16
#define TOP_WINDOW_S 10.0 /* what "now" means */

struct top_history {
    struct top_past past[TOP_PASTS]; /* a ring */
    unsigned n;                      /* taken so far */
};
/* As it is now. */
int top_history_take(struct top_history *h, const struct tally *t, double now,
                     struct err *err);
/* The one that the window begins with; NULL: the begin of the run. */
const struct top_past *top_history_get(const struct top_history *h, double now);
void top_history_release(struct top_history *h);

enum top_look { TOP_PLAIN, TOP_HEAD, TOP_WARN, TOP_BAD };

struct top_row {
    uint32_t rank;
    char host[64], state[16];
    uint64_t iterations;
    double rate;               /* iterations per second; NaN: not known */
    double share[TALLY_PARTS]; /* of its time, 0..1; NaN: there is none */
    double staleness;          /* of what was applied last, or NaN */
    double heard, limit;       /* seconds ago, and until it is lost, or NaN */
    enum top_look look;
};

enum top_column {
    TOP_RANK,
    TOP_HOST,
    TOP_STATE,
    TOP_ITERATIONS,
    TOP_RATE,
    TOP_PARTS, /* one for each part */
    TOP_STALENESS = TOP_PARTS + TALLY_PARTS,
    TOP_HEARD,
    TOP_COLUMNS
};
/* "rate" for people who sort; ended by NULL */
extern const char *const top_column_names[TOP_COLUMNS + 1];

struct top_view {
    char title[512]; /* which run, and how it is */
    enum top_look look;
    char progress[256], training[256], workers[256];
    struct top_row *row;
    uint32_t n;
};

/* past: begin of the window, or NULL. */
int top_view_make(struct top_view *v, const struct top_source *s,
                  const struct top_past *past, struct err *err);
void top_view_release(struct top_view *v);
/* Numbers begin with the greatest, names with the least; what is not known is
 * last.  Equal ones are sorted by rank. */
void top_view_sort(struct top_view *v, enum top_column by, bool reverse);

/* ---- top_table.c --------------------------------------------------------- */

#define TOP_LINE 512

struct top_page {
    struct top_line {
        enum top_look look;
        char text[TOP_LINE];
    } * line;
    size_t n, n_head; /* lines; those that stay where they are */
};

/* by: the column that the rows are sorted by, for its title. */
int top_page_make(struct top_page *p, const struct top_view *v,
                  enum top_column by, struct err *err);
void top_page_release(struct top_page *p);

/* ---- top_screen.c -------------------------------------------------------- */

enum top_key {
    TOP_KEY_NONE, /* time has passed, or the window has another size */
    TOP_KEY_QUIT,
    TOP_KEY_LEFT, /* another column */
    TOP_KEY_RIGHT,
    TOP_KEY_REVERSE,
    TOP_KEY_UP,
    TOP_KEY_DOWN,
    TOP_KEY_PAGE_UP,
    TOP_KEY_PAGE_DOWN
};

/* Can standard output be one? */
bool top_screen_is_possible(void);
int top_screen_open(struct err *err);
void top_screen_close(void);
/* `first` row is the first one shown below the head; returns it as it is when
 * the page is not longer than that.  *rows: how many rows there is room for. */
size_t top_screen_draw(const struct top_page *p, size_t first, size_t *rows);
enum top_key top_screen_wait(int ms);

#endif
