/* SPDX-License-Identifier: Apache-2.0 */
#include "base/json.h"

#include "base/buf.h"
#include "base/err.h"
#include "base/fs.h"
#include "base/mem.h"
#include "base/str.h"

#include <ctype.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PATH_CAP 256

json_t *
json_text(const char *s)
{
    json_t *v = json_string(s);
    size_t n = strlen(s), cap = 4 * n + 1; /* each byte as \xHH */
    char *safe;

    if (v || !(safe = mem_alloc(cap, 1)))
        return v;
    str_escape(safe, cap, s, n);
    v = json_string(safe);
    mem_free(safe);
    return v;
}

/* ---- documents ---- */

int
json_doc_parse(struct json_doc *d, const char *name, const char *text,
               size_t len, struct err *err)
{
    json_error_t je;

    memset(d, 0, sizeof *d);
    d->name = mem_strdup(name);
    d->text = mem_alloc(len + 1, 1);
    if (!d->name || !d->text) {
        json_doc_release(d);
        return err_nomem(err);
    }
    memcpy(d->text, text, len);
    d->len = len;
    d->root = json_loadb(text, len, JSON_REJECT_DUPLICATES, &je);
    if (!d->root) {
        err_set(err, ERR_CONFIG, "%s:%d:%d: %s", name, je.line, je.column,
                je.text);
        json_doc_release(d);
        return -1;
    }
    return 0;
}

int
json_doc_load(struct json_doc *d, const char *path, struct err *err)
{
    struct buf b = BUF_INIT(JSON_MAX_BYTES);
    struct err why = ERR_INIT;
    int r = -1;

    memset(d, 0, sizeof *d);
    if (fs_read(path, &b, &why) != 0)
        err_set(err, why.code == ERR_NOMEM ? ERR_NOMEM : ERR_CONFIG, "%s",
                why.text);
    else
        r = json_doc_parse(d, path, b.data ? b.data : "", b.len, err);
    buf_release(&b);
    return r;
}

void
json_doc_release(struct json_doc *d)
{
    json_decref(d->root);
    for (size_t i = 0; i < d->n_set; i++) {
        mem_free(d->set_paths[i]);
        mem_free(d->set_args[i]);
    }
    mem_free(d->set_paths);
    mem_free(d->set_args);
    mem_free(d->name);
    mem_free(d->text);
    memset(d, 0, sizeof *d);
}

/* One step of "a.b[2].c": a key into `key` (and *index = -1) or an index.
 * Returns what follows, or NULL when the path is malformed. */
static const char *
path_step(const char *p, char *key, size_t cap, long *index)
{
    size_t n = 0;

    *index = -1;
    if (*p == '[') {
        char *end;

        if (!isdigit((unsigned char)p[1]))
            return NULL;
        *index = strtol(p + 1, &end, 10);
        return *end == ']' && *index < 1 << 20 ? end + 1 : NULL;
    }
    if (*p == '.')
        p++;
    while (*p && *p != '.' && *p != '[') {
        if (n + 1 >= cap)
            return NULL;
        key[n++] = *p++;
    }
    key[n] = '\0';
    return n ? p : NULL;
}

static int
remember_set(struct json_doc *d, const char *path, const char *origin,
             struct err *err)
{
    size_t n = d->n_set;
    char **paths = mem_resize(d->set_paths, n, n + 1, sizeof *paths);
    char **args;

    if (!paths)
        return err_nomem(err);
    d->set_paths = paths;
    args = mem_resize(d->set_args, n, n + 1, sizeof *args);
    if (!args)
        return err_nomem(err);
    d->set_args = args;
    paths[n] = mem_strdup(path);
    args[n] = mem_strdup(origin);
    if (!paths[n] || !args[n]) {
        mem_free(paths[n]);
        mem_free(args[n]);
        return err_nomem(err);
    }
    d->n_set++;
    return 0;
}

int
json_doc_set(struct json_doc *d, const char *path, const char *value,
             const char *origin, struct err *err)
{
    char key[PATH_CAP];
    json_t *at = d->root, *v;
    const char *p = path;
    long index;
    int r;

    for (;;) {
        const char *rest = path_step(p, key, sizeof key, &index);
        json_t *next;

        if (!rest)
            return err_set(err, ERR_CONFIG,
                           "%s: malformed path, expected key.path[index]",
                           origin);
        if (index >= 0 ? !json_is_array(at) : !json_is_object(at))
            return err_set(err, ERR_CONFIG, "%s: \"%.*s\" is no %s", origin,
                           (int)(p - path), path,
                           index >= 0 ? "array" : "object");
        next = index >= 0 ? json_array_get(at, (size_t)index)
                          : json_object_get(at, key);
        if (*rest == '\0') {
            if (index >= 0 && !next)
                return err_set(err, ERR_CONFIG, "%s: no such element", origin);
            break;
        }
        if (!next)
            return err_set(err, ERR_CONFIG, "%s: no \"%.*s\" in %s", origin,
                           (int)(rest - path), path, d->name);
        at = next;
        p = rest;
    }
    v = json_loads(value, JSON_DECODE_ANY | JSON_REJECT_DUPLICATES, NULL);
    if (!v)
        v = json_string(value);
    if (!v)
        return err_set(err, ERR_CONFIG, "%s: not UTF-8", origin);
    r = index >= 0 ? json_array_set_new(at, (size_t)index, v)
                   : json_object_set_new(at, key, v);
    if (r != 0)
        return err_nomem(err);
    return remember_set(d, path, origin, err);
}

/* A path is covered by what was set at it or above it; the last set wins. */
const char *
json_doc_origin(const struct json_doc *d, const char *path)
{
    for (size_t i = d->n_set; i > 0; i--) {
        const char *set = d->set_paths[i - 1];
        size_t n = strlen(set);

        if (!strncmp(path, set, n) &&
            (path[n] == '\0' || path[n] == '.' || path[n] == '['))
            return d->set_args[i - 1];
    }
    return NULL;
}

int
json_dump(const json_t *v, int indent, struct buf *to, struct err *err)
{
    size_t flags = JSON_ENCODE_ANY | JSON_REAL_PRECISION(17);
    char *s = json_dumps(v, indent ? flags | JSON_INDENT((size_t)indent)
                                   : flags | JSON_COMPACT);

    if (!s)
        return err_nomem(err);
    buf_adds(to, s);
    free(s);
    return buf_ok(to, err);
}

/* ---- cursors ---- */

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
