/* SPDX-License-Identifier: Apache-2.0 */
#include "zipline/zipline.h"

#include "base/err.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/rng.h"
#include "cmd/zipline.h"
#include "tap.h"
#include "zipline/baseline.h"
#include "zipline/search.h"

#include <unistd.h>

#define MAX_N 200

static struct zipline z;
static struct zipline_worker w[MAX_N];

static void
print_workers(size_t n, const struct zipline_goal *g)
{
    printf("# objective %d base %lld max_superstep %lld\n", (int)g->objective,
           (long long)g->base, (long long)g->max_superstep);
    for (size_t p = 0; p < n; p++)
        printf("# {%lld, %lld, %u, %u},\n", (long long)w[p].last_push,
               (long long)w[p].interval, w[p].min_index, w[p].max_index);
}

/* A plan that keeps its own promises. */
static bool
is_sound(const struct zipline_plan *plan, size_t n)
{
    int64_t least = INT64_MAX, most = INT64_MIN;

    for (size_t p = 0; p < n; p++) {
        const struct zipline_point *x = &plan->points[p];

        if (x->index < w[p].min_index || x->index > w[p].max_index ||
            x->time != w[p].last_push + x->index * w[p].interval)
            return false;
        least = x->time < least ? x->time : least;
        most = x->time > most ? x->time : most;
    }
    return plan->start == least && plan->barrier == most &&
           plan->distance == most - least;
}

static bool
is_same(const struct zipline_plan *a, const struct zipline_plan *b, size_t n)
{
    for (size_t p = 0; p < n; p++)
        if (a->points[p].index != b->points[p].index)
            return false;
    return a->distance == b->distance && a->start == b->start &&
           a->barrier == b->barrier;
}

/* Few different values make ties common; many make them rare. */
static void
random_workers(struct rng *r, size_t n, uint32_t max_points)
{
    uint64_t spread = UINT64_C(1) << (1 + rng_below(r, 10));
    int64_t origin = (int64_t)rng_below(r, 2000) - 1000;
    int64_t unit = rng_below(r, 3) ? 1 : 1000000007;
    uint64_t floor = rng_below(r, 4) ? 0 : 20 * spread; /* alike workers */

    for (size_t p = 0; p < n; p++) {
        w[p].interval = (int64_t)(1 + floor + rng_below(r, spread)) * unit;
        w[p].last_push = (origin + (int64_t)rng_below(r, 2 * spread)) * unit;
        w[p].min_index = (uint32_t)rng_below(r, 3);
        w[p].max_index = w[p].min_index + (uint32_t)rng_below(r, max_points);
    }
}

static struct zipline_goal
random_goal(struct rng *r, size_t n)
{
    struct zipline_goal g = {(enum zipline_objective)rng_below(r, 3), 0, 0};

    g.base = INT64_MAX;
    for (size_t p = 0; p < n; p++)
        if (w[p].last_push < g.base)
            g.base = w[p].last_push;
    g.base -= (int64_t)rng_below(r, 50);
    if (rng_below(r, 2)) { /* often exactly at a point */
        const struct zipline_worker *x = &w[rng_below(r, n)];
        uint64_t i = rng_below(r, (uint64_t)x->max_index + 1);
        int64_t t = x->last_push + (int64_t)i * x->interval;

        g.max_superstep = t - g.base + (rng_below(r, 4) == 0);
    }
    return g;
}

static void
agrees_with_enumeration(void)
{
    struct rng r;
    int wrong = 0, trials = 20000, capped = 0;

    rng_init(&r, tap_seed(20190107));
    for (int i = 0; i < trials && wrong < 3; i++) {
        size_t n = 1 + rng_below(&r, 5);
        struct zipline_point points[5];
        struct zipline_plan got, want;
        struct zipline_goal g;
        enum zipline_status a, b;

        random_workers(&r, n, 6);
        g = random_goal(&r, n);
        a = zipline_decide(&z, w, n, &g, &got);
        b = zipline_naive(w, n, &g, points, &want);
        if (a != b || (a == ZIPLINE_OK &&
                       (!is_sound(&got, n) || !is_same(&got, &want, n)))) {
            print_workers(n, &g);
            printf("# trial %d: status %d, %d; barrier %lld, %lld\n", i, a, b,
                   (long long)got.barrier, (long long)want.barrier);
            wrong++;
        }
        capped += g.max_superstep && got.barrier - g.base <= g.max_superstep;
    }
    ok(wrong == 0, "%d random plans are the best of all combinations", trials);
    ok(capped > trials / 10, "the longest superstep mattered in %d", capped);
}

/* Every point as a barrier, the last point of each worker before it. */
static int64_t
best_barrier(size_t n, const struct zipline_goal *g)
{
    int64_t first = INT64_MIN, best = INT64_MAX;
    struct zl_ratio best_cost = {UINT64_MAX, 0, 1};

    for (size_t p = 0; p < n; p++) {
        int64_t t = zl_point(&w[p], w[p].min_index);

        first = t > first ? t : first;
    }
    for (size_t q = 0; q < n; q++) {
        for (uint32_t i = w[q].min_index; i <= w[q].max_index; i++) {
            int64_t b = zl_point(&w[q], i);
            uint64_t waits = 0, distance = 0;
            struct zl_ratio cost;
            int c;

            if (b < first || (g->max_superstep && b > first &&
                              b - g->base > g->max_superstep))
                continue;
            for (size_t p = 0; p < n; p++) {
                int64_t k = zl_index_at(&w[p], b);
                uint64_t wait = (uint64_t)(b - zl_point(&w[p], k));

                waits += wait;
                distance = wait > distance ? wait : distance;
            }
            cost = zl_ratio_of(
                g->objective == ZIPLINE_WASTE ? waits : distance,
                g->objective == ZIPLINE_DISTANCE ? 1 : (uint64_t)(b - g->base));
            c = zl_ratio_compare(&cost, &best_cost);
            if (c < 0 || (c == 0 && b < best)) {
                best_cost = cost;
                best = b;
            }
        }
    }
    return best;
}

static void
agrees_with_all_barriers(void)
{
    struct rng r;
    int wrong = 0, trials = 1500;

    rng_init(&r, tap_seed(20191108));
    for (int i = 0; i < trials && wrong < 3; i++) {
        size_t n = 1 + rng_below(&r, 60);
        struct zipline_plan got;
        struct zipline_goal g;

        random_workers(&r, n, 40);
        g = random_goal(&r, n);
        if (zipline_decide(&z, w, n, &g, &got) != ZIPLINE_OK)
            continue;
        if (!is_sound(&got, n) || got.barrier != best_barrier(n, &g)) {
            print_workers(n, &g);
            printf("# trial %d: barrier %lld, expected %lld\n", i,
                   (long long)got.barrier, (long long)best_barrier(n, &g));
            wrong++;
        }
    }
    ok(wrong == 0, "%d plans of up to 60 workers have the best barrier",
       trials);
}

/* The tournament must find what asking one by one does: let it take over at
 * once, or soon. */
static void
tournament_agrees_with_asking(void)
{
    static struct zl_node a[2 * MAX_N], b[2 * MAX_N];
    static struct zl_track tracks[MAX_N];
    struct rng r;
    int wrong = 0, trials = 5000;

    rng_init(&r, tap_seed(7));
    for (int i = 0; i < trials && wrong < 3; i++) {
        size_t n = 1 + rng_below(&r, 60), culprit;
        struct zipline_plan plan;
        struct zl_search s;
        struct zipline_goal g;
        int64_t barrier;

        random_workers(&r, n, 40);
        g = random_goal(&r, n);
        if (g.objective == ZIPLINE_WASTE ||
            zipline_decide(&z, w, n, &g, &plan) != ZIPLINE_OK)
            continue;
        zl_prepare(&s, w, n, &g, &culprit);
        s.room_a = a;
        s.room_b = b;
        s.tracks = tracks;
        s.steps = (double)rng_below(&r, 3) / 4;
        barrier = zl_leap(&s);
        if (barrier != plan.barrier) {
            print_workers(n, &g);
            printf("# trial %d: barrier %lld, expected %lld\n", i,
                   (long long)barrier, (long long)plan.barrier);
            wrong++;
        }
    }
    ok(wrong == 0, "the tournament finds what asking one by one does");
}

/* Equal workers, evenly spread over a period, shuffled: whoever is asked is
 * not the one who is too old, so that the tournament has to take over. */
static void
staggered_workers_are_handled(void)
{
    struct rng r;
    struct zipline_point points[MAX_N];
    struct zipline_plan got, want;
    int wrong = 0;

    rng_init(&r, tap_seed(5));
    for (int trial = 0; trial < 40; trial++) {
        uint32_t order[MAX_N];
        size_t n = 100 + rng_below(&r, MAX_N - 99);

        for (uint32_t p = 0; p < n; p++)
            order[p] = p;
        rng_shuffle(&r, order, n);
        for (size_t p = 0; p < n; p++)
            w[p] = (struct zipline_worker){
                .last_push = 1000 * (int64_t)order[p],
                .interval = 1000 * (int64_t)n - (int64_t)rng_below(&r, 3),
                .min_index = 1,
                .max_index = 30 + (uint32_t)rng_below(&r, 3),
            };
        zipline_decide(&z, w, n, NULL, &got);
        zipline_paper(w, n, points, &want);
        wrong += !is_sound(&got, n) || !is_same(&got, &want, n);
    }
    ok(wrong == 0, "staggered workers: the same plans as the paper's ZipLine");
}

static void
heuristics_are_sound_and_not_better(void)
{
    struct rng r;
    int unsound = 0, better = 0, grid = 0, full = 0;

    rng_init(&r, tap_seed(11));
    for (int i = 0; i < 2000; i++) {
        size_t n = 1 + rng_below(&r, 20);
        struct zipline_point points[20];
        struct zipline_plan best, plan;

        random_workers(&r, n, 20);
        zipline_decide(&z, w, n, NULL, &best);
        zipline_gridscan(w, n, points, &plan);
        unsound += !is_sound(&plan, n);
        better += plan.distance < best.distance;
        grid += plan.distance > best.distance;
        zipline_fullgridscan(w, n, points, &plan);
        unsound += !is_sound(&plan, n);
        better += plan.distance < best.distance;
        full += plan.distance > best.distance;
    }
    is_int(unsound, 0, "GridScan and FullGridScan make sound plans");
    is_int(better, 0, "none is better than the best");
    ok(grid > full && full > 0, "GridScan misses %d of 2000, FullGridScan %d",
       grid, full);
}

static void
ties_go_to_the_earliest(void)
{
    struct zipline_plan plan;

    w[0] = (struct zipline_worker){0, 10, 1, 9};
    w[1] = (struct zipline_worker){3, 10, 1, 9};
    zipline_decide(&z, w, 2, NULL, &plan);
    is_int(plan.barrier, 13, "equal windows: the first of them");
    is_int(plan.distance, 3, "its distance");

    w[0] = (struct zipline_worker){0, 100, 1, 1};
    w[1] = (struct zipline_worker){98, 2, 0, 9};
    w[2] = (struct zipline_worker){45, 50, 0, 9};
    zipline_decide(&z, w, 3, NULL, &plan);
    is_int(plan.distance, 5, "a window that two choices of worker 1 fit into");
    is_int(plan.points[1].time, 100, "worker 1 stops at the barrier itself");

    w[0] = (struct zipline_worker){7, 5, 0, 3};
    zipline_decide(&z, w, 1, NULL, &plan);
    ok(plan.distance == 0 && plan.barrier == 7, "a single worker never waits");
}

static void
objectives_trade_distance_for_length(void)
{
    struct zipline_goal g = {ZIPLINE_DISTANCE, 0, 0};
    struct zipline_plan plan;

    /* 10 against 9: they meet at 90 exactly, at 9 and 10 nearly */
    w[0] = (struct zipline_worker){0, 10, 1, 15};
    w[1] = (struct zipline_worker){0, 9, 1, 15};
    zipline_decide(&z, w, 2, &g, &plan);
    ok(plan.barrier == 90 && plan.distance == 0 && plan.points[1].index == 10,
       "distance waits for the perfect barrier");
    g.max_superstep = 90;
    zipline_decide(&z, w, 2, &g, &plan);
    is_int(plan.barrier, 90, "a longest superstep may be that long");
    g.max_superstep = 89;
    zipline_decide(&z, w, 2, &g, &plan);
    is_int(plan.barrier, 10, "a longest superstep rules it out");
    g.max_superstep = 5;
    zipline_decide(&z, w, 2, &g, &plan);
    is_int(plan.barrier, 10, "none is short enough: the shortest");

    /* 4 of 13 at once, 6 of 26 later: longer but less */
    w[0] = (struct zipline_worker){0, 9, 1, 2};
    w[1] = (struct zipline_worker){0, 13, 1, 2};
    g = (struct zipline_goal){ZIPLINE_DISTANCE, 0, 0};
    w[0].max_index = 2;
    zipline_decide(&z, w, 2, &g, &plan);
    is_int(plan.barrier, 13, "shortest distance: 4 of 13");
    w[1].last_push = -2; /* 9, 18; 11, 24 */
    g.base = -2;
    zipline_decide(&z, w, 2, &g, &plan);
    is_int(plan.barrier, 11, "2 of 13");
    w[0] = (struct zipline_worker){0, 20, 1, 2}; /* 20, 40 */
    w[1] = (struct zipline_worker){1, 21, 1, 2}; /* 22, 43 */
    g = (struct zipline_goal){ZIPLINE_DISTANCE, 0, 0};
    zipline_decide(&z, w, 2, &g, &plan);
    is_int(plan.barrier, 22, "distance: 2 of 22 is shorter");
    g.objective = ZIPLINE_RATE;
    zipline_decide(&z, w, 2, &g, &plan);
    is_int(plan.barrier, 43, "rate: 3 of 43 is a smaller share");

    /* Two meet at 30, the third is then 10 late; or all are a bit apart. */
    w[0] = (struct zipline_worker){0, 30, 1, 2};
    w[1] = (struct zipline_worker){0, 30, 1, 2};
    w[2] = (struct zipline_worker){0, 20, 1, 3};
    g = (struct zipline_goal){ZIPLINE_WASTE, 0, 40};
    zipline_decide(&z, w, 3, &g, &plan);
    is_int(plan.barrier, 30, "waste: one waits for 10 of 30");
    g.max_superstep = 0;
    zipline_decide(&z, w, 3, &g, &plan);
    is_int(plan.barrier, 60, "nobody waits at 60");
}

static void
is_refused(size_t n, const struct zipline_goal *g, enum zipline_status want,
           size_t culprit, const char *what)
{
    struct zipline_plan plan;
    enum zipline_status got = zipline_decide(&z, w, n, g, &plan);

    ok(got == want && plan.culprit == culprit && plan.points == NULL,
       "refused: %s (%s)", what, zipline_status_text(got));
}

static void
bad_input_is_refused(void)
{
    struct zipline_goal g = {ZIPLINE_RATE, 0, 0};
    struct zipline_point points[MAX_N];
    struct zipline_plan plan;

    is_refused(0, NULL, ZIPLINE_NO_WORKERS, 0, "no workers");
    for (size_t p = 0; p < 40; p++)
        w[p] = (struct zipline_worker){5, 10, 1, 15};
    w[2].interval = 0;
    is_refused(3, NULL, ZIPLINE_BAD_INTERVAL, 2, "interval 0");
    w[2].interval = -3;
    is_refused(3, NULL, ZIPLINE_BAD_INTERVAL, 2, "negative interval");
    w[2].interval = INT64_MAX;
    is_refused(3, NULL, ZIPLINE_OUT_OF_RANGE, 2, "product beyond 64 bits");
    w[2].interval = ZIPLINE_TIME_LIMIT / 15;
    is_refused(3, NULL, ZIPLINE_OUT_OF_RANGE, 2, "point at the limit");
    w[2] = (struct zipline_worker){-ZIPLINE_TIME_LIMIT, 1, 1, 15};
    is_refused(3, NULL, ZIPLINE_OUT_OF_RANGE, 2, "push at the limit");
    w[2] = (struct zipline_worker){INT64_MAX, 1, 0, 0};
    is_refused(3, NULL, ZIPLINE_OUT_OF_RANGE, 2, "push beyond the limit");
    w[2] = (struct zipline_worker){5, 10, 3, 2};
    is_refused(3, NULL, ZIPLINE_BAD_INDEX, 2, "no index");
    g.base = 16;
    is_refused(2, &g, ZIPLINE_BAD_BASE, 0, "base after a point");
    g.base = 15;
    is_refused(2, &g, ZIPLINE_BAD_BASE, 0, "superstep without length");
    g.base = INT64_MIN;
    is_refused(2, &g, ZIPLINE_BAD_BASE, 0, "base out of range");
    w[2] = w[0];
    ok(zipline_naive(w, 40, NULL, points, &plan) == ZIPLINE_TOO_MUCH,
       "refused: 15^40 combinations");
}

/* Both ends of the range at once: nothing may overflow (UBSan watches). */
static void
extreme_times_work(void)
{
    const int64_t limit = ZIPLINE_TIME_LIMIT - 1;
    struct zipline_plan plan;

    for (int o = ZIPLINE_DISTANCE; o <= ZIPLINE_WASTE; o++) {
        struct zipline_goal g = {(enum zipline_objective)o, -limit, limit};

        w[0] = (struct zipline_worker){-limit, 1, 0, UINT32_MAX};
        w[1] = (struct zipline_worker){limit, 1, 0, 0};
        w[2] = (struct zipline_worker){-limit, limit, 0, 2};
        ok(zipline_decide(&z, w, 3, &g, &plan) == ZIPLINE_OK &&
               is_sound(&plan, 3) && plan.barrier == limit,
           "objective %d: times from -2^62 to 2^62", o);
    }
}

static void
memory_is_kept(void)
{
    const struct zipline_point *points;
    struct zipline_plan plan;
    struct zipline own;
    size_t moved = 0;
    struct rng r;

    zipline_init(&own);
    is_int(zipline_reserve(&own, MAX_N), ZIPLINE_OK, "memory is reserved");
    points = own.points;
    rng_init(&r, 3);
    for (int i = 0; i < 100; i++) {
        size_t n = 1 + rng_below(&r, MAX_N);

        random_workers(&r, n, 10);
        zipline_decide(&own, w, n, NULL, &plan);
        moved += plan.points != points || own.cap != MAX_N;
    }
    is_int(moved, 0, "and used by all decisions after that");
    ok(zipline_reserve(&own, (size_t)1 << 33) == ZIPLINE_NO_WORKERS,
       "more workers than an index can count are refused");
    zipline_release(&own);
    zipline_release(&own);
}

/* ---- shared/zipline ---- */

static int
check_expected(const char *folder, const struct jcur *e, struct err *err)
{
    int64_t lookahead, first, distance, start, barrier;
    struct pushes p;
    struct zipline_plan plan;
    const char *file;
    char path[4096];
    int r = -1;

    if (jcur_str(e, "file", &file, err) != 0 ||
        jcur_int(e, "lookahead", 1, 10000, &lookahead, err) != 0 ||
        jcur_int(e, "first", 0, 1, &first, err) != 0 ||
        jcur_int(e, "distance", 0, INT64_MAX, &distance, err) != 0 ||
        jcur_int(e, "start", 0, INT64_MAX, &start, err) != 0 ||
        jcur_int(e, "barrier", 0, INT64_MAX, &barrier, err) != 0)
        return -1;
    snprintf(path, sizeof path, "%s/%s", folder, file);
    if (pushes_load(&p, path, err) != 0)
        return -1;
    if (pushes_look_ahead(&p, (uint32_t)first, (uint32_t)lookahead, err) == 0 &&
        zipline_decide(&z, p.workers, p.n, NULL, &plan) == ZIPLINE_OK)
        r = 0;
    ok(r == 0 && plan.distance == distance &&
           (int64_t)(plan.start + p.origin) == start &&
           (int64_t)(plan.barrier + p.origin) == barrier,
       "%s, lookahead %d, first %d: distance %lld", file, (int)lookahead,
       (int)first, (long long)distance);
    pushes_release(&p);
    return r;
}

static void
published_data_set_is_solved(void)
{
    const char *shared = getenv("EBSP_SHARED");
    struct err err = ERR_INIT;
    struct json_doc doc;
    struct jcur root;
    char folder[2048], path[4096];
    size_t n = 0;

    snprintf(folder, sizeof folder, "%s/zipline", shared ? shared : "");
    snprintf(path, sizeof path, "%s/expected.json", folder);
    if (!shared || access(path, R_OK) != 0) {
        skip("no shared/zipline/expected.json");
        return;
    }
    if (json_doc_load(&doc, path, &err) != 0) {
        ok(0, "%s", err.text);
        return;
    }
    root = jcur_root(&doc);
    jcur_array(&root, 1, &n, &err);
    for (size_t i = 0; i < n && err.code == ERR_OK; i++) {
        struct jcur e = jcur_at(&root, i);

        check_expected(folder, &e, &err);
    }
    ok(n > 0 && err.code == ERR_OK, "all %zu entries %s", n, err.text);
    json_doc_release(&doc);
}

/* ---- reading ---- */

static void
numbers_are_read_exactly(void)
{
    static const char text[] = "7,0.1,0.25\n3,-1.5,1\n";
    struct err err = ERR_INIT;
    struct pushes p;
    char t[PUSHES_TIME_CHARS];

    is_int(pushes_parse(&p, "x", text, sizeof text - 1, &err), 0, "decimals");
    is_int(p.digits, 2, "the finest unit counts");
    is_int(p.workers[0].interval, 15, "0.15 in hundredths");
    is_str(pushes_time(&p, p.workers[1].last_push, false, t), "1.00", "time");
    is_str(pushes_time(&p, -5, true, t), "-0.05", "difference");
    pushes_release(&p);
}

static void
no_text_is_too_wild(void)
{
    static const char good[] =
        "worker,previous_push,last_push\r\n0,1.5,2\n1,-3,9223372036854775807\n";
    static const char bytes[] = "0123456789.,,,-\r\n\n w\xef\xbb\xbf";
    char text[256];
    struct rng r;
    int fine = 0;

    rng_init(&r, tap_seed(17));
    for (int i = 0; i < 20000; i++) {
        size_t len = sizeof good - 1 - rng_below(&r, 20);
        struct err err = ERR_INIT;
        struct pushes p;

        memcpy(text, good, sizeof good);
        for (uint64_t k = rng_below(&r, 4); k > 0; k--)
            text[rng_below(&r, len)] = bytes[rng_below(&r, sizeof bytes)];
        if (pushes_parse(&p, "x", text, len, &err) == 0) {
            fine++;
            if (pushes_look_ahead(&p, 1, 3, &err) == 0) {
                struct zipline_plan plan;

                zipline_decide(&z, p.workers, p.n, NULL, &plan);
            }
            pushes_release(&p);
        } else if (err.code != ERR_CONFIG || strncmp(err.text, "x:", 2) != 0) {
            ok(0, "unexpected error %d: %s", err.code, err.text);
        }
    }
    ok(fine > 1000 && fine < 19000, "%d of 20000 mutated files are valid",
       fine);
}

int
main(void)
{
    zipline_init(&z);
    agrees_with_enumeration();
    agrees_with_all_barriers();
    tournament_agrees_with_asking();
    staggered_workers_are_handled();
    heuristics_are_sound_and_not_better();
    ties_go_to_the_earliest();
    objectives_trade_distance_for_length();
    bad_input_is_refused();
    extreme_times_work();
    memory_is_kept();
    published_data_set_is_solved();
    numbers_are_read_exactly();
    no_text_is_too_wild();
    zipline_release(&z);
    return done();
}
