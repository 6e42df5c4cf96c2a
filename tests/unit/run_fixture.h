/* SPDX-License-Identifier: Apache-2.0 */
/* A run without workers: job, parameters, optimizer and cursors that move on by
 * made-up updates, and a run directory to save them in. */
#ifndef EBSP_RUN_FIXTURE_H
#define EBSP_RUN_FIXTURE_H

#include "base/buf.h"
#include "base/err.h"
#include "base/fs.h"
#include "base/mem.h"
#include "base/rng.h"
#include "job/rundir.h"
#include "ps/checkpoint.h"
#include "tap.h"

#include <ebsp/policy.h>

#include <math.h>
#include <unistd.h>

#define RUN_SAMPLES 60

struct run_fixture {
    char dir[32];
    struct job job;
    struct shards shards;
    struct assign *assign;
    struct store *store;
    struct checkpoint_state state;
    struct buf job_text;
    struct checkpoint_place place;
};

static const char run_job[] =
    "{\"name\": \"t\", \"input\": [8], \"layers\": [\n"
    "  {\"type\": \"dense\", \"units\": 3},\n"
    "  {\"type\": \"softmax_cross_entropy\"}],\n"
    " \"data\": {\"type\": \"blobs\", \"classes\": 3, \"features\": 8},\n"
    " \"batch\": 10, \"epochs\": 4, \"workers\": 2,\n"
    " \"optimizer\": {\"type\": \"adam\", \"lr\": 0.5}}\n";

/* A store and cursors at the beginning. */
static inline void
run_reset(struct run_fixture *f)
{
    store_free(f->store);
    assign_free(f->assign);
    shards_release(&f->shards);
    f->store = store_new(graph_get_segments(f->job.graph), &f->job.optim,
                         &(struct store_options){.threads = 1}, NULL);
    (void)shards_init(&f->shards, &f->job.assign, f->job.workers, NULL,
                      RUN_SAMPLES, 3, f->job.seed, NULL);
    f->assign = assign_new(&f->shards, f->job.batch, f->job.epochs, NULL);
    graph_init_params(f->job.graph, f->job.seed, store_edit(f->store));
    f->state = (struct checkpoint_state){.data_hash = 42, .best_accuracy = NAN};
}

static inline void
run_init(struct run_fixture *f, const char *text)
{
    struct err e = ERR_INIT;

    memset(f, 0, sizeof *f);
    /* in memory where possible: thousands of files are synced */
    snprintf(f->dir, sizeof f->dir, "%s/ebsp-test-XXXXXX",
             access("/dev/shm", W_OK | X_OK) == 0 ? "/dev/shm" : "/tmp");
    f->job_text.max = JSON_MAX_BYTES;
    if (!mkdtemp(f->dir) ||
        job_parse(&f->job, "t.json", ".", text, strlen(text), &e) != 0 ||
        job_dump(&f->job, &f->job_text, &e) != 0) {
        printf("Bail out! %s: %s\n", f->dir, e.text);
        exit(1);
    }
    f->place = (struct checkpoint_place){.run = f->dir,
                                         .job_text = f->job_text.data,
                                         .t = graph_get_segments(f->job.graph),
                                         .keep = 2};
    run_reset(f);
}

static inline void
run_release(struct run_fixture *f)
{
    store_free(f->store);
    assign_free(f->assign);
    shards_release(&f->shards);
    job_release(&f->job);
    buf_release(&f->job_text);
    fs_remove(f->dir, NULL);
}

/* n updates of one mini-batch; the same ones from the same version on. */
static inline void
run_train(struct run_fixture *f, int n)
{
    size_t n_floats = f->place.t->n_floats;
    float *push = mem_alloc(n_floats, sizeof *push);

    for (; n > 0; n--) {
        struct data_cursor c;
        struct rng r;

        rng_init_key(&r, 1, RNG_TEST, store_get_version(f->store), 0);
        for (size_t i = 0; i < f->place.t->n; i++)
            for (size_t k = 0; k < f->place.t->seg[i].count; k++)
                push[f->place.t->seg[i].offset + k] =
                    (float)rng_below(&r, 1000) / 1000 - 0.5f;
        assign_take(f->assign, 0, 0, &c);
        store_add(f->store, push, EBSP_PUSH_GRADIENT, 1, NULL);
        store_commit(f->store, 1, 0.1, NULL);
        assign_done(f->assign, &c);
        f->state.pushes++;
        f->state.histogram[n % HOST_HISTOGRAM]++;
    }
    mem_free(push);
}

static inline int
run_save(struct run_fixture *f, struct err *err)
{
    struct snapshot *s =
        snapshot_new(&f->job, f->store, f->assign, &f->state, err);
    int r = s ? checkpoint_write(&f->place, s, err) : -1;

    snapshot_free(s);
    return r;
}

/* The version of the newest whole checkpoint, -1 none, -2 an error. */
static inline long
run_newest(const struct run_fixture *f, struct log *log, struct err *err)
{
    uint64_t version = 0;
    char *path;
    long r = -2;

    if (checkpoint_find(f->dir, log, &path, err) == 0)
        r = path && rundir_version_of(path, &version) ? (long)version : -1;
    mem_free(path);
    return r;
}

#endif
