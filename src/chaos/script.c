/* SPDX-License-Identifier: Apache-2.0 */
#include "chaos/script.h"

#include "base/buf.h"
#include "base/err.h"
#include "base/fs.h"
#include "base/mem.h"
#include "base/str.h"

#include <ctype.h>
#include <string.h>

#define MAX_BYTES ((size_t)1 << 20)
#define WORD_CAP  64

static const char *const states[CHAOS_STATES] = {
    [CHAOS_STARTING] = "starting",
    [CHAOS_READING] = "reading",
    [CHAOS_HELD] = "held",
    [CHAOS_COMPUTING] = "computing",
    [CHAOS_PUSHING] = "pushing",
    [CHAOS_IDLE] = "idle",
    [CHAOS_STOPPING] = "stopping",
    [CHAOS_COORDINATOR] = "starting",
    [CHAOS_TRAINING] = "training",
    [CHAOS_COMMITTING] = "committing",
    [CHAOS_CHECKPOINTING] = "checkpointing",
    [CHAOS_EVALUATING] = "evaluating",
    [CHAOS_ENDING] = "ending",
};

static const char *const actions[CHAOS_ACTIONS] = {
    [CHAOS_KILL] = "kill", [CHAOS_STOP] = "stop", [CHAOS_CUT] = "cut"};

const char *
chaos_state_name(enum chaos_state s)
{
    return states[s];
}

const char *
chaos_action_name(enum chaos_action a)
{
    return actions[a];
}

enum chaos_action
chaos_action_find(const char *name)
{
    int a = 0;

    while (a < CHAOS_ACTIONS && strcmp(actions[a], name) != 0)
        a++;
    return (enum chaos_action)a;
}

/* ---- words --------------------------------------------------------------- */

/* One line, word after word. */
struct words {
    const char *name;
    int line;
    const char *begin, *at, *end;
    int column;          /* of the current word, from 1 */
    char word[WORD_CAP]; /* "" at the end of the line */
};

/* What is too long is no word that there is, and is shown cut. */
static void
next(struct words *w)
{
    const char *from;

    while (w->at < w->end && isspace((unsigned char)*w->at))
        w->at++;
    from = w->at;
    while (w->at < w->end && !isspace((unsigned char)*w->at) && *w->at != '#')
        w->at++;
    if (from < w->end && *from == '#')
        w->at = w->end;
    w->column = (int)(from - w->begin) + 1;
    str_escape(w->word, sizeof w->word, from,
               from < w->end && *from == '#' ? 0 : (size_t)(w->at - from));
}

static int
unexpected(const struct words *w, const char *expected, struct err *err)
{
    return err_set(err, ERR_CONFIG, "%s:%d:%d: expected %s, got %s%s%s",
                   w->name, w->line, w->column, expected, *w->word ? "\"" : "",
                   *w->word ? w->word : "the end of the line",
                   *w->word ? "\"" : "");
}

/* ---- lines --------------------------------------------------------------- */

static int
read_role(struct words *w, struct fault *f, bool *coordinator, struct err *err)
{
    uint64_t rank = 0;

    *coordinator = !strcmp(w->word, "coordinator");
    f->rank = CHAOS_ANY_RANK;
    if (!*coordinator && !strncmp(w->word, "worker:", 7) &&
        strcmp(w->word + 7, "*") != 0) {
        if (!str_u64(w->word + 7, &rank) || rank >= CHAOS_ANY_RANK)
            return unexpected(w, "a rank behind worker:", err);
        f->rank = (uint32_t)rank;
    } else if (!*coordinator && strcmp(w->word, "worker:*") != 0 &&
               strcmp(w->word, "worker") != 0) {
        return unexpected(w, "coordinator, worker or worker:RANK", err);
    }
    next(w);
    return 0;
}

static int
read_state(struct words *w, struct fault *f, bool coordinator, struct err *err)
{
    int s = coordinator ? CHAOS_COORDINATOR : 0;
    int end = coordinator ? CHAOS_STATES : CHAOS_COORDINATOR;

    while (s < end && strcmp(states[s], w->word) != 0)
        s++;
    if (s == end)
        return unexpected(w,
                          coordinator
                              ? "a state of the coordinator: starting, "
                                "training, committing, checkpointing, "
                                "evaluating or ending"
                              : "a state of a worker: starting, reading, held, "
                                "computing, pushing, idle or stopping",
                          err);
    f->state = (enum chaos_state)s;
    next(w);
    return 0;
}

static int
read_step(struct words *w, struct fault *f, struct err *err)
{
    f->step = 1;
    if (!isdigit((unsigned char)*w->word))
        return 0;
    if (!str_u64(w->word, &f->step) || f->step < 1)
        return unexpected(w, "a number from 1", err);
    next(w);
    return 0;
}

/* "3s", "0.5s", "200ms" */
static bool
read_seconds(const char *word, double *to)
{
    size_t n = strlen(word);
    double unit = 1;
    char number[WORD_CAP];

    if (n > 2 && !strcmp(word + n - 2, "ms")) {
        unit = 1e-3;
        n -= 2;
    } else if (n > 1 && word[n - 1] == 's') {
        n--;
    } else {
        return false;
    }
    (void)str_printf(number, sizeof number, "%.*s", (int)n, word);
    if (!str_f64(number, to))
        return false;
    *to *= unit;
    return *to > 0 && *to <= CHAOS_MAX_STOP;
}

static int
read_action(struct words *w, struct fault *f, struct err *err)
{
    bool coordinator = chaos_is_coordinator(f->state);

    /* Only a worker that has connected can be cut off. */
    bool cut = !coordinator && f->state != CHAOS_STARTING;

    f->action = chaos_action_find(w->word);
    if (f->action == CHAOS_ACTIONS || (f->action == CHAOS_CUT && !cut))
        return unexpected(w, cut ? "kill, stop or cut" : "kill or stop", err);
    next(w);
    if (f->action != CHAOS_STOP || (!*w->word && !coordinator))
        return 0;
    /* Who would start it again?  Not its supervisor: it has not ended. */
    if (!read_seconds(w->word, &f->stop_s))
        return unexpected(w, "a time such as 3s or 200ms, at most 3600s", err);
    next(w);
    return 0;
}

static int
read_line(struct words *w, struct fault *f, struct err *err)
{
    bool coordinator;

    f->line = w->line;
    if (read_role(w, f, &coordinator, err) != 0 ||
        read_state(w, f, coordinator, err) != 0 || read_step(w, f, err) != 0 ||
        read_action(w, f, err) != 0)
        return -1;
    return *w->word ? unexpected(w, "the end of the line", err) : 0;
}

int
script_parse(struct script *s, const char *name, const char *text, size_t n,
             struct err *err)
{
    const char *at = text, *end = text + n;

    *s = (struct script){0};
    for (int line = 1; at < end; line++) {
        const char *stop = memchr(at, '\n', (size_t)(end - at));
        struct words w = {.name = name, .line = line, .begin = at, .at = at};
        struct fault f = {0}, *more;

        w.end = stop ? stop : end;
        at = stop ? stop + 1 : end;
        next(&w);
        if (!*w.word)
            continue;
        more = read_line(&w, &f, err) == 0
                   ? mem_resize(s->v, s->n, s->n + 1, sizeof *more)
                   : NULL;
        if (!more) {
            err_nomem(err); /* unless there is another reason */
            script_release(s);
            return -1;
        }
        s->v = more;
        s->v[s->n++] = f;
    }
    return 0;
}

int
script_load(struct script *s, const char *path, struct err *err)
{
    struct buf text = BUF_INIT(MAX_BYTES);
    int r = fs_read(path, &text, err);

    *s = (struct script){0};
    if (r == 0)
        r = script_parse(s, path, text.data ? text.data : "", text.len, err);
    buf_release(&text);
    return r;
}

void
script_release(struct script *s)
{
    mem_free(s->v);
    *s = (struct script){0};
}
