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
    bool is_new[MAX_WORKERS];       /* not released since it joined */
    uint64_t n_pushes[MAX_WORKERS]; /* since it joined */
    uint64_t n_rounds[MAX_WORKERS]; /* pushes since the last COMMIT */
    uint32_t n_present, n_running;
    uint64_t version;          /* COMMITs */
    uint32_t n_added;          /* ADDs since the last COMMIT */
    double weight_added;       /* their sum */
    uint64_t samples;          /* pushed since the last COMMIT */
    struct schedule_seen last; /* what was seen before */
};

typedef int rule_fn(const struct watch *w, const struct schedule_seen *seen,
                    struct err *err);

struct row {
    const char *spec;
    const char *says;
    rule_fn *rule;
};

#define VIOLATED(...) err_set(err, ERR_FAIL, __VA_ARGS__)

/* ---- the rules ----------------------------------------------------------- */

/* Who pushed waits for the others; the update is the mean of one push each. */
static int
bsp_rule(const struct watch *w, const struct schedule_seen *seen,
         struct err *err)
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
    return 0;
}

/* ADD, COMMIT, RELEASE of the worker that pushed and nothing else. */
static int
asp_rule(const struct watch *w, const struct schedule_seen *seen,
         struct err *err)
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

static const struct row rows[] = {
    {"bsp", "lockstep: one push each, then the mean", bsp_rule},
    {"asp", "each push is applied at once", asp_rule},
};

/* Pairs that must act alike, with up to so many workers. */
static const struct pair {
    const char *one, *other;
    uint32_t max_workers;
} pairs[] = {
    {"asp", "bsp", 1},
};

/* ---- running them -------------------------------------------------------- */

struct watcher {
    struct watch watch;
    rule_fn *rule;
};

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
    w->n_present--;
    w->is_running[worker] = w->is_present[worker] = false;
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
        w->n_present++;
        break;
    case SCHEDULE_PUSH:
        w->is_running[i] = false;
        w->n_running--;
        w->n_pushes[i]++;
        w->n_rounds[i]++;
        w->samples += seen->samples;
        break;
    case SCHEDULE_RELEASE:
        w->is_running[i] = true;
        w->is_new[i] = false;
        w->n_running++;
        break;
    case SCHEDULE_LEAVE:
    case SCHEDULE_FINISH:
        take_out(w, i);
        break;
    case SCHEDULE_ADD:
        w->n_added++;
        w->weight_added += seen->weight;
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
    struct watcher *w = ctx;
    int r = w->rule(&w->watch, seen, err);

    (void)s;
    update(&w->watch, seen);
    return r;
}

/* Runs the schedule of this seed; *digest tells its actions apart. */
static int
run_one(const struct policy_lib *lib, uint64_t seed, rule_fn *rule,
        uint32_t max_workers, uint64_t *digest, struct err *err)
{
    struct watcher w = {.rule = rule};
    struct schedule_config c = {.lib = lib};
    struct schedule s;
    int r;

    schedule_draw(&c, seed);
    if (c.n_workers > max_workers)
        c.n_workers = max_workers;
    if (c.n_start > c.n_workers)
        c.n_start = c.n_workers;
    if (rule) {
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
        while (i < N_SCHEDULES && run_one(&lib, rng_hash(seed, i, 0), row->rule,
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
