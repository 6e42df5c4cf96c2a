/* SPDX-License-Identifier: Apache-2.0 */
/* The inside of the room:
 *   chaos.c    the run and its events
 *   due.c      whose turn it is
 *   inject.c   how it is done
 *   checks.c   whether all is well at the end ...
 *   audit.c    ... as the files of the run tell
 *   report.c   JSON
 *   child.c    the run's process */
#ifndef EBSP_CHAOS_IMPL_H
#define EBSP_CHAOS_IMPL_H

#include "base/rng.h"
#include "chaos/chaos.h"
#include "chaos/child.h"
#include "chaos/growth.h"
#include "chaos/once.h"
#include "chaos/scene.h"
#include "job/follow.h"

#include "base/err.h"

#define CHAOS_TRIES 3 /* for an entry of the schedule that comes too late */

struct entry { /* of the schedule */
    uint64_t seen;
    unsigned tries;
    bool due;     /* since the events that were read last ... */
    uint32_t who; /* ... because of this rank */
    bool waiting; /* to learn whether it came in time */
    bool done;
};

struct chaos {
    const struct chaos_config *c;
    struct chaos_result *r;
    struct child_run child;
    struct follow follow;
    struct scene scene;
    struct once *once;
    struct err contradiction; /* what once_take has found */
    struct growth growth;
    struct entry *entry; /* of c->schedule */
    size_t cap_strikes;
    struct rng rng;
    int64_t random_ns; /* when the next one is due; 0: not decided yet */
    int64_t event_ns, sample_ns;
    bool hangs;
};

static inline int64_t
chaos_ns(double seconds)
{
    return (int64_t)(seconds * 1e9);
}

/* "  12.345 s  " and the text, to who looks on. */
void chaos_tell(const struct chaos *c, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/* due.c */
scene_enter_fn due_enter; /* ctx: the chaos */
/* All events that there are were read: does what is due. */
int due_act(struct chaos *c, struct err *err);
/* A strike's lateness is known, or will never be. */
void due_judge(struct chaos *c, struct strike *s);
/* When due_act is to be called without any event; INT64_MAX: need not be. */
int64_t due_next_ns(const struct chaos *c);

/* inject.c */
int inject(struct chaos *c, const struct fault *f, uint32_t rank, size_t entry,
           struct err *err);
/* Those that were stopped for a time and whose time is over go on. */
void inject_go_on(struct chaos *c, int64_t now_ns);
int64_t inject_next_ns(const struct chaos *c);
pid_t inject_find_coordinator(const struct chaos *c); /* 0: there is none */

/* checks.c: everything but accuracy */
int chaos_checks(struct chaos *c, struct err *err);

/* audit.c */
struct chaos_summary {
    bool is_done; /* all epochs */
    char status[32];
    double accuracy;
};

void chaos_judge(struct chaos_result *r, int which, enum chaos_verdict v,
                 const char *fmt, ...) __attribute__((format(printf, 4, 5)));
int chaos_read_summary(const char *run, struct chaos_summary *to,
                       struct err *err);
/* contradiction: what once_take has found, if anything. */
void chaos_check_samples(struct chaos_result *r, const char *run,
                         struct once *once, const struct err *contradiction,
                         const struct chaos_summary *s);

#endif
