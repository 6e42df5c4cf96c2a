/* SPDX-License-Identifier: Apache-2.0 */
#include "job/evaluate.h"

#include "base/err.h"
#include "base/mem.h"

#include <string.h>

/* Activations of one mini-batch are to stay near this many floats. */
#define MAX_FLOATS ((size_t)1 << 20)
#define MAX_BATCH  500

struct evaluator {
    const struct dataset *d;
    struct shards none; /* plain order: no shards are looked at */
    struct loader *loader;
    struct net *net;
    size_t batch;
};

struct evaluator *
evaluator_new(const struct graph *g, const struct dataset *d,
              const struct augment_config *a, int threads, struct err *err)
{
    struct evaluator *e = mem_alloc(1, sizeof *e);
    struct net_options o = {.threads = threads};

    if (!e) {
        err_nomem(err);
        return NULL;
    }
    e->d = d;
    e->batch = MAX_FLOATS / shape_count(graph_get_input(g));
    if (e->batch > MAX_BATCH)
        e->batch = MAX_BATCH;
    if (e->batch < 1)
        e->batch = 1;
    e->loader = loader_new(d, &e->none, a, 0, err);
    e->net = e->loader ? net_new(g, &o, err) : NULL;
    if (!e->net) {
        evaluator_free(e);
        return NULL;
    }
    return e;
}

void
evaluator_free(struct evaluator *e)
{
    if (!e)
        return;
    net_free(e->net);
    loader_free(e->loader);
    mem_free(e);
}

int
evaluator_run(struct evaluator *e, const float *params, const atomic_bool *stop,
              struct evaluation *result, struct err *err)
{
    const struct data_split *split = &e->d->test;
    double loss = 0.0;
    uint64_t correct = 0;

    memset(result, 0, sizeof *result);
    for (size_t first = 0; first < split->n; first += e->batch) {
        size_t n = split->n - first < e->batch ? split->n - first : e->batch;
        struct net_batch b;
        struct net_result r;

        if (stop && atomic_load(stop))
            return err_set(err, ERR_FAIL, "not evaluated: the run ended");
        if (loader_plain(e->loader, split, first, n, &b, err) != 0 ||
            net_eval(e->net, &b, params, &r, err) != 0)
            return -1;
        loss += r.loss * (double)n;
        correct += r.correct;
    }
    result->samples = split->n;
    if (split->n > 0) {
        result->loss = loss / (double)split->n;
        result->accuracy = (double)correct / (double)split->n;
    }
    return 0;
}
