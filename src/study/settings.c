/* SPDX-License-Identifier: Apache-2.0 */
/* What results depend on: kept beside them, so that they are not mixed with
 * those of other settings. */
#include "config.h"

#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"
#include "study/study.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define MAX_TEXT ((size_t)64 << 20)

/* Keys of a job that are an axis of the matrix, or change no result. */
static const char *const free_keys[] = {
    "policy", "seed",    "target_accuracy", "name",    "description",
    "origin", "$schema", "data_dir",        "emulate", NULL,
};

static json_t *
job_settings(const struct job *j)
{
    json_t *v = json_deep_copy(j->doc.root);

    for (int i = 0; v && free_keys[i]; i++)
        json_object_del(v, free_keys[i]);
    return v;
}

json_t *
settings_make(const struct study *s, struct err *err)
{
    json_t *scenarios = json_object(), *plugins = json_object(), *v;
    int r = 0;

    for (size_t i = 0; i < s->n_scenarios; i++) {
        json_t *one = json_deep_copy(s->scenario[i].doc.root);

        if (one)
            json_object_del(one, "description");
        r |= json_object_set_new(scenarios, s->scenario[i].name, one);
    }
    for (size_t i = 0; i < s->n_policies; i++)
        r |= json_object_set_new(plugins, s->policy[i].spec,
                                 json_text(s->policy[i].version));
    v = json_pack(
        "{s:i, s:s, s:s, s:I, s:f, s:o, s:o, s:o}", "format", 1, "ebsp",
        PACKAGE_VERSION, "mode", s->is_virtual ? "virtual" : "live", "workers",
        (json_int_t)s->workers, "pace", s->pace_ms, "job",
        job_settings(&s->job), "scenarios", scenarios, "plugins", plugins);
    if (v && r == 0)
        return v;
    json_decref(v);
    err_nomem(err);
    return NULL;
}

/* ---- comparing ----------------------------------------------------------- */

static void
show(const json_t *v, char *to, size_t cap)
{
    struct buf b = BUF_INIT(MAX_TEXT);

    if (json_is_real(v)) /* as people write it */
        snprintf(to, cap, "%.15g", json_real_value(v));
    else if (!v || json_dump(v, 0, &b, NULL) != 0)
        snprintf(to, cap, "%s", v ? "?" : "absent");
    else if (b.len < cap)
        snprintf(to, cap, "%s", b.data);
    else
        snprintf(to, cap, "%.*s...", (int)cap - 4, b.data);
    buf_release(&b);
}

/* The workers and the pace of a study are 0 without their options: then the
 * job tells. */
static bool
is_left_out(const char *key, const json_t *v)
{
    return (!strcmp(key, "workers") || !strcmp(key, "pace")) &&
           json_is_number(v) && json_number_value(v) == 0;
}

/* To the first place below where they differ, as far as both are objects. */
static void
descend(const json_t **was, const json_t **is, struct buf *path)
{
    while (json_is_object(*was) && json_is_object(*is)) {
        const json_t *a = *was, *b = *is;
        const char *key, *at = NULL;
        json_t *v;

        json_object_foreach((json_t *)(uintptr_t)b, key, v)
        {
            if (!at && !json_equal(json_object_get(a, key), v))
                at = key;
        }
        json_object_foreach((json_t *)(uintptr_t)a, key, v)
        {
            if (!at && !json_object_get(b, key))
                at = key;
        }
        if (!at)
            return;
        buf_addf(path, ".%s", at);
        *was = json_object_get(a, at);
        *is = json_object_get(b, at);
    }
}

static int
refuse(const char *path, const char *what, const char *key, const json_t *was,
       const json_t *is, struct err *err)
{
    struct buf where = BUF_INIT(MAX_TEXT);
    char before[100], now[100];
    int r;

    buf_adds(&where, key);
    descend(&was, &is, &where);
    show(was, before, sizeof before);
    show(is, now, sizeof now);
    r = err_set(err, ERR_USAGE,
                "%s was made with other settings: %s%s was %s, is %s; use "
                "another folder (--out), or remove it",
                path, what, where.data,
                is_left_out(key, was) ? "not given" : before,
                is_left_out(key, is) ? "not given" : now);
    buf_release(&where);
    return r;
}

static int
compare_keys(const json_t *before, const json_t *now, bool only_common,
             const char *what, const char *path, struct err *err)
{
    const char *key;
    json_t *v;

    json_object_foreach((json_t *)(uintptr_t)now, key, v)
    {
        const json_t *was = json_object_get(before, key);

        if (!was && only_common)
            continue;
        if (!was || !json_equal(was, v))
            return refuse(path, what, key, was, v, err);
    }
    json_object_foreach((json_t *)(uintptr_t)before, key, v)
    {
        if (!only_common && !json_object_get(now, key))
            return refuse(path, what, key, v, NULL, err);
    }
    return 0;
}

int
settings_compare(const json_t *before, const json_t *now, const char *path,
                 struct err *err)
{
    static const char *const plain[] = {"format",  "ebsp", "mode",
                                        "workers", "pace", NULL};

    for (int i = 0; plain[i]; i++) {
        const json_t *was = json_object_get(before, plain[i]);
        const json_t *is = json_object_get(now, plain[i]);

        if (!was || !json_equal(was, is))
            return refuse(path, "", plain[i], was, is, err);
    }
    if (compare_keys(json_object_get(before, "job"),
                     json_object_get(now, "job"), false, "the job's ", path,
                     err) != 0)
        return -1;
    if (compare_keys(json_object_get(before, "scenarios"),
                     json_object_get(now, "scenarios"), true, "scenario ", path,
                     err) != 0)
        return -1;
    return compare_keys(json_object_get(before, "plugins"),
                        json_object_get(now, "plugins"), true,
                        "the version of policy ", path, err);
}

int
settings_merge(json_t *before, const json_t *now, struct err *err)
{
    static const char *const open[] = {"scenarios", "plugins", NULL};
    int r = 0;

    for (int i = 0; open[i]; i++)
        r |= json_object_update(json_object_get(before, open[i]),
                                json_object_get(now, open[i]));
    return r == 0 ? 0 : err_set(err, ERR_CONFIG, "no settings");
}

/* ---- checksum ------------------------------------------------------------ */

/* FNV-1a, 64 bits. */
uint64_t
settings_hash(const char *p, size_t n)
{
    uint64_t h = UINT64_C(0xcbf29ce484222325);

    for (size_t i = 0; i < n; i++)
        h = (h ^ (uint8_t)p[i]) * UINT64_C(0x100000001b3);
    return h;
}

static void
put_value(struct buf *to, const json_t *v, struct err *err)
{
    /* the order of the keys is that of the file: another order, another job */
    if (v && json_dump(v, 0, to, err) == 0)
        buf_u8(to, 0);
}

char *
settings_checksum(const json_t *settings, const struct study *s,
                  const struct cell *c, struct err *err)
{
    static const char *const common[] = {"format",  "ebsp", "mode", "job",
                                         "workers", "pace", NULL};
    struct buf b = BUF_INIT(MAX_TEXT);
    char *hex = NULL;

    for (int i = 0; common[i]; i++)
        put_value(&b, json_object_get(settings, common[i]), err);
    if (c) {
        put_value(&b,
                  json_object_get(json_object_get(settings, "scenarios"),
                                  s->scenario[c->scenario].name),
                  err);
        buf_addf(&b, "%s %s %s %" PRIu64, s->policy[c->policy].spec,
                 s->policy[c->policy].version,
                 convention_names[s->convention[c->convention]], c->seed);
    }
    if (buf_ok(&b, err) == 0) {
        hex = mem_printf("%016" PRIx64, settings_hash(b.data, b.len));
        if (!hex)
            err_nomem(err);
    }
    buf_release(&b);
    return hex;
}
