/* SPDX-License-Identifier: Apache-2.0 */
/* Reading pushes: worker,previous_push,last_push, exactly. */
#include "base/buf.h"
#include "base/err.h"
#include "base/fs.h"
#include "base/mem.h"
#include "base/str.h"
#include "cmd/zipline.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_DIGITS 9

static const char header[] = "worker,previous_push,last_push";

struct text {
    const char *s;
    size_t n;
};

/* One line as it stands: numbers times 10^digits. */
struct row {
    int64_t id;
    wide_time push[2]; /* previous, last */
    int digits[2];
    uint32_t line;
};

/* The part of *rest before the separator, which is skipped. */
static struct text
cut(struct text *rest, char separator)
{
    const char *end = memchr(rest->s, separator, rest->n);
    struct text part = {rest->s, end ? (size_t)(end - rest->s) : rest->n};
    size_t used = part.n + (end != NULL);

    rest->s += used;
    rest->n -= used;
    return part;
}

static struct text
trim(struct text t)
{
    while (t.n > 0 && strchr(" \t\r", t.s[t.n - 1]) && t.s[t.n - 1])
        t.n--;
    while (t.n > 0 && (*t.s == ' ' || *t.s == '\t')) {
        t.s++;
        t.n--;
    }
    return t;
}

/* [-]digits[.digits].  NULL, or what is wrong with it. */
static const char *
read_number(struct text t, wide_time *value, int *digits)
{
    static const char malformed[] = "is not a decimal number";
    wide_time limit = INT64_MAX, v = 0;
    bool negative = t.n > 0 && *t.s == '-';
    size_t i = negative, whole_from = i;

    for (; i < t.n && t.s[i] >= '0' && t.s[i] <= '9'; i++) {
        v = v * 10 + (t.s[i] - '0');
        if (v > limit + negative)
            return "does not fit into 64 bits";
    }
    if (i == whole_from)
        return malformed;
    *digits = 0;
    if (i < t.n && t.s[i] == '.') {
        size_t from = ++i;

        for (; i < t.n && t.s[i] >= '0' && t.s[i] <= '9'; i++) {
            if (i - from >= MAX_DIGITS)
                return "has more than 9 digits after the point";
            v = v * 10 + (t.s[i] - '0');
        }
        if (i == from)
            return malformed;
        *digits = (int)(i - from);
    }
    if (i < t.n)
        return malformed;
    *value = negative ? -v : v;
    return NULL;
}

static int
fail_field(const char *where, const char *field, struct text t,
           const char *what, struct err *err)
{
    char shown[64];

    str_escape(shown, sizeof shown, t.s, t.n);
    return err_set(err, ERR_CONFIG, "%s: %s \"%s\" %s", where, field, shown,
                   what);
}

static int
read_row(struct row *row, struct text line, const char *where, struct err *err)
{
    static const char *const names[] = {"previous_push", "last_push"};
    struct text rest = line, field[3];
    const char *wrong;
    wide_time id;
    int digits;

    for (int i = 0; i < 3; i++) {
        if (i > 0 && field[i - 1].s + field[i - 1].n == line.s + line.n)
            goto malformed;
        field[i] = cut(&rest, ',');
    }
    if (field[2].s + field[2].n != line.s + line.n)
        goto malformed;
    for (int i = 0; i < 3; i++)
        field[i] = trim(field[i]);

    wrong = read_number(field[0], &id, &digits);
    if (wrong || digits > 0 || id < 0)
        return fail_field(where, "worker", field[0],
                          "is not a whole number from 0 on", err);
    row->id = (int64_t)id;
    for (int i = 0; i < 2; i++) {
        wrong = read_number(field[i + 1], &row->push[i], &row->digits[i]);
        if (wrong)
            return fail_field(where, names[i], field[i + 1], wrong, err);
    }
    return 0;

malformed : {
    char shown[64];

    str_escape(shown, sizeof shown, line.s, line.n);
    return err_set(err, ERR_CONFIG, "%s: expected %s, got \"%s\"", where,
                   header, shown);
}
}

static wide_time
power_of_ten(int n)
{
    wide_time v = 1;

    while (n-- > 0)
        v *= 10;
    return v;
}

static int
compare_rows(const void *va, const void *vb)
{
    const struct row *a = va, *b = vb;

    if (a->id != b->id)
        return a->id < b->id ? -1 : 1;
    return a->line < b->line ? -1 : a->line > b->line;
}

/* Sorts a copy: the order of the file stays. */
static int
check_unique(const struct pushes *p, const struct row *rows, struct err *err)
{
    const struct row *again = NULL, *before = NULL;
    struct row *sorted = mem_alloc(p->n, sizeof *sorted);

    if (!sorted)
        return err_nomem(err);
    memcpy(sorted, rows, p->n * sizeof *sorted);
    qsort(sorted, p->n, sizeof *sorted, compare_rows);
    for (size_t i = 1; i < p->n; i++)
        if (sorted[i].id == sorted[i - 1].id &&
            (!again || sorted[i].line < again->line)) {
            again = &sorted[i];
            before = &sorted[i - 1];
        }
    if (again)
        err_set(err, ERR_CONFIG, "%s:%u: worker %lld again, first on line %u",
                p->name, again->line, (long long)again->id, before->line);
    mem_free(sorted);
    return again ? -1 : 0;
}

/* Brings all times to the finest unit and near zero. */
static int
scale_rows(struct pushes *p, struct row *rows, struct err *err)
{
    for (size_t i = 0; i < p->n; i++)
        for (int k = 0; k < 2; k++)
            if (rows[i].digits[k] > p->digits)
                p->digits = rows[i].digits[k];
    for (size_t i = 0; i < p->n; i++) {
        for (int k = 0; k < 2; k++)
            rows[i].push[k] *= power_of_ten(p->digits - rows[i].digits[k]);
        if (i == 0 || rows[i].push[1] < p->origin)
            p->origin = rows[i].push[1];
    }
    for (size_t i = 0; i < p->n; i++) {
        wide_time interval = rows[i].push[1] - rows[i].push[0];
        wide_time last = rows[i].push[1] - p->origin;

        if (interval <= 0)
            return err_set(err, ERR_CONFIG,
                           "%s:%u: last_push of worker %lld is not after its "
                           "previous_push",
                           p->name, rows[i].line, (long long)rows[i].id);
        if (interval >= ZIPLINE_TIME_LIMIT || last >= ZIPLINE_TIME_LIMIT)
            return err_set(err, ERR_CONFIG,
                           "%s:%u: pushes lie too far apart for their number "
                           "of digits",
                           p->name, rows[i].line);
        p->workers[i].last_push = (int64_t)last;
        p->workers[i].interval = (int64_t)interval;
        p->ids[i] = rows[i].id;
        p->lines[i] = rows[i].line;
    }
    return 0;
}

static int
add_row(struct row **rows, size_t *n, size_t *cap, const struct row *row,
        struct err *err)
{
    if (*n == *cap) {
        size_t more = *cap ? 2 * *cap : 64;
        struct row *grown = mem_resize(*rows, *cap, more, sizeof *grown);

        if (!grown)
            return err_nomem(err);
        *rows = grown;
        *cap = more;
    }
    assert(*rows);
    (*rows)[(*n)++] = *row;
    return 0;
}

int
pushes_parse(struct pushes *p, const char *name, const char *text, size_t len,
             struct err *err)
{
    struct text rest = {text, len};
    struct row *rows = NULL;
    size_t cap = 0;
    bool first = true;
    int r = -1;

    memset(p, 0, sizeof *p);
    p->name = mem_strdup(name);
    if (!p->name)
        return err_nomem(err);
    if (len >= 3 && !memcmp(text, "\xef\xbb\xbf", 3)) /* some programs' mark */
        rest = (struct text){text + 3, len - 3};
    for (uint32_t number = 1; rest.n > 0; number++) {
        struct text line = trim(cut(&rest, '\n'));
        struct row row = {.line = number};
        char where[300];

        if (line.n == 0)
            continue;
        if (first && line.n == strlen(header) &&
            !memcmp(line.s, header, line.n)) {
            first = false;
            continue;
        }
        first = false;
        snprintf(where, sizeof where, "%s:%u", name, number);
        if (read_row(&row, line, where, err) != 0 ||
            add_row(&rows, &p->n, &cap, &row, err) != 0)
            goto out;
    }
    if (p->n == 0) {
        err_set(err, ERR_CONFIG, "%s:1: no workers, expected lines of %s", name,
                header);
        goto out;
    }
    assert(rows);
    p->workers = mem_alloc(p->n, sizeof *p->workers);
    p->ids = mem_alloc(p->n, sizeof *p->ids);
    p->lines = mem_alloc(p->n, sizeof *p->lines);
    if (!p->workers || !p->ids || !p->lines) {
        err_nomem(err);
        goto out;
    }
    if (check_unique(p, rows, err) == 0 && scale_rows(p, rows, err) == 0)
        r = 0;
out:
    mem_free(rows);
    if (r != 0)
        pushes_release(p);
    return r;
}

static int
read_stdin(struct buf *to, struct err *err)
{
    char part[16384];
    size_t n;

    while ((n = fread(part, 1, sizeof part, stdin)) > 0 && !to->bad)
        buf_add(to, part, n);
    if (ferror(stdin))
        return err_errno(err, "standard input");
    return buf_ok(to, err);
}

int
pushes_load(struct pushes *p, const char *path, struct err *err)
{
    struct buf text = BUF_INIT(PUSHES_MAX_BYTES);
    struct err why = ERR_INIT;
    bool from_stdin = !strcmp(path, "-");
    int r;

    memset(p, 0, sizeof *p);
    r = from_stdin ? read_stdin(&text, &why) : fs_read(path, &text, &why);
    if (r != 0) /* for the user, a file that is not there is wrong input */
        err_set(err, from_stdin ? why.code : ERR_CONFIG, "%s", why.text);
    else
        r = pushes_parse(p, from_stdin ? "standard input" : path,
                         text.data ? text.data : "", text.len, err);
    buf_release(&text);
    return r;
}

void
pushes_release(struct pushes *p)
{
    mem_free(p->name);
    mem_free(p->workers);
    mem_free(p->ids);
    mem_free(p->lines);
    memset(p, 0, sizeof *p);
}

int
pushes_look_ahead(struct pushes *p, uint32_t first, uint32_t count,
                  struct err *err)
{
    uint32_t last = first + count - 1;
    wide_time end = ((wide_time)1 << 63) * power_of_ten(p->digits);

    for (size_t i = 0; i < p->n; i++) {
        struct zipline_worker *w = &p->workers[i];
        wide_time t = (wide_time)w->interval * last + w->last_push;

        if (t + p->origin >= end || t >= ZIPLINE_TIME_LIMIT)
            return err_set(err, ERR_CONFIG,
                           "%s:%u: push %u of worker %lld would not fit into "
                           "64 bits",
                           p->name, p->lines[i], last, (long long)p->ids[i]);
        w->min_index = first;
        w->max_index = last;
    }
    return 0;
}

const char *
pushes_time(const struct pushes *p, int64_t t, bool relative,
            char to[PUSHES_TIME_CHARS])
{
    wide_time v = relative ? t : t + p->origin;
    wide_time unit = power_of_ten(p->digits);
    wide_time size = v < 0 ? -v : v;
    int n = snprintf(to, PUSHES_TIME_CHARS, "%s%llu", v < 0 ? "-" : "",
                     (unsigned long long)(size / unit));

    if (p->digits > 0 && n > 0)
        snprintf(to + n, PUSHES_TIME_CHARS - (size_t)n, ".%0*llu", p->digits,
                 (unsigned long long)(size % unit));
    return to;
}
