/* SPDX-License-Identifier: Apache-2.0 */
#include "base/json.h"

#include "base/buf.h"
#include "base/err.h"
#include "base/fs.h"
#include "base/mem.h"
#include "base/str.h"

#include <ctype.h>
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
    if (len > 0) /* else there may be no text at all */
        memcpy(d->text, text, len);
    d->len = len;
    d->root = json_loadb(d->text, len, JSON_REJECT_DUPLICATES, &je);
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
