/* SPDX-License-Identifier: Apache-2.0 */
#include "relay_rule.h"

#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"

#include <stdio.h>
#include <string.h>

#define MAX_WORDS 10

/* How many numbers an action takes, and up to what. */
static const struct action {
    const char *name;
    int min, max;
    double limit[2];
} actions[] = {
    [RULE_DELAY] = {"delay", 1, 2, {3.6e6, 3.6e6}},
    [RULE_RATE] = {"rate", 1, 1, {1e12, 0}},
    [RULE_LOSS] = {"loss", 2, 2, {1, 3.6e6}},
    [RULE_NOISE] = {"noise", 1, 1, {1, 0}},
    [RULE_REFUSE] = {"refuse", 0, 0, {0, 0}},
    [RULE_ACCEPT] = {"accept", 0, 0, {0, 0}},
    [RULE_CLEAR] = {"clear", 0, 0, {0, 0}},
    [RULE_RESET] = {"reset", 0, 0, {0, 0}},
    [RULE_CLOSE] = {"close", 0, 0, {0, 0}},
    [RULE_HALF] = {"half", 0, 0, {0, 0}},
    [RULE_STALL] = {"stall", 0, 1, {3.6e6, 0}},
    [RULE_RESUME] = {"resume", 0, 0, {0, 0}},
    [RULE_CORRUPT] = {"corrupt", 0, 1, {7, 0}},
    [RULE_SKIP] = {"skip", 1, 1, {1e12, 0}},
    [RULE_REPLAY] = {"replay", 1, 1, {RULE_MAX_REPLAY, 0}},
};

const char *
rule_name(enum rule_act act)
{
    return actions[act].name;
}

bool
rule_is_event(const struct rule *r)
{
    return r->act >= RULE_RESET;
}

/* Cuts `text` at blanks; the number of words, or MAX_WORDS + 1. */
static int
split(char *text, const char *word[MAX_WORDS + 1])
{
    int n = 0;
    char *rest = NULL;

    for (char *w = strtok_r(text, " \t", &rest); w && n <= MAX_WORDS;
         w = strtok_r(NULL, " \t", &rest))
        word[n++] = w;
    return n;
}

/* LINK or LINK.CONNECTION */
static bool
read_link(struct rule *r, const char *word)
{
    const char *dot = strrchr(word, '.');
    size_t n = dot ? (size_t)(dot - word) : strlen(word);

    r->connection = -1;
    if (n == 0 || n >= sizeof r->link)
        return false;
    memcpy(r->link, word, n);
    return !dot || (str_i64(dot + 1, &r->connection) && r->connection >= 0);
}

static bool
read_act(struct rule *r, const char *word)
{
    for (size_t i = 0; i < ARRAY_LEN(actions); i++)
        if (strcmp(word, actions[i].name) == 0) {
            r->act = (enum rule_act)i;
            return true;
        }
    return false;
}

/* What follows the action; false when it makes no sense. */
static bool
read_rest(struct rule *r, int n, const char *const word[])
{
    const struct action *a = &actions[r->act];
    int i = 0;

    while (i < n && i < a->max && str_f64(word[i], &r->number[i]) &&
           r->number[i] >= 0 && r->number[i] <= a->limit[i])
        i++;
    if (i < a->min)
        return false;
    if (i == n)
        return true;
    r->when = strcmp(word[i], "at") == 0 ? RULE_AT : RULE_AFTER;
    return rule_is_event(r) && n == i + 2 && str_u64(word[i + 1], &r->where) &&
           (r->when == RULE_AT || strcmp(word[i], "after") == 0);
}

int
rule_parse(struct rule *r, const char *line, struct err *err)
{
    char text[200];
    const char *word[MAX_WORDS + 1];
    int n, i = 1;

    memset(r, 0, sizeof *r);
    r->direction[0] = r->direction[1] = true;
    if (!str_printf(text, sizeof text, "%s", line) ||
        (n = split(text, word)) < 2 || n > MAX_WORDS || !read_link(r, word[0]))
        return err_set(err, ERR_USAGE, "\"%.100s\": expected a rule", line);
    if (strcmp(word[i], "up") == 0 || strcmp(word[i], "down") == 0)
        r->direction[*word[i++] == 'u'] = false;
    if (i == n || !read_act(r, word[i]))
        return err_set(err, ERR_USAGE, "\"%.100s\": unknown action", line);
    if (!read_rest(r, n - i - 1, word + i + 1))
        return err_set(err, ERR_USAGE, "\"%.100s\": wrong numbers or place",
                       line);
    return 0;
}
