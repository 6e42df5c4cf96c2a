/* SPDX-License-Identifier: Apache-2.0 */
/* A cell in virtual time. */
#include "base/err.h"
#include "job/tuning.h"
#include "policy/lib.h"
#include "sim/learner.h"
#include "sim/sim.h"
#include "study/study.h"

#include <math.h>

/* Evaluates whenever an evaluation is due; called after each update. */
struct curve {
    struct learner *learner;
    double every, next; /* epochs */
    json_t *points;
};

static int
evaluate(struct curve *c, int64_t now_ns, struct err *err)
{
    const struct ledger *l = learner_get_ledger(c->learner);
    struct evaluation e;

    if (learner_evaluate(c->learner, &e, err) != 0)
        return -1;
    return json_array_append_new(c->points,
                                 result_point((double)now_ns / 1e9,
                                              assign_get_done(l->assign),
                                              e.loss, e.accuracy)) == 0
               ? 0
               : err_nomem(err);
}

static int
on_update(void *ctx, int64_t now_ns, struct err *err)
{
    struct curve *c = ctx;
    const struct ledger *l = learner_get_ledger(c->learner);
    double epochs = ledger_epochs(l) + 1e-9;

    /* the last one is made at the end */
    if (epochs < c->next || epochs >= l->job->epochs)
        return 0;
    c->next += c->every * (1 + floor((epochs - c->next) / c->every));
    return evaluate(c, now_ns, err);
}

static json_t *
describe(const struct sim_result *r, json_t *curve, struct err *err)
{
    json_t *v = json_pack(
        "{s:s, s:n, s:f, s:I, s:I, s:f, s:f, s:f, s:I, s:I, s:I, s:I, s:f}",
        "status", "done", "failure", "seconds", r->seconds, "samples",
        (json_int_t)r->samples, "updates", (json_int_t)r->updates,
        "samples_per_second",
        r->seconds > 0 ? (double)r->samples / r->seconds : 0.0, "waiting_share",
        r->waiting_share, "mean_staleness", r->mean_staleness, "max_staleness",
        (json_int_t)r->max_staleness, "bytes_pushed",
        (json_int_t)r->bytes_pushed, "bytes_pulled",
        (json_int_t)r->bytes_pulled, "workers_lost", (json_int_t)r->lost,
        "eval_seconds", 0.0);

    if (v && result_take_curve(v, curve) == 0)
        return v;
    if (!v)
        json_decref(curve);
    json_decref(v);
    err_nomem(err);
    return NULL;
}

static int
simulate(const struct study *s, const struct cell *c, const struct job *job,
         const struct policy_lib *lib, json_t **result, struct err *err)
{
    const struct segtab *t = graph_get_segments(job->graph);
    struct sim_config config = {.n = job->workers,
                                .policy = lib,
                                .batch = job->batch,
                                .seed = job->seed,
                                .on_update = on_update};
    struct curve curve = {.every =
                              job->eval_every > 0 ? job->eval_every : INFINITY};
    struct scenario_model model = {0};
    struct sim_result r;
    int x = -1;

    curve.next = curve.every;
    curve.points = json_array();
    curve.learner = learner_new(job, err);
    config.learner = curve.learner;
    config.ctx = &curve;
    if (!curve.learner)
        goto out;
    if (scenario_model(
            &s->scenario[c->scenario], &model, &config, s->pace_ms,
            assign_get_total(learner_get_ledger(curve.learner)->assign),
            t->n_params * sizeof(float), err) != 0)
        goto out;
    x = sim_run(&config, &r, err);
    if (x == 0)
        x = evaluate(&curve, speed_clamp(r.seconds * 1e9), err);
    if (x == 0) {
        *result = describe(&r, curve.points, err);
        curve.points = NULL;
        x = *result ? 0 : -1;
    }
out:
    if (x != 0 && err->code == ERR_DIVERGED) {
        *result = result_failed(err, curve.points);
        curve.points = NULL;
        err_clear(err);
        x = *result ? 0 : err_nomem(err);
    }
    scenario_model_release(&model);
    learner_free(curve.learner);
    json_decref(curve.points);
    return x;
}

/* A cell's job with the ways that are fastest here. */
static int
load(const struct study *s, const struct cell *c, struct job *job,
     struct err *err)
{
    static const struct tuning tuning = {.effort = TUNING_QUICK};
    enum tuning_source source;

    if (study_load_job(s, c, job, err) != 0)
        return -1;
    if (tuning_choose(job, &tuning, &source, err) == 0)
        return 0;
    job_release(job);
    return -1;
}

int
virtual_prepare(const struct study *s, struct err *err)
{
    struct job job;

    if (s->n_cells == 0)
        return 0;
    if (load(s, &s->cell[0], &job, err) != 0)
        return -1;
    job_release(&job);
    return 0;
}

int
virtual_run(const struct study *s, const struct cell *c, json_t **result,
            struct err *err)
{
    struct policy_lib lib;
    struct job job;
    int r;

    *result = NULL;
    if (load(s, c, &job, err) != 0)
        return -1;
    r = policy_lib_open(&lib, job.policy, err);
    if (r == 0) {
        r = simulate(s, c, &job, &lib, result, err);
        policy_lib_close(&lib);
    }
    job_release(&job);
    return r;
}
