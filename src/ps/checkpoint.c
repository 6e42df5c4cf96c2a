/* SPDX-License-Identifier: Apache-2.0 */
#include "ps/checkpoint.h"

#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/fs.h"
#include "base/mem.h"
#include "job/rundir.h"
#include "nn/tensors.h"
#include "wire/frame.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define MAX_STATE ((size_t)256 << 20)
#define FORMAT    1

/* The model carries its job, so that "ebsp eval" needs nothing else. */
static int
save_model(const char *dir, const struct job *job, const float *v,
           struct err *err)
{
    struct buf text = BUF_INIT(JSON_MAX_BYTES * 2);
    char *path = fs_join(dir, "model.safetensors");
    int r = path ? job_dump(job, &text, err) : err_nomem(err);

    if (r == 0) {
        struct tensors_meta meta[] = {{"format", "pt"},
                                      {"ebsp_job", text.data}};

        r = tensors_save(path, graph_get_segments(job->graph), v, meta,
                         ARRAY_LEN(meta), err);
    }
    buf_release(&text);
    mem_free(path);
    return r;
}

static char *
plane_path(const char *dir, const struct optim *o, int plane)
{
    return mem_printf("%s/optim-%s.safetensors", dir,
                      optim_plane_name(o, plane));
}

static int
save_planes(const char *dir, const struct job *job, struct optim *o,
            struct err *err)
{
    for (int i = 0; i < optim_planes(o); i++) {
        char *path = plane_path(dir, o, i);
        int r = path ? tensors_save(path, graph_get_segments(job->graph),
                                    optim_plane(o, i), NULL, 0, err)
                     : err_nomem(err);

        mem_free(path);
        if (r != 0)
            return -1;
    }
    return 0;
}

static int
save_state(const char *dir, struct store *store, const struct assign *assign,
           const struct job *job, const struct checkpoint_state *st,
           struct err *err)
{
    size_t bytes = graph_get_segments(job->graph)->n_floats * sizeof(float);
    struct buf b = BUF_INIT(MAX_STATE);
    char *path = fs_join(dir, "state.json"), now[32];
    int r;

    clock_iso(now);
    buf_addf(&b, "{\"format\": %d, \"written\": \"%s\",\n", FORMAT, now);
    buf_addf(&b, " \"version\": %" PRIu64 ", \"seed\": %" PRIu64 ",\n",
             store_get_version(store), job->seed);
    buf_addf(&b, " \"optimizer_updates\": %" PRIu64 ",\n",
             optim_get_count(store_get_optim(store)));
    buf_addf(&b, " \"params_hash\": \"%016" PRIx64 "\",\n",
             wire_hash(store_peek(store), bytes));
    buf_addf(&b, " \"data_hash\": \"%016" PRIx64 "\",\n", st->data_hash);
    buf_addf(&b, " \"wall_seconds\": %.9f, \"max_staleness\": %" PRIu64 ",\n",
             st->wall_seconds, st->max_staleness);
    buf_addf(&b,
             " \"bytes_pushed\": %" PRIu64 ", \"bytes_pulled\": %" PRIu64
             ",\n \"assignment\": ",
             st->bytes_pushed, st->bytes_pulled);
    r = assign_save(assign, &b, err);
    buf_adds(&b, "}\n");
    if (r == 0)
        r = path ? buf_ok(&b, err) : err_nomem(err);
    if (r == 0)
        r = fs_write(path, b.data, b.len, err);
    buf_release(&b);
    mem_free(path);
    return r;
}

/* Best effort: an old checkpoint too many is no reason to stop. */
static void
remove_old(const char *run, uint32_t keep)
{
    char **names;
    size_t n;

    if (rundir_list_checkpoints(run, &names, &n, NULL) != 0)
        return;
    for (size_t i = 0; i + keep < n; i++) {
        char *path = fs_join(run, names[i]);

        if (path)
            fs_remove(path, NULL);
        mem_free(path);
    }
    fs_names_free(names, n);
}

int
checkpoint_save(const char *run, const struct job *job, struct store *store,
                const struct assign *assign, const struct checkpoint_state *st,
                char **path, struct err *err)
{
    char *tmp = mem_printf("%s/.checkpoint-%ld", run, (long)getpid());
    char *state = NULL;
    char *dir =
        mem_printf("%s/checkpoint-%012" PRIu64, run, store_get_version(store));
    int r = -1;

    if (path)
        *path = NULL;
    if (!tmp || !dir) {
        err_nomem(err);
        goto out;
    }
    state = fs_join(dir, "state.json");
    if (!state) {
        err_nomem(err);
        goto out;
    }
    if (fs_exists(state)) { /* of this very version: it cannot differ */
        r = 0;
        goto out;
    }
    /* What has the name but no state is no checkpoint and in the way. */
    if (fs_remove(dir, err) != 0 || fs_remove(tmp, err) != 0 ||
        fs_mkdir(tmp, false, err) != 0 ||
        save_model(tmp, job, store_peek(store), err) != 0 ||
        save_planes(tmp, job, store_get_optim(store), err) != 0 ||
        save_state(tmp, store, assign, job, st, err) != 0 ||
        fs_sync_dir(tmp, err) != 0)
        goto out;
    if (rename(tmp, dir) != 0) {
        err_errno(err, "%s", dir);
        goto out;
    }
    r = fs_sync_dir(run, err);
    remove_old(run, job->checkpoint_keep);
out:
    if (r != 0) {
        err_wrap(err, "checkpoint");
        if (tmp)
            fs_remove(tmp, NULL);
    }
    if (r == 0 && path) {
        *path = dir;
        dir = NULL;
    }
    mem_free(state);
    mem_free(tmp);
    mem_free(dir);
    return r;
}

static int
check_hash(const struct jcur *root, const char *key, uint64_t hash,
           const char *what, struct err *err)
{
    struct jcur at = jcur_key(root, key);
    const char *saved = NULL;
    char now[20];

    snprintf(now, sizeof now, "%016" PRIx64, hash);
    if (jcur_str(root, key, &saved, err) != 0)
        return -1;
    if (strcmp(saved, now) != 0)
        return jcur_fail(&at, err, "%s: checksum %s, expected \"%s\"", what,
                         now, saved);
    return 0;
}

static int
read_state(const struct json_doc *doc, const struct job *job,
           struct store *store, struct assign *assign,
           struct checkpoint_state *st, struct err *err)
{
    struct jcur root = jcur_root(doc);
    struct jcur cursors = jcur_key(&root, "assignment");
    int64_t format = 0, version = 0, seed = 0, updates = 0, staleness = 0;
    int64_t pushed = 0, pulled = 0;
    size_t n_floats = graph_get_segments(job->graph)->n_floats;

    if (jcur_int(&root, "format", FORMAT, FORMAT, &format, err) != 0 ||
        jcur_int(&root, "version", 0, INT64_MAX, &version, err) != 0 ||
        jcur_int(&root, "seed", 0, INT64_MAX, &seed, err) != 0 ||
        jcur_int(&root, "optimizer_updates", 0, INT64_MAX, &updates, err) !=
            0 ||
        jcur_num(&root, "wall_seconds", 0, INFINITY, &st->wall_seconds, err) !=
            0 ||
        jcur_int(&root, "max_staleness", 0, INT64_MAX, &staleness, err) != 0 ||
        jcur_int(&root, "bytes_pushed", 0, INT64_MAX, &pushed, err) != 0 ||
        jcur_int(&root, "bytes_pulled", 0, INT64_MAX, &pulled, err) != 0 ||
        assign_load(assign, &cursors, err) != 0)
        return -1;
    if ((uint64_t)seed != job->seed) /* generated data would differ too */
        return err_set(err, ERR_CONFIG,
                       "%s: seed %" PRId64 " differs from the job's %" PRIu64
                       ": the order of the samples would change",
                       doc->name, seed, job->seed);
    if (check_hash(&root, "params_hash",
                   wire_hash(store_peek(store), n_floats * sizeof(float)),
                   "damaged model.safetensors", err) != 0 ||
        check_hash(&root, "data_hash", st->data_hash,
                   "the data are not those of the checkpoint", err) != 0)
        return -1;
    st->max_staleness = (uint64_t)staleness;
    st->bytes_pushed = (uint64_t)pushed;
    st->bytes_pulled = (uint64_t)pulled;
    store_set_version(store, (uint64_t)version);
    optim_set_count(store_get_optim(store), (uint64_t)updates);
    return 0;
}

static int
load_planes(const char *dir, const struct job *job, struct optim *o,
            struct err *err)
{
    for (int i = 0; i < optim_planes(o); i++) {
        char *path = plane_path(dir, o, i);
        int r = path ? tensors_load(path, graph_get_segments(job->graph),
                                    optim_plane(o, i), err)
                     : err_nomem(err);

        mem_free(path);
        if (r != 0)
            return -1;
    }
    return 0;
}

int
checkpoint_load(const char *path, const struct job *job, struct store *store,
                struct assign *assign, struct checkpoint_state *st,
                struct err *err)
{
    char *model = fs_join(path, "model.safetensors");
    char *state = fs_join(path, "state.json");
    struct json_doc doc = {0};
    int r = -1;

    if (!model || !state)
        err_nomem(err);
    else if (tensors_load(model, graph_get_segments(job->graph),
                          store_edit(store), err) == 0 &&
             load_planes(path, job, store_get_optim(store), err) == 0 &&
             json_doc_load(&doc, state, err) == 0)
        r = read_state(&doc, job, store, assign, st, err);
    json_doc_release(&doc);
    mem_free(model);
    mem_free(state);
    return r;
}
