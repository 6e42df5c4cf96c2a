/* SPDX-License-Identifier: Apache-2.0 */
/* The course of a superstep. */
#include "elasticbsp/elasticbsp.h"

#include "act.h"

#define MS 1e6

/* Lets a worker go on, with fresh parameters at the begin of a superstep. */
static int32_t
release(struct elastic *e, uint32_t w, int64_t now_ns, int is_begin)
{
    struct worker *x = &e->workers[w];
    struct ebsp_action a = {
        .struct_size = sizeof a, .kind = EBSP_ACTION_RELEASE, .worker = w};
    uint64_t steps = 1, count = count_of(e, w);

    if (e->between != BETWEEN_ASYNC && !is_begin)
        a.flags = EBSP_RELEASE_KEEP;
    if (e->between == BETWEEN_LOCAL) {
        /* the rest of the quota in one go, as far as max_gap allows */
        if (e->phase == RUN) {
            steps = e->gate.min + e->max_gap - count;
            if (steps > x->quota - count)
                steps = x->quota - count;
        }
        a.contribution = EBSP_PUSH_DELTA;
        a.steps = (uint32_t)steps;
    }
    x->state = RUNNING;
    x->steps = (uint32_t)steps;
    x->since_ns = now_ns;
    return e->host->act(e->host->ctx, &a);
}

/* Everybody who waits becomes a member. */
static int32_t
begin(struct elastic *e, int64_t now_ns)
{
    e->phase = IDLE;
    for (uint32_t w = 0; w < e->n_workers; w++) {
        if (e->workers[w].state != WAITING)
            continue;
        if (e->phase == IDLE) {
            e->phase = MONITOR;
            e->number++;
            e->start_ns = now_ns;
            e->iterations = 0;
            e->waited_ns = 0;
        }
        e->workers[w].has_given = 0;
        e->n_members++;
        gate_enter(&e->gate, w, 0); /* everybody starts from 0: it fits */
        if (release(e, w, now_ns, 1) != 0)
            return -1;
    }
    return 0;
}

static int32_t
give(struct elastic *e, uint32_t w, double weight)
{
    struct worker *x = &e->workers[w];

    x->has_push = 0;
    e->n_added++;
    if (!x->has_given) {
        x->has_given = 1;
        e->n_givers++;
    }
    return act_add(e->host, w, weight);
}

static int32_t
commit(struct elastic *e, double weight)
{
    e->n_added = 0;
    e->n_givers = 0;
    return act_commit(e->host, weight);
}

/* The push was not the last one: it is applied, and its worker goes on. */
static int32_t
go_on(struct elastic *e, uint32_t w, int64_t now_ns)
{
    struct worker *x = &e->workers[w];

    e->waited_ns += (double)elapsed_ns(now_ns, x->since_ns);
    if (x->has_push && (give(e, w, 1.0) != 0 || commit(e, 1.0) != 0))
        return -1;
    return release(e, w, now_ns, 0);
}

/* async: the mean of everybody's last push, every sample alike. */
static int32_t
add_last_pushes(struct elastic *e)
{
    double total = 0;

    for (uint32_t w = 0; w < e->n_workers; w++)
        if (e->workers[w].has_push)
            total += (double)e->workers[w].samples;
    for (uint32_t w = 0; w < e->n_workers; w++)
        if (e->workers[w].has_push &&
            give(e, w, (double)e->workers[w].samples / total) != 0)
            return -1;
    return 0;
}

/* accumulate: the sum of all pushes.  local: the mean, over the workers that
 * gave any, of what they moved the parameters by. */
static int32_t
apply(struct elastic *e)
{
    if (add_last_pushes(e) != 0)
        return -1;
    if (e->n_added == 0)
        return 0;
    return commit(e, e->between == BETWEEN_LOCAL ? 1.0 / (double)e->n_givers
                                                 : 1.0);
}

static void
note_superstep(const struct elastic *e, int64_t now_ns)
{
    double length_ms = (double)elapsed_ns(now_ns, e->start_ns) / MS;
    struct ebsp_value v[] = {
        {"number", (double)e->number},
        {"workers", (double)e->n_members},
        {"iterations", (double)e->iterations},
        {"length_ms", length_ms},
        {"predicted_barrier_ms", (double)e->predicted_ns / MS},
        {"actual_barrier_ms", length_ms},
        {"predicted_wait_ms", e->predicted_wait_ns / MS},
        {"waited_ms", e->waited_ns / MS},
    };
    struct ebsp_note note = {
        .struct_size = sizeof note,
        .value_stride = sizeof v[0],
        .name = "superstep",
        .values = v,
        .n_values = sizeof v / sizeof v[0],
    };

    e->host->note(e->host->ctx, &note);
}

/* Everybody has come to the barrier. */
static int32_t
end(struct elastic *e, int64_t now_ns)
{
    for (uint32_t w = 0; w < e->n_workers; w++)
        if (e->workers[w].state == DONE)
            e->waited_ns += (double)elapsed_ns(now_ns, e->workers[w].since_ns);
    if (apply(e) != 0)
        return -1;
    note_superstep(e, now_ns);
    for (uint32_t w = 0; w < e->n_workers; w++) {
        if (e->workers[w].state != DONE)
            continue;
        e->workers[w].state = WAITING;
        gate_leave(&e->gate, w);
    }
    e->n_members = 0;
    e->n_done = 0;
    return begin(e, now_ns);
}

int32_t
superstep_settle(struct elastic *e, int64_t now_ns)
{
    uint32_t w;

    if (!e->is_started)
        return 0;
    if (e->n_members == 0) /* what the last ones gave is not lost */
        return apply(e) != 0 ? -1 : begin(e, now_ns);
    if (e->phase == MONITOR && e->gate.min >= MONITORED &&
        plan_make(e, now_ns) != 0)
        return -1;
    while ((w = gate_next(&e->gate)) != GATE_NONE)
        if (go_on(e, w, now_ns) != 0)
            return -1;
    if (e->phase == RUN && e->n_done == e->n_members)
        return end(e, now_ns);
    return 0;
}

int32_t
superstep_take_push(struct elastic *e, const struct ebsp_event *event)
{
    uint32_t w = event->worker;
    struct worker *x = &e->workers[w];
    uint64_t steps = 1;

    if (e->between == BETWEEN_LOCAL && event->steps > 1)
        steps = event->steps < x->steps ? event->steps : x->steps;
    predict_observe(&x->predict, event->interval_ns / (int64_t)steps);
    e->iterations += steps;
    x->samples = event->samples;
    x->since_ns = event->now_ns;
    x->has_push = e->between == BETWEEN_ASYNC;
    if (!x->has_push && give(e, w, 1.0) != 0)
        return -1;
    if (gate_move(&e->gate, w, count_of(e, w) + steps) != 0) {
        e->host->fail(e->host->ctx,
                      "max_gap was exceeded: a bug in elasticbsp");
        return -1;
    }
    if (e->phase == RUN && count_of(e, w) == x->quota) {
        x->state = DONE;
        e->n_done++;
    } else {
        x->state = HELD;
        gate_hold(&e->gate, w);
    }
    return superstep_settle(e, event->now_ns);
}

void
superstep_forget(struct elastic *e, uint32_t w)
{
    struct worker *x = &e->workers[w];

    if (x->state != WAITING) {
        e->n_members--;
        e->n_done -= x->state == DONE;
        gate_leave(&e->gate, w);
    }
    x->state = ABSENT;
    x->has_push = 0;
}
