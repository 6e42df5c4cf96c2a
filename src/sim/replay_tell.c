/* SPDX-License-Identifier: Apache-2.0 */
/* What the policy was told, told again. */
#include "base/err.h"
#include "base/str.h"
#include "sim/replay_impl.h"

#include <inttypes.h>
#include <math.h>

int
replay_take_time(struct replay *p, struct err *err)
{
    double t = 0;
    int64_t now_ns;

    if (jcur_num(&p->at, "t", 0, REPLAY_MAX_SECONDS, &t, err) != 0)
        return -1;
    now_ns = p->zero_ns + llround(t * 1e9);
    if (now_ns < p->now_ns)
        return jcur_fail(&p->at, err, "time runs backwards");
    p->now_ns = now_ns;
    return 0;
}

/* Rank, time and that the worker is in the state in which this can happen. */
static int
take_rank(struct replay *p, enum host_state state, uint32_t *rank,
          struct err *err)
{
    static const char *const names[] = {
        [HOST_ABSENT] = "absent",
        [HOST_HELD] = "held",
        [HOST_RUNNING] = "running",
    };

    if (replay_get_rank(p, rank, err) != 0)
        return -1;
    if (!p->host)
        return 0;
    if (*rank >= host_get_max_workers(p->host))
        return jcur_fail(&p->at, err,
                         "%s of worker %u, but the recorded max_workers is %u",
                         p->event, *rank, host_get_max_workers(p->host));
    if (replay_take_time(p, err) != 0)
        return -1;
    if (host_get_state(p->host, *rank) == state)
        return 0;
    return jcur_fail(&p->at, err, "%s of worker %u, which is not %s", p->event,
                     *rank, names[state]);
}

int
replay_on_join(struct replay *p, struct err *err)
{
    uint32_t rank;

    if (take_rank(p, HOST_ABSENT, &rank, err) != 0)
        return -1;
    return p->host ? host_join(p->host, p->now_ns, rank, err) : 0;
}

int
replay_on_start(struct replay *p, struct err *err)
{
    int64_t version = 0;

    if (jcur_int(&p->at, "version", 0, INT64_MAX, &version, err) != 0)
        return -1;
    if (version > 0)
        return jcur_fail(&p->at, err,
                         "this is the continuation of a run from version "
                         "%" PRId64 ", only whole runs can be replayed",
                         version);
    if (p->is_started)
        return jcur_fail(&p->at, err, "a second start");
    p->is_started = true;
    if (!p->has_policy) {
        if (p->c->policy)
            return jcur_fail(&p->at, err,
                             "this recording does not tell what a policy needs "
                             "to take part");
        str_printf(p->result->why_alone, sizeof p->result->why_alone,
                   "the recording does not tell what the policy was told");
    }
    if (!p->host)
        return 0;
    return replay_take_time(p, err) == 0 ? host_start(p->host, p->now_ns, err)
                                         : -1;
}

/* A number, or NAN where there is none or it was none. */
static int
get_number(const struct replay *p, const char *key, double *v, struct err *err)
{
    struct jcur at = jcur_key(&p->at, key);

    *v = NAN;
    if (!at.v || json_is_null(at.v))
        return 0;
    return jcur_num(&p->at, key, -INFINITY, INFINITY, v, err);
}

/* A value that is not finite is recorded as none. */
static bool
is_same(double recorded, double computed)
{
    return recorded == computed || (isnan(recorded) && !isfinite(computed));
}

int
replay_on_push(struct replay *p, struct err *err)
{
    const struct host_push *mine;
    struct host_push push;
    double compute = 0;
    uint32_t rank;

    if (take_rank(p, HOST_RUNNING, &rank, err) != 0)
        return -1;
    mine = learner_get_push(p->l, rank);
    push = *mine;
    if (get_number(p, "loss", &push.loss, err) != 0 ||
        get_number(p, "norm", &push.gradient_norm, err) != 0 ||
        jcur_num(&p->at, "compute", 0, REPLAY_MAX_SECONDS, &compute, err) != 0)
        return -1;
    if (p->result->strange_line == 0 &&
        (!is_same(push.loss, mine->loss) ||
         !is_same(push.gradient_norm, mine->gradient_norm)))
        p->result->strange_line = p->trace.number;
    push.compute_ns = llround(compute * 1e9);
    /* one that is not finite was not told */
    if (!p->host || !isfinite(push.loss) || !isfinite(push.gradient_norm))
        return 0;
    return host_push(p->host, p->now_ns, rank, &push, err);
}

/* The same mini-batches on newer parameters; nothing that a policy knows of. */
int
replay_on_retry(struct replay *p, struct err *err)
{
    uint32_t rank;

    if (take_rank(p, HOST_RUNNING, &rank, err) != 0)
        return -1;
    if (learner_get_share(p->l, rank)->n == 0)
        return jcur_fail(&p->at, err, "worker %u has no order", rank);
    return learner_retry(p->l, rank, err);
}

/* Before the start there is nothing to forget; after it, one who has come back,
 * also one for whom there was no work, whose leaving nobody was told. */
int
replay_on_ready(struct replay *p, struct err *err)
{
    uint32_t rank;

    if (!p->is_started)
        return 0;
    if (replay_get_rank(p, &rank, err) != 0)
        return -1;
    learner_forget(p->l, rank);
    return 0;
}

/* What it was working on goes back before the policy is told; what it had
 * pushed is dropped by the host. */
int
replay_on_leave(struct replay *p, struct err *err)
{
    uint32_t rank;

    if (replay_get_rank(p, &rank, err) != 0)
        return -1;
    p->left = rank;
    learner_forget(p->l, rank);
    if (!p->host || host_get_state(p->host, rank) == HOST_RUNNING)
        if (learner_drop(p->l, rank, err) != 0)
            return -1;
    if (!p->host)
        return 0;
    return replay_take_time(p, err) == 0
               ? host_leave(p->host, p->now_ns, rank, err)
               : -1;
}

int
replay_on_wake(struct replay *p, struct err *err)
{
    if (!p->host)
        return 0;
    return replay_take_time(p, err) == 0 ? host_advance(p->host, p->now_ns, err)
                                         : -1;
}
