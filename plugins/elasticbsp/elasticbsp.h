/* SPDX-License-Identifier: Apache-2.0 */
/* Elastic bulk synchronous parallel; see elasticbsp.c.
 *
 * elasticbsp.c  options, events     superstep.c  begin, go on, barrier
 * plan.c        who stops when      predict.c    how long iterations take */
#ifndef EBSP_ELASTICBSP_ELASTICBSP_H
#define EBSP_ELASTICBSP_ELASTICBSP_H

#include "common/gate.h"
#include "elasticbsp/predict.h"
#include "zipline/zipline.h"

#include <ebsp/policy.h>

/* Pushes that everybody must have done before there is a plan. */
#define MONITORED 2

enum between { BETWEEN_ASYNC, BETWEEN_ACCUMULATE, BETWEEN_LOCAL };

enum phase {
    IDLE,    /* nobody is there */
    MONITOR, /* somebody has not pushed MONITORED times yet */
    RUN      /* everybody has a quota */
};

enum worker_state {
    ABSENT,
    WAITING, /* for the superstep to come */
    RUNNING,
    HELD, /* in the gate: as far ahead as max_gap allows */
    DONE  /* quota used up, waits for the barrier */
};

struct worker {
    enum worker_state state;
    uint8_t has_push;  /* not added: it may turn out to be the last one */
    uint8_t has_given; /* to the accumulator, in this superstep */
    uint32_t steps;    /* local steps it was last released for */
    uint64_t samples;  /* of the push */
    uint64_t quota;    /* RUN: iterations of this superstep, all in all */
    int64_t since_ns;  /* RUNNING: its release; HELD, DONE: its push */
    struct predict predict;
};

/* A member's part in a decision. */
struct choice {
    uint32_t worker;
    uint32_t first; /* least index that it can reach */
    uint64_t count; /* iterations so far */
};

struct elastic {
    const struct ebsp_host *host;
    enum between between;
    enum predictor predictor;
    enum zipline_objective objective;
    uint32_t lookahead, first;
    uint64_t max_gap;
    int64_t max_superstep_ns; /* 0: any length */

    enum phase phase;
    int is_started;
    struct worker *workers; /* by number */
    uint32_t n_workers;     /* numbers below this have been seen */
    uint32_t n_present;     /* joined and not left */
    uint32_t n_most;        /* of them at once, so far */
    struct gate gate;       /* the members, by iterations in this superstep */
    uint32_t n_members, n_done;
    uint64_t n_added;  /* pushes in the accumulator */
    uint32_t n_givers; /* workers that gave to it in this superstep */

    /* the superstep */
    uint64_t number; /* from 1 */
    uint64_t iterations;
    int64_t start_ns;
    int64_t predicted_ns; /* barrier, after start_ns */
    double predicted_wait_ns, waited_ns;

    /* memory of a decision */
    struct zipline zipline;
    struct zipline_worker *points; /* of each choice */
    struct choice *choices;
};

/* Not negative, whatever the times are. */
static inline int64_t
elapsed_ns(int64_t now_ns, int64_t since_ns)
{
    int64_t d;

    if (now_ns <= since_ns)
        return 0;
    return __builtin_sub_overflow(now_ns, since_ns, &d) ? INT64_MAX : d;
}

/* Iterations that a member has done in this superstep. */
static inline uint64_t
count_of(const struct elastic *e, uint32_t w)
{
    return e->gate.workers[w].clock;
}

/* plan.c: gives everybody a quota; who has used it up already is DONE. */
int32_t plan_make(struct elastic *e, int64_t now_ns);

/* superstep.c: all that follows from an event: begins a superstep, plans, lets
 * members go on, ends it, as far as is due. */
int32_t superstep_settle(struct elastic *e, int64_t now_ns);
int32_t superstep_take_push(struct elastic *e, const struct ebsp_event *event);
void superstep_forget(struct elastic *e, uint32_t w);

#endif
