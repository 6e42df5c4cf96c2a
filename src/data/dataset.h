/* SPDX-License-Identifier: Apache-2.0 */
/* Data sets: two splits of samples with labels, read whole and checked when
 * opened, read-only afterwards. */
#ifndef EBSP_DATA_DATASET_H
#define EBSP_DATA_DATASET_H

#include "base/shm.h"
#include "nn/graph.h"

#include <stddef.h>
#include <stdint.h>

struct err;
struct jcur;

enum data_type { DATA_U8, DATA_F32 };

struct data_split {
    size_t n;
    const void *x;        /* n * shape elements of type, plain (C, H, W) */
    const int32_t *label; /* n; NULL when the data has targets instead */
    const float *target;  /* n * n_targets, or NULL */
};

struct dataset {
    const char *kind; /* "idx" */
    char *source;     /* where it was read from, for people */
    enum data_type type;
    struct shape shape;
    int64_t n_classes; /* 0: targets instead of labels */
    int64_t n_targets;
    struct data_split train, test;
    uint64_t hash; /* of everything above: the same on every machine */
    void *memory;  /* what x, label, target point into */
    size_t n_bytes;
    struct shm shared; /* that it lies in; else none */
};

/* "data" of a job: {"type": "idx", ...}.  Files are looked for in data_dir
 * (--data-dir; may be NULL), else beside the job file (job_dir).  `seed` is the
 * default of "seed" of data that are generated.  Everything wrong with keys or
 * files is ERR_CONFIG, saying which file, where in it, and what was expected.
 */
struct dataset *dataset_open(const struct jcur *data, const char *data_dir,
                             const char *job_dir, uint64_t seed,
                             struct err *err);
/* The checks of the keys alone; nothing is read. */
int dataset_check(const struct jcur *data, struct err *err);
void dataset_free(struct dataset *d);

#endif
