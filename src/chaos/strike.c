/* SPDX-License-Identifier: Apache-2.0 */
#include "chaos/strike.h"

#include <limits.h>
#include <string.h>

static bool
is_one_of(const char *event, const char *const *names)
{
    for (; *names; names++)
        if (!strcmp(event, *names))
            return true;
    return false;
}

/* Events that end a state of the coordinator. */
static const char *const coordinator_left[CHAOS_STATES][3] = {
    [CHAOS_COORDINATOR] = {"start"},
    [CHAOS_TRAINING] = {"end"},
    [CHAOS_COMMITTING] = {"end"},
    [CHAOS_CHECKPOINTING] = {"checkpoint", "checkpoint_failed"},
    [CHAOS_EVALUATING] = {"eval"},
    [CHAOS_ENDING] = {"over"},
};

/* Those that only the worker itself can have caused. */
static const char *const by_worker[] = {"hello", "ready", "push", NULL};
/* And those by which the coordinator moves it on. */
static const char *const by_others[] = {"release", "idle", NULL};
static const char *const losses[] = {"leave", "lost", NULL};

static void
recovered(struct strike *s, int64_t now_ns)
{
    s->outcome = STRIKE_RECOVERED;
    s->recovered_ns = now_ns;
}

static void
see_coordinator(struct strike *s, const char *event, int64_t now_ns)
{
    if (!s->noticed) {
        if (!strcmp(event, "run"))
            s->noticed = true;
        else if (is_one_of(event, coordinator_left[s->fault.state]))
            s->late = true;
    } else if (!strcmp(event, "commit") || !strcmp(event, "over")) {
        recovered(s, now_ns);
    }
}

/* What tells that the worker had left the state before it was hit.  The push of
 * one that was pushing arrives, or does not. */
static bool
tells_late(const struct strike *s, const char *event)
{
    if (is_one_of(event, by_worker))
        return s->fault.state != CHAOS_PUSHING || strcmp(event, "push") != 0;
    /* The coordinator also moves on whom it does not know to be stopped. */
    if (s->fault.action == CHAOS_STOP || s->fault.state == CHAOS_PUSHING)
        return false;
    return is_one_of(event, by_others) ||
           (s->fault.state == CHAOS_IDLE && !strcmp(event, "join"));
}

static void
see_worker(struct strike *s, const char *event, const struct jcur *e, bool mine,
           int64_t now_ns)
{
    const char *then = "";

    if (mine && !strcmp(event, "lost")) {
        (void)jcur_str_or(e, "then", &then, NULL);
        s->dropped = strcmp(then, "replace") != 0;
    }
    if (!s->noticed) {
        if (!strcmp(event, "run") || (mine && is_one_of(event, losses)) ||
            /* one that did not take part is back without having left */
            (mine && s->fault.action == CHAOS_CUT && !strcmp(event, "hello")))
            s->noticed = true;
        else if (mine && tells_late(s, event))
            s->late = true;
        return;
    }
    if ((mine && (!strcmp(event, "push") || !strcmp(event, "idle"))) ||
        (s->dropped && !strcmp(event, "commit")))
        recovered(s, now_ns);
}

void
strike_see(struct strike *s, const char *event, const struct jcur *e,
           int64_t now_ns)
{
    int64_t rank = -1;

    if (s->outcome != STRIKE_OPEN)
        return;
    if (chaos_is_coordinator(s->fault.state)) {
        see_coordinator(s, event, now_ns);
        return;
    }
    (void)jcur_int_or(e, "rank", 0, INT_MAX, &rank, NULL);
    see_worker(s, event, e, rank == (int64_t)s->fault.rank, now_ns);
}

void
strike_went_on(struct strike *s)
{
    s->go_on_ns = 0;
    s->noticed = true;
}

const char *
strike_outcome_name(enum strike_outcome o)
{
    static const char *const names[] = {
        [STRIKE_OPEN] = "open",           [STRIKE_RECOVERED] = "recovered",
        [STRIKE_OVERTAKEN] = "overtaken", [STRIKE_LOST] = "lost",
        [STRIKE_MISSED] = "missed",
    };

    return names[o];
}
