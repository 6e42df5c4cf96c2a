/* SPDX-License-Identifier: Apache-2.0 */
#include "base/err.h"
#include "cmd/top.h"

#include <ncurses.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static SCREEN *screen; /* a process has one terminal */

bool
top_screen_is_possible(void)
{
    const char *term = getenv("TERM");

    return isatty(STDIN_FILENO) && isatty(STDOUT_FILENO) && term && *term &&
           strcmp(term, "dumb") != 0;
}

/* https://no-color.org: set, to whatever. */
static bool
wants_colours(void)
{
    const char *no = getenv("NO_COLOR");

    return !no || !*no;
}

int
top_screen_open(struct err *err)
{
    screen = newterm(NULL, stdout, stdin);
    if (!screen)
        return err_set(err, ERR_SYS,
                       "the terminal \"%s\" (TERM) is not known; --once prints "
                       "the table as text",
                       getenv("TERM"));
    cbreak();
    noecho();
    keypad(stdscr, TRUE);
    curs_set(0);
    if (wants_colours() && has_colors() && start_color() == OK) {
        use_default_colors();
        init_pair(TOP_WARN, COLOR_YELLOW, -1);
        init_pair(TOP_BAD, COLOR_RED, -1);
    }
    return 0;
}

void
top_screen_close(void)
{
    if (!screen)
        return;
    endwin();
    delscreen(screen);
    screen = NULL;
}

/* Where there are no colours, what is wrong is bold, too. */
static attr_t
get_attributes(enum top_look look)
{
    attr_t a = look == TOP_HEAD || look == TOP_BAD ? A_BOLD : A_NORMAL;

    if (look == TOP_WARN || look == TOP_BAD)
        a |= COLOR_PAIR(look);
    return a;
}

static void
draw_line(int y, const struct top_line *l)
{
    attr_t a = get_attributes(l->look);

    attron(a);
    mvaddnstr(y, 0, l->text, COLS);
    attroff(a);
}

size_t
top_screen_draw(const struct top_page *p, size_t first, size_t *rows)
{
    size_t height = LINES > 0 ? (size_t)LINES : 1, n = p->n - p->n_head;

    *rows = height > p->n_head + 1 ? height - p->n_head - 1 : 0;
    if (first + *rows > n)
        first = n > *rows ? n - *rows : 0;
    erase();
    for (size_t y = 0; y < p->n_head && y < height; y++)
        draw_line((int)y, &p->line[y]);
    for (size_t i = 0; i < *rows && first + i < n; i++)
        draw_line((int)(p->n_head + i), &p->line[p->n_head + first + i]);
    if (height > p->n_head) {
        move((int)height - 1, 0);
        addnstr("q quit   < > sort   r reverse   arrows scroll", COLS - 1);
    }
    refresh();
    return first;
}

enum top_key
top_screen_wait(int ms)
{
    timeout(ms);
    switch (getch()) {
    case 'q':
    case 'Q':
        return TOP_KEY_QUIT;
    case '<':
    case KEY_LEFT:
        return TOP_KEY_LEFT;
    case '>':
    case KEY_RIGHT:
        return TOP_KEY_RIGHT;
    case 'r':
        return TOP_KEY_REVERSE;
    case KEY_UP:
        return TOP_KEY_UP;
    case KEY_DOWN:
        return TOP_KEY_DOWN;
    case KEY_PPAGE:
        return TOP_KEY_PAGE_UP;
    case KEY_NPAGE:
        return TOP_KEY_PAGE_DOWN;
    default: /* KEY_RESIZE among them: ncurses knows the new size */
        return TOP_KEY_NONE;
    }
}
