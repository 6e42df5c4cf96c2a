/* SPDX-License-Identifier: Apache-2.0 */
/* Cursors: a value of a document, its place, and checks that name it. */
#include "base/json.h"

#include "base/err.h"
#include "base/str.h"

#include <math.h>
#include <string.h>

#define PATH_CAP 256

struct jcur
jcur_root(const struct json_doc *d)
{
    return (struct jcur){.doc = d, .v = d->root};
}

struct jcur
jcur_key(const struct jcur *c, const char *key)
{
    return (struct jcur){
        .doc = c->doc, .v = json_object_get(c->v, key), .up = c, .key = key};
}

struct jcur
jcur_at(const struct jcur *c, size_t index)
{
    return (struct jcur){.doc = c->doc,
                         .v = json_array_get(c->v, index),
                         .up = c,
                         .index = index};
}

bool
jcur_has(const struct jcur *c, const char *key)
{
    return json_object_get(c->v, key) != NULL;
}

void
jcur_path(const struct jcur *c, char *to, size_t cap)
{
    size_t n;

    if (!c->up) {
        to[0] = '\0';
        return;
    }
    jcur_path(c->up, to, cap);
    n = strlen(to);
    if (c->key)
        snprintf(to + n, cap - n, "%s%s", n ? "." : "", c->key);
    else
        snprintf(to + n, cap - n, "[%zu]", c->index);
}

int
jcur_fail(const struct jcur *c, struct err *err, const char *fmt, ...)
{
    char path[PATH_CAP], what[400], where[PATH_CAP];
    const struct jcur *at = c;
    const char *set;
    int line = 1, column = 1;
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(what, sizeof what, fmt, ap);
    va_end(ap);
    /* An absent key has no position: point at the object that lacks it. */
    while (!at->v && at->up)
        at = at->up;
    jcur_path(at, where, sizeof where);
    jcur_path(c, path, sizeof path);
    set = json_doc_origin(c->doc, where);
    if (set)
        return err_set(err, ERR_CONFIG, "%s: %s%s%s", set, path,
                       *path ? ": " : "", what);
    json_position(c->doc->text, c->doc->len, where, &line, &column);
    return err_set(err, ERR_CONFIG, "%s:%d:%d: %s%s%s", c->doc->name, line,
                   column, path, *path ? ": " : "", what);
}

static const char *
type_name(const json_t *v)
{
    if (!v)
        return "nothing";
    switch (json_typeof(v)) {
    case JSON_OBJECT:
        return "an object";
    case JSON_ARRAY:
        return "an array";
    case JSON_STRING:
        return "a string";
    case JSON_INTEGER:
    case JSON_REAL:
        return "a number";
    case JSON_TRUE:
    case JSON_FALSE:
        return "a boolean";
    default:
        return "null";
    }
}

/* Does %g write it with digits only? */
static bool
is_whole(double v)
{
    return v == floor(v) && fabs(v) < 1e6;
}

/* "expected X, got Y", where Y shows short values themselves */
static int
expected(const struct jcur *c, struct err *err, const char *what)
{
    char got[64];

    if (json_is_integer(c->v))
        snprintf(got, sizeof got, "%lld", (long long)json_integer_value(c->v));
    else if (json_is_real(c->v)) /* 64.0 is no integer: do not show "64" */
        snprintf(got, sizeof got, "%g%s", json_real_value(c->v),
                 is_whole(json_real_value(c->v)) ? ".0" : "");
    else if (json_is_string(c->v))
        snprintf(got, sizeof got, "\"%.40s\"", json_string_value(c->v));
    else
        snprintf(got, sizeof got, "%s", type_name(c->v));
    return jcur_fail(c, err, "expected %s, got %s", what, got);
}

int
jcur_object(const struct jcur *c, const char *const *keys, struct err *err)
{
    const char *key;
    json_t *v;

    if (!json_is_object(c->v))
        return expected(c, err, "an object");
    json_object_foreach(c->v, key, v)
    {
        const char *const *k = keys;
        struct jcur at;
        const char *near;

        while (*k && strcmp(*k, key) != 0)
            k++;
        if (*k)
            continue;
        at = jcur_key(c, key);
        near = str_nearest(key, keys);
        if (near)
            return jcur_fail(&at, err, "unknown key, did you mean \"%s\"?",
                             near);
        return jcur_fail(&at, err, "unknown key");
    }
    return 0;
}

int
jcur_array(const struct jcur *c, size_t min_len, size_t *len, struct err *err)
{
    if (!json_is_array(c->v))
        return expected(c, err, "an array");
    *len = json_array_size(c->v);
    if (*len < min_len)
        return jcur_fail(c, err, "expected at least %zu element%s, got %zu",
                         min_len, min_len == 1 ? "" : "s", *len);
    return 0;
}

static int
get_int(const struct jcur *c, int64_t min, int64_t max, int64_t *out,
        struct err *err)
{
    char what[96];
    json_int_t v = json_integer_value(c->v);

    if (json_is_integer(c->v) && v >= min && v <= max) {
        *out = v;
        return 0;
    }
    if (max == INT64_MAX)
        snprintf(what, sizeof what, "an integer of at least %lld",
                 (long long)min);
    else
        snprintf(what, sizeof what, "an integer from %lld to %lld",
                 (long long)min, (long long)max);
    return expected(c, err, what);
}

int
jcur_int(const struct jcur *c, const char *key, int64_t min, int64_t max,
         int64_t *out, struct err *err)
{
    struct jcur k = jcur_key(c, key);

    return get_int(&k, min, max, out, err);
}

int
jcur_int_or(const struct jcur *c, const char *key, int64_t min, int64_t max,
            int64_t *out, struct err *err)
{
    return jcur_has(c, key) ? jcur_int(c, key, min, max, out, err) : 0;
}

int
jcur_num(const struct jcur *c, const char *key, double min, double max,
         double *out, struct err *err)
{
    struct jcur k = jcur_key(c, key);
    double v = json_number_value(k.v);
    char what[96];

    if (json_is_number(k.v) && isfinite(v) && v >= min && v <= max) {
        *out = v;
        return 0;
    }
    if (isinf(max))
        snprintf(what, sizeof what, "a number of at least %g", min);
    else
        snprintf(what, sizeof what, "a number from %g to %g", min, max);
    return expected(&k, err, what);
}

int
jcur_num_or(const struct jcur *c, const char *key, double min, double max,
            double *out, struct err *err)
{
    return jcur_has(c, key) ? jcur_num(c, key, min, max, out, err) : 0;
}

int
jcur_bool_or(const struct jcur *c, const char *key, bool *out, struct err *err)
{
    struct jcur k = jcur_key(c, key);

    if (!k.v)
        return 0;
    if (!json_is_boolean(k.v))
        return expected(&k, err, "true or false");
    *out = json_is_true(k.v);
    return 0;
}

int
jcur_str(const struct jcur *c, const char *key, const char **out,
         struct err *err)
{
    struct jcur k = jcur_key(c, key);

    if (!json_is_string(k.v) || json_string_length(k.v) == 0)
        return expected(&k, err, "a string");
    *out = json_string_value(k.v);
    return 0;
}

int
jcur_str_or(const struct jcur *c, const char *key, const char **out,
            struct err *err)
{
    return jcur_has(c, key) ? jcur_str(c, key, out, err) : 0;
}

int
jcur_enum_or(const struct jcur *c, const char *key, const char *const *names,
             int *out, struct err *err)
{
    struct jcur k = jcur_key(c, key);
    char what[256] = "one of";
    size_t n = strlen(what);
    const char *s;

    if (!k.v)
        return 0;
    s = json_string_value(k.v);
    for (int i = 0; names[i]; i++) {
        if (s && !strcmp(s, names[i])) {
            *out = i;
            return 0;
        }
        if (n < sizeof what)
            n += (size_t)snprintf(what + n, sizeof what - n, "%s %s",
                                  i ? "," : "", names[i]);
    }
    return expected(&k, err, what);
}

int
jcur_ints_or(const struct jcur *c, const char *key, size_t n, int64_t min,
             int64_t max, int64_t *out, struct err *err)
{
    struct jcur k = jcur_key(c, key);

    if (!k.v)
        return 0;
    if (!json_is_array(k.v)) {
        if (get_int(&k, min, max, &out[0], err) != 0)
            return -1;
        for (size_t i = 1; i < n; i++)
            out[i] = out[0];
        return 0;
    }
    if (json_array_size(k.v) != n)
        return jcur_fail(&k, err, "expected an integer or %zu integers", n);
    for (size_t i = 0; i < n; i++) {
        struct jcur e = jcur_at(&k, i);

        if (get_int(&e, min, max, &out[i], err) != 0)
            return -1;
    }
    return 0;
}
