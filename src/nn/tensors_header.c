/* SPDX-License-Identifier: Apache-2.0 */
#include "nn/tensors_header.h"

#include "base/buf.h"
#include "base/err.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/rd.h"
#include "base/str.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define METADATA "__metadata__"

/* ---- writing ---- */

static json_t *
entry_of(const struct segment *s, uint64_t at)
{
    json_t *shape = json_array();
    int bad = !shape;

    for (int i = 0; !bad && i < s->n_dims; i++)
        bad = json_array_append_new(shape, json_integer(s->dim[i])) != 0;
    if (bad) {
        json_decref(shape);
        return NULL;
    }
    return json_pack("{s:s, s:o, s:[I, I]}", "dtype", "F32", "shape", shape,
                     "data_offsets", (json_int_t)at,
                     (json_int_t)(at + s->count * sizeof(float)));
}

static json_t *
header_of(const struct segtab *t, const struct tensors_meta *meta,
          size_t n_meta)
{
    json_t *root = json_object(), *texts = n_meta ? json_object() : NULL;
    uint64_t at = 0;
    int bad = !root;

    for (size_t i = 0; i < n_meta; i++)
        bad |= json_object_set_new(texts, meta[i].key,
                                   json_string(meta[i].value)) != 0;
    if (n_meta)
        bad |= json_object_set_new(root, METADATA, texts) != 0;
    for (size_t i = 0; i < t->n; i++) {
        const struct segment *s = &t->seg[i];

        bad |= json_object_set_new(root, s->name, entry_of(s, at)) != 0;
        at += s->count * sizeof(float);
    }
    if (!bad)
        return root;
    json_decref(root);
    return NULL;
}

int
tensors_header_write(const struct segtab *t, const struct tensors_meta *meta,
                     size_t n_meta, struct buf *to, struct err *err)
{
    struct buf text = BUF_INIT(JSON_MAX_BYTES);
    json_t *root = header_of(t, meta, n_meta);
    int r = root ? json_dump(root, 0, &text, err) : err_nomem(err);

    while (r == 0 && !text.bad && text.len % 8 != 0)
        buf_u8(&text, ' ');
    if (r == 0)
        r = buf_ok(&text, err);
    if (r == 0) {
        buf_u64(to, text.len);
        buf_add(to, text.data, text.len);
        r = buf_ok(to, err);
    }
    json_decref(root);
    buf_release(&text);
    return r;
}

/* ---- reading ---- */

int
tensors_header_length(const char *name,
                      const unsigned char prefix[TENSORS_PREFIX],
                      uint64_t n_bytes, size_t *len, struct err *err)
{
    struct rd r;
    uint64_t n;

    rd_init(&r, prefix, TENSORS_PREFIX);
    n = rd_u64(&r);
    if (n_bytes < TENSORS_PREFIX || n > n_bytes - TENSORS_PREFIX)
        return err_set(err, ERR_CONFIG,
                       "%s: %llu bytes, too short for a header of %llu", name,
                       (unsigned long long)n_bytes, (unsigned long long)n);
    if (n < 2 || n > JSON_MAX_BYTES)
        return err_set(err, ERR_CONFIG,
                       "%s: header of %llu bytes, expected 2 to %zu", name,
                       (unsigned long long)n, JSON_MAX_BYTES);
    *len = (size_t)n;
    return 0;
}

/* The parser quotes what it stumbles over. */
static int
parse_text(struct json_doc *d, const char *name, const char *text, size_t len,
           struct err *err)
{
    struct err why = ERR_INIT;
    char safe[sizeof why.text];

    if (json_doc_parse(d, "header", text, len, &why) == 0)
        return 0;
    str_escape(safe, sizeof safe, why.text, strlen(why.text));
    return err_set(err, why.code, "%s: %s", name, safe);
}

struct span {
    uint64_t begin, end; /* bytes of the data */
};

static bool
shape_is(const json_t *shape, const struct segment *s)
{
    if (!json_is_array(shape) || json_array_size(shape) != (size_t)s->n_dims)
        return false;
    for (int i = 0; i < s->n_dims; i++) {
        const json_t *d = json_array_get(shape, (size_t)i);

        if (!json_is_integer(d) || json_integer_value(d) != s->dim[i])
            return false;
    }
    return true;
}

/* "[20, 1, 5, 5]" */
static void
shape_text_of(const struct segment *s, char *to, size_t cap)
{
    size_t n = (size_t)snprintf(to, cap, "[");

    for (int i = 0; i < s->n_dims && n < cap; i++)
        n += (size_t)snprintf(to + n, cap - n, "%s%lld", i ? ", " : "",
                              (long long)s->dim[i]);
    if (n < cap)
        snprintf(to + n, cap - n, "]");
}

static int
read_entry(const char *name, const json_t *e, const struct segment *s,
           uint64_t n_data, struct span *span, struct err *err)
{
    const char *dtype = json_string_value(json_object_get(e, "dtype"));
    const json_t *offsets = json_object_get(e, "data_offsets");
    const json_t *a = json_array_get(offsets, 0);
    const json_t *b = json_array_get(offsets, 1);
    uint64_t n_bytes = s->count * sizeof(float);
    json_int_t begin = json_integer_value(a), end = json_integer_value(b);
    char text[128];

    if (!e)
        return err_set(err, ERR_CONFIG, "%s: no tensor \"%s\"", name, s->name);
    if (!dtype || strcmp(dtype, "F32") != 0) {
        str_escape(text, 32, dtype ? dtype : "", dtype ? strlen(dtype) : 0);
        return err_set(err, ERR_CONFIG,
                       "%s: tensor \"%s\": expected dtype \"F32\", got \"%s\"",
                       name, s->name, text);
    }
    if (!shape_is(json_object_get(e, "shape"), s)) {
        shape_text_of(s, text, sizeof text);
        return err_set(err, ERR_CONFIG, "%s: tensor \"%s\": expected shape %s",
                       name, s->name, text);
    }
    if (json_array_size(offsets) != 2 || !json_is_integer(a) ||
        !json_is_integer(b) || begin < 0 || end < begin ||
        (uint64_t)end > n_data || (uint64_t)(end - begin) != n_bytes ||
        json_object_size(e) != 3)
        return err_set(err, ERR_CONFIG,
                       "%s: tensor \"%s\": expected data_offsets of %llu bytes "
                       "within the %llu bytes of data",
                       name, s->name, (unsigned long long)n_bytes,
                       (unsigned long long)n_data);
    *span = (struct span){(uint64_t)begin, (uint64_t)end};
    return 0;
}

static int
by_begin(const void *a, const void *b)
{
    const struct span *x = a, *y = b;

    return (x->begin > y->begin) - (x->begin < y->begin);
}

/* Sorts the spans. */
static int
check_cover(const char *name, struct span *span, size_t n, uint64_t n_data,
            struct err *err)
{
    uint64_t at = 0;

    qsort(span, n, sizeof *span, by_begin);
    for (size_t i = 0; i < n; i++) {
        if (span[i].begin != at)
            return err_set(
                err, ERR_CONFIG, "%s: %s at byte %llu of the data", name,
                span[i].begin < at ? "tensors overlap" : "a hole",
                (unsigned long long)(span[i].begin < at ? span[i].begin : at));
        at = span[i].end;
    }
    if (at != n_data)
        return err_set(err, ERR_CONFIG, "%s: %llu bytes after the last tensor",
                       name, (unsigned long long)(n_data - at));
    return 0;
}

/* Every tensor of the table was found: any other one is too many. */
static int
check_no_other(const char *name, json_t *root, const struct segtab *t,
               struct err *err)
{
    const char *key;
    json_t *v;

    if (json_object_size(root) ==
        t->n + (json_object_get(root, METADATA) ? 1 : 0))
        return 0;
    json_object_foreach(root, key, v)
    {
        char text[128];
        size_t i = 0;

        while (i < t->n && strcmp(key, t->seg[i].name) != 0)
            i++;
        if (i < t->n || !strcmp(key, METADATA))
            continue;
        str_escape(text, sizeof text, key, strlen(key));
        return err_set(err, ERR_CONFIG,
                       "%s: tensor \"%s\" is not of this network", name, text);
    }
    return 0;
}

int
tensors_header_parse(const char *name, const char *text, size_t len,
                     uint64_t n_data, const struct segtab *t, uint64_t *at,
                     struct err *err)
{
    struct json_doc d;
    struct span *span = NULL;
    int r = -1;

    if (parse_text(&d, name, text, len, err) != 0)
        return -1;
    span = mem_alloc(t->n, sizeof *span);
    if (!span) {
        err_nomem(err);
        goto out;
    }
    if (!json_is_object(d.root)) {
        err_set(err, ERR_CONFIG, "%s: expected an object as header", name);
        goto out;
    }
    for (size_t i = 0; i < t->n; i++) {
        const struct segment *s = &t->seg[i];

        if (read_entry(name, json_object_get(d.root, s->name), s, n_data,
                       &span[i], err) != 0)
            goto out;
        at[i] = span[i].begin;
    }
    if (check_no_other(name, d.root, t, err) == 0 &&
        check_cover(name, span, t->n, n_data, err) == 0)
        r = 0;
out:
    mem_free(span);
    json_doc_release(&d);
    return r;
}

char *
tensors_header_meta(const char *name, const char *text, size_t len,
                    const char *key, struct err *err)
{
    struct json_doc d;
    const char *value;
    char *copy = NULL;

    if (parse_text(&d, name, text, len, err) != 0)
        return NULL;
    value = json_string_value(
        json_object_get(json_object_get(d.root, METADATA), key));
    if (!value)
        err_set(err, ERR_CONFIG, "%s: no \"%s\" in its metadata", name, key);
    else if (!(copy = mem_strdup(value)))
        err_nomem(err);
    json_doc_release(&d);
    return copy;
}
