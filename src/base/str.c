/* SPDX-License-Identifier: Apache-2.0 */
#include "base/str.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_WORD 64

static size_t
min3(size_t a, size_t b, size_t c)
{
    size_t m = a < b ? a : b;

    return m < c ? m : c;
}

/* Optimal string alignment distance; words are cut at MAX_WORD. */
static size_t
distance(const char *a, const char *b)
{
    size_t row[3][MAX_WORD + 1], n = strlen(a), m = strlen(b);
    size_t *before = row[0], *last = row[1], *now = row[2];

    n = n < MAX_WORD ? n : MAX_WORD;
    m = m < MAX_WORD ? m : MAX_WORD;
    memset(row, 0, sizeof row);
    for (size_t j = 0; j <= m; j++)
        last[j] = j;
    for (size_t i = 1; i <= n; i++) {
        size_t *spare = before;

        now[0] = i;
        for (size_t j = 1; j <= m; j++) {
            size_t cost = a[i - 1] != b[j - 1];

            now[j] = min3(last[j] + 1, now[j - 1] + 1, last[j - 1] + cost);
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] &&
                a[i - 2] == b[j - 1] && before[j - 2] + 1 < now[j])
                now[j] = before[j - 2] + 1;
        }
        before = last;
        last = now;
        now = spare;
    }
    return last[m];
}

const char *
str_nearest(const char *word, const char *const *candidates)
{
    size_t best = strlen(word) / 3 + 2;
    const char *found = NULL;

    for (; *candidates; candidates++) {
        size_t d = distance(word, *candidates);

        if (d < best) {
            best = d;
            found = *candidates;
        }
    }
    return found;
}

void
str_escape(char *to, size_t cap, const char *text, size_t n)
{
    static const char hex[] = "0123456789abcdef";
    size_t len = 0;

    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)text[i];

        if (c >= 0x20 && c < 0x7f && c != '\\') {
            if (len + 2 > cap)
                break;
            to[len++] = (char)c;
        } else {
            if (len + 5 > cap)
                break;
            to[len++] = '\\';
            to[len++] = 'x';
            to[len++] = hex[c >> 4];
            to[len++] = hex[c & 15];
        }
    }
    to[len] = '\0';
}

bool
str_u64(const char *s, uint64_t *v)
{
    char *end;

    if (!isdigit((unsigned char)*s))
        return false;
    errno = 0;
    *v = strtoull(s, &end, 10);
    return *end == '\0' && errno == 0;
}

bool
str_i64(const char *s, int64_t *v)
{
    char *end;

    if (!isdigit((unsigned char)s[*s == '-']))
        return false;
    errno = 0;
    *v = strtoll(s, &end, 10);
    return *end == '\0' && errno == 0;
}

bool
str_f64(const char *s, double *v)
{
    char *end;

    if (*s == '\0' || isspace((unsigned char)*s))
        return false;
    errno = 0;
    *v = strtod(s, &end);
    return *end == '\0' && end != s && isfinite(*v);
}

static const char *
scaled(char *to, double v, double step, const char *const *units, int n,
       const char *space)
{
    int i = 0;

    while (fabs(v) >= step && i + 1 < n) {
        v /= step;
        i++;
    }
    snprintf(to, 32, i == 0 ? "%.0f%s%s" : "%.1f%s%s", v, space, units[i]);
    return to;
}

const char *
str_count(char *to, double v)
{
    static const char *const units[] = {"", "k", "M", "G", "T", "P"};

    return scaled(to, v, 1000, units, 6, "");
}

const char *
str_bytes(char *to, double v)
{
    static const char *const units[] = {"B", "kB", "MB", "GB", "TB", "PB"};

    return scaled(to, v, 1000, units, 6, " ");
}

const char *
str_duration(char *to, double seconds)
{
    long s;

    if (!(seconds >= 0 && seconds < 1e9)) {
        snprintf(to, 32, "?");
        return to;
    }
    if (seconds < 10) {
        snprintf(to, 32, "%.1fs", seconds);
        return to;
    }
    s = lround(seconds);
    if (s < 60)
        snprintf(to, 32, "%lds", s);
    else if (s < 3600)
        snprintf(to, 32, "%ldm%02lds", s / 60, s % 60);
    else
        snprintf(to, 32, "%ldh%02ldm", s / 3600, s / 60 % 60);
    return to;
}

bool
str_printf(char *to, size_t cap, const char *fmt, ...)
{
    va_list ap;
    int n;

    va_start(ap, fmt);
    n = vsnprintf(to, cap, fmt, ap);
    va_end(ap);
    return n >= 0 && (size_t)n < cap;
}
