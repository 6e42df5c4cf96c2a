/* SPDX-License-Identifier: Apache-2.0 */
/* The inside of a replay: replay.c reads the recording, replay_tell.c tells the
 * policy what it was told, replay_drive.c carries its actions out; without a
 * policy replay_follow.c does so with the recorded ones. */
#ifndef EBSP_SIM_REPLAY_IMPL_H
#define EBSP_SIM_REPLAY_IMPL_H

#include "job/events_read.h"
#include "policy/host.h"
#include "policy/lib.h"
#include "sim/learner.h"
#include "sim/replay.h"

#define REPLAY_MAX_SECONDS 1e9 /* of a recording */
#define REPLAY_OTHER_JOB                                                       \
    "the recorded mini-batch is not the next one of this job: was job.json "   \
    "changed?"

struct replay {
    const struct replay_config *c;
    struct replay_result *result;
    struct learner *l;
    struct policy_lib lib;
    struct host *host;          /* NULL: the recording is followed */
    bool has_policy;            /* the policy's event was seen */
    bool is_started;            /* the start was seen */
    bool over;                  /* nothing more is recorded */
    bool peeked;                /* the current event is the next one, too */
    struct events_reader trace; /* at the event `event`, with its cursor `at` */
    const char *event;
    struct jcur at;
    int64_t zero_ns; /* the policy's clock at t = 0 */
    int64_t now_ns;  /* the policy's clock at the event told last */
    uint32_t left;   /* who left last */
};

/* The current event's rank; ERR_CONFIG when no such worker can be. */
int replay_get_rank(const struct replay *p, uint32_t *rank, struct err *err);
/* The shard that a release has its mini-batches from. */
int replay_get_shard(const struct replay *p, uint32_t *shard, struct err *err);
/* The mini-batches of a release behind its first one are those of `s`. */
int replay_check_rest(const struct replay *p, const struct share *s,
                      struct err *err);
/* "release of worker 3" for the current event; returns `to`. */
const char *replay_describe(const struct replay *p, char *to, size_t cap);
/* To the next event that matters; sets p->over at the end.  0 or -1. */
int replay_next(struct replay *p, struct err *err);
/* To the next event, which comes once more with replay_next. */
int replay_peek(struct replay *p, struct err *err);

/* The current event's time becomes p->now_ns. */
int replay_take_time(struct replay *p, struct err *err);

/* Events that the policy was told.  Where none takes part they only change what
 * the workers compute. */
int replay_on_join(struct replay *p, struct err *err);
int replay_on_start(struct replay *p, struct err *err);
int replay_on_push(struct replay *p, struct err *err);
int replay_on_retry(struct replay *p, struct err *err);
int replay_on_ready(struct replay *p, struct err *err);
int replay_on_leave(struct replay *p, struct err *err);
int replay_on_wake(struct replay *p, struct err *err);

/* Carries the current event out, which is an action. */
int replay_follow(struct replay *p, struct err *err);

/* Carries the policy's actions out, each of which must be the next event. */
extern const struct host_driver replay_driver; /* ctx: struct replay */

#endif
