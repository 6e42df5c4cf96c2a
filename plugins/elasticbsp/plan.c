/* SPDX-License-Identifier: Apache-2.0 */
/* Planning a superstep: predictions in, quotas out.
 *
 * ZIPLINE chooses one index per worker.  It knows nothing of max_gap, which
 * ties the workers to each other: with f the iterations that each will have
 * done, max f - min f must be at most max_gap.  So it is asked without that
 * first, and nearly always the answer will do: it is then the best there is.
 * Otherwise it is asked once for each level L that min f could have, with all f
 * held between L and L + max_gap, and the best of these answers is the best of
 * all.
 *
 * There always is a plan: for L = min (count + first) everybody's first index
 * is allowed, because nobody is let go on at a gap of max_gap. */
#include "elasticbsp/elasticbsp.h"

#include <math.h>

#define MS        1e6
#define ANY_LEVEL UINT64_MAX
/* Times are relative to the begin of the superstep.  36 years. */
#define TIME_MAX (INT64_C(1) << 60)

struct deal {
    const struct elastic *e;
    uint64_t n; /* choices */
    struct zipline_goal goal;
};

static int64_t
relative_ns(const struct elastic *e, int64_t t_ns)
{
    int64_t d = elapsed_ns(t_ns, e->start_ns);

    return d < TIME_MAX ? d : TIME_MAX;
}

/* Worker w as it looks now.  Its points count from its push when it is held,
 * else from its release.  When even its next point has passed, the prediction
 * was too short: that point is moved to now, and the others after it. */
static void
observe(struct elastic *e, uint32_t w, int64_t now_ns, uint64_t i)
{
    const struct worker *x = &e->workers[w];
    struct zipline_worker *z = &e->points[i];
    int64_t now = relative_ns(e, now_ns);

    z->interval = predict_next(&x->predict, e->predictor);
    z->last_push = x->state == HELD ? now : relative_ns(e, x->since_ns);
    if (x->state == RUNNING && z->last_push + z->interval < now)
        z->last_push = now - z->interval;
    e->choices[i] = (struct choice){
        .worker = w,
        .first = x->state == HELD ? e->first : 1,
        .count = count_of(e, w),
    };
}

/* Sets the indexes that a level leaves; 0 when it leaves somebody none. */
static int
set_level(const struct deal *d, uint64_t level)
{
    for (uint64_t i = 0; i < d->n; i++) {
        const struct choice *c = &d->e->choices[i];
        struct zipline_worker *z = &d->e->points[i];

        z->min_index = c->first;
        z->max_index = d->e->lookahead;
        if (level == ANY_LEVEL)
            continue;
        if (level > c->count && level - c->count > z->min_index) {
            if (level - c->count > z->max_index)
                return 0;
            z->min_index = (uint32_t)(level - c->count);
        }
        if (level + d->e->max_gap < c->count + z->min_index)
            return 0;
        if (level + d->e->max_gap < c->count + z->max_index)
            z->max_index = (uint32_t)(level + d->e->max_gap - c->count);
    }
    return 1;
}

static int32_t
ask_zipline(struct elastic *e, const struct deal *d, struct zipline_plan *plan)
{
    enum zipline_status s =
        zipline_decide(&e->zipline, e->points, d->n, &d->goal, plan);

    if (s == ZIPLINE_OK)
        return 0;
    e->host->fail(e->host->ctx, zipline_status_text(s));
    return -1;
}

/* Of a superstep, if it goes by the plan. */
struct totals {
    uint64_t iterations;  /* of all */
    uint64_t least, most; /* of one worker */
    double waits_ns;      /* for the barrier */
};

static struct totals
sum_up(const struct deal *d, const struct zipline_plan *plan)
{
    struct totals t = {.least = UINT64_MAX};

    for (uint64_t i = 0; i < d->n; i++) {
        uint64_t f = d->e->choices[i].count + plan->points[i].index;

        t.iterations += f;
        t.least = f < t.least ? f : t.least;
        t.most = f > t.most ? f : t.most;
        t.waits_ns += (double)(plan->barrier - plan->points[i].time);
    }
    return t;
}

static int
keeps_max_gap(const struct deal *d, const struct zipline_plan *plan)
{
    struct totals t = sum_up(d, plan);

    return t.most - t.least <= d->e->max_gap;
}

/* What the objective wants small. */
static double
judge(const struct deal *d, const struct zipline_plan *plan)
{
    double length = (double)(plan->barrier - d->goal.base);

    switch (d->goal.objective) {
    case ZIPLINE_RATE:
        return (double)plan->distance / length;
    case ZIPLINE_WASTE:
        return sum_up(d, plan).waits_ns / length;
    default:
        return (double)plan->distance;
    }
}

static int
is_too_long(const struct deal *d, const struct zipline_plan *plan)
{
    return d->goal.max_superstep > 0 &&
           plan->barrier - d->goal.base > d->goal.max_superstep;
}

/* Asks level by level; for the same barrier a higher level means shorter waits.
 * ZIPLINE answers with the earliest barrier when none is within max_superstep,
 * and that grows with the level: once it is later than the best, all are. */
static int32_t
search_levels(struct elastic *e, const struct deal *d,
              struct zipline_plan *plan)
{
    uint64_t level = UINT64_MAX, end = UINT64_MAX, best_level;
    double best = INFINITY;
    int64_t best_barrier = 0;

    for (uint64_t i = 0; i < d->n; i++) {
        const struct choice *c = &e->choices[i];

        level = c->count + c->first < level ? c->count + c->first : level;
        end = c->count + e->lookahead < end ? c->count + e->lookahead : end;
    }
    best_level = level;
    for (; level <= end; level++) {
        double score;

        if (!set_level(d, level))
            continue;
        if (ask_zipline(e, d, plan) != 0)
            return -1;
        if (best < INFINITY && plan->barrier > best_barrier &&
            is_too_long(d, plan))
            break;
        score = judge(d, plan);
        if (score < best || (score == best && plan->barrier <= best_barrier)) {
            best = score;
            best_barrier = plan->barrier;
            best_level = level;
        }
    }
    set_level(d, best_level);
    return ask_zipline(e, d, plan);
}

static void
note_plan(const struct deal *d, const struct zipline_plan *plan, int64_t now_ns)
{
    const struct elastic *e = d->e;
    struct totals t = sum_up(d, plan);
    struct ebsp_value v[] = {
        {"number", (double)e->number},
        {"workers", (double)d->n},
        {"planned_at_ms", (double)relative_ns(e, now_ns) / MS},
        {"predicted_barrier_ms", (double)plan->barrier / MS},
        {"predicted_distance_ms", (double)plan->distance / MS},
        {"predicted_wait_ms", e->predicted_wait_ns / MS},
        {"planned_iterations", (double)t.iterations},
        {"least_iterations", (double)t.least},
        {"most_iterations", (double)t.most},
    };
    struct ebsp_note note = {
        .struct_size = sizeof note,
        .value_stride = sizeof v[0],
        .name = "plan",
        .values = v,
        .n_values = sizeof v / sizeof v[0],
    };

    e->host->note(e->host->ctx, &note);
}

static void
hand_out(struct elastic *e, const struct deal *d,
         const struct zipline_plan *plan)
{
    for (uint64_t i = 0; i < d->n; i++) {
        const struct choice *c = &e->choices[i];
        struct worker *x = &e->workers[c->worker];

        x->quota = c->count + plan->points[i].index;
        if (x->quota > c->count)
            continue;
        gate_unhold(&e->gate, c->worker);
        x->state = DONE;
        e->n_done++;
    }
    e->phase = RUN;
    e->predicted_ns = plan->barrier;
    e->predicted_wait_ns = sum_up(d, plan).waits_ns;
}

int32_t
plan_make(struct elastic *e, int64_t now_ns)
{
    /* a superstep is never of no length, even if its events are all at once */
    int64_t now = relative_ns(e, now_ns);
    struct deal d = {.e = e,
                     .goal = {.objective = e->objective,
                              .base = now > 0 ? 0 : -1,
                              .max_superstep = e->max_superstep_ns}};
    struct zipline_plan plan;

    for (uint32_t w = 0; w < e->n_workers; w++)
        if (e->workers[w].state == RUNNING || e->workers[w].state == HELD)
            observe(e, w, now_ns, d.n++);
    set_level(&d, ANY_LEVEL);
    if (ask_zipline(e, &d, &plan) != 0)
        return -1;
    if (!keeps_max_gap(&d, &plan) && search_levels(e, &d, &plan) != 0)
        return -1;
    hand_out(e, &d, &plan);
    note_plan(&d, &plan, now_ns);
    return 0;
}
