/* SPDX-License-Identifier: Apache-2.0 */
/* Where every process of a run stands, as its events tell (ebsp-run(5)). */
#ifndef EBSP_CHAOS_SCENE_H
#define EBSP_CHAOS_SCENE_H

#include "base/json.h"
#include "chaos/script.h"

#include <sys/types.h>

struct err;

struct actor {      /* one rank */
    bool exists;    /* a process is starting or at work */
    bool connected; /* as far as is told */
    bool has_state; /* else it is cut off or gone */
    enum chaos_state state;
    uint64_t spawned; /* counts: who was started later has the higher one */
    pid_t pid;        /* 0: not told yet */
    bool is_remote;   /* it is on another host */
};

struct scene {
    struct actor *rank;
    uint32_t n;
    uint64_t spawned;
    uint32_t sessions; /* how often the coordinator was started */
    bool starting;
    bool training;          /* between start and end */
    uint32_t checkpointing; /* checkpoints on their way */
    uint32_t evaluating;
    bool ending, over;
    char host[256]; /* this machine, as the run names it; "": not known */
};

/* A state was entered; rank: 0 for the coordinator. */
typedef void scene_enter_fn(void *ctx, enum chaos_state s, uint32_t rank);

int scene_init(struct scene *s, struct err *err);
void scene_release(struct scene *s);
int scene_take(struct scene *s, const char *event, const struct jcur *e,
               scene_enter_fn *enter, void *ctx, struct err *err);
/* The coordinator was killed, and its workers end: nobody is there any more
 * until the next session tells of somebody. */
void scene_die(struct scene *s);
/* NULL when no such rank was told of. */
const struct actor *scene_get(const struct scene *s, uint32_t rank);
/* Is the process in this state? */
bool scene_is_in(const struct scene *s, enum chaos_state state, uint32_t rank);
uint32_t scene_count_connected(const struct scene *s);

#endif
