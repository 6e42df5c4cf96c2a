/* SPDX-License-Identifier: Apache-2.0 */
/* Where a value stands in JSON text.  jansson tells positions of syntax errors
 * only, so when a value is wrong the text, known to be well formed, is walked
 * once more along the path.  Nothing here runs unless an error is reported. */
#include "base/json.h"

#include <stdlib.h>
#include <string.h>

struct scan {
    const char *p, *end;
};

static void
skip_space(struct scan *s)
{
    while (s->p < s->end && strchr(" \t\r\n", *s->p) && *s->p)
        s->p++;
}

/* Past a string; *from and *n tell what stands between the quotes. */
static void
skip_string(struct scan *s, const char **from, size_t *n)
{
    const char *start = s->p + 1;

    s->p++;
    while (s->p < s->end && *s->p != '"')
        s->p += *s->p == '\\' && s->p + 1 < s->end ? 2 : 1;
    *from = start;
    *n = (size_t)(s->p - start);
    if (s->p < s->end)
        s->p++;
}

/* Past any value: brackets are counted, strings are hopped over. */
static void
skip_value(struct scan *s)
{
    const char *from;
    size_t n;
    int depth = 0;

    skip_space(s);
    while (s->p < s->end) {
        char c = *s->p;

        if (c == '"') {
            skip_string(s, &from, &n);
        } else if (c == '{' || c == '[') {
            depth++;
            s->p++;
        } else if (c == '}' || c == ']') {
            if (depth == 0)
                return;
            depth--;
            s->p++;
        } else if (c == ',' && depth == 0) {
            return;
        } else {
            s->p++;
            continue;
        }
        if (depth == 0)
            return;
    }
}

/* Stands before an object or array; moves to the member's value. */
static bool
enter(struct scan *s, const char *key, size_t key_len, long index)
{
    bool object = index < 0;

    skip_space(s);
    if (s->p >= s->end || *s->p != (object ? '{' : '['))
        return false;
    s->p++;
    for (long i = 0;; i++) {
        const char *name = NULL;
        size_t n = 0;

        skip_space(s);
        if (s->p >= s->end || *s->p == '}' || *s->p == ']')
            return false;
        if (object) {
            if (*s->p != '"')
                return false;
            skip_string(s, &name, &n);
            skip_space(s);
            s->p++; /* the colon */
            skip_space(s);
            if (n == key_len && !memcmp(name, key, n))
                return true;
        } else if (i == index) {
            return true;
        }
        skip_value(s);
        skip_space(s);
        if (s->p < s->end && *s->p == ',')
            s->p++;
    }
}

bool
json_position(const char *text, size_t len, const char *path, int *line,
              int *column)
{
    struct scan s = {text, text + len};

    skip_space(&s);
    while (*path) {
        const char *key = path;
        long index = -1;

        if (*path == '[') {
            char *end;

            index = strtol(path + 1, &end, 10);
            path = *end == ']' ? end + 1 : end;
        } else {
            if (*path == '.')
                key = ++path;
            path += strcspn(path, ".[");
        }
        if (!enter(&s, key, (size_t)(path - key), index))
            return false;
    }
    *line = *column = 1;
    for (const char *p = text; p < s.p; p++) {
        ++*column;
        if (*p == '\n') {
            ++*line;
            *column = 1;
        }
    }
    return true;
}
