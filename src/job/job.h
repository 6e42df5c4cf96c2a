/* SPDX-License-Identifier: Apache-2.0 */
/* A job: everything about a run that is not this machine's business.
 * Documented in ebsp-job(5); models/ebsp-job.schema.json says the same to
 * editors. */
#ifndef EBSP_JOB_JOB_H
#define EBSP_JOB_JOB_H

#include "base/json.h"
#include "codec/codec.h"
#include "data/assign.h"
#include "data/dataset.h"
#include "data/loader.h"
#include "job/emulation.h"
#include "job/faults.h"
#include "nn/graph.h"
#include "nn/optim.h"

#include <stdint.h>

struct buf;
struct err;

/* How an update that averages k pushes scales the learning rate, which is
 * defined for one mini-batch: not at all, by k, by sqrt(k). */
enum lr_scaling { LR_SCALING_NONE, LR_SCALING_LINEAR, LR_SCALING_SQRT };

/* What schedules count. */
enum lr_progress { PROGRESS_SAMPLES, PROGRESS_UPDATES };

#define JOB_MAX_WORKERS 65536
#define JOB_MAX_SERVERS 64
#define JOB_AUTO        (-1)

struct job {
    struct json_doc doc;  /* effective: overrides and defaults are in it */
    char *dir;            /* folder of the job file: data is looked for there */
    const char *name;     /* the following strings belong to doc */
    const char *policy;   /* spec */
    const char *data_dir; /* where the data is looked for first, or NULL */
    struct graph *graph;
    struct optim_config optim;
    struct schedule schedule;
    struct assign_config assign;
    struct augment_config augment;
    struct faults faults;
    struct codec_spec compress; /* of pushes */
    struct emulation emulation;
    enum lr_scaling lr_scaling;
    enum lr_progress progress;
    uint32_t workers, threads, batch, epochs;
    int servers; /* parameter servers; JOB_AUTO: as the hosts suggest */
    uint64_t seed;
    double checkpoint_every; /* epochs; 0: only at the end */
    uint32_t checkpoint_keep;
    double eval_every;      /* epochs; 0: only at the end */
    double max_seconds;     /* 0: no limit */
    double target_accuracy; /* 0..1; 0: none */
};

/* One override: "optimizer.lr" = "0.1" because of "--set optimizer.lr=0.1". */
struct job_override {
    char *path, *value, *origin;
};

/* Reads and checks everything that can be checked without the data. */
int job_load(struct job *j, const char *path, const struct job_override *o,
             size_t n, struct err *err);
/* From the text of an effective job; dir as above. */
int job_parse(struct job *j, const char *name, const char *dir,
              const char *text, size_t len, struct err *err);
void job_release(struct job *j);

/* Puts a string into the effective job; strings read before may be gone. */
int job_set_string(struct job *j, const char *key, const char *value,
                   const char *origin, struct err *err);
/* Makes data_dir absolute: `given` (--data-dir; may be NULL), else the job's,
 * else the folder of the job, so that a worker, a resumed run and an evaluation
 * find the same data. */
int job_set_data_dir(struct job *j, const char *given, struct err *err);

/* Opens the data, in data_dir when it is not NULL, else in the job's, and
 * checks that it fits the network: shape, classes, enough samples for one
 * mini-batch. Its samples get the shape of the job's input; augment is the
 * job's. */
int job_open_data(const struct job *j, const char *data_dir,
                  struct dataset **data, struct augment_config *augment,
                  struct err *err);

/* The same with a data set that is open already. */
int job_take_data(const struct job *j, struct dataset *data,
                  struct augment_config *augment, struct err *err);

/* How pushes of this job's network are compressed, one part a tensor; NULL when
 * they are not.  A contribution that is a whole model never is: what is missing
 * of it would be zero. */
int job_codec(const struct job *j, struct codec **codec, struct err *err);
/* The key for a push: by the first mini-batch of the order that it answers. */
uint64_t job_codec_key(const struct job *j, uint32_t epoch, uint32_t shard,
                       uint64_t first);

/* The effective job as pretty JSON, with "origin": where each value that is
 * not the job file's came from. */
int job_dump(const struct job *j, struct buf *to, struct err *err);

/* What schedules take for the samples done when `samples` are and the
 * parameters have had `updates`: these, or (PROGRESS_UPDATES) as many as if
 * every update had been one mini-batch of each worker. */
uint64_t job_progress(const struct job *j, uint64_t samples, uint64_t updates);

/* Learning rate of an update that averages k pushes (a sum of them averages
 * one), after which samples_done (job_progress) of samples_total (over all
 * epochs) are consumed: its own are counted (schedule_factor). */
double job_learning_rate(const struct job *j, uint64_t samples_done,
                         uint64_t samples_total, double k);

#endif
