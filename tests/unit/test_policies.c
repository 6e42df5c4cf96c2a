/* SPDX-License-Identifier: Apache-2.0 */
/* What each policy promises, on thousands of random schedules.
 *
 * A policy is a row of `rows`: its spec and a rule that looks at every event
 * and action.  The host has checked before that the action is legal and that
 * the declared bounds hold; struct schedule, that nothing is lost. */
#include "base/err.h"
#include "plugins.h"
#include "policy/conform.h"
#include "policy/schedule.h"
#include "tap.h"

#include <math.h>

#define MAX_WORKERS 16
#define N_SCHEDULES 2000

/* What has happened, up to but without what is seen now. */
struct watch {
    bool is_present[MAX_WORKERS];
    bool is_running[MAX_WORKERS];
    bool is_new[MAX_WORKERS];        /* not released since it joined */
    uint64_t n_pushes[MAX_WORKERS];  /* since it joined */
    uint64_t n_rounds[MAX_WORKERS];  /* pushes since the last COMMIT */
    uint64_t clocks[MAX_WORKERS];    /* as policy.h defines them */
    uint64_t base[MAX_WORKERS];      /* version it was released on */
    bool has_push[MAX_WORKERS];      /* neither added nor dropped */
    uint64_t n_samples[MAX_WORKERS]; /* of the last push */
    int64_t last_ns[MAX_WORKERS],
        prev_ns[MAX_WORKERS];     /* its last two pushes */
    uint64_t order[MAX_WORKERS];  /* of its last release among all */
    uint64_t grants[MAX_WORKERS]; /* dssp: r[i] */
    uint32_t n_present, n_running;
    uint32_t n_pushed;    /* workers that has_push */
    uint64_t version;     /* COMMITs */
    uint32_t n_added;     /* ADDs since the last COMMIT */
    double weight_added;  /* their sum */
    double sample_weight; /* of one sample of the last ADD */
    uint64_t samples;     /* pushed since the last COMMIT */
    uint64_t n_releases;
    uint32_t pushed_last;
    bool goes_on; /* dssp: expected of it */
    int64_t now_ns;
    struct schedule_seen last; /* what was seen before */
    const struct row *row;
};

typedef int rule_fn(struct watch *w, const struct schedule_seen *seen,
                    struct err *err);

struct row {
    const char *spec;
    const char *says;
    rule_fn *rule;
    uint64_t a, b; /* numbers of the spec that the rule needs */
};

#define VIOLATED(...) err_set(err, ERR_FAIL, __VA_ARGS__)

/* ---- the rules ----------------------------------------------------------- */

/* Every sample of an update counts alike. */
static int
weighs_alike(const struct watch *w, const struct schedule_seen *seen,
             struct err *err)
{
    double one = seen->weight / (double)w->n_samples[seen->worker];

    if (seen->kind == SCHEDULE_ADD && w->n_added > 0 &&
        fabs(one - w->sample_weight) > 1e-12 * one)
        return VIOLATED("weight %g per sample after %g", one, w->sample_weight);
    return 0;
}

/* Who pushed waits for the others; the update is the mean of one push each. */
static int
bsp_rule(struct watch *w, const struct schedule_seen *seen, struct err *err)
{
    if (seen->kind == SCHEDULE_PUSH && w->n_rounds[seen->worker] > 0)
        return VIOLATED("worker %u pushes twice in a round", seen->worker);
    if (seen->kind == SCHEDULE_COMMIT && w->n_running > 0)
        return VIOLATED("the round ends while %u workers run", w->n_running);
    if (seen->kind == SCHEDULE_COMMIT && fabs(w->weight_added - 1) > 1e-12)
        return VIOLATED("weights sum up to %.17g", w->weight_added);
    if (seen->kind == SCHEDULE_ADD && w->n_added > 0 &&
        seen->worker <= w->last.worker)
        return VIOLATED("worker %u is added after %u", seen->worker,
                        w->last.worker);
    if (seen->kind == SCHEDULE_RELEASE && w->n_added > 0)
        return VIOLATED("worker %u is released before the update",
                        seen->worker);
    return weighs_alike(w, seen, err);
}

/* ADD, COMMIT, RELEASE of the worker that pushed and nothing else. */
static int
asp_rule(struct watch *w, const struct schedule_seen *seen, struct err *err)
{
    bool is_push = w->last.kind == SCHEDULE_PUSH,
         is_add = w->last.kind == SCHEDULE_ADD,
         is_commit = w->last.kind == SCHEDULE_COMMIT;

    if (is_push != (seen->kind == SCHEDULE_ADD) ||
        is_add != (seen->kind == SCHEDULE_COMMIT) ||
        (is_commit && seen->kind != SCHEDULE_RELEASE))
        return VIOLATED("action %d after %d", (int)seen->kind,
                        (int)w->last.kind);
    if ((seen->kind == SCHEDULE_ADD || seen->kind == SCHEDULE_COMMIT) &&
        seen->weight != 1)
        return VIOLATED("weight %g", seen->weight);
    if (is_push && seen->worker != w->last.worker)
        return VIOLATED("worker %u instead of %u", seen->worker,
                        w->last.worker);
    return 0;
}

/* Least clock of all workers that were released since they joined. */
static uint64_t
get_least_clock(const struct watch *w)
{
    uint64_t least = UINT64_MAX;

    for (int i = 0; i < MAX_WORKERS; i++)
        if (w->is_present[i] && !w->is_new[i] && w->clocks[i] < least)
            least = w->clocks[i];
    return least;
}

/* The policy has done all it wants to after the last event. */
static bool
is_next_event(const struct schedule_seen *seen)
{
    return seen->kind == SCHEDULE_PUSH || seen->kind == SCHEDULE_JOIN ||
           seen->kind == SCHEDULE_LEAVE;
}

/* The push is applied before anything else happens. */
static int
applies_at_once(struct watch *w, const struct schedule_seen *seen,
                struct err *err)
{
    if ((w->last.kind == SCHEDULE_PUSH) != (seen->kind == SCHEDULE_ADD) ||
        (w->last.kind == SCHEDULE_ADD) != (seen->kind == SCHEDULE_COMMIT))
        return VIOLATED("action %d after %d", (int)seen->kind,
                        (int)w->last.kind);
    if ((seen->kind == SCHEDULE_ADD || seen->kind == SCHEDULE_COMMIT) &&
        seen->weight != 1)
        return VIOLATED("weight %g", seen->weight);
    return 0;
}

/* Nobody pushes at a gap above `most` (the worker's clock is one higher than
 * in `w` then), nobody waits who is at most `low` ahead. */
static int
keeps_gap(struct watch *w, const struct schedule_seen *seen, uint64_t low,
          uint64_t most, struct err *err)
{
    uint64_t least = get_least_clock(w), i = seen->worker;

    if (seen->kind == SCHEDULE_RELEASE && !w->is_new[i] &&
        w->clocks[i] - least >= most)
        return VIOLATED("worker %u is released at a gap of %llu", seen->worker,
                        (unsigned long long)(w->clocks[i] - least));
    if (!is_next_event(seen))
        return 0;
    for (i = 0; i < MAX_WORKERS; i++)
        if (w->is_present[i] && !w->is_new[i] && !w->is_running[i] &&
            w->clocks[i] - least <= low)
            return VIOLATED("worker %llu waits at a gap of %llu",
                            (unsigned long long)i,
                            (unsigned long long)(w->clocks[i] - least));
    return 0;
}

/* a: staleness */
static int
ssp_rule(struct watch *w, const struct schedule_seen *seen, struct err *err)
{
    return applies_at_once(w, seen, err) != 0
               ? -1
               : keeps_gap(w, seen, w->row->a, w->row->a + 1, err);
}

/* The slowest worker; of several the one that went on last. */
static int
get_slowest(const struct watch *w)
{
    uint64_t least = get_least_clock(w);
    int slowest = -1;

    for (int i = 0; i < MAX_WORKERS; i++)
        if (w->is_present[i] && !w->is_new[i] && w->clocks[i] == least &&
            (slowest < 0 || w->order[i] > w->order[slowest]))
            slowest = i;
    return slowest;
}

static bool
is_fastest(const struct watch *w, uint32_t p)
{
    for (int i = 0; i < MAX_WORKERS; i++)
        if (w->is_present[i] && !w->is_new[i] && w->clocks[i] > w->clocks[p])
            return false;
    return true;
}

/* policies.md: r* is the i of the closest pair of predicted ends. */
static uint64_t
ask_controller(const struct watch *w, uint32_t p)
{
    int s = get_slowest(w);
    int64_t r_max = (int64_t)(w->row->b - w->row->a), best = INT64_MAX, r = 0;

    if (w->n_pushes[p] < 2 || w->n_pushes[s] < 2)
        return 0;
    for (int64_t i = 0; i <= r_max; i++)
        for (int64_t k = 0; k <= r_max; k++) {
            int64_t fast = w->last_ns[p] + i * (w->last_ns[p] - w->prev_ns[p]);
            int64_t slow =
                w->last_ns[s] + (k + 1) * (w->last_ns[s] - w->prev_ns[s]);

            if (llabs(fast - slow) < best) {
                best = llabs(fast - slow);
                r = i;
            }
        }
    return (uint64_t)r;
}

/* Does worker p go on after its push?  Step by step as in policies.md. */
static bool
dssp_goes_on(struct watch *w, uint32_t p)
{
    uint64_t gap = w->clocks[p] - get_least_clock(w);

    if (gap > w->row->a && gap >= w->row->b) {
        w->grants[p] = 0;
        return false;
    }
    if (w->grants[p] > 0) {
        w->grants[p]--;
        return true;
    }
    if (gap <= w->row->a)
        return true;
    if (is_fastest(w, p))
        w->grants[p] = ask_controller(w, p);
    if (w->grants[p] == 0)
        return false;
    w->grants[p]--;
    return true;
}

/* a: low, b: high */
static int
dssp_rule(struct watch *w, const struct schedule_seen *seen, struct err *err)
{
    uint64_t low = w->row->a, high = w->row->b;

    if (seen->kind == SCHEDULE_COMMIT)
        w->goes_on = dssp_goes_on(w, w->last.worker);
    if (w->last.kind == SCHEDULE_COMMIT &&
        w->goes_on !=
            (seen->kind == SCHEDULE_RELEASE && seen->worker == w->pushed_last))
        return VIOLATED("worker %u goes on: expected %d", w->pushed_last,
                        w->goes_on);
    return applies_at_once(w, seen, err) != 0
               ? -1
               : keeps_gap(w, seen, low, high > low ? high : low + 1, err);
}

/* Workers that take part in the round. */
static uint32_t
get_n_round(const struct watch *w)
{
    uint32_t n = 0;

    for (int i = 0; i < MAX_WORKERS; i++)
        n += w->is_present[i] && !w->is_new[i];
    return n;
}

/* Pushes that end a round of backup.  a: backups, b: k */
static uint32_t
get_quorum(const struct watch *w)
{
    uint32_t n = get_n_round(w), a = (uint32_t)w->row->a,
             b = (uint32_t)w->row->b;

    if (b > 0)
        return b < n ? b : n;
    return n > a ? n - a : n > 0;
}

static int
backup_rule(struct watch *w, const struct schedule_seen *seen, struct err *err)
{
    uint32_t i = seen->worker;

    if (w->last.kind == SCHEDULE_PUSH &&
        (w->base[w->last.worker] != w->version) !=
            (seen->kind == SCHEDULE_DROP))
        return VIOLATED("action %d after a push on version %llu of %llu",
                        (int)seen->kind,
                        (unsigned long long)w->base[w->last.worker],
                        (unsigned long long)w->version);
    if (w->last.kind == SCHEDULE_DROP && w->is_present[w->last.worker] &&
        (seen->kind != SCHEDULE_RELEASE || i != w->last.worker))
        return VIOLATED("worker %u is not released after its late push",
                        w->last.worker);
    if (seen->kind == SCHEDULE_COMMIT &&
        (w->n_added < get_quorum(w) || fabs(w->weight_added - 1) > 1e-12))
        return VIOLATED("an update of %u pushes, weight %.17g", w->n_added,
                        w->weight_added);
    if (seen->kind == SCHEDULE_ADD && w->n_added > 0 && i <= w->last.worker)
        return VIOLATED("worker %u is added after %u", i, w->last.worker);
    if (is_next_event(seen) && w->n_pushed > 0 && w->n_pushed >= get_quorum(w))
        return VIOLATED("%u pushes wait", w->n_pushed);
    return weighs_alike(w, seen, err);
}

/* a: k */
static int
kasync_rule(struct watch *w, const struct schedule_seen *seen, struct err *err)
{
    uint64_t k = w->row->a < w->n_present ? w->row->a : w->n_present;

    if (seen->kind == SCHEDULE_COMMIT &&
        (w->n_added < k || w->n_added > w->row->a ||
         fabs(w->weight_added - 1) > 1e-12))
        return VIOLATED("an update of %u pushes, weight %.17g", w->n_added,
                        w->weight_added);
    if (seen->kind == SCHEDULE_DROP && w->is_present[seen->worker])
        return VIOLATED("the push of worker %u is dropped", seen->worker);
    if (is_next_event(seen) && w->n_pushed > 0 && w->n_pushed >= k)
        return VIOLATED("%u pushes wait", w->n_pushed);
    return weighs_alike(w, seen, err);
}

/* a: k */
static int
kasync_batch_rule(struct watch *w, const struct schedule_seen *seen,
                  struct err *err)
{
    bool is_end = w->n_present == 0;

    if (seen->kind == SCHEDULE_COMMIT &&
        (w->n_added > w->row->a || (w->n_added < w->row->a && !is_end) ||
         fabs(w->weight_added * seen->weight - 1) > 1e-12))
        return VIOLATED("an update of %u pushes, weight %.17g", w->n_added,
                        w->weight_added * seen->weight);
    if (seen->kind == SCHEDULE_DROP && w->is_present[seen->worker])
        return VIOLATED("the push of worker %u is dropped", seen->worker);
    if (seen->kind == SCHEDULE_PUSH && w->n_running < w->n_present)
        return VIOLATED("somebody waits");
    return weighs_alike(w, seen, err);
}

static const struct row rows[] = {
    {"bsp", "lockstep: one push each, then the mean", bsp_rule, 0, 0},
    {"asp", "each push is applied at once", asp_rule, 0, 0},
    {"ssp", "the gap is kept, nobody waits without need", ssp_rule, 3, 0},
    {"ssp:staleness=0", "lockstep", ssp_rule, 0, 0},
    {"ssp:staleness=1000", "nobody ever waits", ssp_rule, 1000, 0},
    {"dssp", "the gap is kept, nobody waits without need", dssp_rule, 3, 15},
    {"dssp:low=0,high=2", "the gap is kept", dssp_rule, 0, 2},
    {"dssp:low=2,high=2", "the gap is kept", dssp_rule, 2, 2},
    {"backup", "all but one make an update", backup_rule, 1, 0},
    {"backup:backups=0", "all make an update", backup_rule, 0, 0},
    {"backup:backups=3", "all but three make an update", backup_rule, 3, 0},
    {"backup:k=2", "two make an update", backup_rule, 1, 2},
    {"kasync", "two pushes make an update", kasync_rule, 2, 0},
    {"kasync:k=5", "five pushes make an update", kasync_rule, 5, 0},
    {"kasync:k=3,mode=batch", "three pushes make an update", kasync_batch_rule,
     3, 0},
};

/* Pairs that must act alike, with up to so many workers. */
static const struct pair {
    const char *one, *other;
    uint32_t max_workers;
} pairs[] = {
    {"asp", "bsp", 1},
    {"ssp", "asp", 1},
    {"dssp", "asp", 1},
    {"dssp:low=2,high=2", "ssp:staleness=2", MAX_WORKERS},
    {"backup:backups=0", "bsp", MAX_WORKERS},
    {"kasync:k=1", "asp", MAX_WORKERS},
    {"kasync:k=1,mode=batch", "asp", MAX_WORKERS},
};

/* ---- running them -------------------------------------------------------- */

static void
forget_round(struct watch *w)
{
    for (int i = 0; i < MAX_WORKERS; i++)
        w->n_rounds[i] = 0;
    w->n_added = 0;
    w->weight_added = 0;
    w->samples = 0;
}

static void
take_out(struct watch *w, uint32_t worker)
{
    w->n_running -= w->is_running[worker];
    w->n_pushed -= w->has_push[worker];
    w->n_present--;
    w->is_running[worker] = w->is_present[worker] = w->has_push[worker] = false;
    w->n_rounds[worker] = 0;
}

static void
update(struct watch *w, const struct schedule_seen *seen)
{
    uint32_t i = seen->worker;

    switch (seen->kind) {
    case SCHEDULE_JOIN:
        w->is_present[i] = w->is_new[i] = true;
        w->n_pushes[i] = 0;
        w->grants[i] = 0;
        w->n_present++;
        break;
    case SCHEDULE_PUSH:
        w->is_running[i] = false;
        w->n_running--;
        w->n_pushes[i]++;
        w->n_rounds[i]++;
        w->clocks[i]++;
        w->prev_ns[i] = w->last_ns[i];
        w->last_ns[i] = w->now_ns;
        w->pushed_last = i;
        w->has_push[i] = true;
        w->n_samples[i] = seen->samples;
        w->n_pushed++;
        w->samples += seen->samples;
        break;
    case SCHEDULE_RELEASE:
        if (w->is_new[i]) {
            uint64_t least = get_least_clock(w);

            w->clocks[i] = least == UINT64_MAX ? 0 : least;
        }
        w->is_running[i] = true;
        w->is_new[i] = false;
        w->base[i] = w->version;
        w->order[i] = w->n_releases++;
        w->n_running++;
        break;
    case SCHEDULE_LEAVE:
    case SCHEDULE_FINISH:
        take_out(w, i);
        break;
    case SCHEDULE_ADD:
        w->n_added++;
        w->weight_added += seen->weight;
        w->sample_weight = seen->weight / (double)w->n_samples[i];
        w->has_push[i] = false;
        w->n_pushed--;
        break;
    case SCHEDULE_DROP: /* by the policy, or by the host when it leaves */
        w->n_pushed -= w->has_push[i];
        w->has_push[i] = false;
        break;
    case SCHEDULE_COMMIT:
        w->version++;
        forget_round(w);
        break;
    default:
        break;
    }
    w->last = *seen;
}

static int
watch_it(void *ctx, const struct schedule *s, const struct schedule_seen *seen,
         struct err *err)
{
    struct watch *w = ctx;
    int r;

    w->now_ns = s->now_ns;
    r = w->row->rule(w, seen, err);
    update(w, seen);
    return r;
}

/* Runs the schedule of this seed; *digest tells its actions apart. */
static int
run_one(const struct policy_lib *lib, uint64_t seed, const struct row *row,
        uint32_t max_workers, uint64_t *digest, struct err *err)
{
    struct watch w = {.row = row};
    struct schedule_config c = {.lib = lib};
    struct schedule s;
    int r;

    schedule_draw(&c, seed);
    if (c.n_workers > max_workers)
        c.n_workers = max_workers;
    if (c.n_start > c.n_workers)
        c.n_start = c.n_workers;
    if (row) {
        c.see = watch_it;
        c.ctx = &w;
    }
    if (schedule_init(&s, &c, err) != 0)
        return -1;
    r = schedule_run(&s, err);
    *digest = s.digest;
    schedule_release(&s);
    return r;
}

static void
check_row(const struct row *row, uint64_t seed)
{
    struct policy_lib lib;
    struct err err = ERR_INIT;
    uint64_t digest, i = 0;

    if (!plugin_is_built(row->spec)) {
        skip("the plugin is not built");
        return;
    }
    if (plugin_open(&lib, row->spec, &err) == 0) {
        while (i < N_SCHEDULES && run_one(&lib, rng_hash(seed, i, 0), row,
                                          MAX_WORKERS, &digest, &err) == 0)
            i++;
        policy_lib_close(&lib);
    }
    if (!ok(i == N_SCHEDULES, "%s: %s", row->spec, row->says))
        printf("# schedule %llu: %s\n", (unsigned long long)i, err.text);
}

static void
check_conformance(const struct row *row, uint64_t seed)
{
    char spec[PLUGIN_SPEC_MAX];
    struct conform_config c = {.spec = plugin_spec(row->spec, spec),
                               .seed = seed,
                               .n_schedules = N_SCHEDULES / 4};
    struct conform_report report;
    struct err err = ERR_INIT;

    if (!plugin_is_built(row->spec)) {
        skip("the plugin is not built");
        return;
    }
    if (!ok(conform_run(&c, &report, &err) == 0 &&
                report.n_schedules > c.n_schedules / 2,
            "%s passes the conformance suite", row->spec))
        printf("# %s\n", err.text);
}

static void
check_pair(const struct pair *p, uint64_t seed)
{
    struct policy_lib one = {0}, other = {0};
    struct err err = ERR_INIT;
    uint64_t i = 0, a = 0, b = 0;

    if (!plugin_is_built(p->one) || !plugin_is_built(p->other)) {
        skip("a plugin is not built");
        return;
    }
    if (plugin_open(&one, p->one, &err) == 0 &&
        plugin_open(&other, p->other, &err) == 0)
        while (i < N_SCHEDULES &&
               run_one(&one, rng_hash(seed, i, 0), NULL, p->max_workers, &a,
                       &err) == 0 &&
               run_one(&other, rng_hash(seed, i, 0), NULL, p->max_workers, &b,
                       &err) == 0 &&
               a == b)
            i++;
    if (!ok(i == N_SCHEDULES, "%s acts as %s with up to %u workers", p->one,
            p->other, p->max_workers))
        printf("# schedule %llu: %s\n", (unsigned long long)i, err.text);
    policy_lib_close(&one);
    policy_lib_close(&other);
}

int
main(void)
{
    uint64_t seed = tap_seed(1);

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        check_row(&rows[i], seed);
        check_conformance(&rows[i], seed);
    }
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++)
        check_pair(&pairs[i], seed);
    return done();
}
