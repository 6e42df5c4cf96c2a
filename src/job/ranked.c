/* SPDX-License-Identifier: Apache-2.0 */
#include "job/ranked.h"

#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"

#include <string.h>

/* Bytes until one of `ends`, or the end, that is not within parentheses. */
static size_t
span(const char *p, const char *ends)
{
    size_t n = 0, depth = 0;

    for (; p[n]; n++) {
        if (depth == 0 && strchr(ends, p[n]))
            break;
        if (p[n] == '(')
            depth++;
        else if (p[n] == ')' && depth > 0)
            depth--;
    }
    return n;
}

/* A rank: digits of a number that is one. */
static bool
read_rank(const char *p, size_t n, uint32_t *rank)
{
    char digits[12];
    uint64_t v;

    if (!str_printf(digits, sizeof digits, "%.*s", (int)(n < 12 ? n : 12), p) ||
        !str_u64(digits, &v) || v >= UINT32_MAX)
        return false;
    *rank = (uint32_t)v;
    return true;
}

static bool
read_who(const char *p, size_t n, struct ranked *entry)
{
    const char *dash = memchr(p, '-', n);
    size_t left = dash ? (size_t)(dash - p) : n;

    if (n == 3 && !memcmp(p, "all", 3))
        return true;
    if (!read_rank(p, left, &entry->first))
        return false;
    entry->last = entry->first;
    return !dash || (read_rank(dash + 1, n - left - 1, &entry->last) &&
                     entry->first <= entry->last);
}

int
ranked_next(const char **at, struct ranked *entry, struct err *err)
{
    const char *p = *at;
    size_t n;

    if (!*p)
        return 0;
    n = span(p, ":;");
    *entry = (struct ranked){.has_who = p[n] == ':', .last = UINT32_MAX};
    if (entry->has_who) {
        if (!read_who(p, n, entry))
            return err_set(err, ERR_USAGE,
                           "at \"%.40s\": expected \"all\", a worker or a "
                           "range of workers before ':'",
                           p);
        p += n + 1;
    }
    entry->what = p;
    entry->len = span(p, ";");
    p += entry->len;
    *at = *p ? p + 1 : p;
    return 1;
}

char *
ranked_find(const char *spec, uint32_t rank, struct err *err)
{
    struct ranked r, found = {.what = NULL};
    char *text;

    while (spec && ranked_next(&spec, &r, NULL) == 1)
        if (rank >= r.first && rank <= r.last)
            found = r;
    if (!found.what)
        return NULL;
    text = mem_printf("%.*s", (int)found.len, found.what);
    if (!text)
        err_nomem(err);
    return text;
}
