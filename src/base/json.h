/* SPDX-License-Identifier: Apache-2.0 */
/* Strict reading of JSON documents; the only door to jansson.
 *
 * A cursor (struct jcur) names a place in a document.  Every getter checks type
 * and range and, when the value is wrong, says where: file:line:column, the
 * path of the key, what was expected and what was found.  Cursors live on the
 * stack and borrow their parents and the document. */
#ifndef EBSP_BASE_JSON_H
#define EBSP_BASE_JSON_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct buf;
struct err;

struct json_doc {
    char *name; /* file name for messages */
    char *text; /* the document as it was read, for positions */
    size_t len;
    json_t *root;     /* owned */
    char **set_paths; /* paths replaced by json_doc_set, in order */
    char **set_args;  /* "--set a.b=1": what they came from */
    size_t n_set;
};

#define JSON_MAX_BYTES ((size_t)16 << 20)

int json_doc_load(struct json_doc *d, const char *path, struct err *err);
/* `name` stands for the file in messages. Text need not end with a zero. */
int json_doc_parse(struct json_doc *d, const char *name, const char *text,
                   size_t len, struct err *err);
void json_doc_release(struct json_doc *d);
/* Replaces (or adds) the value at "a.b[2].c".  `value` is JSON; what is not
 * JSON is taken as a string.  `origin` stands for the position in messages.
 * The parent must exist; an array index must exist. */
int json_doc_set(struct json_doc *d, const char *path, const char *value,
                 const char *origin, struct err *err);
/* The argument a path was set by, or NULL. */
const char *json_doc_origin(const struct json_doc *d, const char *path);

struct jcur {
    const struct json_doc *doc;
    json_t *v;             /* borrowed; NULL: the key is absent */
    const struct jcur *up; /* NULL at the root */
    const char *key;       /* set in an object */
    size_t index;          /* set in an array, when key is NULL */
};

struct jcur jcur_root(const struct json_doc *d);
/* Absent keys give a cursor with v == NULL. `c` must be an object. */
struct jcur jcur_key(const struct jcur *c, const char *key);
struct jcur jcur_at(const struct jcur *c, size_t index);
bool jcur_has(const struct jcur *c, const char *key);

/* The cursor is an object that has no key but these (ended by NULL). */
int jcur_object(const struct jcur *c, const char *const *keys, struct err *err);
/* The cursor is an array with at least min_len elements. */
int jcur_array(const struct jcur *c, size_t min_len, size_t *len,
               struct err *err);

/* Value of a key of `c`.  When the key is absent: the *_or forms leave *out
 * as it is, the others fail.  Ranges include their ends. */
int jcur_int(const struct jcur *c, const char *key, int64_t min, int64_t max,
             int64_t *out, struct err *err);
int jcur_int_or(const struct jcur *c, const char *key, int64_t min, int64_t max,
                int64_t *out, struct err *err);
int jcur_num(const struct jcur *c, const char *key, double min, double max,
             double *out, struct err *err);
int jcur_num_or(const struct jcur *c, const char *key, double min, double max,
                double *out, struct err *err);
int jcur_bool_or(const struct jcur *c, const char *key, bool *out,
                 struct err *err);
/* The string stays the document's. */
int jcur_str(const struct jcur *c, const char *key, const char **out,
             struct err *err);
int jcur_str_or(const struct jcur *c, const char *key, const char **out,
                struct err *err);
/* One of the names (ended by NULL); *out is its index. */
int jcur_enum_or(const struct jcur *c, const char *key,
                 const char *const *names, int *out, struct err *err);
/* An integer, or an array of exactly n integers: out[0..n-1]. */
int jcur_ints_or(const struct jcur *c, const char *key, size_t n, int64_t min,
                 int64_t max, int64_t *out, struct err *err);

/* ERR_CONFIG with position and path in front; for checks of one's own. */
int jcur_fail(const struct jcur *c, struct err *err, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
/* "layers[3].kernel" */
void jcur_path(const struct jcur *c, char *to, size_t cap);

/* Line and column (from 1, column in bytes) where the value at `path` begins
 * in well-formed JSON text; false when there is no such value. */
bool json_position(const char *text, size_t len, const char *path, int *line,
                   int *column);

/* A new string; what is not UTF-8 (a path may be anything) is escaped as by
 * str_escape.  NULL only when memory is out. */
json_t *json_text(const char *s);

/* Writing: appends compact JSON (indent 0) or pretty JSON. */
int json_dump(const json_t *v, int indent, struct buf *to, struct err *err);

#endif
