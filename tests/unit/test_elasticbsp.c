/* SPDX-License-Identifier: Apache-2.0 */
/* What elasticbsp promises, on thousands of random schedules: an observer keeps
 * its own account of the supersteps, from the events alone, and finds the best
 * plan of each by trying out all there are. */
#include "base/err.h"
#include "plugins.h"
#include "policy/conform.h"
#include "policy/schedule.h"
#include "tap.h"

#include <math.h>

#define MAX_WORKERS 16
#define N_SCHEDULES 1000
#define MS          1e6

enum between { ASYNC, ACCUMULATE, LOCAL };
enum objective { DISTANCE, RATE, WASTE };
enum predictor { LAST, EWMA, MEDIAN };

/* A spec, and again what it says. */
struct row {
    const char *spec;
    uint32_t max_workers; /* small where all plans are tried out */
    uint32_t lookahead, first, max_gap;
    enum between between;
    enum objective objective;
    enum predictor predictor;
    double max_superstep_ms;
};

struct worker {
    bool is_present, is_running;
    bool is_member; /* of the superstep */
    bool has_push;  /* neither added nor dropped */
    bool has_given; /* in this superstep */
    bool has_quota;
    uint64_t n_samples; /* of its last push */
    uint32_t count;     /* iterations in this superstep */
    int64_t released_ns, pushed_ns;
    double ewma_ns;
    int64_t seen_ns[8]; /* intervals, the newest first */
    int n_seen;
    /* as of the plan */
    uint32_t planned_at, first, quota;
    int64_t base_ns, interval_ns;
};

struct watch {
    const struct row *row;
    struct worker w[MAX_WORKERS];
    bool has_plan;
    bool is_complete; /* nobody has left since the plan */
    bool is_whole;    /* nobody has left since the begin */
    bool is_told;     /* the policy knows of all that have left */
    bool knows_quotas;
    int64_t start_ns;
    double barrier_ms, wait_ms, planned; /* as told by the plan */
    double waited_ns;
    uint32_t iterations;
    uint32_t n_added, n_givers;
    double weight;
    double sample_weight; /* of one sample of the last ADD */
    uint32_t last_added;
    uint64_t n_supersteps, n_plans, n_bound; /* n_bound: by max_gap */
    uint64_t n_exact, n_late;
    uint32_t longest, shortest; /* iterations of a member, at a barrier */
    double worst_wait_ms;
};

#define VIOLATED(...) err_set(err, ERR_FAIL, __VA_ARGS__)
#define EACH(x, t)                                                             \
    for (struct worker *x = (t)->w; x < (t)->w + MAX_WORKERS; x++)             \
        if (x->is_member)

static uint32_t
get_least(struct watch *t)
{
    uint32_t least = UINT32_MAX;

    EACH(x, t)
    least = x->count < least ? x->count : least;
    return least;
}

static bool
is_anybody(struct watch *t, bool is_running)
{
    EACH(x, t)
    if (!is_running || x->is_running)
        return true;
    return false;
}

/* ---- the best plan, by trying out all ------------------------------------ */

static int64_t
predict_ns(const struct watch *t, const struct worker *x)
{
    int64_t v[5];
    int n = x->n_seen < 5 ? x->n_seen : 5;

    if (t->row->predictor == EWMA)
        return (int64_t)x->ewma_ns;
    if (t->row->predictor == LAST)
        return x->seen_ns[0];
    for (int i = 0; i < n; i++) {
        int k = i;

        for (; k > 0 && v[k - 1] > x->seen_ns[i]; k--)
            v[k] = v[k - 1];
        v[k] = x->seen_ns[i];
    }
    return v[n / 2];
}

static int64_t
point_of(const struct worker *x, uint32_t index)
{
    return x->base_ns + (int64_t)index * x->interval_ns;
}

struct plan {
    int64_t barrier, start;
    double waits, score;
    bool fits; /* into max_superstep */
};

static bool
is_better(const struct plan *a, const struct plan *b)
{
    if (a->fits != b->fits)
        return a->fits;
    if (a->fits && fabs(a->score - b->score) > 1e-9 * fabs(b->score))
        return a->score < b->score;
    return a->barrier != b->barrier ? a->barrier < b->barrier
                                    : a->score < b->score;
}

/* The plan in which members have the quotas `f`, or the best one, by depth
 * first search over members i and up. */
static void
try_all(struct watch *t, uint32_t i, uint32_t f[MAX_WORKERS], bool is_fixed,
        struct plan *best)
{
    const struct row *row = t->row;
    struct plan p = {.start = INT64_MAX, .barrier = INT64_MIN};
    uint32_t least = UINT32_MAX, most = 0, n = 0;
    double length;

    while (i < MAX_WORKERS && !t->w[i].is_member)
        i++;
    if (i < MAX_WORKERS && !is_fixed) {
        const struct worker *x = &t->w[i];

        for (uint32_t k = x->first; k <= row->lookahead; k++) {
            f[i] = x->planned_at + k;
            try_all(t, i + 1, f, false, best);
        }
        return;
    }
    for (i = 0; i < MAX_WORKERS; i++) {
        int64_t at;

        if (!t->w[i].is_member)
            continue;
        at = point_of(&t->w[i], f[i] - t->w[i].planned_at);
        p.start = at < p.start ? at : p.start;
        p.barrier = at > p.barrier ? at : p.barrier;
        p.waits -= (double)at;
        least = f[i] < least ? f[i] : least;
        most = f[i] > most ? f[i] : most;
        n++;
    }
    if (!is_fixed && most - least > row->max_gap)
        return;
    p.waits += (double)n * (double)p.barrier;
    length = (double)(p.barrier - t->start_ns);
    p.score = row->objective == DISTANCE ? (double)(p.barrier - p.start)
              : row->objective == RATE ? (double)(p.barrier - p.start) / length
                                       : p.waits / length;
    p.fits = row->max_superstep_ms <= 0 || length <= row->max_superstep_ms * MS;
    if (is_fixed || best->barrier == INT64_MAX || is_better(&p, best))
        *best = p;
}

/* ---- supersteps ---------------------------------------------------------- */

static double
get_value(const struct schedule_seen *seen, const char *name)
{
    for (size_t i = 0; i < seen->n_values; i++)
        if (!strcmp(seen->values[i].name, name))
            return seen->values[i].value;
    return NAN;
}

/* Quotas by the rule of policies.md: the last point not after the barrier.
 * Where max_gap forbids that, what they are is seen at the barrier. */
static void
derive_quotas(struct watch *t)
{
    uint32_t least = UINT32_MAX, most = 0;

    EACH(x, t)
    {
        uint32_t k = x->first;

        while (k < t->row->lookahead &&
               (double)(point_of(x, k + 1) - t->start_ns) <=
                   t->barrier_ms * MS + 0.5)
            k++;
        x->quota = x->count + k;
        x->has_quota = true;
        least = x->quota < least ? x->quota : least;
        most = x->quota > most ? x->quota : most;
    }
    t->knows_quotas = most - least <= t->row->max_gap;
    t->n_bound += !t->knows_quotas;
}

static int
see_plan(struct watch *t, const struct schedule *s,
         const struct schedule_seen *seen, struct err *err)
{
    struct plan best = {.barrier = INT64_MAX};
    uint32_t f[MAX_WORKERS];
    int64_t now = s->now_ns;

    if (t->has_plan || get_least(t) < 2)
        return VIOLATED("a plan, but somebody has pushed %u times",
                        get_least(t));
    EACH(x, t)
    {
        x->planned_at = x->count;
        x->first = x->is_running ? 1 : t->row->first;
        x->interval_ns = predict_ns(t, x);
        x->base_ns = x->is_running ? x->released_ns : now;
        if (x->is_running && x->base_ns + x->interval_ns < now)
            x->base_ns = now - x->interval_ns;
    }
    t->has_plan = t->is_complete = true;
    t->barrier_ms = get_value(seen, "predicted_barrier_ms");
    t->wait_ms = get_value(seen, "predicted_wait_ms");
    t->planned = get_value(seen, "planned_iterations");
    t->n_plans++;
    if (!t->is_told) {
        t->is_complete = false;
        return 0;
    }
    derive_quotas(t);
    if (t->row->max_workers > 4)
        return 0;
    try_all(t, 0, f, false, &best);
    if (fabs((double)(best.barrier - t->start_ns) / MS - t->barrier_ms) > 1e-6)
        return VIOLATED("barrier at %g ms, but the best one is at %g ms",
                        t->barrier_ms,
                        (double)(best.barrier - t->start_ns) / MS);
    if (fabs((double)(best.barrier - best.start) / MS -
             get_value(seen, "predicted_distance_ms")) > 1e-6)
        return VIOLATED("distance %g ms, but the best one is %g ms",
                        get_value(seen, "predicted_distance_ms"),
                        (double)(best.barrier - best.start) / MS);
    return 0;
}

/* The quotas that were run are those of the plan that was told. */
static int
check_quotas(struct watch *t, struct err *err)
{
    struct plan p = {.barrier = INT64_MAX};
    uint32_t f[MAX_WORKERS], least = get_least(t);

    for (int i = 0; i < MAX_WORKERS; i++) {
        const struct worker *x = &t->w[i];
        uint32_t index = f[i] = x->count;

        if (!x->is_member)
            continue;
        index -= x->planned_at;
        if (index < x->first || index > t->row->lookahead)
            return VIOLATED("worker %d: index %u", i, index);
        if (x->count - least > t->row->max_gap)
            return VIOLATED("worker %d is %u ahead at the barrier", i,
                            x->count - least);
    }
    try_all(t, 0, f, true, &p);
    if (t->is_complete &&
        (fabs((double)(p.barrier - t->start_ns) / MS - t->barrier_ms) > 1e-6 ||
         fabs(p.waits / MS - t->wait_ms) > 1e-6 * (1 + t->wait_ms)))
        return VIOLATED("quotas for a barrier at %g ms, the plan says %g ms",
                        (double)(p.barrier - t->start_ns) / MS, t->barrier_ms);
    return 0;
}

static int
see_superstep(struct watch *t, const struct schedule *s,
              const struct schedule_seen *seen, struct err *err)
{
    double length_ms = (double)(s->now_ns - t->start_ns) / MS;

    if (!t->has_plan || is_anybody(t, true))
        return VIOLATED("a barrier, but somebody is still on the way");
    if (check_quotas(t, err) != 0)
        return -1;
    EACH(x, t)
    {
        if (x->count < 2)
            return VIOLATED("a superstep of %u iterations", x->count);
        t->longest = x->count > t->longest ? x->count : t->longest;
        t->shortest = x->count < t->shortest ? x->count : t->shortest;
        t->waited_ns += (double)(s->now_ns - x->pushed_ns);
    }
    if (get_value(seen, "iterations") != t->iterations ||
        (t->is_whole && t->planned != t->iterations) ||
        fabs(get_value(seen, "length_ms") - length_ms) > 1e-6)
        return VIOLATED("%g iterations in %g ms are told, seen were %u in %g",
                        get_value(seen, "iterations"),
                        get_value(seen, "length_ms"), t->iterations, length_ms);
    if (t->is_whole &&
        fabs(get_value(seen, "waited_ms") - t->waited_ns / MS) > 1e-6)
        return VIOLATED("waited %g ms, told %g ms", t->waited_ns / MS,
                        get_value(seen, "waited_ms"));
    if (t->waited_ns / MS > t->worst_wait_ms)
        t->worst_wait_ms = t->waited_ns / MS;
    t->n_exact += fabs(length_ms - t->barrier_ms) < 1e-6;
    t->n_late += fabs(length_ms - t->barrier_ms) >= 1e-6;
    t->n_supersteps++;
    t->has_plan = t->knows_quotas = false;
    EACH(x, t)
    x->is_member = false;
    return 0;
}

/* ---- actions ------------------------------------------------------------- */

static int
see_release(struct watch *t, const struct schedule *s,
            const struct schedule_seen *seen, struct err *err)
{
    struct worker *x = &t->w[seen->worker];
    enum between between = t->row->between;
    bool is_begin = !x->is_member;

    if (is_begin) {
        if (!is_anybody(t, false)) {
            t->start_ns = s->now_ns;
            t->iterations = 0;
            t->waited_ns = 0;
            t->is_whole = true;
            t->has_plan = t->knows_quotas = false;
        } else if (s->now_ns != t->start_ns || t->iterations > 0) {
            return VIOLATED("worker %u enters in the middle", seen->worker);
        }
        x->is_member = true;
        x->has_given = x->has_quota = false;
        x->count = 0;
    } else {
        t->waited_ns += (double)(s->now_ns - x->pushed_ns);
        if (t->knows_quotas && x->count + seen->how.steps > x->quota)
            return VIOLATED("worker %u goes on after its quota of %u",
                            seen->worker, x->quota);
        if (x->count + seen->how.steps - get_least(t) > t->row->max_gap)
            return VIOLATED("worker %u goes on at a gap of %u", seen->worker,
                            x->count - get_least(t));
    }
    if (seen->how.keep != (between != ASYNC && !is_begin) ||
        (seen->how.contribution == EBSP_PUSH_DELTA) != (between == LOCAL) ||
        (seen->how.steps > 1 && (between != LOCAL || !t->has_plan)))
        return VIOLATED("worker %u is released in a wrong way", seen->worker);
    x->is_running = true;
    x->released_ns = s->now_ns;
    return 0;
}

static int
see_add(struct watch *t, const struct schedule_seen *seen, struct err *err)
{
    struct worker *x = &t->w[seen->worker];
    double one = seen->weight / (double)x->n_samples;

    if (t->n_added > 0 && t->row->between == ASYNC &&
        (seen->worker <= t->last_added ||
         fabs(one - t->sample_weight) > 1e-12 * one))
        return VIOLATED("worker %u is added after %u, with %g per sample",
                        seen->worker, t->last_added, one);
    t->sample_weight = one;
    if (t->row->between != ASYNC && seen->weight != 1)
        return VIOLATED("weight %g", seen->weight);
    x->has_push = false;
    t->n_givers += !x->has_given;
    x->has_given = true;
    t->last_added = seen->worker;
    t->n_added++;
    t->weight += seen->weight;
    return 0;
}

static int
see_commit(struct watch *t, const struct schedule_seen *seen, struct err *err)
{
    const struct worker *x = &t->w[t->last_added];
    double want = 1;
    if (t->row->between == ACCUMULATE)
        want = t->weight; /* a sum */
    if (t->row->between == LOCAL)
        want = t->weight / t->n_givers; /* the mean of the workers' moves */
    if (fabs(t->weight * seen->weight - want) > 1e-9)
        return VIOLATED("an update of weight %g", t->weight * seen->weight);
    if (t->n_added > 1 || t->row->between != ASYNC) {
        if (is_anybody(t, true) || (is_anybody(t, false) && !t->has_plan))
            return VIOLATED("%u pushes are applied before the barrier",
                            t->n_added);
    } else if (t->knows_quotas && x->count == x->quota && is_anybody(t, true)) {
        return VIOLATED("the last push of worker %u is applied alone",
                        t->last_added);
    }
    t->n_added = t->n_givers = 0;
    t->weight = 0;
    for (int i = 0; i < MAX_WORKERS; i++)
        t->w[i].has_given = false;
    return 0;
}

/* ---- events -------------------------------------------------------------- */

/* The policy has done all it wants to: nobody waits without a reason. */
static int
check_rest(struct watch *t, struct err *err)
{
    uint32_t least = get_least(t);

    if (is_anybody(t, false) && !t->has_plan && least >= 2)
        return VIOLATED("everybody has pushed twice, but there is no plan");
    for (int i = 0; i < MAX_WORKERS; i++) {
        const struct worker *x = &t->w[i];

        if (x->is_present && !x->is_member && !is_anybody(t, false))
            return VIOLATED("worker %d waits for nobody", i);
        if (!x->is_member || x->is_running)
            continue;
        if (t->has_plan && !t->knows_quotas)
            continue;
        if (t->has_plan && x->has_quota && x->count == x->quota)
            continue;
        if (x->count - least < t->row->max_gap)
            return VIOLATED("worker %d waits at a gap of %u", i,
                            x->count - least);
    }
    return 0;
}

static void
see_push(struct watch *t, const struct schedule *s,
         const struct schedule_seen *seen)
{
    uint32_t i = seen->worker;
    struct worker *x = &t->w[i];
    uint32_t steps =
        t->row->between == LOCAL ? (uint32_t)s->workers[i].n_batches : 1;
    int64_t interval = (s->now_ns - x->released_ns) / steps;

    interval = interval < 1 ? 1 : interval;
    memmove(x->seen_ns + 1, x->seen_ns, 7 * sizeof x->seen_ns[0]);
    x->seen_ns[0] = interval;
    if (x->n_seen++ == 0)
        x->ewma_ns = (double)interval;
    x->ewma_ns += 0.25 * ((double)interval - x->ewma_ns);
    x->is_running = false;
    x->has_push = true;
    x->n_samples = seen->samples;
    x->pushed_ns = s->now_ns;
    x->count += steps;
    t->iterations += steps;
}

static void
see_leave(struct watch *t, uint32_t i)
{
    struct worker *x = &t->w[i];

    x->is_present = x->is_running = x->has_push = x->is_member = false;
    t->is_complete = t->is_whole = false;
}

static int
watch_it(void *ctx, const struct schedule *s, const struct schedule_seen *seen,
         struct err *err)
{
    struct watch *t = ctx;
    bool is_event = seen->kind == SCHEDULE_PUSH ||
                    seen->kind == SCHEDULE_JOIN || seen->kind == SCHEDULE_LEAVE;

    if (is_event && s->is_started && check_rest(t, err) != 0)
        return -1;
    t->is_told |= is_event;
    switch (seen->kind) {
    case SCHEDULE_JOIN:
        t->w[seen->worker] = (struct worker){.is_present = true};
        return 0;
    case SCHEDULE_PUSH:
        see_push(t, s, seen);
        return 0;
    case SCHEDULE_LEAVE:
        see_leave(t, seen->worker);
        return 0;
    case SCHEDULE_FINISH:
        see_leave(t, seen->worker);
        t->is_told = false;
        return 0;
    case SCHEDULE_RELEASE:
        return see_release(t, s, seen, err);
    case SCHEDULE_ADD:
        return see_add(t, seen, err);
    case SCHEDULE_COMMIT:
        return see_commit(t, seen, err);
    case SCHEDULE_NOTE:
        return strcmp(seen->name, "plan") ? see_superstep(t, s, seen, err)
                                          : see_plan(t, s, seen, err);
    default:
        return 0;
    }
}

/* ---- random schedules ---------------------------------------------------- */

static const struct row rows[] = {
    {"elasticbsp", 16, 15, 0, 15, ASYNC, DISTANCE, LAST, 0},
    {"elasticbsp:lookahead=4", 4, 4, 0, 4, ASYNC, DISTANCE, LAST, 0},
    {"elasticbsp:lookahead=4,max_gap=1", 4, 4, 0, 1, ASYNC, DISTANCE, LAST, 0},
    {"elasticbsp:lookahead=5,max_gap=2,first=1", 3, 5, 1, 2, ASYNC, DISTANCE,
     LAST, 0},
    {"elasticbsp:lookahead=5,max_gap=2,objective=rate", 3, 5, 0, 2, ASYNC, RATE,
     LAST, 0},
    {"elasticbsp:lookahead=5,objective=waste", 3, 5, 0, 5, ASYNC, WASTE, LAST,
     0},
    {"elasticbsp:lookahead=5,objective=waste,max_gap=3", 3, 5, 0, 3, ASYNC,
     WASTE, LAST, 0},
    {"elasticbsp:lookahead=6,max_superstep=20,max_gap=3", 3, 6, 0, 3, ASYNC,
     DISTANCE, LAST, 20},
    {"elasticbsp:lookahead=4,predictor=ewma", 4, 4, 0, 4, ASYNC, DISTANCE, EWMA,
     0},
    {"elasticbsp:lookahead=4,predictor=median", 4, 4, 0, 4, ASYNC, DISTANCE,
     MEDIAN, 0},
    {"elasticbsp:between=accumulate", 16, 15, 0, 15, ACCUMULATE, DISTANCE, LAST,
     0},
    {"elasticbsp:between=local", 16, 15, 0, 15, LOCAL, DISTANCE, LAST, 0},
    {"elasticbsp:between=local,lookahead=4,predictor=ewma", 4, 4, 0, 4, LOCAL,
     DISTANCE, EWMA, 0},
    {"elasticbsp:between=local,lookahead=5,max_gap=2", 3, 5, 0, 2, LOCAL,
     DISTANCE, LAST, 0},
};

static int
run_one(const struct policy_lib *lib, struct watch *t, uint64_t seed,
        struct err *err)
{
    struct schedule_config c = {.lib = lib, .see = watch_it, .ctx = t};
    struct schedule s;
    int r;

    schedule_draw(&c, seed);
    if (c.n_workers > t->row->max_workers)
        c.n_workers = t->row->max_workers;
    if (c.n_start > c.n_workers)
        c.n_start = c.n_workers;
    memset(t->w, 0, sizeof t->w);
    t->has_plan = t->knows_quotas = false;
    t->n_added = t->n_givers = 0;
    t->weight = 0;
    if (schedule_init(&s, &c, err) != 0)
        return -1;
    r = schedule_run(&s, err);
    schedule_release(&s);
    return r;
}

static void
check_row(const struct row *row, uint64_t seed)
{
    struct watch t = {.row = row};
    struct policy_lib lib;
    struct err err = ERR_INIT;
    uint64_t i = 0;

    if (plugin_open(&lib, row->spec, &err) == 0) {
        while (i < N_SCHEDULES &&
               run_one(&lib, &t, rng_hash(seed, i, 0), &err) == 0)
            i++;
        policy_lib_close(&lib);
    }
    if (!ok(i == N_SCHEDULES && t.n_supersteps > N_SCHEDULES, "%s", row->spec))
        printf("# schedule %llu: %s\n", (unsigned long long)i, err.text);
    printf("# %llu supersteps, %llu plans, %llu bound by max_gap\n",
           (unsigned long long)t.n_supersteps, (unsigned long long)t.n_plans,
           (unsigned long long)t.n_bound);
}

static void
check_conformance(const char *given, uint64_t seed)
{
    char spec[PLUGIN_SPEC_MAX];
    struct conform_config c = {.spec = plugin_spec(given, spec),
                               .seed = seed,
                               .n_schedules = N_SCHEDULES};
    struct conform_report report;
    struct err err = ERR_INIT;

    if (!ok(conform_run(&c, &report, &err) == 0,
            "%s passes the conformance "
            "suite",
            given))
        printf("# %s\n", err.text);
}

/* ---- constant speeds ----------------------------------------------------- */

/* Workers of these paces, in ms, until `n_batches` are done. */
static int
run_paces(const struct row *row, const double *pace_ms, uint32_t n,
          uint32_t n_batches, struct watch *t, struct err *err)
{
    struct policy_lib lib;
    struct schedule_config c = {.lib = &lib,
                                .seed = 1,
                                .n_workers = n,
                                .n_start = n,
                                .n_batches = n_batches,
                                .speed = SCHEDULE_STEADY,
                                .see = watch_it,
                                .ctx = t};
    struct schedule s;
    int r = -1;

    *t = (struct watch){.row = row, .shortest = UINT32_MAX};
    if (plugin_open(&lib, row->spec, err) != 0)
        return -1;
    if (schedule_init(&s, &c, err) == 0) {
        for (uint32_t i = 0; i < n; i++)
            s.workers[i].pace_ns = (int64_t)(pace_ms[i] * MS);
        r = schedule_run(&s, err);
        schedule_release(&s);
    }
    policy_lib_close(&lib);
    return r;
}

static void
check_equal_speeds(void)
{
    static const double pace_ms[] = {7, 7, 7, 7};
    struct watch t;
    struct err err = ERR_INIT;

    ok(run_paces(&rows[0], pace_ms, 4, 1200, &t, &err) == 0 &&
           t.n_supersteps == 100 && t.shortest == 3 && t.longest == 3 &&
           t.worst_wait_ms == 0,
       "equal speeds: supersteps of three iterations without waiting");
    ok(run_paces(&rows[0], pace_ms, 1, 200, &t, &err) == 0 &&
           t.n_supersteps == 100 && t.longest == 2 && t.worst_wait_ms == 0,
       "one worker: supersteps of two iterations without waiting");
}

/* 60 ms is the first time after 2 * 15 at which all three are done: 4, 5 and 6
 * iterations. */
static void
check_common_multiple(void)
{
    static const double pace_ms[] = {15, 12, 10};
    struct watch t;
    struct err err = ERR_INIT;

    ok(run_paces(&rows[0], pace_ms, 3, 15 * 20, &t, &err) == 0 &&
           t.n_supersteps == 20 && t.shortest == 4 && t.longest == 6 &&
           t.worst_wait_ms == 0 && t.n_late == 0,
       "supersteps end where constant speeds meet");
}

int
main(void)
{
    uint64_t seed = tap_seed(1);

    if (!plugin_is_built("elasticbsp")) {
        skip("the plugin is not built");
        return done();
    }
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        check_row(&rows[i], seed);
    check_conformance("elasticbsp", seed);
    check_conformance("elasticbsp:between=local", seed);
    check_equal_speeds();
    check_common_multiple();
    return done();
}
