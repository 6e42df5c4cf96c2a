/* SPDX-License-Identifier: Apache-2.0 */
/* A matrix of runs: scenarios x conventions x policies x seeds.  One
 * combination is a cell. */
#ifndef EBSP_STUDY_STUDY_H
#define EBSP_STUDY_STUDY_H

#include "base/err.h"
#include "job/job.h"
#include "study/scenario.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* How the learning rate is used; see ebsp-bench(1). */
enum convention { CONVENTION_JOB, CONVENTION_SAMPLES, CONVENTION_UPDATES };
extern const char *const convention_names[]; /* ended by NULL */

struct study_policy {
    char *given;   /* as it was given: what finds the plugin */
    char *spec;    /* canonical: what it is called */
    char *version; /* of its plugin */
};

struct cell {
    uint32_t scenario, convention, policy; /* indexes */
    uint64_t seed;
    char *id;         /* a file name */
    char *settings;   /* checksum of all that its result depends on */
    json_t *result;   /* as in bench.json, without target_seconds; NULL: none */
    int64_t begin_ns; /* when it was started, if it was */
};

struct study {
    bool is_virtual;
    const char *job_path;
    const struct job_override *override; /* of the user, n_overrides */
    size_t n_overrides;
    const char *data_dir; /* given, or NULL */
    struct job job;       /* with these overrides */
    uint32_t workers;     /* given, or 0 */
    double pace_ms;       /* given, or 0 */
    double target;        /* accuracy; 0: none */
    struct scenario *scenario;
    size_t n_scenarios;
    enum convention convention[3];
    size_t n_conventions;
    struct study_policy *policy;
    size_t n_policies;
    size_t baseline; /* index */
    uint64_t first_seed;
    uint32_t n_seeds;
    struct cell *cell; /* in the order above, seeds fastest */
    size_t n_cells;
};

void study_release(struct study *s);

/* "a,b:x=1,y=2,c": three specs; appended to *specs (mem_free each). */
int study_split_policies(const char *text, char ***specs, size_t *n,
                         struct err *err);
/* "samples,updates"; each once. */
int study_read_conventions(struct study *s, const char *text, struct err *err);
/* Opens the plugin to check it; a spec that is there already is an error. */
int study_add_policy(struct study *s, const char *spec, struct err *err);
int study_add_scenario(struct study *s, const char *path, struct err *err);
/* When everything else is there. */
int study_make_cells(struct study *s, struct err *err);

/* Workers of a scenario. */
uint32_t study_get_workers(const struct study *s,
                           const struct scenario *scenario);
/* What a cell overrides beyond the user's overrides: up to STUDY_OVERRIDES,
 * whose strings are valid until study_free_overrides. */
#define STUDY_OVERRIDES 8
int study_get_overrides(const struct study *s, const struct cell *c,
                        struct job_override to[STUDY_OVERRIDES], size_t *n,
                        struct err *err);
void study_free_overrides(struct job_override *o, size_t n);
/* The job of a cell. */
int study_load_job(const struct study *s, const struct cell *c, struct job *job,
                   struct err *err);
/* All samples that a run of the job trains on. */
int study_count_samples(const struct study *s, uint64_t *samples,
                        struct err *err);

/* ---- folder.c: what is kept ---------------------------------------------- */

struct folder {
    char *path;
    int lock;           /* descriptor; -1 */
    size_t n_damaged;   /* files of cells that could not be read ... */
    struct err damaged; /* ... and why the first one could not */
};

/* Creates it, locks it, refuses it when it is not empty and of no bench or was
 * made with other settings, takes the results of cells that are there. */
int folder_open(struct folder *f, const char *path, struct study *s,
                struct err *err);
void folder_close(struct folder *f);
/* The cell's result is written; when it failed (but for divergence) it is not,
 * so that it will be tried again. */
int folder_keep(const struct folder *f, const struct cell *c, struct err *err);
/* bench.json and bench.csv. */
int folder_publish(const struct folder *f, const json_t *bench,
                   struct err *err);
/* "FOLDER/runs/ID"; mem_free. */
char *folder_run(const struct folder *f, const struct cell *c);

/* ---- settings.c ---------------------------------------------------------- */

/* All settings as JSON: new reference. */
json_t *settings_make(const struct study *s, struct err *err);
/* ERR_USAGE naming the first one in which they differ.  Scenarios and policies
 * that only one of the two knows are fine. */
int settings_compare(const json_t *before, const json_t *now, const char *path,
                     struct err *err);
/* `before` with the scenarios and policies of `now`. */
int settings_merge(json_t *before, const json_t *now, struct err *err);
/* Notices what differs, protects from nothing. */
uint64_t settings_hash(const char *p, size_t n);
/* Of what one cell depends on; of everything when c is NULL.  mem_free. */
char *settings_checksum(const json_t *settings, const struct study *s,
                        const struct cell *c, struct err *err);

/* ---- result.c ------------------------------------------------------------ */

/* A result that says why there is none: "diverged" or "failed". */
json_t *result_failed(const struct err *why, json_t *curve);
/* NAN when it is null or absent. */
double result_get(const json_t *result, const char *key);
/* null for what is not finite */
json_t *result_number(double v);
bool result_is(const json_t *result, const char *status);
json_t *result_point(double seconds, uint64_t samples, double loss,
                     double accuracy);
/* Sets best_accuracy, final_accuracy and final_loss from the curve. */
int result_take_curve(json_t *result, json_t *curve);
/* Seconds until it was first reached, by a straight line from the evaluation
 * before; NAN: none did. */
double result_time_to(const json_t *result, double accuracy);

/* ---- virtual.c ----------------------------------------------------------- */

/* Measures how the network is fastest here, once for all cells; remembered as
 * by ebsp train (job/tuning.h). */
int virtual_prepare(const struct study *s, struct err *err);
/* Trains a cell in virtual time.  *result: also of a run that diverged. -1 only
 * when the study cannot go on. */
int virtual_run(const struct study *s, const struct cell *c, json_t **result,
                struct err *err);

/* ---- tabulate.c -------------------------------------------------------- */

/* bench.json: new reference. */
json_t *study_tabulate(const struct study *s, struct err *err);
/* The cells of a group: scenario, convention, policy. */
struct cell *study_get_cells(const struct study *s, size_t scenario,
                             size_t convention, size_t policy);

#endif
