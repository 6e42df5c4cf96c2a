/* SPDX-License-Identifier: Apache-2.0 */
/* A random but reproducible life of a policy, in virtual time: workers of
 * different speeds, joins and leaves at any moment, work that runs out.  It
 * drives the host as the live server does, and is the base of the conformance
 * suite, of the property tests and of the fuzzer.
 *
 * Besides what the host checks it makes sure that the policy makes progress,
 * that each mini-batch is used exactly once however many workers are lost, and
 * that nothing is left in the accumulator when the last worker has gone. */
#ifndef EBSP_POLICY_SCHEDULE_H
#define EBSP_POLICY_SCHEDULE_H

#include "base/rng.h"
#include "policy/host.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct err;
struct policy_lib;
struct schedule;

/* The first five: an event that the policy is about to get (FINISH: when its
 * release was answered; LEAVE(FINISHED) follows).  The rest: actions that the
 * host has found right. */
enum schedule_kind {
    SCHEDULE_JOIN = 1,
    SCHEDULE_START,
    SCHEDULE_PUSH,
    SCHEDULE_LEAVE,
    SCHEDULE_WAKE,
    SCHEDULE_FINISH,
    SCHEDULE_ADD,
    SCHEDULE_COMMIT,
    SCHEDULE_DROP,
    SCHEDULE_RELEASE,
    SCHEDULE_NOTE
};

struct schedule_seen {
    enum schedule_kind kind;
    uint32_t worker;         /* JOIN, PUSH, LEAVE, FINISH, ADD, DROP, RELEASE */
    double weight;           /* ADD, COMMIT */
    uint32_t pushes;         /* COMMIT: added since the last */
    uint64_t samples;        /* PUSH, COMMIT */
    struct host_release how; /* RELEASE */
    const char *name;        /* NOTE */
    const struct host_value *values;
    size_t n_values;
};

/* Sees everything in order; -1 with err filled ends the schedule. */
typedef int schedule_observer(void *ctx, const struct schedule *s,
                              const struct schedule_seen *seen,
                              struct err *err);

enum schedule_speed {
    SCHEDULE_EQUAL,  /* all alike: everything happens at equal times */
    SCHEDULE_STEADY, /* each worker has its own constant pace */
    SCHEDULE_JITTER, /* own pace, +-50 % */
    SCHEDULE_TAIL,   /* own pace, exponential tail */
    SCHEDULE_TICKS,  /* 1 to 4 units: many equal times */
    SCHEDULE_N_SPEEDS
};

struct schedule_config {
    const struct policy_lib *lib; /* borrowed */
    uint64_t seed;
    uint32_t n_workers; /* that may ever be there */
    uint32_t n_start;   /* that stand ready at the start */
    uint32_t n_batches; /* mini-batches to be worked off */
    enum schedule_speed speed;
    double churn;     /* share of steps at which somebody joins or leaves */
    uint64_t n_steps; /* ends in the middle after so many; 0: at the end */
    bool future;      /* as of struct host_config */
    bool probe;       /* event kinds that nobody knows come in between */
    schedule_observer *see; /* may be NULL */
    void *ctx;
};

/* A drawn configuration; lib, flags and observer are left alone. */
void schedule_draw(struct schedule_config *c, uint64_t seed);

struct schedule_worker {
    int64_t done_ns; /* while running */
    uint64_t tie;    /* order among equal times */
    int64_t pace_ns;
    uint32_t *batches; /* claimed by its iteration or waiting push */
    size_t n_batches, cap_batches;
    bool has_finished; /* its last release found no work */
};

struct schedule {
    struct schedule_config config;
    struct host *host;
    struct rng rng;
    int64_t now_ns;
    int64_t timer_ns; /* INT64_MAX: none */
    struct schedule_worker *workers;
    uint32_t *returned; /* batches to be done again, a stack */
    uint32_t n_returned;
    uint32_t n_claimed; /* batches below this were handed out */
    uint8_t *uses;      /* of each batch: pushes that it was added with */
    uint64_t n_used;
    uint32_t n_present; /* workers that have not left */
    uint32_t n_joined;  /* joins so far */
    uint32_t n_uncommitted;
    uint64_t n_pushes, n_steps;
    uint64_t n_wakes; /* while nobody ran, since the last push */
    uint64_t digest;  /* of all actions and notes, with their times */
    bool is_started;
    bool is_done;
    struct err *err; /* of the step that runs, for callbacks without one */
    bool has_failed;
};

/* ERR_POLICY with s->host == NULL: the policy could not be created. */
int schedule_init(struct schedule *s, const struct schedule_config *c,
                  struct err *err);
void schedule_release(struct schedule *s);
/* The next thing happens; is_done tells when there is nothing left. */
int schedule_step(struct schedule *s, struct err *err);
/* Steps to the end. */
int schedule_run(struct schedule *s, struct err *err);

#endif
