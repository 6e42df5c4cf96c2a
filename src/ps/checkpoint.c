/* SPDX-License-Identifier: Apache-2.0 */
/* Taking and writing a checkpoint. */
#include "ps/checkpoint.h"

#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/fs.h"
#include "base/json.h"
#include "base/mem.h"
#include "job/rundir.h"
#include "nn/tensors.h"
#include "ps/checkpoint_impl.h"
#include "ps/manifest.h"
#include "wire/frame.h"

#include <inttypes.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

struct plane {
    const char *name;
    float *v; /* segtab.n_floats */
};

struct snapshot {
    struct params *params;
    struct plane *plane;
    int n_planes;
    uint64_t seed, updates;
    struct checkpoint_state state;
    struct buf assignment; /* JSON */
};

#define SUM(member) offsetof(struct checkpoint_state, member)
const struct checkpoint_sum checkpoint_sums[CHECKPOINT_SUMS] = {
    {"bytes_pushed", SUM(bytes_pushed)},
    {"bytes_pulled", SUM(bytes_pulled)},
    {"pushes", SUM(pushes)},
    {"dropped_pushes", SUM(dropped)},
    {"applied_pushes", SUM(applied)},
    {"max_staleness", SUM(max_staleness)},
    {"sum_staleness", SUM(sum_staleness)},
    {"max_gap", SUM(max_gap)},
    {"failed_checkpoints", SUM(failed_checkpoints)},
};
#undef SUM

char *
checkpoint_plane_name(const char *plane)
{
    return mem_printf("optim-%s.safetensors", plane);
}

/* ---- taking ---- */

static int
copy_planes(struct snapshot *s, const struct job *job, struct store *store)
{
    size_t n_bytes = graph_get_segments(job->graph)->n_floats * sizeof(float);
    struct optim *o = store_get_optim(store);
    int n = optim_planes(o);

    s->plane = mem_alloc((size_t)n, sizeof *s->plane);
    if (!s->plane)
        return -1;
    for (; s->n_planes < n; s->n_planes++) {
        struct plane *p = &s->plane[s->n_planes];

        p->name = optim_plane_name(o, s->n_planes);
        p->v = mem_alloc_aligned(n_bytes);
        if (!p->v)
            return -1;
        if (!store_is_hollow(store))
            memcpy(p->v, optim_plane(o, s->n_planes), n_bytes);
    }
    return 0;
}

struct snapshot *
snapshot_new(const struct job *job, struct store *store,
             const struct assign *assign, const struct checkpoint_state *state,
             struct err *err)
{
    struct snapshot *s = mem_alloc(1, sizeof *s);

    if (!s || copy_planes(s, job, store) != 0) {
        snapshot_free(s);
        err_nomem(err);
        return NULL;
    }
    s->seed = job->seed;
    s->updates = optim_get_count(store_get_optim(store));
    s->state = *state;
    s->assignment.max = JSON_MAX_BYTES / 2; /* of a state that can be read */
    if (assign_save(assign, &s->assignment, err) != 0) {
        err_wrap(err, "state of the assignment");
        snapshot_free(s);
        return NULL;
    }
    s->params = store_is_hollow(store) ? store_blank(store) : store_ref(store);
    if (s->params)
        return s;
    snapshot_free(s);
    err_nomem(err);
    return NULL;
}

float *
snapshot_get_vector(struct snapshot *s, int i)
{
    if (i == 0)
        return s->params->v;
    return i <= s->n_planes ? s->plane[i - 1].v : NULL;
}

void
snapshot_free(struct snapshot *s)
{
    if (!s)
        return;
    if (s->params)
        store_unref(s->params);
    for (int i = 0; i < s->n_planes; i++)
        mem_free(s->plane[i].v);
    mem_free(s->plane);
    buf_release(&s->assignment);
    mem_free(s);
}

uint64_t
snapshot_get_version(const struct snapshot *s)
{
    return s->params->version;
}

/* ---- writing ---- */

static int
write_tensors(struct manifest *m, const char *dir, const char *name,
              const struct segtab *t, const float *v,
              const struct tensors_meta *meta, size_t n_meta, struct err *err)
{
    struct tensors_image f;
    int r;

    if (tensors_image_init(&f, t, v, meta, n_meta, err) != 0)
        return -1;
    r = manifest_add_file(m, dir, name, f.part, f.n_parts, err);
    tensors_image_release(&f);
    return r;
}

static int
write_planes(struct manifest *m, const char *dir, const struct segtab *t,
             const struct snapshot *s, struct err *err)
{
    for (int i = 0; i < s->n_planes; i++) {
        char *name = checkpoint_plane_name(s->plane[i].name);
        int r =
            name ? write_tensors(m, dir, name, t, s->plane[i].v, NULL, 0, err)
                 : err_nomem(err);

        mem_free(name);
        if (r != 0)
            return -1;
    }
    return 0;
}

static void
add_sums(struct buf *b, const struct checkpoint_state *st)
{
    for (size_t i = 0; i < CHECKPOINT_SUMS; i++) {
        uint64_t v;

        memcpy(&v, (const char *)st + checkpoint_sums[i].offset, sizeof v);
        buf_addf(b, " \"%s\": %" PRIu64 ",\n", checkpoint_sums[i].key, v);
    }
    if (!isnan(st->best_accuracy))
        buf_addf(b, " \"best_accuracy\": %.17g,\n", st->best_accuracy);
    buf_adds(b, " \"staleness_histogram\": [");
    for (int i = 0; i < HOST_HISTOGRAM; i++)
        buf_addf(b, "%s%" PRIu64, i ? ", " : "", st->histogram[i]);
    buf_adds(b, "],\n");
}

static int
write_state(struct manifest *m, const char *dir, const struct segtab *t,
            const struct snapshot *s, struct err *err)
{
    struct buf b = BUF_INIT(JSON_MAX_BYTES);
    char now[32];
    int r;

    clock_iso(now);
    buf_addf(&b, "{\"format\": %d, \"written\": \"%s\",\n", CHECKPOINT_FORMAT,
             now);
    buf_addf(&b, " \"version\": %" PRIu64 ", \"seed\": %" PRIu64 ",\n",
             s->params->version, s->seed);
    buf_addf(&b, " \"optimizer_updates\": %" PRIu64 ",\n", s->updates);
    buf_addf(&b, " \"params_hash\": \"%016" PRIx64 "\",\n",
             wire_hash(s->params->v, t->n_floats * sizeof(float)));
    buf_addf(&b, " \"data_hash\": \"%016" PRIx64 "\",\n", s->state.data_hash);
    buf_addf(&b, " \"wall_seconds\": %.9f,\n", s->state.wall_seconds);
    add_sums(&b, &s->state);
    buf_addf(&b, " \"assignment\": %s}\n", s->assignment.data);
    r = buf_ok(&b, err);
    if (r == 0) {
        struct fs_part part = {b.data, b.len};

        r = manifest_add_file(m, dir, CHECKPOINT_STATE, &part, 1, err);
    }
    buf_release(&b);
    return r;
}

/* The model carries its job, so that "ebsp eval" needs nothing else. */
static int
write_files(const char *dir, const struct checkpoint_place *place,
            const struct snapshot *s, struct err *err)
{
    struct tensors_meta meta[] = {{"format", "pt"},
                                  {"ebsp_job", place->job_text}};
    struct manifest m;
    int r = -1;

    manifest_init(&m);
    if (fs_mkdir(dir, false, err) == 0 &&
        write_tensors(&m, dir, CHECKPOINT_MODEL, place->t, s->params->v, meta,
                      ARRAY_LEN(meta), err) == 0 &&
        write_planes(&m, dir, place->t, s, err) == 0 &&
        write_state(&m, dir, place->t, s, err) == 0)
        r = manifest_write(&m, dir, s->params->version, err);
    manifest_release(&m);
    return r;
}

/* Best effort: an old checkpoint too many is no reason to stop. */
static void
remove_old(const struct checkpoint_place *place, uint64_t version)
{
    uint64_t *v = NULL;
    size_t n, good = 0;

    if (rundir_list_checkpoints(place->run, &v, &n, NULL) == 0) {
        for (size_t i = n; i-- > 0;) {
            if (v[i] >= version) /* itself, and damaged ones after it */
                continue;
            if ((place->last_good && v[i] > *place->last_good) ||
                ++good >= place->keep)
                (void)rundir_remove_checkpoint(place->run, v[i], NULL);
        }
    }
    mem_free(v);
}

/* Is there a whole one of this version already?  It could not differ.  What is
 * damaged gives way to the draft when that is complete. */
static int
look_for_same(const char *dir, bool *same, struct err *err)
{
    struct err why = ERR_INIT;

    *same = fs_exists(dir) && checkpoint_check(dir, &why) == 0;
    return why.code == ERR_NOMEM ? err_nomem(err) : 0;
}

int
checkpoint_write(const struct checkpoint_place *place, const struct snapshot *s,
                 struct err *err)
{
    uint64_t version = s->params->version;
    char *dir = rundir_checkpoint(place->run, version);
    char *draft = rundir_checkpoint_draft(place->run, version);
    bool same = false;
    int r = dir && draft ? look_for_same(dir, &same, err) : err_nomem(err);

    if (r == 0 && !same &&
        (fs_remove(draft, err) != 0 || write_files(draft, place, s, err) != 0 ||
         rundir_remove_checkpoint(place->run, version, err) != 0))
        r = -1;
    if (r == 0 && !same)
        r = rename(draft, dir) == 0 ? fs_sync_dir(place->run, err)
                                    : err_errno(err, "%s", dir);
    if (r == 0)
        remove_old(place, version);
    else if (draft)
        (void)fs_remove(draft, NULL); /* a full disk wants its room back */
    mem_free(dir);
    mem_free(draft);
    return r == 0 ? 0 : err_wrap(err, "checkpoint");
}
