/* SPDX-License-Identifier: Apache-2.0 */
/* All that is shown of one run: its files read, added up, and made short
 * enough to be drawn.  What a run that is at work or was killed has not written
 * (summary.json) is taken from its events as far as they tell it. */
#ifndef EBSP_REPORT_ACCOUNT_H
#define EBSP_REPORT_ACCOUNT_H

#include "base/json.h"
#include "report/curve.h"

#include <stdbool.h>
#include <stdint.h>

struct err;

/* Parts of a worker's time, as in summary.json. */
enum part {
    PART_COMPUTE,
    PART_DATA,
    PART_PULL,
    PART_PUSH,
    PART_WAIT,
    PART_OTHER,
    N_PARTS
};
extern const char *const part_names[N_PARTS];

#define ACCOUNT_BINS       64   /* of the staleness, as in summary.json */
#define ACCOUNT_SPANS      8192 /* the newest are kept */
#define ACCOUNT_SUPERSTEPS 32

struct account_worker {
    bool is_used;
    char *host; /* or NULL */
    uint64_t iterations;
    double part_s[N_PARTS];
    double hidden_s; /* no part: transfer while it computed */
    double span_s;   /* of its last order, until the push */
};

/* A part of a worker's time. */
struct account_span {
    enum part part;
    uint32_t rank;
    double begin_s, end_s; /* at_s of story.h */
};

struct account_superstep {
    double begin_s, end_s, predicted_s; /* NAN: not predicted */
};

/* NAN: not known. */
struct account_facts {
    const char *status; /* of the summary; "unfinished" without one */
    const char *why;    /* it failed, or was stopped; or NULL */
    const char *policy, *name;
    double workers, seconds, epochs, samples, rate;
    double accuracy, best_accuracy, test_loss, train_loss;
    double updates, pushes, dropped, lost;
    double waiting_share, mean_staleness, max_staleness;
    double bytes_pushed, bytes_pulled;
};

struct account {
    char *run;   /* directory */
    char *label; /* in legends and tables */
    struct json_doc job, summary;
    bool has_summary;
    double zero_s, end_s;
    double began_s; /* the superstep at work, where the policy does not tell */
    uint64_t samples;           /* applied */
    uint64_t updates, n_pushes; /* pushes that have arrived */
    /* x: seconds of training, samples */
    struct curve train_loss, test_loss, accuracy;
    /* x: seconds of training, number; in seconds */
    struct curve superstep, predicted;
    uint64_t n_supersteps;
    bool tells_supersteps; /* the policy itself; else updates of > 1 push */
    uint64_t staleness[ACCOUNT_BINS]; /* the last one: that and more */
    double sum_staleness;
    uint64_t n_staleness;
    int64_t max_staleness;
    struct gauge waiting; /* seconds of training */
    struct account_worker *worker;
    size_t n_workers; /* ranks below it */
    uint32_t n_used;
    struct account_span *span; /* a ring */
    uint64_t n_spans;
    struct account_superstep last[ACCOUNT_SUPERSTEPS]; /* a ring */
    uint64_t n_last;
    struct account_facts facts; /* strings belong to the documents */
};

/* Reads the directory of a run that has begun. */
int account_read(struct account *a, const char *run, struct err *err);
void account_release(struct account *a);
/* Seconds of transfer of all workers, and how many of them were hidden behind
 * computing. */
double account_transfer(const struct account *a, double *hidden_s);
/* Names that tell runs from each other: policies where they do, else
 * directories. */
int account_label(struct account *a, size_t n, struct err *err);

#endif
