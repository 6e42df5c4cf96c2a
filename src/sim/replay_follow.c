/* SPDX-License-Identifier: Apache-2.0 */
/* The recorded actions alone. */
#include "base/err.h"
#include "sim/replay_impl.h"
#include "wire/msg.h"

#include <ebsp/policy.h>

#include <inttypes.h>
#include <math.h>
#include <string.h>

/* Of a worker whose contribution is not settled yet, as ADD and DROP are. */
static int
get_pending(const struct replay *p, uint32_t *rank, struct err *err)
{
    if (replay_get_rank(p, rank, err) != 0)
        return -1;
    if (learner_get_share(p->l, *rank)->n > 0)
        return 0;
    return jcur_fail(&p->at, err, "no contribution of worker %u is pending",
                     *rank);
}

/* The mini-batches come out of the same seeded order again; when they do not,
 * recording and job do not belong together. */
static int
follow_release(struct replay *p, struct err *err)
{
    struct host_release how = {.steps = 1, .lr_factor = 1.0};
    int64_t keep = 0, contribution = 0, steps = 1, batch = 0, epoch = 0,
            first = 0, count = 0;
    const struct jcur *e = &p->at;
    const struct share *s;
    uint32_t rank, shard = 0;
    bool none;

    if (replay_get_rank(p, &rank, err) != 0 ||
        jcur_int_or(e, "keep", 0, 1, &keep, err) != 0 ||
        jcur_int_or(e, "contribution", EBSP_PUSH_GRADIENT, EBSP_PUSH_MODEL,
                    &contribution, err) != 0 ||
        jcur_num_or(e, "lr_factor", 0, INFINITY, &how.lr_factor, err) != 0 ||
        jcur_int_or(e, "batch", 0, UINT32_MAX, &batch, err) != 0 ||
        jcur_int(e, "steps", 1, WIRE_MAX_STEPS, &steps, err) != 0 ||
        jcur_int(e, "epoch", 0, UINT32_MAX, &epoch, err) != 0 ||
        jcur_int(e, "first", 0, INT64_MAX, &first, err) != 0 ||
        jcur_int(e, "count", 1, UINT32_MAX, &count, err) != 0 ||
        replay_get_shard(p, &shard, err) != 0)
        return -1;
    how.keep = keep;
    how.contribution = (uint32_t)contribution;
    how.steps = (uint32_t)steps;
    how.batch = (uint32_t)batch;
    s = learner_get_share(p->l, rank);
    if (s->n > 0)
        return jcur_fail(e, err, "worker %u is released a second time", rank);
    if (how.keep && s->iteration == 0)
        return jcur_fail(e, err, "worker %u has no parameters to keep", rank);
    if (learner_release(p->l, rank, shard, &how, &none, err) != 0)
        return -1;
    if (none || s->n != how.steps || s->cursor[0].epoch != epoch ||
        s->cursor[0].first != (uint64_t)first ||
        s->cursor[0].count != (uint64_t)count)
        return jcur_fail(e, err, REPLAY_OTHER_JOB);
    return replay_check_rest(p, s, err);
}

static int
follow_add(struct replay *p, struct err *err)
{
    double weight = 0;
    uint32_t rank;

    if (get_pending(p, &rank, err) != 0 ||
        jcur_num(&p->at, "weight", -INFINITY, INFINITY, &weight, err) != 0)
        return -1;
    return learner_add(p->l, rank, weight, err);
}

static int
follow_commit(struct replay *p, struct err *err)
{
    double weight = 0, lr;
    int64_t pushes = 0;

    if (jcur_num(&p->at, "weight", -INFINITY, INFINITY, &weight, err) != 0 ||
        jcur_int(&p->at, "pushes", 1, UINT32_MAX, &pushes, err) != 0)
        return -1;
    return learner_commit(p->l, weight, (uint32_t)pushes, &lr, err);
}

static int
follow_drop(struct replay *p, struct err *err)
{
    uint32_t rank;

    if (replay_get_rank(p, &rank, err) != 0)
        return -1;
    /* What a lost worker had pushed went back when it left. */
    if (rank == p->left && learner_get_share(p->l, rank)->n == 0)
        return 0;
    return get_pending(p, &rank, err) == 0 ? learner_drop(p->l, rank, err) : -1;
}

int
replay_follow(struct replay *p, struct err *err)
{
    switch (p->event[0]) { /* one of the four */
    case 'a':
        return follow_add(p, err);
    case 'c':
        return follow_commit(p, err);
    case 'd':
        return follow_drop(p, err);
    default:
        return follow_release(p, err);
    }
}
