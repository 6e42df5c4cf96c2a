/* SPDX-License-Identifier: Apache-2.0 */
/* ebsp zipline --benchmark: time per decision against n, R and algorithm. */
#include "base/clock.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/rng.h"
#include "cmd/zipline.h"

#include <math.h>
#include <stdio.h>
#include <time.h>

#define SEED        1
#define MAX_STEPS   2e9 /* of an algorithm that is worth waiting for */
#define ROUND_STEPS 1e8 /* of a round: slow algorithms get fewer inputs */
#define MIN_NS      (NS_PER_S / 10)
#define MAX_INPUTS  32
#define MAX_WORKERS 100000 /* in all inputs of a size */

/* Two clusters; times in nanoseconds. */
enum family {
    MIXED, /* one iteration takes 1 to 1.5 s, in whole ms: the authors' data */
    ALIKE  /* 1 s plus up to 1 %: nearly all workers have to be watched */
};

static const char *const family_names[] = {"mixed", "alike"};

static void
fill(struct zipline_worker *w, size_t n, enum family family, uint64_t input,
     const struct bench_options *o, uint32_t lookahead)
{
    struct rng r;

    rng_init_key(&r, SEED, RNG_SPEED, n, input);
    for (size_t p = 0; p < n; p++) {
        uint64_t ms = 1000000;

        if (family == MIXED) {
            uint64_t interval = 1000 + rng_below(&r, 501);

            w[p].interval = (int64_t)(interval * ms);
            w[p].last_push = (int64_t)(rng_below(&r, interval) * ms);
        } else {
            uint64_t interval = 1000 * ms + rng_below(&r, 10 * ms + 1);

            w[p].interval = (int64_t)interval;
            w[p].last_push = (int64_t)rng_below(&r, interval);
        }
        w[p].min_index = o->first;
        w[p].max_index = o->first + lookahead - 1;
    }
}

struct row {
    enum family family;
    size_t n;
    uint32_t lookahead;
    const struct zipline_algorithm *algorithm;
    double seconds; /* per decision; negative: would take too long */
    double excess;  /* distance above the best one, as a share of it */
    uint64_t inputs;
};

/* Scratch of one size. */
struct bench {
    struct zipline_worker *workers; /* inputs * n */
    struct zipline_point *points;
    int64_t *best; /* distance for each input */
    struct zipline z;
};

static int
fail(enum zipline_status status, struct err *err)
{
    if (status == ZIPLINE_NO_MEMORY)
        return err_nomem(err);
    return err_set(err, ERR_BUG, "%s", zipline_status_text(status));
}

/* What this thread has used: other programs that run meanwhile do not count. */
static int64_t
cpu_now_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (int64_t)t.tv_sec * NS_PER_S + t.tv_nsec;
}

/* The least time of a round over all inputs, because what disturbs it only ever
 * adds to it; at least one round, and rounds until MIN_NS is over. */
static int
measure(struct bench *b, struct row *row, struct err *err)
{
    int64_t least = INT64_MAX, begin = cpu_now_ns(), now = begin, end;
    double excess = 0;

    do {
        excess = 0;
        for (uint64_t i = 0; i < row->inputs; i++) {
            const struct zipline_worker *w = &b->workers[i * row->n];
            struct zipline_plan plan;
            enum zipline_status status =
                row->algorithm->decide(&b->z, w, row->n, b->points, &plan);

            if (status != ZIPLINE_OK)
                return fail(status, err);
            if (b->best[i] < 0)
                b->best[i] = plan.distance;
            if (row->algorithm->exact ? plan.distance != b->best[i]
                                      : plan.distance < b->best[i])
                return err_set(err, ERR_BUG,
                               "%s disagrees: distance %lld instead of %lld",
                               row->algorithm->name, (long long)plan.distance,
                               (long long)b->best[i]);
            if (b->best[i] > 0)
                excess +=
                    (double)(plan.distance - b->best[i]) / (double)b->best[i];
        }
        end = cpu_now_ns();
        least = end - now < least ? end - now : least;
        now = end;
    } while (now - begin < MIN_NS);
    row->seconds = (double)least / (double)NS_PER_S / (double)row->inputs;
    row->excess = excess / (double)row->inputs;
    return 0;
}

static void
print_row(const struct row *r, bool json, bool first)
{
    double n = (double)r->n, points = n * r->lookahead;
    char time[32] = "-", share[32] = "-", excess[32] = "-";

    if (json) {
        printf("%s\n {\"pushes\": \"%s\", \"workers\": %zu, \"lookahead\": %u, "
               "\"algorithm\": \"%s\", ",
               first ? "[" : ",", family_names[r->family], r->n, r->lookahead,
               r->algorithm->name);
        if (r->seconds < 0)
            printf("\"seconds\": null, \"excess\": null}");
        else
            printf("\"seconds\": %.4g, \"excess\": %.4g}", r->seconds,
                   r->excess);
        return;
    }
    if (first)
        printf("%-6s %7s %4s %-13s %12s %16s %9s\n", "pushes", "n", "R",
               "algorithm", "us/decision", "ns/(R n log2 n)", "excess");
    if (r->seconds >= 0) {
        snprintf(time, sizeof time, "%.1f", r->seconds * 1e6);
        snprintf(share, sizeof share, "%.3f",
                 r->seconds * 1e9 / (points * log2(n)));
        snprintf(excess, sizeof excess, "%.2f %%", r->excess * 100);
    }
    printf("%-6s %7zu %4u %-13s %12s %16s %9s\n", family_names[r->family], r->n,
           r->lookahead, r->algorithm->name, time, share, excess);
    fflush(stdout);
}

/* All algorithms on the same inputs; the first is exact and knows the best. */
static int
bench_size(struct bench *b, enum family family, size_t n, uint32_t lookahead,
           const struct bench_options *o, bool *first, struct err *err)
{
    uint64_t inputs = MAX_WORKERS / n;

    inputs = inputs > MAX_INPUTS ? MAX_INPUTS : inputs;
    for (uint64_t i = 0; i < inputs; i++) {
        fill(&b->workers[i * n], n, family, i, o, lookahead);
        b->best[i] = -1;
    }
    for (const struct zipline_algorithm *a = zipline_algorithms; a->name; a++) {
        double steps = a->steps((double)n, lookahead);
        struct row row = {family, n, lookahead, a, -1, 0, inputs};
        bool wanted = !o->only || o->only == a;

        if (!wanted && a != zipline_algorithms)
            continue;
        if (a != zipline_algorithms && steps * (double)inputs > ROUND_STEPS)
            row.inputs =
                steps < ROUND_STEPS ? (uint64_t)(ROUND_STEPS / steps) : 1;
        if (steps <= MAX_STEPS && measure(b, &row, err) != 0)
            return -1;
        if (wanted) {
            print_row(&row, o->json, *first);
            *first = false;
        }
    }
    return 0;
}

int
zipline_benchmark(const struct bench_options *o, struct err *err)
{
    static const size_t sizes[] = {10, 100, 1000, 10000, 100000};
    static const uint32_t lookaheads[] = {15, 150};
    size_t n_lookaheads = o->lookahead ? 1 : ARRAY_LEN(lookaheads);
    size_t n_max = sizes[ARRAY_LEN(sizes) - 1];
    struct bench b = {
        .workers = mem_alloc(n_max, sizeof *b.workers),
        .points = mem_alloc(n_max, sizeof *b.points),
        .best = mem_alloc(MAX_INPUTS, sizeof *b.best),
    };
    bool first = true;
    int r = 0;

    zipline_init(&b.z);
    if (!b.workers || !b.points || !b.best ||
        zipline_reserve(&b.z, n_max) != ZIPLINE_OK) {
        r = err_nomem(err);
        goto out;
    }
    for (int family = MIXED; family <= ALIKE; family++)
        for (size_t i = 0; i < ARRAY_LEN(sizes); i++)
            for (size_t k = 0; k < n_lookaheads; k++) {
                uint32_t lookahead =
                    o->lookahead ? o->lookahead : lookaheads[k];

                r = bench_size(&b, (enum family)family, sizes[i], lookahead, o,
                               &first, err);
                if (r != 0)
                    goto out;
            }
    if (o->json)
        puts("\n]");
out:
    zipline_release(&b.z);
    mem_free(b.workers);
    mem_free(b.points);
    mem_free(b.best);
    return r;
}
