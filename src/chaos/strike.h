/* SPDX-License-Identifier: Apache-2.0 */
/* A fault that was done to a process, and what came of it. */
#ifndef EBSP_CHAOS_STRIKE_H
#define EBSP_CHAOS_STRIKE_H

#include "base/json.h"
#include "chaos/script.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

enum strike_outcome {
    STRIKE_OPEN,      /* nothing has come of it yet */
    STRIKE_RECOVERED, /* the rank pushes again, the run commits again */
    STRIKE_OVERTAKEN, /* the run was over before that, in good order */
    STRIKE_LOST,      /* the run ended without */
    STRIKE_MISSED     /* it could not be done: see why */
};

struct strike {
    struct fault fault; /* with the rank that it was */
    size_t entry;       /* of the schedule; SIZE_MAX: drawn at random */
    pid_t pid;
    int pidfd;               /* CHAOS_STOP: to let it go on; else -1 */
    int64_t at_ns, go_on_ns; /* 0: it does not go on, or has done so */
    /* It had left the state when it was hit, as later events tell. */
    bool late;
    bool noticed; /* by the run, or it goes on */
    bool dropped; /* the rank is not replaced: any progress is recovery */
    bool again;   /* it may be tried again: its lateness was not counted yet */
    enum strike_outcome outcome;
    int64_t recovered_ns;
    char why[160];
};

/* Any event, in order; now_ns is when it was read. */
void strike_see(struct strike *s, const char *event, const struct jcur *e,
                int64_t now_ns);
/* The process goes on. */
void strike_went_on(struct strike *s);
const char *strike_outcome_name(enum strike_outcome o);

#endif
