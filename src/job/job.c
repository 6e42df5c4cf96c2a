/* SPDX-License-Identifier: Apache-2.0 */
#include "job/job.h"

#include "base/buf.h"
#include "base/err.h"
#include "base/fs.h"
#include "base/mem.h"
#include "base/rng.h"
#include "base/str.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static const char *const job_keys[] = {
    "name",
    "description",
    "input",
    "layers",
    "data",
    "data_dir",
    "augment",
    "assignment",
    "batch",
    "epochs",
    "optimizer",
    "schedule",
    "lr_scaling",
    "progress",
    "compress",
    "error_feedback",
    "workers",
    "threads",
    "servers",
    "policy",
    "seed",
    "checkpoint_every",
    "checkpoint_keep",
    "eval_every",
    "max_seconds",
    "target_accuracy",
    "faults",
    "emulate",
    "hosts",
    "ways",
    "origin",
    "$schema",
    NULL,
};

/* The cursor is the job.  After the scalars; see job_codec. */
static int
read_compression(struct job *j, const struct jcur *root, struct err *err)
{
    struct jcur at = jcur_key(root, "compress");
    struct err why = ERR_INIT;
    const char *word = "none";
    bool feedback = true;

    if (jcur_str_or(root, "compress", &word, err) != 0 ||
        jcur_bool_or(root, "error_feedback", &feedback, err) != 0)
        return -1;
    if (codec_spec_parse(&j->compress, word, &why) != 0)
        return jcur_fail(&at, err, "%s", why.text);
    j->compress.feedback = feedback;
    return 0;
}

/* "servers": a number, or "auto". */
static int
read_servers(struct job *j, const struct jcur *root, struct err *err)
{
    struct jcur at = jcur_key(root, "servers");
    int64_t n = JOB_AUTO;

    if (json_is_string(at.v) && strcmp(json_string_value(at.v), "auto") != 0)
        return jcur_fail(&at, err,
                         "expected an integer from 0 to %d or auto, got \"%s\"",
                         JOB_MAX_SERVERS, json_string_value(at.v));
    if (!json_is_string(at.v) &&
        jcur_int_or(root, "servers", 0, JOB_MAX_SERVERS, &n, err) != 0)
        return -1;
    j->servers = (int)n;
    return 0;
}

/* Read before any check, so that an unknown key is the first thing said. */
static int
read_scalars(struct job *j, const struct jcur *root, struct err *err)
{
    static const char *const scalings[] = {"none", "linear", "sqrt", NULL};
    static const char *const progresses[] = {"samples", "updates", NULL};
    int64_t workers = 4, threads = 1, batch = 0, epochs = 1, seed = 1, keep = 2;
    int scaling = LR_SCALING_NONE, progress = PROGRESS_SAMPLES;

    j->name = "unnamed";
    j->policy = "bsp";
    j->eval_every = 1;
    j->data_dir = NULL;
    if (jcur_object(root, job_keys, err) != 0 ||
        jcur_str_or(root, "name", &j->name, err) != 0 ||
        jcur_int(root, "batch", 1, 1 << 24, &batch, err) != 0 ||
        jcur_int_or(root, "epochs", 1, 1 << 24, &epochs, err) != 0 ||
        jcur_int_or(root, "workers", 1, JOB_MAX_WORKERS, &workers, err) != 0 ||
        jcur_int_or(root, "threads", 1, 1024, &threads, err) != 0 ||
        jcur_str_or(root, "policy", &j->policy, err) != 0 ||
        jcur_str_or(root, "data_dir", &j->data_dir, err) != 0 ||
        jcur_int_or(root, "seed", 0, INT64_MAX, &seed, err) != 0 ||
        jcur_enum_or(root, "lr_scaling", scalings, &scaling, err) != 0 ||
        jcur_enum_or(root, "progress", progresses, &progress, err) != 0 ||
        jcur_num_or(root, "checkpoint_every", 0, INFINITY, &j->checkpoint_every,
                    err) != 0 ||
        jcur_int_or(root, "checkpoint_keep", 1, 1 << 20, &keep, err) != 0 ||
        jcur_num_or(root, "eval_every", 0, INFINITY, &j->eval_every, err) !=
            0 ||
        jcur_num_or(root, "max_seconds", 0, INFINITY, &j->max_seconds, err) !=
            0 ||
        jcur_num_or(root, "target_accuracy", 0, 1, &j->target_accuracy, err) !=
            0)
        return -1;
    j->batch = (uint32_t)batch;
    j->epochs = (uint32_t)epochs;
    j->workers = (uint32_t)workers;
    j->threads = (uint32_t)threads;
    j->seed = (uint64_t)seed;
    j->checkpoint_keep = (uint32_t)keep;
    j->lr_scaling = (enum lr_scaling)scaling;
    j->progress = (enum lr_progress)progress;
    return 0;
}

/* Adds what was not given, so that the effective job says everything, and
 * remembers that it is a default. */
static int
set_default(struct job *j, const char *key, json_t *value, struct err *err)
{
    char text[64];
    const char *s = json_string_value(value);
    struct buf b = BUF_INIT(sizeof text);
    int r = 0;

    if (!json_object_get(j->doc.root, key)) {
        if (s)
            buf_adds(&b, s);
        r = value ? 0 : err_nomem(err);
        if (r == 0 && !s)
            r = json_dump(value, 0, &b, err);
        if (r == 0)
            r = json_doc_set(&j->doc, key, b.data ? b.data : "", "default",
                             err);
    }
    json_decref(value);
    buf_release(&b);
    return r;
}

static int
fill_defaults(struct job *j, struct err *err)
{
    static const char *const scalings[] = {"none", "linear", "sqrt"};
    static const char *const progresses[] = {"samples", "updates"};
    int r = 0;

    r |= set_default(j, "epochs", json_integer(j->epochs), err);
    r |= set_default(j, "workers", json_integer(j->workers), err);
    r |= set_default(j, "threads", json_integer(j->threads), err);
    r |= set_default(j, "servers", json_string("auto"), err);
    r |= set_default(j, "policy", json_string(j->policy), err);
    r |= set_default(j, "seed", json_integer((json_int_t)j->seed), err);
    r |=
        set_default(j, "lr_scaling", json_string(scalings[j->lr_scaling]), err);
    r |= set_default(j, "progress", json_string(progresses[j->progress]), err);
    r |= set_default(j, "compress", json_string("none"), err);
    r |= set_default(j, "error_feedback", json_true(), err);
    r |=
        set_default(j, "checkpoint_every", json_real(j->checkpoint_every), err);
    r |= set_default(j, "checkpoint_keep", json_integer(j->checkpoint_keep),
                     err);
    r |= set_default(j, "eval_every", json_real(j->eval_every), err);
    if (r == 0) { /* the strings must outlive what they were read from */
        j->policy = json_string_value(json_object_get(j->doc.root, "policy"));
    }
    return r;
}

static const char *const emulate_keys[] = {"slow", "pace", "net", NULL};

/* A trace that has been read in is said in the job, too: whoever reads it
 * elsewhere or later may not find the file. */
static int
read_emulate(struct job *j, struct jcur *at, struct err *err)
{
    const char *origin = json_doc_origin(&j->doc, "emulate.slow"), *said;

    if (!at->v)
        return 0;
    if (jcur_object(at, emulate_keys, err) != 0 ||
        emulation_parse(&j->emulation, at, j->dir, err) != 0)
        return -1;
    said = json_string_value(json_object_get(at->v, "slow"));
    if (!said || !j->emulation.slow || !strcmp(said, j->emulation.slow))
        return 0;
    return job_set_string(j, "emulate.slow", j->emulation.slow,
                          origin ? origin : "traces read in", err);
}

/* doc and dir are set; everything else is read from them. */
static int
read_job(struct job *j, struct err *err)
{
    struct jcur root = jcur_root(&j->doc);
    struct jcur optimizer = jcur_key(&root, "optimizer");
    struct jcur schedule = jcur_key(&root, "schedule");
    struct jcur assignment = jcur_key(&root, "assignment");
    struct jcur augment = jcur_key(&root, "augment");
    struct jcur faults = jcur_key(&root, "faults");
    struct jcur emulate = jcur_key(&root, "emulate");
    struct jcur data = jcur_key(&root, "data");

    if (read_scalars(j, &root, err) != 0 || read_servers(j, &root, err) != 0 ||
        read_compression(j, &root, err) != 0)
        return -1;
    j->graph = graph_new(&root, err);
    if (!j->graph || optim_config_parse(&j->optim, &optimizer, err) != 0 ||
        schedule_parse(&j->schedule, &schedule, err) != 0 ||
        assign_config_parse(&j->assign, &assignment, err) != 0 ||
        augment_config_parse(&j->augment, &augment, graph_get_input(j->graph),
                             err) != 0 ||
        faults_parse(&j->faults, &faults, err) != 0 ||
        read_emulate(j, &emulate, err) != 0 || dataset_check(&data, err) != 0)
        return -1;
    return fill_defaults(j, err);
}

int
job_parse(struct job *j, const char *name, const char *dir, const char *text,
          size_t len, struct err *err)
{
    memset(j, 0, sizeof *j);
    if (json_doc_parse(&j->doc, name, text, len, err) != 0)
        return -1;
    j->dir = mem_strdup(dir);
    if (j->dir ? read_job(j, err) == 0 : err_nomem(err) == 0)
        return 0;
    job_release(j);
    return -1;
}

/* Flags set values in these, whether the job has them or not. */
static int
add_objects(struct job *j, const char *path, struct err *err)
{
    static const char *const names[] = {"faults", "emulate"};

    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        size_t n = strlen(names[i]);

        if (strncmp(path, names[i], n) == 0 && path[n] == '.' &&
            json_is_object(j->doc.root) &&
            !json_object_get(j->doc.root, names[i]) &&
            json_object_set_new(j->doc.root, names[i], json_object()) != 0)
            return err_nomem(err);
    }
    return 0;
}

int
job_load(struct job *j, const char *path, const struct job_override *o,
         size_t n, struct err *err)
{
    const char *slash = strrchr(path, '/');

    memset(j, 0, sizeof *j);
    if (json_doc_load(&j->doc, path, err) != 0)
        return -1;
    /* Positions of a saved job's origins mean nothing any more. */
    if (json_is_object(j->doc.root))
        json_object_del(j->doc.root, "origin");
    for (size_t i = 0; i < n; i++)
        if (add_objects(j, o[i].path, err) != 0)
            goto fail;
    for (size_t i = 0; i < n; i++)
        if (json_doc_set(&j->doc, o[i].path, o[i].value, o[i].origin, err) != 0)
            goto fail;
    j->dir = slash ? mem_printf("%.*s", (int)(slash - path) + 1, path)
                   : mem_strdup(".");
    if (!j->dir) {
        err_nomem(err);
        goto fail;
    }
    if (read_job(j, err) == 0)
        return 0;
fail:
    job_release(j);
    return -1;
}

void
job_release(struct job *j)
{
    graph_free(j->graph);
    emulation_release(&j->emulation);
    json_doc_release(&j->doc);
    mem_free(j->dir);
    memset(j, 0, sizeof *j);
}

int
job_set_string(struct job *j, const char *key, const char *value,
               const char *origin, struct err *err)
{
    struct buf b = BUF_INIT(JSON_MAX_BYTES);
    json_t *v = json_string(value);
    int r = v ? json_dump(v, 0, &b, err)
              : err_set(err, ERR_CONFIG, "%s \"%s\": not UTF-8", key, value);

    json_decref(v);
    if (r == 0)
        r = json_doc_set(&j->doc, key, b.data, origin, err);
    buf_release(&b);
    return r;
}

int
job_set_data_dir(struct job *j, const char *given, struct err *err)
{
    const char *dir = given ? given : j->data_dir ? j->data_dir : j->dir;
    char *full = realpath(dir, NULL), *origin = NULL;
    int r;

    if (full && !fs_is_dir(full)) {
        free(full);
        full = NULL;
        errno = ENOTDIR;
    }
    if (!full)
        return err_set(err, ERR_CONFIG, "data folder %s: %s", dir,
                       strerror(errno));
    if (given)
        origin = mem_printf("--data-dir=%s", given);
    r = job_set_string(j, "data_dir", full, origin ? origin : "default", err);
    j->data_dir = json_string_value(json_object_get(j->doc.root, "data_dir"));
    mem_free(origin);
    free(full);
    return r;
}

int
job_dump(const struct job *j, struct buf *to, struct err *err)
{
    json_t *v = json_copy(j->doc.root), *origin = json_object();
    int r = v && origin ? 0 : err_nomem(err);

    for (size_t i = 0; r == 0 && i < j->doc.n_set; i++)
        if (json_object_set_new(origin, j->doc.set_paths[i],
                                json_string(j->doc.set_args[i])) != 0)
            r = err_nomem(err);
    if (r == 0 && json_object_set(v, "origin", origin) != 0)
        r = err_nomem(err);
    if (r == 0)
        r = json_dump(v, 2, to, err);
    buf_adds(to, "\n");
    json_decref(v);
    json_decref(origin);
    return r == 0 ? buf_ok(to, err) : -1;
}

static int
check_fit(const struct job *j, const struct dataset *d, struct err *err)
{
    struct jcur root = jcur_root(&j->doc), data = jcur_key(&root, "data");
    struct jcur input = jcur_key(&root, "input");
    struct jcur batch = jcur_key(&root, "batch");
    struct jcur layers = jcur_key(&root, "layers");
    const struct shape *in = graph_get_input(j->graph);
    int64_t outputs = graph_get_outputs(j->graph);
    char want[64], have[64];

    if (shape_count(in) != shape_count(&d->shape) ||
        (in->n_dims == 3 && d->shape.n_dims == 3 &&
         memcmp(in->dim, d->shape.dim, sizeof in->dim) != 0))
        return jcur_fail(&input, err, "the data has samples of %s, not %s",
                         shape_text(&d->shape, have), shape_text(in, want));
    if (d->n_classes > 0 && d->n_classes != outputs)
        return jcur_fail(&layers, err,
                         "the last layer has %lld outputs, the data %lld "
                         "classes",
                         (long long)outputs, (long long)d->n_classes);
    if (d->n_classes == 0 &&
        (graph_get_loss(j->graph) != LOSS_MSE || d->n_targets != outputs))
        return jcur_fail(&layers, err,
                         "data with %lld targets needs the loss \"mse\" on "
                         "as many outputs, got %lld",
                         (long long)d->n_targets, (long long)outputs);
    if (d->train.n < 1)
        return jcur_fail(&data, err, "no training samples");
    if (d->train.n < j->batch)
        return jcur_fail(&batch, err,
                         "expected at most the %zu training "
                         "samples, got %u",
                         d->train.n, j->batch);
    return 0;
}

int
job_take_data(const struct job *j, struct dataset *data,
              struct augment_config *augment, struct err *err)
{
    if (check_fit(j, data, err) != 0)
        return -1;
    /* The job says how a sample is seen: 784 numbers may be an image. */
    data->shape = *graph_get_input(j->graph);
    *augment = j->augment;
    return 0;
}

int
job_open_data(const struct job *j, const char *data_dir, struct dataset **data,
              struct augment_config *augment, struct err *err)
{
    struct jcur root = jcur_root(&j->doc), at = jcur_key(&root, "data");
    struct dataset *d = dataset_open(&at, data_dir ? data_dir : j->data_dir,
                                     j->dir, j->seed, err);

    if (!d)
        return -1;
    if (job_take_data(j, d, augment, err) != 0) {
        dataset_free(d);
        return -1;
    }
    *data = d;
    return 0;
}

uint64_t
job_progress(const struct job *j, uint64_t samples, uint64_t updates)
{
    double round = (double)j->workers * j->batch;

    if (j->progress == PROGRESS_SAMPLES)
        return samples;
    if ((double)updates * round >= (double)INT64_MAX)
        return INT64_MAX;
    return updates * ((uint64_t)j->workers * j->batch);
}

/* Each tensor has its own scale, or share of what is sent: their gradients are
 * of different size.  Statistics are few, and wrong ones hurt. */
int
job_codec(const struct job *j, struct codec **codec, struct err *err)
{
    const struct segtab *t = graph_get_segments(j->graph);
    struct codec_part *part;

    *codec = NULL;
    if (j->compress.kind == CODEC_NONE)
        return 0;
    part = mem_alloc(t->n, sizeof *part);
    if (!part)
        return err_nomem(err);
    for (size_t i = 0; i < t->n; i++)
        part[i] = (struct codec_part){.first = t->seg[i].offset,
                                      .n = t->seg[i].count,
                                      .exact = t->seg[i].kind == SEGMENT_STAT};
    *codec = codec_new(&j->compress, part, t->n, t->n_floats, err);
    mem_free(part);
    return *codec ? 0 : -1;
}

uint64_t
job_codec_key(const struct job *j, uint32_t epoch, uint32_t shard,
              uint64_t first)
{
    struct rng rng;

    rng_init_key(&rng, j->seed, RNG_CODEC, (uint64_t)epoch << 32 | shard,
                 first);
    return rng_u64(&rng);
}

double
job_learning_rate(const struct job *j, uint64_t samples_done,
                  uint64_t samples_total, double k)
{
    double part =
        samples_total ? (double)samples_done / (double)samples_total : 0.0;
    double lr = j->optim.lr *
                schedule_factor(&j->schedule, part * j->epochs, j->epochs);

    if (j->lr_scaling == LR_SCALING_LINEAR)
        lr *= k;
    else if (j->lr_scaling == LR_SCALING_SQRT)
        lr *= sqrt(k);
    return lr;
}
