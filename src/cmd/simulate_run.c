/* SPDX-License-Identifier: Apache-2.0 */
#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/mem.h"
#include "cmd/simulate.h"
#include "policy/lib.h"
#include "sim/learner.h"
#include "sim/sim.h"
#include "sim/trace.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>

/* One policy's outcome. */
struct outcome {
    char *spec;
    struct sim_result r;
    struct evaluation eval; /* --train */
    uint64_t hash;          /* --train */
    json_t *curve;          /* --train: evaluations, owned */
};

struct simulation {
    const struct simulate_options *o;
    struct job job; /* --train */
    struct sim_config config;
    struct speeds speeds;
    struct outcome *outcome;
};

/* Evaluates whenever an evaluation is due; called after each update. */
struct curve {
    struct learner *learner;
    double every, next; /* epochs */
    json_t *points;
};

static int
on_time(void *ctx, int64_t now_ns, struct err *err)
{
    struct curve *c = ctx;
    struct ledger *l = learner_get_ledger(c->learner);
    double epochs = ledger_epochs(l) + 1e-9;
    struct evaluation e;
    json_t *point;

    if (epochs < c->next)
        return 0;
    c->next += c->every * (1 + floor((epochs - c->next) / c->every));
    if (learner_evaluate(c->learner, &e, err) != 0)
        return -1;
    point = json_pack("{s:f, s:I, s:f, s:f}", "seconds", (double)now_ns / 1e9,
                      "samples", (json_int_t)assign_get_done(l->assign), "loss",
                      e.loss, "accuracy", e.accuracy);
    return json_array_append_new(c->points, point) == 0 ? 0 : err_nomem(err);
}

static int
load_job(struct simulation *s, struct err *err)
{
    const struct simulate_options *o = s->o;
    char text[32];

    if (job_load(&s->job, o->train, o->overrides.v, o->overrides.n, err) != 0)
        return -1;
    if (job_set_data_dir(&s->job, o->data_dir, err) != 0)
        return -1;
    if (o->n) {
        snprintf(text, sizeof text, "%u", o->n);
        if (json_doc_set(&s->job.doc, "workers", text, "--workers", err) != 0)
            return -1;
        s->job.workers = o->n;
    }
    if (o->has_seed) {
        snprintf(text, sizeof text, "%" PRIu64, o->seed);
        if (json_doc_set(&s->job.doc, "seed", text, "--seed", err) != 0)
            return -1;
        s->job.seed = o->seed;
    }
    return 0;
}

static int
prepare(struct simulation *s, struct err *err)
{
    const struct simulate_options *o = s->o;
    struct sim_config *c = &s->config;
    uint64_t bytes = o->bytes ? o->bytes : 1000000;

    c->n = o->n ? o->n : 4;
    c->seed = o->seed;
    c->batch = o->batch;
    if (o->train) {
        if (load_job(s, err) != 0)
            return -1;
        c->n = s->job.workers;
        c->seed = s->job.seed;
        c->batch = s->job.batch;
        if (!o->bytes)
            bytes = graph_get_segments(s->job.graph)->n_params * 4;
    }
    c->iterations = o->iterations * c->n;
    c->net = (struct sim_net){
        .latency_ns = speed_clamp(o->latency_ms * 1e6),
        .bytes_per_s = o->gbit_per_s * 1e9 / 8,
        .push_bytes = bytes,
        .pull_bytes = bytes,
        .apply_ns = speed_clamp(o->apply_ms * 1e6),
    };
    if (o->speeds)
        return speeds_parse(&s->speeds, c->n, o->speeds, c->seed, err);
    return speeds_load_trace(&s->speeds, c->n, o->trace, err);
}

static int
train_one(struct simulation *s, struct outcome *out, struct err *err)
{
    struct sim_config c = s->config;
    struct curve curve = {.every = s->job.eval_every > 0 ? s->job.eval_every
                                                         : INFINITY};
    int r = -1;

    curve.next = curve.every;
    curve.points = out->curve = json_array();
    c.learner = curve.learner = learner_new(&s->job, err);
    if (!c.learner)
        return -1;
    c.on_update = on_time;
    c.ctx = &curve;
    if (sim_run(&c, &out->r, err) == 0 &&
        learner_evaluate(c.learner, &out->eval, err) == 0) {
        out->hash = ledger_params_hash(learner_get_ledger(c.learner));
        r = 0;
    }
    learner_free(c.learner);
    return r;
}

static int
simulate_one(struct simulation *s, const char *spec, struct outcome *out,
             struct err *err)
{
    struct policy_lib lib;
    int64_t start = clock_now_ns();
    double took;
    int r;

    if (policy_lib_open(&lib, spec, err) != 0)
        return -1;
    s->config.policy = &lib;
    s->config.speeds = &s->speeds;
    speeds_rewind(&s->speeds, s->config.seed);
    out->spec = mem_strdup(lib.spec);
    if (!out->spec)
        r = err_nomem(err);
    else if (s->o->train)
        r = train_one(s, out, err);
    else
        r = sim_run(&s->config, &out->r, err);
    if (r != 0)
        err_wrap(err, "%s", spec);
    policy_lib_close(&lib);
    took = (double)(clock_now_ns() - start) / 1e9;
    if (r == 0 && !s->o->quiet)
        fprintf(stderr, "%s: %" PRIu64 " events in %.3f s, %.0f events/s\n",
                out->spec, out->r.events, took, (double)out->r.events / took);
    return r;
}

static void
print_table(const struct simulation *s)
{
    bool train = s->o->train != NULL;

    printf("%-36s %12s %9s %9s %9s %6s %5s %11s %11s%s\n", "policy",
           "samples/s", "seconds", "waiting", "staleness", "max", "gap",
           "superstep", "iterations", train ? "  accuracy" : "");
    for (size_t i = 0; i < s->o->n_policies || (i == 0 && train); i++) {
        const struct outcome *o = &s->outcome[i];
        const struct sim_result *r = &o->r;
        char step[24] = "-", iterations[24] = "-";

        if (r->supersteps) {
            snprintf(step, sizeof step, "%.1f ms", r->superstep_ms);
            snprintf(iterations, sizeof iterations, "%.1f",
                     r->superstep_iterations);
        }
        printf("%-36s %12.1f %9.2f %8.2f%% %9.2f %6" PRIu64 " %5" PRIu64
               " %11s %11s",
               o->spec, r->seconds > 0 ? (double)r->samples / r->seconds : 0,
               r->seconds, 100 * r->waiting_share, r->mean_staleness,
               r->max_staleness, r->max_gap, step, iterations);
        if (train)
            printf("  %7.2f%%", 100 * o->eval.accuracy);
        putchar('\n');
    }
}

static json_t *
outcome_json(const struct simulation *s, const struct outcome *o)
{
    const struct sim_result *r = &o->r;
    json_t *bins = json_array(), *v;
    int last = HOST_HISTOGRAM - 1;
    char hash[24];

    while (last > 0 && r->histogram[last] == 0)
        last--;
    for (int i = 0; i <= last; i++)
        json_array_append_new(bins, json_integer((json_int_t)r->histogram[i]));
    v = json_pack(
        "{s:s, s:I, s:f, s:I, s:I, s:I, s:I, s:f, s:f, s:f, s:f, s:I, s:I, "
        "s:o, s:I, s:f, s:f, s:f}",
        "policy", o->spec, "workers", (json_int_t)s->config.n, "seconds",
        r->seconds, "iterations", (json_int_t)r->iterations, "samples",
        (json_int_t)r->samples, "updates", (json_int_t)r->updates,
        "dropped_pushes", (json_int_t)r->dropped, "iterations_per_second",
        r->seconds > 0 ? (double)r->iterations / r->seconds : 0.0,
        "samples_per_second",
        r->seconds > 0 ? (double)r->samples / r->seconds : 0.0, "waiting_share",
        r->waiting_share, "mean_staleness", r->mean_staleness, "max_staleness",
        (json_int_t)r->max_staleness, "max_gap", (json_int_t)r->max_gap,
        "staleness_histogram", bins, "supersteps", (json_int_t)r->supersteps,
        "superstep_ms", r->superstep_ms, "superstep_iterations",
        r->superstep_iterations, "longest_superstep_ms",
        r->longest_superstep_ms);
    if (v && s->o->train) {
        snprintf(hash, sizeof hash, "%016" PRIx64, o->hash);
        json_object_set_new(v, "test_accuracy", json_real(o->eval.accuracy));
        json_object_set_new(v, "test_loss", json_real(o->eval.loss));
        json_object_set_new(v, "params_hash", json_string(hash));
        json_object_set(v, "evaluations", o->curve);
    }
    return v;
}

static int
print_json(const struct simulation *s, size_t n, struct err *err)
{
    struct buf b = BUF_INIT((size_t)256 << 20);
    json_t *all = json_array();
    int r = all ? 0 : err_nomem(err);

    for (size_t i = 0; r == 0 && i < n; i++)
        if (json_array_append_new(all, outcome_json(s, &s->outcome[i])) != 0)
            r = err_nomem(err);
    if (r == 0)
        r = json_dump(all, 2, &b, err);
    if (r == 0)
        printf("%s\n", b.data);
    json_decref(all);
    buf_release(&b);
    return r;
}

int
simulate(const struct simulate_options *o, struct err *err)
{
    struct simulation s = {.o = o};
    size_t n = o->n_policies ? o->n_policies : 1;
    int r = prepare(&s, err);

    s.outcome = mem_alloc(n, sizeof *s.outcome);
    if (r == 0 && !s.outcome)
        r = err_nomem(err);
    for (size_t i = 0; r == 0 && i < n; i++)
        r = simulate_one(&s, o->n_policies ? o->policy[i] : s.job.policy,
                         &s.outcome[i], err);
    if (r == 0 && o->json)
        r = print_json(&s, n, err);
    else if (r == 0)
        print_table(&s);
    for (size_t i = 0; s.outcome && i < n; i++) {
        mem_free(s.outcome[i].spec);
        json_decref(s.outcome[i].curve);
    }
    mem_free(s.outcome);
    speeds_release(&s.speeds);
    job_release(&s.job);
    return r;
}
