/* SPDX-License-Identifier: Apache-2.0 */
/* Checking, finding and loading a checkpoint. */
#include "base/err.h"
#include "base/fs.h"
#include "base/json.h"
#include "base/log.h"
#include "base/mem.h"
#include "job/rundir.h"
#include "nn/tensors.h"
#include "ps/checkpoint_impl.h"
#include "ps/manifest.h"
#include "wire/frame.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

/* ---- checking and finding ---- */

int
checkpoint_check(const char *path, struct err *err)
{
    static const char *const must[] = {CHECKPOINT_MODEL, CHECKPOINT_STATE};
    uint64_t version, named;

    if (manifest_check(path, must, ARRAY_LEN(must), &version, err) != 0)
        return -1;
    if (rundir_version_of(path, &named) && version != named)
        return err_set(err, ERR_CONFIG,
                       "%s: its " MANIFEST_NAME " is of version %" PRIu64, path,
                       version);
    return 0;
}

int
checkpoint_find(const char *run, struct log *log, char **path, struct err *err)
{
    uint64_t *version = NULL;
    size_t n;
    int r = rundir_list_checkpoints(run, &version, &n, err);

    *path = NULL;
    for (size_t i = n; r == 0 && i-- > 0;) {
        struct err why = ERR_INIT;

        *path = rundir_checkpoint(run, version[i]);
        if (!*path || checkpoint_check(*path, &why) == 0) {
            r = *path ? 0 : err_nomem(err);
            break;
        }
        mem_free(*path);
        *path = NULL;
        if (why.code == ERR_NOMEM)
            r = err_nomem(err);
        else if (i > 0)
            log_warn(log, "checkpoint",
                     "damaged checkpoint %s; an older one is taken", why.text);
        else
            r = err_set(err, ERR_CONFIG,
                        "%s: no whole checkpoint among %zu; the oldest: %s",
                        run, n, why.text);
    }
    mem_free(version);
    return r;
}

/* ---- loading ---- */

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
read_sums(const struct jcur *root, struct checkpoint_state *st, struct err *err)
{
    int64_t bins[HOST_HISTOGRAM];

    for (size_t i = 0; i < CHECKPOINT_SUMS; i++) {
        int64_t v = 0;

        if (jcur_int(root, checkpoint_sums[i].key, 0, INT64_MAX, &v, err) != 0)
            return -1;
        memcpy((char *)st + checkpoint_sums[i].offset, &v, sizeof v);
    }
    st->best_accuracy = NAN;
    memset(bins, 0, sizeof bins);
    if (jcur_num(root, "wall_seconds", 0, INFINITY, &st->wall_seconds, err) !=
            0 ||
        jcur_num_or(root, "best_accuracy", 0, 1, &st->best_accuracy, err) !=
            0 ||
        jcur_ints_or(root, "staleness_histogram", HOST_HISTOGRAM, 0, INT64_MAX,
                     bins, err) != 0)
        return -1;
    for (int i = 0; i < HOST_HISTOGRAM; i++)
        st->histogram[i] = (uint64_t)bins[i];
    return 0;
}

/* The shards of a static assignment are those of its workers: dealt anew, what
 * is done of one epoch could not be told from what is not. */
static int
check_shards(const struct jcur *cursors, const struct job *job, struct err *err)
{
    struct jcur shards = jcur_key(cursors, "shards");
    size_t n = 0;

    if (job->assign.kind == ASSIGN_DYNAMIC)
        return 0;
    if (jcur_array(&shards, 1, &n, err) != 0)
        return -1;
    if (n == job->workers)
        return 0;
    return err_set(err, ERR_USAGE,
                   "the samples were dealt to %zu workers (a static "
                   "assignment), got %" PRIu32 "; go on with -n %zu, or begin "
                   "a new run",
                   n, job->workers, n);
}

static int
read_state(const struct json_doc *doc, const struct job *job,
           struct store *store, struct assign *assign,
           struct checkpoint_state *st, struct err *err)
{
    struct jcur root = jcur_root(doc);
    struct jcur cursors = jcur_key(&root, "assignment");
    int64_t format = 0, version = 0, seed = 0, updates = 0;
    size_t n_floats = graph_get_segments(job->graph)->n_floats;

    if (jcur_int(&root, "format", CHECKPOINT_FORMAT, CHECKPOINT_FORMAT, &format,
                 err) != 0 ||
        jcur_int(&root, "version", 0, INT64_MAX, &version, err) != 0 ||
        jcur_int(&root, "seed", 0, INT64_MAX, &seed, err) != 0 ||
        jcur_int(&root, "optimizer_updates", 0, INT64_MAX, &updates, err) !=
            0 ||
        read_sums(&root, st, err) != 0)
        return -1;
    if ((uint64_t)seed != job->seed) /* generated data would differ too */
        return err_set(err, ERR_CONFIG,
                       "%s: seed %" PRId64 " differs from the job's %" PRIu64
                       ": the order of the samples would change",
                       doc->name, seed, job->seed);
    if (check_hash(&root, "params_hash",
                   wire_hash(store_peek(store), n_floats * sizeof(float)),
                   "damaged " CHECKPOINT_MODEL, err) != 0 ||
        check_hash(&root, "data_hash", st->data_hash,
                   "the data are not those of the checkpoint", err) != 0 ||
        check_shards(&cursors, job, err) != 0 ||
        assign_load(assign, &cursors, err) != 0)
        return -1;
    store_set_version(store, (uint64_t)version);
    optim_set_count(store_get_optim(store), (uint64_t)updates);
    return 0;
}

static int
load_planes(const char *dir, const struct job *job, struct optim *o,
            struct err *err)
{
    for (int i = 0; i < optim_planes(o); i++) {
        char *name = checkpoint_plane_name(optim_plane_name(o, i));
        char *path = name ? fs_join(dir, name) : NULL;
        int r = path ? tensors_load(path, graph_get_segments(job->graph),
                                    optim_plane(o, i), err)
                     : err_nomem(err);

        mem_free(name);
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
    char *model = fs_join(path, CHECKPOINT_MODEL);
    char *state = fs_join(path, CHECKPOINT_STATE);
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
