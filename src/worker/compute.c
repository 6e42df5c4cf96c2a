/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/compute.h"

#include "base/clock.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/vec.h"
#include "data/blob.h"

#include <ebsp/policy.h>

#include <string.h>
#include <unistd.h>

static float *
vector(const struct compute *c, struct err *err)
{
    float *v = mem_alloc_aligned(c->t->n_floats * sizeof(float));

    if (!v)
        err_nomem(err);
    return v;
}

static int
open_blob(struct compute *c, const struct compute_setup *s, struct err *err)
{
    struct err why = ERR_INIT;

    c->data = blob_open(s->blob, s->blob_hash, &why);
    if (c->data)
        return job_take_data(&c->job, c->data, &c->augment, err);
    if (why.code != ERR_CONFIG)
        return err_set(err, why.code, "%s", why.text);
    (void)unlink(s->blob);
    return err_set(err, ERR_SYS, "%s; removed: it is sent again the next time",
                   why.text);
}

int
compute_init(struct compute *c, const struct compute_setup *setup,
             struct err *err)
{
    struct net_options o = {.threads = setup->threads};
    const struct data_split *train;
    int r;

    memset(c, 0, sizeof *c);
    r = job_parse(&c->job, "job.json", setup->job_dir, setup->job,
                  strlen(setup->job), err);
    if (r == 0)
        r = setup->blob ? open_blob(c, setup, err)
                        : job_open_data(&c->job, setup->data_dir, &c->data,
                                        &c->augment, err);
    if (r != 0)
        return -1;
    train = &c->data->train;
    c->t = graph_get_segments(c->job.graph);
    if (shards_init(&c->shards, &c->job.assign, c->job.workers, train->label,
                    train->n, c->data->n_classes, c->job.seed, err) != 0)
        return -1;
    c->loader = loader_new(c->data, &c->shards, &c->augment, c->job.seed, err);
    c->net = c->loader ? net_new(c->job.graph, &o, err) : NULL;
    if (!c->net || !(c->params = vector(c, err)) || !(c->grad = vector(c, err)))
        return -1;
    return 0;
}

void
compute_release(struct compute *c)
{
    net_free(c->net);
    loader_free(c->loader);
    shards_release(&c->shards);
    dataset_free(c->data);
    optim_free(c->local);
    if (c->push != c->grad)
        mem_free(c->push);
    mem_free(c->params);
    mem_free(c->base);
    mem_free(c->grad);
    job_release(&c->job);
}

/* Memory for more than one plain gradient: taken when a policy first asks. */
static int
prepare(struct compute *c, const struct msg_order *o, struct err *err)
{
    bool local = o->contribution != EBSP_PUSH_GRADIENT;

    if (!local && o->n_steps == 1) {
        if (!c->push)
            c->push = c->grad;
        return 0;
    }
    if (!c->push || c->push == c->grad) {
        c->push = vector(c, err);
        if (!c->push)
            return -1;
    }
    if (!local)
        return 0;
    if (!c->local)
        c->local = optim_new(&c->job.optim, c->t, err);
    if (c->local && !c->base)
        c->base = vector(c, err);
    return c->local && c->base ? 0 : -1;
}

static int
one_step(struct compute *c, const struct msg_cursor *at, struct msg_push *told,
         struct err *err)
{
    struct data_cursor cursor = {.epoch = at->epoch,
                                 .shard = at->shard,
                                 .first = at->first,
                                 .count = at->count};
    struct net_batch b;
    struct net_result r;
    int64_t start = clock_now_ns(), loaded;

    if (loader_train(c->loader, &cursor, &b, err) != 0)
        return -1;
    loaded = clock_now_ns();
    if (net_step(c->net, &b, c->params, c->grad, NULL, &r, err) != 0)
        return -1;
    told->data_ns += loaded - start;
    told->compute_ns += clock_now_ns() - loaded;
    told->samples += at->count;
    told->correct += r.correct;
    told->loss += r.loss * (double)at->count;
    return 0;
}

void
compute_forget(struct compute *c)
{
    optim_free(c->local);
    c->local = NULL;
}

int
compute_order(struct compute *c, const struct msg_order *o,
              struct msg_push *told, const float **push, struct err *err)
{
    bool local = o->contribution != EBSP_PUSH_GRADIENT;
    size_t n = c->t->n_floats;
    int64_t start;

    memset(told, 0, sizeof *told);
    if (prepare(c, o, err) != 0)
        return -1;
    if (local)
        memcpy(c->base, c->params, n * sizeof(float));
    for (uint32_t i = 0; i < o->n_steps; i++) {
        float count = (float)o->step[i].count;

        if (one_step(c, &o->step[i], told, err) != 0)
            return -1;
        start = clock_now_ns();
        if (local)
            optim_update(c->local, c->params, c->grad, o->lr);
        else if (o->n_steps == 1 && c->push != c->grad)
            memcpy(c->push, c->grad, n * sizeof(float));
        else if (o->n_steps > 1 && i == 0)
            vec_set_scaled(c->push, count, c->grad, n);
        else if (o->n_steps > 1)
            vec_axpy(c->push, count, c->grad, n);
        told->compute_ns += clock_now_ns() - start;
    }
    start = clock_now_ns();
    if (o->contribution == EBSP_PUSH_DELTA)
        vec_sub(c->push, c->params, c->base, n);
    else if (o->contribution == EBSP_PUSH_MODEL)
        memcpy(c->push, c->params, n * sizeof(float));
    else if (o->n_steps > 1)
        vec_scale(c->push, 1.0f / (float)told->samples, n);
    told->iteration = o->iteration;
    told->version = o->version;
    told->n_steps = o->n_steps;
    told->loss /= (double)told->samples;
    told->norm = optim_norm(c->t, c->push);
    told->compute_ns += clock_now_ns() - start;
    *push = c->push;
    return 0;
}
