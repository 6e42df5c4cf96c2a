/* SPDX-License-Identifier: Apache-2.0 */
#include "study/advice.h"

#include "base/err.h"
#include "base/mem.h"
#include "policy/lib.h"

#include <stdlib.h>
#include <string.h>

#define ITERATIONS 200 /* of each worker */
#define SEED       1

static const char *const ladder[] = {
    "bsp",
    "backup",
    "kasync",
    "ssp:staleness=1",
    "ssp:staleness=3",
    "ssp:staleness=10",
    "dssp:low=3,high=15",
    "elasticbsp:lookahead=15",
    "elasticbsp:lookahead=15,objective=rate",
    "elasticbsp:lookahead=15,objective=waste",
    "elasticbsp:lookahead=30",
    "elasticbsp:lookahead=30,objective=rate",
    "elasticbsp:lookahead=60",
    "elasticbsp:lookahead=60,objective=rate",
    "elasticbsp:lookahead=120",
    "asp",
};

/* ---- warnings ------------------------------------------------------------ */

/* From these on it is worth a word. */
#define STALE        0.5  /* updates, mean */
#define MOMENTUM     0.8  /* of sgd */
#define MANY_PUSHES  8    /* in one update */
#define NEAR_EQUAL   1.15 /* slowest by fastest */
#define UNEQUAL      1.5
#define MUCH_WAITING 0.2 /* of the time */
#define SHORT_STEPS  3.5 /* iterations of each worker in a superstep */
#define LONG_STEPS   10

static const struct {
    const char *name, *text;
} warnings[] = {
    [ADVICE_STALE_BATCHNORM] =
        {"stale-batchnorm",
         "asynchronous updates with momentum and batch normalization: the "
         "statistics that a worker normalizes by belong to parameters of "
         "several updates ago, and momentum carries the error on; accuracy "
         "often falls far behind bsp"},
    [ADVICE_STALE_MOMENTUM] =
        {"stale-momentum",
         "asynchrony acts like more momentum (about 1 - 1/workers more, "
         "Mitliagkas 2016); with that of the job it may be too much: try "
         "less of it"},
    [ADVICE_STALE_SCALED] =
        {"stale-scaled",
         "lr_scaling makes the rate of an update grow with its pushes while "
         "they are computed on old parameters: the largest stable rate falls "
         "with staleness, so this diverges first"},
    [ADVICE_BIG_STEP] =
        {"big-step",
         "lr_scaling linear multiplies the rate by the number of workers "
         "from the first update on: without a warm-up (schedule.warmup) it "
         "often diverges (Goyal 2017)"},
    [ADVICE_EARLY_DECAY] =
        {"early-decay",
         "progress updates: a policy that updates more often than once in a "
         "round comes to the end of the schedule too early"},
    [ADVICE_NEAR_EQUAL] =
        {"near-equal",
         "objective distance among workers that are nearly equal: the best "
         "meeting point is one of the next, so it has a barrier every two or "
         "three iterations, and gains next to nothing over bsp"},
    [ADVICE_FAR_AHEAD] =
        {"far-ahead",
         "objective distance with a long lookahead takes a meeting point that "
         "is far away for a gain of milliseconds: long supersteps, stale "
         "contributions; objective rate weighs both"},
    [ADVICE_WAITING] = {"waiting",
                        "the others wait for the slowest worker much of the "
                        "time"},
    [ADVICE_BOUND_HELPS_NOT] =
        {"bound-helps-not",
         "one worker is slower for good: once the others are as far ahead as "
         "they may be they wait for it in every round, as with bsp, but with "
         "stale contributions"},
    [ADVICE_DROPS] =
        {"drops",
         "the contributions of the slowest are dropped, and with an assignment "
         "that is not dynamic those samples are hardly used"},
};

_Static_assert(ARRAY_LEN(warnings) == N_ADVICE_WARNINGS, "a text for each");

const char *
advice_warning_name(enum advice_warning w)
{
    return warnings[w].name;
}

const char *
advice_warning_text(enum advice_warning w)
{
    return warnings[w].text;
}

static bool
has_batchnorm(const struct job *j)
{
    size_t i;
    json_t *layer;

    json_array_foreach(json_object_get(j->doc.root, "layers"), i, layer)
    {
        const char *type = json_string_value(json_object_get(layer, "type"));

        if (type && !strncmp(type, "batchnorm", 9))
            return true;
    }
    return false;
}

static bool
is_policy(const char *spec, const char *name)
{
    size_t n = strlen(name);

    return !strncmp(spec, name, n) && (spec[n] == '\0' || spec[n] == ':');
}

/* What the learning rate and the optimizer make of the order of updates. */
static unsigned
warn_of_training(const struct job *j, const struct candidate *c)
{
    bool stale = c->r.mean_staleness >= STALE;
    bool momentum = j->optim.kind == OPTIM_SGD && j->optim.momentum >= MOMENTUM;
    unsigned w = 0;

    if (stale && momentum)
        w |= 1u << (has_batchnorm(j) ? ADVICE_STALE_BATCHNORM
                                     : ADVICE_STALE_MOMENTUM);
    if (stale && j->lr_scaling != LR_SCALING_NONE && c->pushes > 1.5)
        w |= 1u << ADVICE_STALE_SCALED;
    if (j->lr_scaling == LR_SCALING_LINEAR && c->pushes >= MANY_PUSHES &&
        !(j->schedule.warmup_epochs > 0))
        w |= 1u << ADVICE_BIG_STEP;
    if (j->progress == PROGRESS_UPDATES && c->pushes < 0.9 * j->workers)
        w |= 1u << ADVICE_EARLY_DECAY;
    return w;
}

unsigned
advice_warn(const struct job *j, const struct candidate *c,
            const struct candidate *bsp, double spread)
{
    bool distance = is_policy(c->spec, "elasticbsp") &&
                    (!strstr(c->spec, "objective=") ||
                     strstr(c->spec, "objective=distance"));
    bool bounded = is_policy(c->spec, "ssp") || is_policy(c->spec, "dssp");
    unsigned w = warn_of_training(j, c);

    if (distance && spread < NEAR_EQUAL &&
        c->r.superstep_iterations < SHORT_STEPS * (double)j->workers)
        w |= 1u << ADVICE_NEAR_EQUAL;
    if (distance && c->r.superstep_iterations > LONG_STEPS * (double)j->workers)
        w |= 1u << ADVICE_FAR_AHEAD;
    if (c->r.waiting_share > MUCH_WAITING)
        w |= 1u << ADVICE_WAITING;
    if (bounded && spread > UNEQUAL && c->rate < 1.15 * bsp->rate)
        w |= 1u << ADVICE_BOUND_HELPS_NOT;
    if (c->r.dropped > 0 && j->assign.kind != ASSIGN_DYNAMIC)
        w |= 1u << ADVICE_DROPS;
    return w;
}

/* ---- candidates ---------------------------------------------------------- */

static int
simulate(struct candidate *c, const struct job *j, struct profile *p,
         struct err *err)
{
    struct policy_lib lib;
    uint64_t bytes = graph_get_segments(j->graph)->n_params * sizeof(float);
    struct sim_config config = {
        .n = p->n,
        .policy = &lib,
        .speeds = &p->speeds,
        .net = {.push_bytes = bytes, .pull_bytes = bytes},
        .path = p->path,
        .iterations = (uint64_t)ITERATIONS * p->n,
        .batch = j->batch,
        .seed = SEED};
    int r;

    if (policy_lib_open(&lib, c->spec, err) != 0)
        return -1;
    speeds_rewind(&p->speeds, SEED);
    r = sim_run(&config, &c->r, err);
    policy_lib_close(&lib);
    if (r != 0)
        return err_wrap(err, "%s", c->spec);
    if (c->r.seconds > 0)
        c->rate = (double)c->r.samples / c->r.seconds;
    if (c->r.updates > 0)
        c->pushes = (double)c->r.samples / j->batch / (double)c->r.updates;
    return 0;
}

double
advice_get_age(const struct candidate *c)
{
    return c->r.mean_staleness * c->pushes;
}

size_t
advice_choose(const struct candidate *c, size_t n)
{
    double most = 0;
    size_t best = 0;
    bool found = false;

    for (size_t i = 0; i < n; i++)
        most = c[i].rate > most ? c[i].rate : most;
    for (size_t i = 0; i < n; i++) {
        if (c[i].rate < ADVICE_AS_FAST * most)
            continue;
        if (!found || advice_get_age(&c[i]) < advice_get_age(&c[best]) ||
            (advice_get_age(&c[i]) <= advice_get_age(&c[best]) &&
             c[i].rate > c[best].rate))
            best = i;
        found = true;
    }
    return best;
}

int
advice_make(struct advice *a, const struct job *j, const struct profile *p,
            struct err *err)
{
    struct profile mine = *p; /* its speeds move on, nobody else uses them */
    double spread = profile_get_spread(p);

    *a = (struct advice){
        .candidate = mem_alloc(ARRAY_LEN(ladder), sizeof *a->candidate)};
    if (!a->candidate)
        return err_nomem(err);
    for (size_t i = 0; i < ARRAY_LEN(ladder); i++) {
        struct candidate *c = &a->candidate[a->n];

        /* with a single worker only bsp makes sense, there is nobody else */
        if (i > 0 && p->n == 1)
            break;
        c->spec = ladder[i];
        if (simulate(c, j, &mine, err) != 0) {
            advice_release(a);
            return -1;
        }
        a->n++;
    }
    for (size_t i = 0; i < a->n; i++)
        a->candidate[i].warnings =
            advice_warn(j, &a->candidate[i], &a->candidate[0], spread);
    a->best = advice_choose(a->candidate, a->n);
    return 0;
}

void
advice_release(struct advice *a)
{
    mem_free(a->candidate);
    *a = (struct advice){NULL, 0, 0};
}
