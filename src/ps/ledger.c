/* SPDX-License-Identifier: Apache-2.0 */
#include "ps/ledger.h"

#include "base/err.h"
#include "base/mem.h"
#include "policy/host.h"
#include "wire/frame.h"

#include <ebsp/policy.h>

#include <math.h>
#include <string.h>

int
ledger_init(struct ledger *l, const struct job *job, const struct dataset *data,
            const struct store_options *store, struct err *err)
{
    const struct data_split *train = &data->train;

    memset(l, 0, sizeof *l);
    l->job = job;
    l->data = data;
    l->store =
        store_new(graph_get_segments(job->graph), &job->optim, store, err);
    if (!l->store ||
        shards_init(&l->shards, &job->assign, job->workers, train->label,
                    train->n, data->n_classes, job->seed, err) != 0)
        return -1;
    l->assign = assign_new(&l->shards, job->batch, job->epochs, err);
    if (!l->assign)
        return -1;
    graph_init_params(job->graph, job->seed, store_edit(l->store));
    return 0;
}

void
ledger_release(struct ledger *l)
{
    assign_free(l->assign);
    shards_release(&l->shards);
    store_free(l->store);
    mem_free(l->added);
}

int
ledger_take(struct ledger *l, struct share *s, uint32_t worker,
            const struct host_release *how, bool *none, struct err *err)
{
    if (how->steps > s->cap) {
        struct data_cursor *more =
            mem_resize(s->cursor, s->cap, how->steps, sizeof *more);

        if (!more)
            return err_nomem(err);
        s->cursor = more;
        s->cap = how->steps;
    }
    s->n = 0;
    s->samples = 0;
    while (s->n < how->steps &&
           assign_take(l->assign, worker, how->batch, &s->cursor[s->n]))
        s->samples += s->cursor[s->n++].count;
    *none = s->n == 0;
    if (*none)
        return 0;
    s->iteration++;
    s->version = store_get_version(l->store);
    s->contribution = how->contribution;
    s->factor = how->lr_factor;
    s->lr = how->lr_factor *
            ledger_rate(l, assign_get_done(l->assign) + s->samples, 1);
    return 0;
}

static int
remember_added(struct ledger *l, const struct share *s, struct err *err)
{
    size_t need = l->n_added + s->n;

    if (need > l->cap_added) {
        size_t cap = need * 2;
        struct data_cursor *more =
            mem_resize(l->added, l->cap_added, cap, sizeof *more);

        if (!more)
            return err_nomem(err);
        l->added = more;
        l->cap_added = cap;
    }
    memcpy(l->added + l->n_added, s->cursor, s->n * sizeof *s->cursor);
    l->n_added = need;
    return 0;
}

double
share_weight(const struct share *s, double weight)
{
    /* Local steps have used the factor already. */
    return s->contribution == EBSP_PUSH_GRADIENT ? weight * s->factor : weight;
}

int
ledger_add(struct ledger *l, struct share *s, const float *push, double weight,
           struct err *err)
{
    if (remember_added(l, s, err) != 0)
        return -1;
    s->n = 0;
    return store_add(l->store, push, s->contribution, share_weight(s, weight),
                     err);
}

int
ledger_commit(struct ledger *l, double weight, uint32_t pushes, double *lr,
              struct err *err)
{
    /* How many pushes stand behind one unit of weight: all of them in a mean,
     * one in a sum, which has been scaled by their number already. */
    double total = fabs(weight * store_get_weight(l->store));
    double k = total > 0.0 ? pushes / total : pushes;
    uint64_t done = assign_get_done(l->assign);

    for (size_t i = 0; i < l->n_added; i++)
        done += l->added[i].count;
    *lr = ledger_rate(l, done, k);
    if (store_commit(l->store, weight, *lr, err) != 0)
        return -1;
    for (size_t i = 0; i < l->n_added; i++)
        assign_done(l->assign, &l->added[i]);
    l->n_added = 0;
    return 0;
}

int
ledger_give_back(struct ledger *l, struct share *s, struct err *err)
{
    for (uint32_t i = 0; i < s->n; i++)
        if (assign_give_back(l->assign, &s->cursor[i], err) != 0)
            return -1;
    s->n = 0;
    return 0;
}

double
ledger_rate(const struct ledger *l, uint64_t samples, double k)
{
    uint64_t updates = store_get_version(l->store) + 1;

    return job_learning_rate(l->job, job_progress(l->job, samples, updates),
                             assign_get_total(l->assign), k);
}

double
ledger_epochs(const struct ledger *l)
{
    return (double)assign_get_done(l->assign) /
           (double)assign_get_total(l->assign) * l->job->epochs;
}

uint64_t
ledger_params_hash(const struct ledger *l)
{
    size_t n = graph_get_segments(l->job->graph)->n_floats;

    return wire_hash(store_peek(l->store), n * sizeof(float));
}

void
share_release(struct share *s)
{
    mem_free(s->cursor);
    memset(s, 0, sizeof *s);
}
