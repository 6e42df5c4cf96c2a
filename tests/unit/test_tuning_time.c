/* SPDX-License-Identifier: Apache-2.0 */
/* Measuring the ways of a network ends in time, what is left out, and what a
 * plan makes of ways that it does not have. */
#include "base/buf.h"
#include "net_fixture.h"
#include "nn/dnn.h"
#include "nn/plan.h"
#include "nn/tune.h"
#include "nn/tune_times.h"
#include "nn/wino_kernels.h"

#define CONV "{'type': 'conv2d', 'filters': 16, 'kernel': 3, 'padding': 1},"
#define TAIL                                                                   \
    "{'type': 'conv2d', 'filters': 24, 'kernel': 3, 'padding': 1},"            \
    "{'type': 'dense', 'units': 5}, {'type': 'softmax_cross_entropy'}"

/* A graph alone: no memory for its parameters. */
static struct graph *
large_graph(void)
{
    static const char text[] =
        "{\"input\": [64, 224, 224], \"layers\": [{\"type\": \"conv2d\","
        "\"filters\": 512, \"kernel\": 3, \"padding\": 1},"
        "{\"type\": \"maxpool\", \"kernel\": 32},"
        "{\"type\": \"dense\", \"units\": 2},"
        "{\"type\": \"softmax_cross_entropy\"}]}";
    struct err e = ERR_INIT;
    struct json_doc d;
    struct graph *g;
    struct jcur root;

    if (json_doc_parse(&d, "j", text, sizeof text - 1, &e) != 0)
        die(e.text);
    root = jcur_root(&d);
    g = graph_new(&root, &e);
    if (!g)
        die(e.text);
    json_doc_release(&d);
    return g;
}

static void
size_follows_work(void)
{
    struct fixture f = fixture("[16, 8, 8]", CONV CONV TAIL, 1, 1);
    struct tune_options o = {.batch = 128, .threads = 1};
    struct graph *large = large_graph();

    is_int((long long)tune_samples(f.graph, &o), 128,
           "a small network is measured on whole mini-batches");
    ok(tune_seconds(f.graph, &o) < 1, "and nobody has to be told");
    is_int((long long)tune_samples(large, &o), 1,
           "a huge one on a single sample");
    ok(tune_seconds(large, &o) > 1 && tune_seconds(large, &o) <= 5,
       "in some seconds");
    o.full = true;
    ok(tune_samples(large, &o) > 1 && tune_samples(large, &o) < 128,
       "on more with full, but not on all");
    ok(tune_seconds(large, &o) <= 60, "in a minute");
    graph_free(large);
    release(&f);
}

static void
told(void *ctx)
{
    ++*(int *)ctx;
}

static void
time_is_limited(void)
{
    struct fixture f = fixture("[16, 24, 24]", CONV CONV TAIL, 1, 1);
    int times = 0;
    const struct tune_options o = {
        .batch = 64, .threads = 1, .limit_ns = 1, .slow = told, .ctx = &times};
    struct buf b = BUF_INIT(64);
    struct err e = ERR_INIT;

    if (tune_graph(f.graph, &o, &e) != 0)
        die(e.text);
    graph_get_ways(f.graph, &b);
    is_str(b.data, "blocked ddd ddd ddd", "without time the rules hold");
    is_int(times, 0, "and nobody waits");
    buf_release(&b);
    release(&f);
}

static bool
stop_after(void *left)
{
    return (*(size_t *)left)-- == 0;
}

static void
run_is_stopped(void)
{
    struct fixture f = fixture("[16, 8, 8]", CONV CONV TAIL, 2, 1);
    struct net_result result;
    struct err e = ERR_INIT;
    struct dnn dnn = {0};
    struct plan *p;
    size_t left = 3;
    char *arena;

    if (dnn_open(&dnn, &e) != 0)
        die(e.text);
    p = plan_new(f.graph, &dnn, 2, true, &e);
    arena = p ? mem_alloc_aligned(p->arena_bytes) : NULL;
    if (!arena)
        die(e.text);
    p->stop = stop_after;
    p->stop_ctx = &left;
    if (plan_run(p, arena, &f.batch, f.params, f.grads, NULL, &result, &e) != 0)
        die(e.text);
    is_int((long long)p->n_ran, 3, "a run ends in the middle");
    p->stop = NULL;
    if (plan_run(p, arena, &f.batch, f.params, f.grads, NULL, &result, &e) != 0)
        die(e.text);
    ok(p->n_ran == p->n_ops, "and the next one does not");
    mem_free(arena);
    plan_free(p);
    dnn_close(&dnn);
    release(&f);
}

/* Layers 0 to 2 compute the same, 3 does not. */
static void
like_layers_are_judged_together(void)
{
    struct fixture f = fixture("[16, 8, 8]", CONV CONV CONV TAIL, 1, 1);
    const struct layer *l = f.graph->layer;
    struct op op[4] = {{.layer = &l[0], .how = "own:winograd"},
                       {.layer = &l[1], .how = "reorder"},
                       {.layer = &l[1], .how = "own:winograd"},
                       {.layer = &l[4], .how = "gemm"}};
    const struct plan p = {.op = op, .n_ops = 4};
    const int64_t ns[4] = {1000000000, 1, 1000000000, 5};
    struct tune_times trial, best;
    struct err e = ERR_INIT;

    if (tune_times_init(&trial, f.graph, &e) != 0 ||
        tune_times_init(&best, f.graph, &e) != 0)
        die(e.text);
    for (int i = 0; i < 4; i++)
        best.pass[i][PASS_FORWARD] = 1.5;
    tune_times_enter(&trial, &p, ns, 2);
    ok(trial.pass[0][PASS_FORWARD] == 1 && trial.pass[1][PASS_FORWARD] == 0,
       "half a measurement is none");
    tune_times_take(&best, &trial, WAY_OWN);
    ok(best.best[0][PASS_FORWARD] == WAY_OWN, "what is faster is taken");
    ok(best.best[1][PASS_FORWARD] == WAY_OWN &&
           best.best[2][PASS_FORWARD] == WAY_OWN,
       "and by layers of the same shape that were not reached");
    ok(best.best[3][PASS_FORWARD] == WAY_DIRECT &&
           best.best[0][PASS_DATA] == WAY_DIRECT,
       "the rest stays direct");
    ok(best.pass[0][PASS_FORWARD] == 1 && best.pass[2][PASS_FORWARD] == 1.5,
       "with the times that are known");
    ok(!tune_times_wins_any(&trial, &best, 1), "the same is not faster");
    tune_times_release(&trial);
    tune_times_release(&best);
    release(&f);
}

static void
ways_are_as_taken(void)
{
    const char *own = wino_has_kernels()
                          ? "own winograd"
                          : "own winograd (not on this processor: direct)";
    const char *unfit =
        wino_has_kernels() ? "own winograd (not for this shape: direct)" : own;
    struct fixture f = fixture("[3, 8, 8]", CONV CONV TAIL, 1, 1);
    const char *way[8][N_PASSES];
    struct err e = ERR_INIT;

    if (graph_set_ways(f.graph, "blocked ooo odo www", &e) != 0 ||
        graph_find_ways(f.graph, 4, 1, way, &e) != 0)
        die(e.text);
    is_str(way[0][PASS_FORWARD], unfit, "three channels are too few");
    is_str(way[0][PASS_DATA], "none", "the input needs no gradient");
    is_str(way[0][PASS_WEIGHTS], unfit, "nor are three enough for weights");
    is_str(way[1][PASS_FORWARD], own, "what there is is taken");
    is_str(way[1][PASS_DATA], "direct", "direct is direct");
    is_str(way[1][PASS_WEIGHTS], own, "for each pass");
    ok(dnn_has_winograd() ||
           !strcmp(way[2][PASS_FORWARD],
                   "winograd (not on this processor: direct)"),
       "what oneDNN lacks is said (%s)", way[2][PASS_FORWARD]);
    ok(!way[3][PASS_FORWARD], "other layers have none");
    release(&f);
}

int
main(void)
{
    size_follows_work();
    time_is_limited();
    run_is_stopped();
    like_layers_are_judged_together();
    ways_are_as_taken();
    return done();
}
