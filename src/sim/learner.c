/* SPDX-License-Identifier: Apache-2.0 */
#include "sim/learner.h"

#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"
#include "worker/compute.h"

#include <ebsp/policy.h>

#include <math.h>
#include <string.h>

/* An emulated worker: what of `compute` is its own, lent to the one network
 * when it is its turn. */
struct pupil {
    struct share share;
    struct params *pulled; /* reference */
    const float *params;
    float *own, *push;
    struct optim *local;
    struct debt debt;
    struct host_push told;
};

struct learner {
    const struct job *job;
    struct compute compute; /* one network for all of them */
    struct ledger ledger;
    struct evaluator *evaluator;
    struct pupil *pupil; /* [n_pupils] */
    uint32_t n_pupils;
    struct msg_cursor *step;
    uint32_t cap_steps;
};

struct learner *
learner_new(const struct job *job, struct err *err)
{
    struct learner *l = mem_alloc(1, sizeof *l);
    struct buf text = BUF_INIT(JSON_MAX_BYTES);
    struct store_options store = {.threads = (unsigned)job->threads};
    struct compute_setup setup;
    int r;

    if (!l) {
        err_nomem(err);
        return NULL;
    }
    l->job = job;
    r = job_dump(job, &text, err);
    setup = (struct compute_setup){
        .job = text.data, .job_dir = job->dir, .threads = (int)job->threads};
    if (r == 0)
        r = compute_init(&l->compute, &setup, err);
    buf_release(&text);
    if (r == 0)
        r = learner_reserve(l, job->workers, err);
    if (r == 0)
        r = ledger_init(&l->ledger, job, l->compute.data, &store, err);
    if (r == 0) {
        l->evaluator =
            evaluator_new(l->compute.job.graph, l->compute.data,
                          &l->compute.augment, (int)job->threads, err);
        r = l->evaluator ? 0 : -1;
    }
    if (r == 0)
        return l;
    learner_free(l);
    return NULL;
}

void
learner_free(struct learner *l)
{
    if (!l)
        return;
    for (uint32_t i = 0; i < l->n_pupils; i++) {
        struct pupil *p = &l->pupil[i];

        if (p->pulled)
            store_unref(p->pulled);
        share_release(&p->share);
        optim_free(p->local);
        debt_forget(&p->debt);
        mem_free(p->own);
        mem_free(p->push);
    }
    mem_free(l->pupil);
    mem_free(l->step);
    ledger_release(&l->ledger);
    evaluator_free(l->evaluator);
    compute_release(&l->compute);
    mem_free(l);
}

int
learner_reserve(struct learner *l, uint32_t workers, struct err *err)
{
    struct pupil *more;

    if (workers <= l->n_pupils)
        return 0;
    more = mem_resize(l->pupil, l->n_pupils, workers, sizeof *more);
    if (!more)
        return err_nomem(err);
    l->pupil = more;
    l->n_pupils = workers;
    return 0;
}

uint32_t
learner_get_workers(const struct learner *l)
{
    return l->n_pupils;
}

struct ledger *
learner_get_ledger(struct learner *l)
{
    return &l->ledger;
}

const struct host_push *
learner_get_push(const struct learner *l, uint32_t worker)
{
    return &l->pupil[worker].told;
}

const struct share *
learner_get_share(const struct learner *l, uint32_t worker)
{
    return &l->pupil[worker].share;
}

static void
pull(struct learner *l, struct pupil *p)
{
    if (p->pulled)
        store_unref(p->pulled);
    p->pulled = store_ref(l->ledger.store);
    p->params = p->pulled->v;
}

/* Lends to the network, or takes back, what is this worker's. */
static void
lend(struct learner *l, struct pupil *p)
{
    l->compute.params = p->params;
    l->compute.own = p->own;
    l->compute.push = p->push;
    l->compute.local = p->local;
    l->compute.packer.debt = p->debt;
}

static void
take_back(struct learner *l, struct pupil *p)
{
    p->params = l->compute.params;
    p->own = l->compute.own;
    p->push = l->compute.push;
    p->local = l->compute.local;
    p->debt = l->compute.packer.debt;
    l->compute.params = NULL;
    l->compute.own = l->compute.push = NULL;
    l->compute.local = NULL;
    l->compute.packer.debt = (struct debt){0};
}

static int
copy_steps(struct learner *l, const struct share *s, struct err *err)
{
    if (s->n > l->cap_steps) {
        struct msg_cursor *more =
            mem_resize(l->step, l->cap_steps, s->n, sizeof *more);

        if (!more)
            return err_nomem(err);
        l->step = more;
        l->cap_steps = s->n;
    }
    for (uint32_t i = 0; i < s->n; i++)
        l->step[i] = (struct msg_cursor){.epoch = s->cursor[i].epoch,
                                         .shard = s->cursor[i].shard,
                                         .first = s->cursor[i].first,
                                         .count = s->cursor[i].count};
    return 0;
}

/* Computes the contribution to the order in p->share. */
static int
compute_share(struct learner *l, struct pupil *p,
              const struct host_release *how, struct err *err)
{
    struct msg_order order;
    struct msg_push told;
    const float *push;
    int r;

    if (!how->keep)
        pull(l, p);
    if (copy_steps(l, &p->share, err) != 0 ||
        store_let_go(l->ledger.store, p->push, err) != 0)
        return -1;
    order = (struct msg_order){.iteration = p->share.iteration,
                               .version = p->share.version,
                               .contribution = how->contribution,
                               .lr = p->share.lr,
                               .n_steps = p->share.n,
                               .step = l->step};
    lend(l, p);
    r = compute_order(&l->compute, &order, NULL, &told, &push, err);
    take_back(l, p);
    if (r != 0)
        return -1;
    p->told = (struct host_push){.samples = told.samples,
                                 .steps = told.n_steps,
                                 .loss = told.loss,
                                 .gradient_norm = told.norm};
    return 0;
}

int
learner_release(struct learner *l, uint32_t worker, uint32_t shard,
                const struct host_release *how, bool *none, struct err *err)
{
    struct pupil *p = &l->pupil[worker];

    if (ledger_take(&l->ledger, &p->share, shard, how, none, err) != 0)
        return -1;
    return *none ? 0 : compute_share(l, p, how, err);
}

int
learner_retry(struct learner *l, uint32_t worker, struct err *err)
{
    struct pupil *p = &l->pupil[worker];
    struct host_release how = {.contribution = p->share.contribution};

    p->share.version = store_get_version(l->ledger.store);
    learner_forget(l, worker);
    return compute_share(l, p, &how, err);
}

int
learner_check(const struct learner *l, uint32_t worker, struct err *err)
{
    const struct pupil *p = &l->pupil[worker];

    if (isfinite(p->told.loss) && isfinite(p->told.gradient_norm))
        return 0;
    return err_set(err, ERR_DIVERGED,
                   "diverged: training loss %g, gradient norm %g in "
                   "iteration %llu of worker %u",
                   p->told.loss, p->told.gradient_norm,
                   (unsigned long long)p->share.iteration, worker);
}

int
learner_add(struct learner *l, uint32_t worker, double weight, struct err *err)
{
    struct pupil *p = &l->pupil[worker];

    if (learner_check(l, worker, err) != 0)
        return -1;
    return ledger_add(&l->ledger, &p->share, p->push, weight, err);
}

int
learner_commit(struct learner *l, double weight, uint32_t pushes, double *lr,
               struct err *err)
{
    return ledger_commit(&l->ledger, weight, pushes, lr, err);
}

int
learner_drop(struct learner *l, uint32_t worker, struct err *err)
{
    return ledger_give_back(&l->ledger, &l->pupil[worker].share, err);
}

void
learner_forget(struct learner *l, uint32_t worker)
{
    optim_free(l->pupil[worker].local);
    l->pupil[worker].local = NULL;
    debt_forget(&l->pupil[worker].debt);
}

int
learner_evaluate(struct learner *l, struct evaluation *e, struct err *err)
{
    return evaluator_run(l->evaluator, store_peek(l->ledger.store), NULL, e,
                         err);
}
