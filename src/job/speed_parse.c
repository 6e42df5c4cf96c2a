/* SPDX-License-Identifier: Apache-2.0 */
/* The text of speeds. */
#include "job/speed.h"

#include "base/buf.h"
#include "base/err.h"
#include "base/fs.h"
#include "base/mem.h"
#include "base/str.h"
#include "job/ranked.h"

#include <ctype.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MOST           1e12
#define MAX_TRACE_FILE ((size_t)4 << 20)

struct form {
    const char *name;
    int n_args;      /* -1: one or more; -2: the name of a file */
    double least[4]; /* of each argument */
    double most[4];  /* 0: MOST */
};

#define TRACE (SPEED_STEPS + 1) /* becomes steps */

static const struct form forms[] = {
    [SPEED_CONSTANT] = {"constant", 1, {0}, {0}},
    [SPEED_UNIFORM] = {"uniform", 2, {0, 0}, {0}},
    [SPEED_LOGNORMAL] = {"lognormal", 2, {1e-6, 0}, {0}},
    [SPEED_EXPONENTIAL] = {"exponential", 2, {0, 0}, {0}},
    [SPEED_TWOCLASS] = {"twoclass", 3, {0, 0, 0}, {0, 0, 1}},
    [SPEED_PERIODIC] = {"periodic", 4, {0, 1e-6, 1e-6, 0}, {0, 0, 0, 1}},
    [SPEED_PAUSE] = {"pause", 3, {0, 1e-6, 0}, {0}},
    [SPEED_STEPS] = {"steps", -1, {0}, {0}},
    [TRACE] = {"trace", -2, {0}, {0}},
};

/* Where we are. */
struct parser {
    const char *spec, *p, *end; /* of the entry */
    const char *dir;            /* of traces */
    double *step;               /* all so far */
    size_t n_steps, cap;
    struct err *err;
};

static int
bad(const struct parser *x, const char *at, const char *what)
{
    return err_set(x->err, ERR_USAGE, "speeds \"%.200s\": at \"%.40s\": %s",
                   x->spec, at, what);
}

/* ---- steps --------------------------------------------------------------- */

static int
add_step(struct parser *x, double v)
{
    if (x->n_steps == x->cap) {
        size_t cap = x->cap ? 2 * x->cap : 64;
        double *more = mem_resize(x->step, x->cap, cap, sizeof *more);

        if (!more)
            return err_nomem(x->err);
        x->step = more;
        x->cap = cap;
    }
    x->step[x->n_steps++] = v;
    return 0;
}

static bool
is_step(double v)
{
    return isfinite(v) && v >= 0 && v <= MOST;
}

/* Numbers with white space or commas between them; '#' begins a comment. */
static int
read_numbers(struct parser *x, const char *path, const char *text)
{
    size_t first = x->n_steps;
    int line = 1;

    for (const char *p = text; *p;) {
        char *end;
        double v;

        if (*p == '#')
            p += strcspn(p, "\n");
        if (!*p)
            break;
        if (isspace((unsigned char)*p) || *p == ',') {
            line += *p++ == '\n';
            continue;
        }
        v = strtod(p, &end);
        if (end == p || !is_step(v) ||
            (*end && *end != ',' && !isspace((unsigned char)*end)))
            return err_set(x->err, ERR_CONFIG,
                           "%s:%d: \"%.*s\": expected a number from 0 to %g",
                           path, line, (int)strcspn(p, " \t\r\n,"), p, MOST);
        if (x->n_steps - first == SPEED_MAX_STEPS)
            return err_set(x->err, ERR_CONFIG, "%s: more than %d numbers", path,
                           SPEED_MAX_STEPS);
        if (add_step(x, v) != 0)
            return -1;
        p = end;
    }
    if (x->n_steps == first)
        return err_set(x->err, ERR_CONFIG, "%s: no number in this trace", path);
    return 0;
}

/* x->p is behind '(': the name goes up to the last ')' of the entry. */
static int
read_trace(struct parser *x)
{
    struct buf text = BUF_INIT(MAX_TRACE_FILE);
    const char *close = x->end - 1;
    char *name, *path;
    int r = -1;

    if (!x->dir)
        return bad(x, x->p, "no file is read here, expected steps(...)");
    if (close <= x->p || *close != ')')
        return bad(x, x->p, "expected the name of a file and ')'");
    name = mem_printf("%.*s", (int)(close - x->p), x->p);
    path = name ? fs_join(x->dir, name) : NULL;
    if (!path)
        err_nomem(x->err);
    else if (fs_read(path, &text, x->err) == 0) {
        buf_u8(&text, 0);
        if (buf_ok(&text, x->err) == 0)
            r = read_numbers(x, path, text.data);
    }
    x->p = x->end;
    buf_release(&text);
    mem_free(path);
    mem_free(name);
    return r;
}

static int
read_steps(struct parser *x)
{
    size_t first = x->n_steps;
    char sep;

    do {
        char *end;
        double v = strtod(x->p, &end);

        if (end == x->p || !is_step(v))
            return bad(x, x->p, "expected a number in range");
        if (x->n_steps - first == SPEED_MAX_STEPS)
            return bad(x, x->p, "too many numbers");
        if (add_step(x, v) != 0)
            return -1;
        x->p = end;
        sep = *x->p;
        if (sep != ',' && sep != ')')
            return bad(x, x->p, "expected ',' or ')'");
        x->p++;
    } while (sep == ',');
    return 0;
}

/* ---- one speed ----------------------------------------------------------- */

static int
read_args(struct parser *x, const struct form *f, double *arg)
{
    for (int i = 0; i < f->n_args; i++) {
        double most = f->most[i] > 0 ? f->most[i] : MOST;
        char *end;

        arg[i] = strtod(x->p, &end);
        if (end == x->p || !isfinite(arg[i]) || arg[i] < f->least[i] ||
            arg[i] > most)
            return bad(x, x->p, "expected a number in range");
        x->p = end;
        if (*x->p != (i + 1 < f->n_args ? ',' : ')'))
            return bad(x, x->p, "wrong number of arguments");
        x->p++;
    }
    return 0;
}

static int
read_plain(struct parser *x, struct speed *s)
{
    char *end;

    s->arg[0] = strtod(x->p, &end);
    if (end == x->p || end != x->end || !isfinite(s->arg[0]) || s->arg[0] < 0 ||
        s->arg[0] > MOST)
        return bad(x, x->p, "expected a number or a distribution");
    x->p = end;
    return 0;
}

static int
read_form(struct parser *x, const struct form *f, struct speed *s)
{
    size_t first = x->n_steps;
    int r;

    if (f->n_args > 0) {
        s->kind = (enum speed_kind)(f - forms);
        r = read_args(x, f, s->arg);
    } else {
        s->kind = SPEED_STEPS;
        r = f->n_args == -1 ? read_steps(x) : read_trace(x);
        s->at = first; /* until the memory stays where it is */
        s->n_steps = x->n_steps - first;
    }
    if (r != 0)
        return -1;
    if (s->kind == SPEED_UNIFORM && s->arg[0] > s->arg[1])
        return bad(x, x->p, "uniform(LOW,HIGH) wants LOW <= HIGH");
    if (x->p != x->end)
        return bad(x, x->p, "expected ';' or the end");
    return 0;
}

static int
read_speed(struct parser *x, const struct ranked *entry, struct speed *s)
{
    const char *names[ARRAY_LEN(forms) + 1] = {NULL}, *near;
    char word[32];
    size_t len;

    *s = (struct speed){.kind = SPEED_CONSTANT};
    x->p = entry->what;
    x->end = entry->what + entry->len;
    len = strcspn(x->p, "(;");
    if (x->p[len] != '(')
        return read_plain(x, s);
    snprintf(word, sizeof word, "%.*s", (int)(len < 32 ? len : 31), x->p);
    for (size_t i = 0; i < ARRAY_LEN(forms); i++) {
        names[i] = forms[i].name;
        if (!strcmp(word, forms[i].name)) {
            x->p += len + 1;
            return read_form(x, &forms[i], s);
        }
    }
    near = str_nearest(word, names);
    return err_set(x->err, ERR_USAGE,
                   "speeds \"%.200s\": unknown distribution \"%s\"%s%s%s",
                   x->spec, word, near ? ", did you mean \"" : "",
                   near ? near : "", near ? "\"?" : "");
}

/* ---- all ----------------------------------------------------------------- */

static int
next_entry(struct parser *x, const char **at, struct ranked *entry)
{
    struct err why = ERR_INIT;
    int r = ranked_next(at, entry, &why);

    if (r < 0)
        err_set(x->err, why.code, "speeds \"%.200s\": %s", x->spec, why.text);
    return r;
}

static int
parse_entries(struct parser *x, struct speeds *s, bool *set)
{
    const char *at = x->spec;
    struct ranked entry;
    struct speed one;
    int r;

    while ((r = next_entry(x, &at, &entry)) == 1) {
        uint32_t last = entry.last < UINT32_MAX ? entry.last : s->n - 1;

        if (last >= s->n)
            return bad(x, entry.what, "no such worker");
        if (read_speed(x, &entry, &one) != 0)
            return -1;
        for (uint32_t i = entry.first; i <= last; i++) {
            s->worker[i] = one;
            s->worker[i].worker = i;
            set[i] = true;
        }
    }
    if (r < 0)
        return -1;
    for (uint32_t i = 0; i < s->n; i++)
        if (!set[i])
            return err_set(x->err, ERR_USAGE,
                           "speeds \"%.200s\": none for worker %u", x->spec, i);
    return 0;
}

int
speeds_parse(struct speeds *s, uint32_t n, const char *spec, uint64_t seed,
             struct err *err)
{
    struct parser x = {.spec = spec, .dir = "", .err = err};
    bool *set = mem_alloc(n, sizeof *set);
    int r;

    *s = (struct speeds){.n = n, .worker = mem_alloc(n, sizeof *s->worker)};
    r = set && s->worker ? parse_entries(&x, s, set) : err_nomem(err);
    mem_free(set);
    s->step = x.step;
    s->n_steps = x.n_steps;
    if (r != 0) {
        speeds_release(s);
        return -1;
    }
    for (uint32_t i = 0; i < n; i++)
        if (s->worker[i].kind == SPEED_STEPS)
            s->worker[i].step = s->step + s->worker[i].at;
    speeds_rewind(s, seed);
    return 0;
}

int
speeds_parse_one(struct speeds *s, uint32_t worker, const char *speed,
                 uint64_t seed, struct err *err)
{
    if (speeds_parse(s, 1, speed, seed, err) != 0)
        return -1;
    s->worker[0].worker = worker;
    speeds_rewind(s, seed); /* as who it is */
    return 0;
}

static void
put_steps(struct buf *to, const double *v, size_t n)
{
    for (size_t i = 0; i < n; i++)
        buf_addf(to, "%s%.9g", i ? "," : "steps(", v[i]);
    buf_adds(to, ")");
}

int
speeds_inline(struct buf *to, const char *spec, const char *dir,
              struct err *err)
{
    struct parser x = {.spec = spec, .dir = dir, .err = err};
    const char *at = spec, *begin = spec;
    struct ranked entry;
    struct speed one;
    int r;

    while ((r = next_entry(&x, &at, &entry)) == 1) {
        r = read_speed(&x, &entry, &one);
        if (r != 0)
            break;
        buf_addf(to, "%s%.*s", begin == spec ? "" : ";",
                 (int)(entry.what - begin), begin);
        if (!strncmp(entry.what, "trace(", 6))
            put_steps(to, x.step + one.at, one.n_steps);
        else
            buf_add(to, entry.what, entry.len);
        begin = at;
    }
    mem_free(x.step);
    return r == 0 ? buf_ok(to, err) : -1;
}
