/* SPDX-License-Identifier: Apache-2.0 */
/* What a kind of data set is made of, and what they share.  One file per kind,
 * listed in dataset.c. */
#ifndef EBSP_DATA_KIND_H
#define EBSP_DATA_KIND_H

#include "base/json.h"
#include "data/dataset.h"

/* No data set is larger, whatever a file says; and samples are numbered in 31
 * bits. */
#define DATA_MAX_BYTES   ((uint64_t)64 << 30)
#define DATA_MAX_SAMPLES INT32_MAX
#define DATA_MAX_CLASSES 1000000

/* "data" of a job while it is opened. */
struct data_request {
    const struct jcur *data;
    const char *data_dir; /* may be NULL */
    const char *job_dir;
    uint64_t seed;   /* default of "seed" */
    size_t limit[2]; /* most samples of train and test */
};

struct data_kind {
    const char *name;
    /* Everything about the keys that needs no file. */
    int (*check)(const struct jcur *data, struct err *err);
    /* d is zero but for kind; fills everything but hash. */
    int (*open)(struct dataset *d, const struct data_request *r,
                struct err *err);
};

extern const struct data_kind data_idx, data_cifar10, data_cifar100,
    data_digits, data_raw, data_blobs;

/* First in a kind's table of keys. */
#define DATA_KEYS "type", "limit_train", "limit_test"

/* d's shape, type, n_classes, n_targets are set: one block for both splits.
 * to[0] and to[1] (train, test) are what to write it through. */
struct data_room {
    void *x;
    int32_t *label;
    float *target;
};
int data_alloc(struct dataset *d, size_t n_train, size_t n_test,
               struct data_room to[2], struct err *err);
/* The same in memory that is there and filled; ERR_CONFIG when its size is not
 * that of the data set. */
int data_place(struct dataset *d, size_t n_train, size_t n_test, void *base,
               size_t n_bytes, struct err *err);
size_t data_sample_bytes(const struct dataset *d);

/* Looks for `name`, a job's file or folder, and gives its path (mem_free):
 * absolute, else in data_dir, else beside the job file.  NULL and no error:
 * not there.  `path` of data_missing is a cursor to what named it. */
char *data_find(const struct data_request *r, const char *name,
                struct err *err);
int data_missing(const struct data_request *r, const char *key,
                 const char *name, struct err *err);

/* Fast, and as good as random where nobody wants to deceive. */
uint64_t data_hash_bytes(uint64_t h, const void *bytes, size_t n);

static inline size_t
data_min(size_t a, size_t b)
{
    return a < b ? a : b;
}

#endif
