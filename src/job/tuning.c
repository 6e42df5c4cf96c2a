/* SPDX-License-Identifier: Apache-2.0 */
#include "job/tuning.h"

#include "config.h"

#include "base/buf.h"
#include "base/err.h"
#include "base/fs.h"
#include "base/mem.h"
#include "nn/tune.h"

#include <stdlib.h>
#include <string.h>

#define MAX_CACHE_BYTES ((size_t)1 << 20)

/* Everything that the outcome depends on, as one text. */
static int
make_key(const struct job *j, const struct tuning *t, struct buf *key,
         struct err *err)
{
    json_t *root = j->doc.root;

    buf_addf(key, "ebsp " PACKAGE_VERSION ", ");
    tune_machine(key);
    buf_addf(key, ", %s%s, batch %u, threads %u, input ",
             t->effort == TUNING_FULL ? "full" : "quick",
             t->exact ? " exact" : "", j->batch, j->threads);
    if (json_dump(json_object_get(root, "input"), 0, key, err) != 0)
        return -1;
    buf_adds(key, ", layers ");
    if (json_dump(json_object_get(root, "layers"), 0, key, err) != 0)
        return -1;
    return buf_ok(key, err);
}

/* The folder, or NULL: where there is no home nothing is remembered. */
static char *
cache_folder(void)
{
    const char *xdg = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");

    if (xdg && *xdg == '/')
        return mem_printf("%s/ebsp", xdg);
    return home && *home == '/' ? mem_printf("%s/.cache/ebsp", home) : NULL;
}

/* FNV-1a: keys that share a file only cost a measurement. */
static uint64_t
hash(const char *s)
{
    uint64_t h = 0xcbf29ce484222325u;

    for (; *s; s++)
        h = (h ^ (unsigned char)*s) * 0x100000001b3u;
    return h;
}

/* False when there is nothing to use: absent, damaged, of another key. */
static bool
recall(struct graph *g, const char *path, const char *key)
{
    static const char *const keys[] = {"key", "ways", NULL};
    struct buf text = BUF_INIT(MAX_CACHE_BYTES);
    struct err err = ERR_INIT;
    const char *was = NULL, *ways = NULL;
    struct json_doc doc = {0};
    struct jcur root;
    bool ok;

    ok = fs_read_regular(path, &text, &err) == 0 &&
         json_doc_parse(&doc, path, text.data, text.len, &err) == 0;
    buf_release(&text);
    if (!ok)
        return false;
    root = jcur_root(&doc);
    ok = jcur_object(&root, keys, &err) == 0 &&
         jcur_str(&root, "key", &was, &err) == 0 &&
         jcur_str(&root, "ways", &ways, &err) == 0 && !strcmp(was, key) &&
         graph_set_ways(g, ways, &err) == 0;
    json_doc_release(&doc);
    return ok;
}

/* At once, so that nobody reads half of it; who cannot write measures again
 * the next time. */
static void
remember(const char *folder, const char *path, const char *key,
         const char *ways)
{
    json_t *v = json_object();
    struct buf text = BUF_INIT(MAX_CACHE_BYTES);
    struct err err = ERR_INIT;

    if (v && json_object_set_new(v, "key", json_text(key)) == 0 &&
        json_object_set_new(v, "ways", json_text(ways)) == 0 &&
        json_dump(v, 2, &text, &err) == 0 && fs_mkdir(folder, true, &err) == 0)
        (void)fs_write(path, text.data, text.len, &err);
    json_decref(v);
    buf_release(&text);
}

/* From the cache or measured; then in the cache. */
static int
find_ways(struct job *j, const struct tuning *t, const char *key,
          struct buf *ways, enum tuning_source *source, struct err *err)
{
    const struct tune_options o = {.batch = j->batch,
                                   .threads = (int)j->threads,
                                   .full = t->effort == TUNING_FULL,
                                   .exact = t->exact,
                                   .slow = t->slow,
                                   .ctx = t->ctx};
    char *folder = cache_folder();
    char *path = folder ? mem_printf("%s/ways-%016llx.json", folder,
                                     (unsigned long long)hash(key))
                        : NULL;
    int r = 0;

    *source = TUNING_CACHE;
    if (!path || !recall(j->graph, path, key)) {
        *source = TUNING_MEASURED;
        r = tune_graph(j->graph, &o, err);
    }
    if (r == 0) {
        graph_get_ways(j->graph, ways);
        r = buf_ok(ways, err);
    }
    if (r == 0 && path && *source == TUNING_MEASURED)
        remember(folder, path, key, ways->data);
    mem_free(path);
    mem_free(folder);
    return r;
}

int
tuning_choose(struct job *j, const struct tuning *t, enum tuning_source *source,
              struct err *err)
{
    const struct tune_options o = {.batch = j->batch,
                                   .threads = (int)j->threads};
    struct buf key = BUF_INIT(MAX_CACHE_BYTES), ways = BUF_INIT(1 << 16);
    int r;

    *source = TUNING_JOB;
    if (json_object_get(j->doc.root, "ways"))
        return 0;
    *source = TUNING_RULES;
    if (t->effort == TUNING_OFF || !tune_is_useful(j->graph, &o))
        return 0;
    r = make_key(j, t, &key, err);
    if (r == 0)
        r = find_ways(j, t, key.data, &ways, source, err);
    if (r == 0)
        r = job_set_string(j, "ways", ways.data, "tuned", err);
    buf_release(&key);
    buf_release(&ways);
    return r;
}

int
tuning_forget(struct job *j, struct err *err)
{
    if (json_object_get(j->doc.root, "ways"))
        json_object_del(j->doc.root, "ways");
    return graph_set_ways(j->graph, NULL, err);
}
