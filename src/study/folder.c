/* SPDX-License-Identifier: Apache-2.0 */
/* The folder of a study: settings.json, one file per finished cell, and what is
 * made of them. */
#include "base/buf.h"
#include "base/err.h"
#include "base/fs.h"
#include "base/mem.h"
#include "study/study.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#define MAX_FILE ((size_t)256 << 20)

static int
write_json(const char *path, const json_t *v, struct err *err)
{
    struct buf b = BUF_INIT(MAX_FILE);
    int r = json_dump(v, 2, &b, err);

    buf_adds(&b, "\n");
    if (r == 0)
        r = buf_ok(&b, err);
    if (r == 0)
        r = fs_write(path, b.data, b.len, err);
    buf_release(&b);
    return r;
}

/* "FOLDER/SUB/ID.SUFFIX" */
static char *
cell_path(const struct folder *f, const char *sub, const struct cell *c,
          const char *suffix)
{
    return mem_printf("%s/%s/%s%s", f->path, sub, c->id, suffix);
}

char *
folder_run(const struct folder *f, const struct cell *c)
{
    return cell_path(f, "runs", c, "");
}

/* ---- opening ------------------------------------------------------------- */

/* Somebody else's folder is not to be filled with ours. */
static int
check_free(const struct folder *f, struct err *err)
{
    static const char *const ours[] = {
        "bench.csv", "bench.json",  "cells",        "lock",
        "runs",      "report.html", "settings.json"};
    static const char draft[] = "settings.json.tmp-"; /* see fs_write */
    char *settings = fs_join(f->path, "settings.json"), **names = NULL;
    size_t n = 0;
    int r = settings ? 0 : err_nomem(err);

    if (r == 0 && fs_is_dir(f->path) && !fs_exists(settings))
        r = fs_list(f->path, &names, &n, err);
    for (size_t i = 0; r == 0 && i < n; i++) {
        size_t k = 0;

        while (k < ARRAY_LEN(ours) && strcmp(names[i], ours[k]) != 0)
            k++;
        if (k == ARRAY_LEN(ours) &&
            strncmp(names[i], draft, strlen(draft)) != 0)
            r = err_set(err, ERR_USAGE,
                        "%s: the folder has \"%s\" in it and is of no bench; "
                        "use another one (--out)",
                        f->path, names[i]);
    }
    fs_names_free(names, n);
    mem_free(settings);
    return r;
}

static int
make_folders(const struct folder *f, struct err *err)
{
    static const char *const subs[] = {"", "cells", "runs"};

    for (size_t i = 0; i < ARRAY_LEN(subs); i++) {
        char *path = fs_join(f->path, subs[i]);
        int r = path ? fs_mkdir(path, true, err) : err_nomem(err);

        mem_free(path);
        if (r != 0)
            return -1;
    }
    return 0;
}

/* A second one would train the same cells. */
static int
lock(struct folder *f, struct err *err)
{
    char *path = fs_join(f->path, "lock");
    int r = 0;

    if (!path)
        return err_nomem(err);
    f->lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    if (f->lock < 0)
        r = err_errno(err, "%s", path);
    else if (flock(f->lock, LOCK_EX | LOCK_NB) != 0)
        r = errno == EWOULDBLOCK
                ? err_set(err, ERR_USAGE,
                          "%s: another ebsp bench works in this folder",
                          f->path)
                : err_errno(err, "%s", path);
    mem_free(path);
    return r;
}

static int
check_settings(const struct folder *f, const struct study *s, struct err *err)
{
    char *path = fs_join(f->path, "settings.json");
    json_t *now = settings_make(s, err);
    struct json_doc before = {0};
    int r = path && now ? 0 : err_nomem(err);

    if (r == 0 && !fs_exists(path))
        r = write_json(path, now, err);
    else if (r == 0) {
        r = json_doc_load(&before, path, err);
        if (r == 0)
            r = settings_compare(before.root, now, f->path, err);
        if (r == 0)
            r = settings_merge(before.root, now, err);
        if (r == 0)
            r = write_json(path, before.root, err);
    }
    json_doc_release(&before);
    json_decref(now);
    mem_free(path);
    return r;
}

/* Only what is finished is kept; the rest is tried again. */
static bool
is_finished(const json_t *result)
{
    return result_is(result, "done") || result_is(result, "diverged");
}

/* A file that is damaged is told of and made again; one of other settings is
 * not ours to replace. */
static int
take_result(struct folder *f, struct cell *c, const char *path, struct err *err)
{
    struct err why = ERR_INIT;
    struct json_doc doc = {0};
    const char *settings;
    json_t *result;
    int r = 0;

    if (json_doc_load(&doc, path, &why) == 0) {
        settings = json_string_value(json_object_get(doc.root, "settings"));
        result = json_object_get(doc.root, "result");
        if (!settings || !is_finished(result))
            err_set(&why, ERR_CONFIG, "%s: expected a finished cell", path);
        else if (strcmp(settings, c->settings) != 0)
            r = err_set(err, ERR_USAGE,
                        "%s is of other settings; use another folder (--out), "
                        "or remove it",
                        path);
        else
            c->result = json_incref(result);
    }
    if (why.code != ERR_OK) {
        f->n_damaged++;
        err_set(&f->damaged, why.code, "%s", why.text);
    }
    json_doc_release(&doc);
    return r;
}

static int
take_results(struct folder *f, struct study *s, struct err *err)
{
    for (size_t i = 0; i < s->n_cells; i++) {
        struct cell *c = &s->cell[i];
        char *path = cell_path(f, "cells", c, ".json");
        int r = path ? 0 : err_nomem(err);

        if (r == 0 && fs_exists(path))
            r = take_result(f, c, path, err);
        mem_free(path);
        if (r != 0)
            return -1;
    }
    return 0;
}

int
folder_open(struct folder *f, const char *path, struct study *s,
            struct err *err)
{
    *f = (struct folder){.path = mem_strdup(path), .lock = -1};
    if (!f->path)
        return err_nomem(err);
    if (check_free(f, err) == 0 && make_folders(f, err) == 0 &&
        lock(f, err) == 0 && check_settings(f, s, err) == 0 &&
        take_results(f, s, err) == 0)
        return 0;
    folder_close(f);
    return -1;
}

void
folder_close(struct folder *f)
{
    if (f->lock >= 0)
        close(f->lock);
    mem_free(f->path);
    *f = (struct folder){.lock = -1};
}

/* ---- keeping ------------------------------------------------------------- */

int
folder_keep(const struct folder *f, const struct cell *c, struct err *err)
{
    char *path;
    json_t *v;
    int r;

    if (!is_finished(c->result))
        return 0;
    path = cell_path(f, "cells", c, ".json");
    v = json_pack("{s:s, s:O}", "settings", c->settings, "result", c->result);
    r = path && v ? write_json(path, v, err) : err_nomem(err);
    json_decref(v);
    mem_free(path);
    return r;
}

static const char *const columns[] = {
    "seconds",        "samples",       "updates",       "samples_per_second",
    "final_accuracy", "final_loss",    "best_accuracy", "waiting_share",
    "mean_staleness", "max_staleness", "bytes_pushed",  "bytes_pulled",
    "workers_lost",   "eval_seconds",  "target_seconds"};
static const char *const words[] = {"scenario", "convention", "policy"};

/* RFC 4180: a policy may have commas in it. */
static void
put_word(struct buf *b, const char *s)
{
    buf_adds(b, "\"");
    for (; *s; s++)
        buf_addf(b, "%s%c", *s == '"' ? "\"" : "", *s);
    buf_adds(b, "\",");
}

static void
put_row(struct buf *b, const json_t *cell)
{
    const char *status = json_string_value(json_object_get(cell, "status"));

    for (size_t i = 0; i < ARRAY_LEN(words); i++)
        put_word(b, json_string_value(json_object_get(cell, words[i])));
    buf_addf(b, "%" JSON_INTEGER_FORMAT ",%s",
             json_integer_value(json_object_get(cell, "seed")),
             status ? status : "");
    for (size_t i = 0; i < ARRAY_LEN(columns); i++) {
        double v = result_get(cell, columns[i]);

        buf_adds(b, ",");
        if (isfinite(v))
            buf_addf(b, "%.17g", v);
    }
    buf_adds(b, "\n");
}

static int
write_csv(const char *path, const json_t *bench, struct err *err)
{
    struct buf b = BUF_INIT(MAX_FILE);
    size_t i;
    json_t *cell;
    int r;

    buf_adds(&b, "scenario,convention,policy,seed,status");
    for (i = 0; i < ARRAY_LEN(columns); i++)
        buf_addf(&b, ",%s", columns[i]);
    buf_adds(&b, "\n");
    json_array_foreach(json_object_get(bench, "cells"), i, cell)
    {
        put_row(&b, cell);
    }
    r = buf_ok(&b, err);
    if (r == 0)
        r = fs_write(path, b.data, b.len, err);
    buf_release(&b);
    return r;
}

int
folder_publish(const struct folder *f, const json_t *bench, struct err *err)
{
    char *json = fs_join(f->path, "bench.json");
    char *csv = fs_join(f->path, "bench.csv");
    int r = json && csv ? 0 : err_nomem(err);

    if (r == 0)
        r = write_json(json, bench, err);
    if (r == 0)
        r = write_csv(csv, bench, err);
    mem_free(json);
    mem_free(csv);
    return r;
}
