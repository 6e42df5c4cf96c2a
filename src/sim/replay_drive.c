/* SPDX-License-Identifier: Apache-2.0 */
/* The policy's actions, carried out and held against the recorded ones. */
#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"
#include "sim/replay_impl.h"

#include <ebsp/policy.h>

#include <math.h>
#include <stdio.h>
#include <string.h>

/* A number of an action.  `fallback` is what an absent key stands for; NAN: it
 * must be there. */
struct field {
    const char *key;
    double value, fallback;
};

#define NOBODY UINT32_MAX

/* To the next event, which must be this action; *over: there is none. */
static int
expect(struct replay *p, const char *event, uint32_t rank, bool *over,
       struct err *err)
{
    int64_t recorded = NOBODY;
    char now[64], then[64];

    if (replay_next(p, err) != 0)
        return -1;
    /* A run that failed or was cut off did no more of what comes here. */
    *over = p->over || !strcmp(p->event, "failure");
    if (*over) {
        p->over = true;
        return 0;
    }
    if (jcur_int_or(&p->at, "rank", 0, NOBODY, &recorded, err) != 0)
        return -1;
    if (!strcmp(p->event, event) && recorded == rank) {
        p->result->actions++;
        return 0;
    }
    if (rank == NOBODY)
        str_printf(now, sizeof now, "%s", event);
    else
        str_printf(now, sizeof now, "%s of worker %u", event, rank);
    return err_set(err, ERR_FAIL,
                   "%s:%d: the recording has \"%s\", the policy now does "
                   "\"%s\"",
                   p->trace.path, p->trace.number,
                   replay_describe(p, then, sizeof then), now);
}

/* The numbers of the action; `now` introduces those of today. */
static int
compare(const struct replay *p, const char *now, const struct field *f,
        size_t n, struct err *err)
{
    for (size_t i = 0; i < n; i++) {
        double recorded = f[i].fallback;
        bool must = isnan(recorded);

        if ((must ? jcur_num : jcur_num_or)(&p->at, f[i].key, -INFINITY,
                                            INFINITY, &recorded, err) != 0)
            return -1;
        if (recorded != f[i].value)
            return err_set(err, ERR_FAIL,
                           "%s:%d: \"%s\" of \"%s\" is %.17g in the recording, "
                           "but %s %.17g",
                           p->trace.path, p->trace.number, f[i].key, p->event,
                           recorded, now, f[i].value);
    }
    return 0;
}

#define POLICY "the policy now says"
#define REPLAY "the replay has"

static int
drive_add(void *ctx, uint32_t worker, double weight, struct err *err)
{
    struct replay *p = ctx;
    uint64_t iteration = learner_get_share(p->l, worker)->iteration;
    struct field f[] = {{"weight", weight, NAN},
                        {"iteration", (double)iteration, NAN}};
    bool over;

    if (expect(p, "add", worker, &over, err) != 0 ||
        (!over && compare(p, POLICY, f, ARRAY_LEN(f), err) != 0))
        return -1;
    return over ? 0 : learner_add(p->l, worker, weight, err);
}

static int
drive_commit(void *ctx, double weight, uint32_t pushes, uint64_t samples,
             struct err *err)
{
    struct replay *p = ctx;
    struct field f[] = {{"weight", weight, NAN},
                        {"pushes", pushes, NAN},
                        {"samples", (double)samples, NAN}};
    struct field mine[] = {{"lr", 0, NAN}, {"version", 0, NAN}};
    bool over;

    if (expect(p, "commit", NOBODY, &over, err) != 0 ||
        (!over && compare(p, POLICY, f, ARRAY_LEN(f), err) != 0))
        return -1;
    if (over)
        return 0;
    if (learner_commit(p->l, weight, pushes, &mine[0].value, err) != 0)
        return -1;
    mine[1].value = (double)store_get_version(learner_get_ledger(p->l)->store);
    return compare(p, REPLAY, mine, ARRAY_LEN(mine), err);
}

static int
drive_drop(void *ctx, uint32_t worker, struct err *err)
{
    struct replay *p = ctx;
    bool over;

    if (expect(p, "drop", worker, &over, err) != 0)
        return -1;
    return over ? 0 : learner_drop(p->l, worker, err);
}

/* What the worker gets. */
static int
compare_order(const struct replay *p, const struct share *s, struct err *err)
{
    struct field f[] = {{"steps", s->n, NAN},
                        {"iteration", (double)s->iteration, NAN},
                        {"version", (double)s->version, NAN},
                        {"epoch", s->cursor[0].epoch, NAN},
                        {"first", (double)s->cursor[0].first, NAN},
                        {"count", s->cursor[0].count, NAN},
                        {"shard", s->cursor[0].shard, 0}};

    return compare(p, REPLAY, f, ARRAY_LEN(f), err) == 0
               ? replay_check_rest(p, s, err)
               : -1;
}

/* Does the next event say that no mini-batch was left for the worker?  Which
 * shard is free for others when its worker is lost the server alone knows. */
static int
peek_idle(struct replay *p, uint32_t worker, bool *is_idle, struct err *err)
{
    int64_t rank = NOBODY;

    *is_idle = false;
    if (replay_peek(p, err) != 0)
        return -1;
    if (p->over || strcmp(p->event, "idle") != 0)
        return 0;
    if (jcur_int(&p->at, "rank", 0, NOBODY, &rank, err) != 0)
        return -1;
    *is_idle = rank == worker;
    return 0;
}

static int
drive_release(void *ctx, uint32_t worker, const struct host_release *how,
              bool *finished, struct err *err)
{
    struct replay *p = ctx;
    struct field f[] = {{"keep", how->keep, 0},
                        {"contribution", how->contribution, 0},
                        {"lr_factor", how->lr_factor, 1},
                        {"batch", how->batch, 0}};
    uint32_t shard = 0;
    bool over, none;

    if (peek_idle(p, worker, finished, err) != 0 ||
        expect(p, *finished ? "idle" : "release", worker, &over, err) != 0)
        return -1;
    if (over)
        return 0;
    if (*finished)
        return assign_has(learner_get_ledger(p->l)->assign, worker)
                   ? jcur_fail(&p->at, err, REPLAY_OTHER_JOB)
                   : 0;
    if (compare(p, POLICY, f, ARRAY_LEN(f), err) != 0 ||
        replay_get_shard(p, &shard, err) != 0 ||
        learner_release(p->l, worker, shard, how, &none, err) != 0)
        return -1;
    if (none)
        return jcur_fail(&p->at, err, REPLAY_OTHER_JOB);
    return compare_order(p, learner_get_share(p->l, worker), err);
}

const struct host_driver replay_driver = {
    .add = drive_add,
    .commit = drive_commit,
    .drop = drive_drop,
    .release = drive_release,
};
