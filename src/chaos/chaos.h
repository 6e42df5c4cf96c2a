/* SPDX-License-Identifier: Apache-2.0 */
/* A run that is disturbed on purpose: `ebsp train --supervise` is started, its
 * events are followed, its processes are killed, stopped and cut off by a
 * schedule or at random, and at the end it is checked that it was a run like
 * any other.  See ebsp-chaos(1). */
#ifndef EBSP_CHAOS_CHAOS_H
#define EBSP_CHAOS_CHAOS_H

#include "base/json.h"
#include "chaos/script.h"
#include "chaos/strike.h"

#include <stdbool.h>
#include <stdint.h>

struct buf;
struct err;

struct chaos_config {
    const char *run;         /* directory, which the arguments name, too */
    const char *const *argv; /* of ebsp train --supervise, ended by NULL */
    const char *socket;      /* name of the control socket in it */
    const struct script *schedule;
    double mtbf_s;     /* mean time between random faults; 0: none */
    unsigned actions;  /* random ones: bits 1 << CHAOS_KILL ... */
    double duration_s; /* random ones end after that; 0: with the run */
    double patience_s; /* without any event: the run hangs */
    uint64_t seed;
    bool verbose; /* the run may print */
    /* A line for people, without its newline. */
    void (*tell)(void *ctx, const char *line);
    void *ctx;
};

enum chaos_verdict { CHAOS_OK, CHAOS_FAILED, CHAOS_SKIPPED };

enum {
    CHAOS_CHECK_END,         /* the run ended well */
    CHAOS_CHECK_FAULTS,      /* each was done, and recovered from */
    CHAOS_CHECK_SAMPLES,     /* applied exactly once */
    CHAOS_CHECK_PROCESSES,   /* none is left */
    CHAOS_CHECK_DESCRIPTORS, /* the coordinator's do not grow */
    CHAOS_CHECK_MEMORY,
    CHAOS_CHECK_ACCURACY, /* as without faults */
    CHAOS_CHECKS
};

struct chaos_check {
    enum chaos_verdict verdict;
    char text[512];
};

struct chaos_result {
    int status; /* exit status of the run; 128 + a signal that ended it */
    int signum; /* that was sent to us, and to the run; 0 */
    bool begun; /* there is a run directory to speak of */
    double seconds, accuracy; /* accuracy: NAN: there is none */
    int64_t begin_ns;
    struct strike *strike;
    size_t n_strikes;
    struct chaos_check check[CHAOS_CHECKS];
    char output[1024]; /* the end of what the run has printed */
};

/* 0 when everything was found out, however it is. */
int chaos_run(const struct chaos_config *c, struct chaos_result *to,
              struct err *err);
void chaos_result_release(struct chaos_result *r);
/* The same job without faults: argv of ebsp train, which puts its run into
 * `run`.  Fills the check of accuracy. */
int chaos_compare(struct chaos_result *r, const char *const *argv,
                  const char *run, double tolerance, struct err *err);
/* A run that has ended: its end and its samples are checked. */
int chaos_check(const char *run, struct chaos_result *to, struct err *err);
bool chaos_all_ok(const struct chaos_result *r);
const char *chaos_check_name(int check);
const char *chaos_verdict_name(enum chaos_verdict v);
/* As JSON; NULL: out of memory. */
json_t *chaos_report(const struct chaos_config *c,
                     const struct chaos_result *r);

#endif
