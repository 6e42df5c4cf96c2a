/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/spec.h"

#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"
#include "policy/lib.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#define MAX_SPEC 4096

size_t
spec_split(const char *spec, const char **options)
{
    const char *colon = strchr(spec, ':'), *slash = strrchr(spec, '/');

    /* "a:b=./c" is a name, "./d:e/f.so:b=1" a path */
    if (slash &&
        memchr(spec, '/', colon ? (size_t)(colon - spec) : strlen(spec)))
        colon = strchr(slash, ':');
    *options = colon ? colon + 1 : NULL;
    return colon ? (size_t)(colon - spec) : strlen(spec);
}

static bool
is_one_of(const char *word, const char *words)
{
    size_t n = strlen(word);

    for (const char *w = words; n > 0 && w; w = strchr(w, '|')) {
        w += *w == '|';
        if (!strncmp(w, word, n) && (w[n] == '|' || w[n] == '\0'))
            return true;
    }
    return false;
}

int
spec_parse_value(const struct ebsp_option *option, const char *text,
                 double *number, struct err *err)
{
    int64_t i;
    bool is_number;

    *number = 0;
    if (option->type == EBSP_OPTION_WORD) {
        if (strchr(text, '|') || !is_one_of(text, option->words))
            return err_set(err, ERR_USAGE, "\"%.100s\" is not one of %s", text,
                           option->words);
        return 0;
    }
    if (option->type == EBSP_OPTION_INTEGER) {
        is_number = str_i64(text, &i);
        *number = is_number ? (double)i : 0;
    } else {
        is_number = str_f64(text, number);
    }
    if (!is_number || *number < option->minimum || *number > option->maximum)
        return err_set(
            err, ERR_USAGE, "\"%.100s\" is not %s from %.17g to %.17g", text,
            option->type == EBSP_OPTION_INTEGER ? "an integer" : "a number",
            option->minimum, option->maximum);
    return 0;
}

/* Index of the option; -1 with the nearest one or all of them named. */
static int
find_option(const struct policy_lib *lib, const char *name, size_t *at,
            struct err *err)
{
    size_t n = (size_t)lib->p.n_options;
    const char **names = mem_alloc(n + 1, sizeof *names), *near;
    struct buf all = BUF_INIT(300);
    int r = -1;

    if (!names)
        return err_nomem(err);
    for (size_t i = 0; i < n && r != 0; i++) {
        names[i] = lib->options[i].name;
        buf_addf(&all, "%s%s", i ? ", " : "", names[i]);
        if (!strcmp(names[i], name)) {
            *at = i;
            r = 0;
        }
    }
    if (r != 0) {
        near = str_nearest(name, names);
        if (n == 0)
            err_set(err, ERR_USAGE, "no option \"%.100s\", it has none", name);
        else if (near)
            err_set(err, ERR_USAGE,
                    "no option \"%.100s\", did you mean \"%s\"?", name, near);
        else
            err_set(err, ERR_USAGE, "no option \"%.100s\", expected one of %s",
                    name, all.data ? all.data : "");
    }
    buf_release(&all);
    mem_free(names);
    return r;
}

/* One "option=value", `pair` is cut at its '='. */
static int
apply_pair(struct policy_lib *lib, char *pair, struct err *err)
{
    char *eq = strchr(pair, '=');
    size_t i = 0;

    if (!eq || eq == pair)
        return err_set(err, ERR_USAGE, "\"%.100s\", expected option=value",
                       pair);
    *eq = '\0';
    if (find_option(lib, pair, &i, err) != 0)
        return -1;
    if (lib->texts[i])
        return err_set(err, ERR_USAGE, "option \"%s\" is given twice", pair);
    if (spec_parse_value(&lib->options[i], eq + 1, &lib->numbers[i], err) != 0)
        return err_wrap(err, "option \"%s\"", pair);
    lib->texts[i] = mem_strdup(eq + 1);
    return lib->texts[i] ? 0 : err_nomem(err);
}

/* "name:a=1,b=2" in the order of the table, from what was given. */
static int
set_canonical(struct policy_lib *lib, struct err *err)
{
    struct buf b = BUF_INIT(2 * MAX_SPEC);
    char separator = ':';

    buf_adds(&b, lib->p.name);
    for (size_t i = 0; i < lib->p.n_options; i++) {
        if (!lib->texts[i])
            continue;
        buf_addf(&b, "%c%s=%s", separator, lib->options[i].name, lib->texts[i]);
        separator = ',';
    }
    if (buf_ok(&b, err) != 0) {
        buf_release(&b);
        return -1;
    }
    lib->spec = buf_take(&b, NULL);
    return 0;
}

static int
apply_fallbacks(struct policy_lib *lib, struct err *err)
{
    for (size_t i = 0; i < lib->p.n_options; i++) {
        const struct ebsp_option *o = &lib->options[i];

        if (lib->texts[i])
            continue;
        if (spec_parse_value(o, o->fallback, &lib->numbers[i], err) != 0)
            return -1;
        lib->texts[i] = mem_strdup(o->fallback);
        if (!lib->texts[i])
            return err_nomem(err);
    }
    return 0;
}

int
spec_apply(struct policy_lib *lib, const char *options, struct err *err)
{
    size_t n = (size_t)lib->p.n_options;
    char *copy = NULL;
    int r = -1;

    if (options && strlen(options) > MAX_SPEC)
        return err_set(err, ERR_USAGE, "policy \"%s\": options too long",
                       lib->p.name);
    lib->texts = mem_alloc(n, sizeof *lib->texts);
    lib->numbers = mem_alloc(n, sizeof *lib->numbers);
    copy = mem_strdup(options ? options : "");
    if (!lib->texts || !lib->numbers || !copy) {
        err_nomem(err);
        goto out;
    }
    for (char *pair = options ? copy : NULL, *comma; pair; pair = comma) {
        comma = strchr(pair, ',');
        if (comma)
            *comma++ = '\0';
        if (apply_pair(lib, pair, err) != 0) {
            err_wrap(err, "policy \"%s\"", lib->p.name);
            goto out;
        }
    }
    if (set_canonical(lib, err) == 0)
        r = apply_fallbacks(lib, err);
out:
    mem_free(copy);
    return r;
}

void
spec_release(struct policy_lib *lib)
{
    for (size_t i = 0; lib->texts && i < lib->p.n_options; i++)
        mem_free(lib->texts[i]);
    mem_free(lib->texts);
    mem_free(lib->numbers);
    mem_free(lib->spec);
    lib->texts = NULL;
    lib->numbers = NULL;
    lib->spec = NULL;
}
