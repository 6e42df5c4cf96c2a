/* SPDX-License-Identifier: Apache-2.0 */
#include "sim/replay.h"

#include "base/err.h"
#include "base/fs.h"
#include "base/mem.h"
#include "sim/learner.h"
#include "sim/trace.h"
#include "wire/msg.h"

#include <ebsp/policy.h>

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

struct replay {
    const struct job *job;
    struct learner *l;
    struct replay_result *result;
    bool over;
};

static int
get_rank(const struct replay *p, const struct jcur *e, uint32_t *rank,
         struct err *err)
{
    int64_t v = 0;

    if (jcur_int(e, "rank", 0, p->job->workers - 1, &v, err) != 0)
        return -1;
    *rank = (uint32_t)v;
    return 0;
}

/* Of a worker whose contribution is not settled yet, as ADD and DROP are. */
static int
get_pending(const struct replay *p, const struct jcur *e, uint32_t *rank,
            struct err *err)
{
    if (get_rank(p, e, rank, err) != 0)
        return -1;
    if (learner_get_share(p->l, *rank)->n > 0)
        return 0;
    return jcur_fail(e, err, "no contribution of worker %u is pending", *rank);
}

/* The mini-batches come out of the same seeded order again; when they do not,
 * recording and job do not belong together. */
static int
on_release(struct replay *p, const struct jcur *e, struct err *err)
{
    struct host_release how = {.steps = 1, .lr_factor = 1.0};
    int64_t keep = 0, contribution = 0, steps = 1, batch = 0, epoch = 0,
            first = 0, count = 0;
    const struct share *s;
    uint32_t rank;
    bool none;

    if (get_rank(p, e, &rank, err) != 0 ||
        jcur_int_or(e, "keep", 0, 1, &keep, err) != 0 ||
        jcur_int_or(e, "contribution", EBSP_PUSH_GRADIENT, EBSP_PUSH_MODEL,
                    &contribution, err) != 0 ||
        jcur_num_or(e, "lr_factor", 0, INFINITY, &how.lr_factor, err) != 0 ||
        jcur_int_or(e, "batch", 0, UINT32_MAX, &batch, err) != 0 ||
        jcur_int(e, "steps", 1, WIRE_MAX_STEPS, &steps, err) != 0 ||
        jcur_int(e, "epoch", 0, UINT32_MAX, &epoch, err) != 0 ||
        jcur_int(e, "first", 0, INT64_MAX, &first, err) != 0 ||
        jcur_int(e, "count", 1, UINT32_MAX, &count, err) != 0)
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
    if (learner_release(p->l, rank, &how, &none, err) != 0)
        return -1;
    if (none || s->n != how.steps || s->cursor[0].epoch != epoch ||
        s->cursor[0].first != (uint64_t)first ||
        s->cursor[0].count != (uint64_t)count)
        return jcur_fail(e, err,
                         "the recorded mini-batch is not the next one of this "
                         "job: was job.json changed?");
    return 0;
}

static int
on_end(struct replay *p, const struct jcur *e, struct err *err)
{
    const char *hash = "";

    if (jcur_str(e, "params_hash", &hash, err) != 0)
        return -1;
    p->result->recorded_hash = strtoull(hash, NULL, 16);
    p->result->has_recorded = true;
    p->over = true;
    return 0;
}

static int
on_event(struct replay *p, const char *event, const struct jcur *e,
         struct err *err)
{
    double weight = 0;
    int64_t pushes = 0, version = 0;
    uint32_t rank;

    if (!strcmp(event, "release"))
        return on_release(p, e, err);
    if (!strcmp(event, "end"))
        return on_end(p, e, err);
    if (!strcmp(event, "start")) {
        if (jcur_int(e, "version", 0, INT64_MAX, &version, err) != 0)
            return -1;
        return version == 0
                   ? 0
                   : jcur_fail(e, err,
                               "this is the continuation of a run from "
                               "version %" PRId64 ", only whole runs can be "
                               "replayed",
                               version);
    }
    if (!strcmp(event, "add")) {
        if (get_pending(p, e, &rank, err) != 0 ||
            jcur_num(e, "weight", -INFINITY, INFINITY, &weight, err) != 0)
            return -1;
        return learner_add(p->l, rank, weight, err);
    }
    if (!strcmp(event, "commit")) {
        if (jcur_num(e, "weight", -INFINITY, INFINITY, &weight, err) != 0 ||
            jcur_int(e, "pushes", 1, UINT32_MAX, &pushes, err) != 0)
            return -1;
        return learner_commit(p->l, weight, (uint32_t)pushes, err);
    }
    if (!strcmp(event, "drop")) {
        if (get_pending(p, e, &rank, err) != 0)
            return -1;
        return learner_drop(p->l, rank, err);
    }
    return 0; /* the rest is for people */
}

static int
replay_events(struct replay *p, const char *path, struct err *err)
{
    struct trace t;
    const char *event;
    struct jcur root;
    int r;

    if (trace_open(&t, path, err) != 0)
        return -1;
    while (!p->over && (r = trace_next(&t, &event, &root, err)) == 1)
        if ((r = on_event(p, event, &root, err)) != 0) {
            if (err->code != ERR_CONFIG) /* those tell the place */
                err_wrap(err, "%s:%d", path, t.number);
            break;
        }
    trace_close(&t);
    return p->over || r == 0 ? 0 : -1;
}

int
replay_run(const char *run, const struct job *job, struct replay_result *result,
           struct err *err)
{
    struct replay p = {.job = job, .result = result};
    char *path = fs_join(run, "events.jsonl");
    struct ledger *ledger;
    int r = path ? 0 : err_nomem(err);

    memset(result, 0, sizeof *result);
    if (r == 0) {
        p.l = learner_new(job, err);
        r = p.l ? replay_events(&p, path, err) : -1;
    }
    if (r == 0)
        r = learner_evaluate(p.l, &result->eval, err);
    if (r == 0) {
        ledger = learner_get_ledger(p.l);
        result->samples = assign_get_done(ledger->assign);
        result->updates = store_get_version(ledger->store);
        result->hash = ledger_params_hash(ledger);
    }
    learner_free(p.l);
    mem_free(path);
    return r;
}
