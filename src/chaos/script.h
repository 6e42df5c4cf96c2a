/* SPDX-License-Identifier: Apache-2.0 */
/* Which fault is to happen when: the lines of a schedule, ebsp-chaos(1). */
#ifndef EBSP_CHAOS_SCRIPT_H
#define EBSP_CHAOS_SCRIPT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct err;

/* Where a process can be hit.  Those of a worker come first. */
enum chaos_state {
    CHAOS_STARTING,
    CHAOS_READING,
    CHAOS_HELD,
    CHAOS_COMPUTING,
    CHAOS_PUSHING,
    CHAOS_IDLE,
    CHAOS_STOPPING,
    CHAOS_COORDINATOR, /* the first one of the coordinator: starting */
    CHAOS_TRAINING,
    CHAOS_COMMITTING,
    CHAOS_CHECKPOINTING,
    CHAOS_EVALUATING,
    CHAOS_ENDING,
    CHAOS_STATES
};

enum chaos_action { CHAOS_KILL, CHAOS_STOP, CHAOS_CUT, CHAOS_ACTIONS };

#define CHAOS_ANY_RANK UINT32_MAX
#define CHAOS_MAX_STOP 3600 /* seconds */

struct fault {
    enum chaos_state state; /* tells the role, too */
    uint32_t rank;          /* of a worker, or CHAOS_ANY_RANK */
    uint64_t step;          /* the how manieth time that the state is entered */
    enum chaos_action action;
    double stop_s; /* CHAOS_STOP: then it goes on; 0: never */
    int line;      /* in the schedule; 0: drawn at random */
};

struct script {
    struct fault *v;
    size_t n;
};

/* ERR_CONFIG with name:line:column for what is no schedule. */
int script_parse(struct script *s, const char *name, const char *text, size_t n,
                 struct err *err);
int script_load(struct script *s, const char *path, struct err *err);
void script_release(struct script *s);

const char *chaos_state_name(enum chaos_state s);
static inline bool
chaos_is_coordinator(enum chaos_state s)
{
    return s >= CHAOS_COORDINATOR;
}
const char *chaos_action_name(enum chaos_action a);
/* One of the names, or CHAOS_ACTIONS. */
enum chaos_action chaos_action_find(const char *name);

#endif
