/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/compute.h"

#include "base/clock.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/vec.h"
#include "data/blob.h"
#include "wire/join.h"

#include <ebsp/policy.h>

#include <string.h>
#include <unistd.h>

#define ECHO_RATIO 1e-3f

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

    c->data = blob_open(s->blob, s->data_hash, &why);
    if (c->data)
        return job_take_data(&c->job, c->data, &c->augment, err);
    if (why.code != ERR_CONFIG)
        return err_set(err, why.code, "%s", why.text);
    (void)unlink(s->blob);
    return err_set(err, ERR_SYS, "%s; removed: it is sent again the next time",
                   why.text);
}

static int
open_data(struct compute *c, const struct compute_setup *s, struct err *err)
{
    if (s->shared) {
        c->data = blob_attach(JOIN_FD_DATA, s->data_hash, err);
        return c->data ? job_take_data(&c->job, c->data, &c->augment, err) : -1;
    }
    return s->blob ? open_blob(c, s, err)
                   : job_open_data(&c->job, s->data_dir, &c->data, &c->augment,
                                   err);
}

/* Both are as large as the coordinator's network says; ours may differ, which
 * READY finds out. */
static int
share(struct compute *c, struct err *err)
{
    if (shm_attach(&c->published, JOIN_FD_PARAMS, SHM_PEERS_READ, err) != 0 ||
        shm_attach(&c->contribution, JOIN_FD_PUSH, SHM_PEERS_WRITE, err) != 0)
        return -1;
    if (c->contribution.n_bytes < c->t->n_floats * sizeof(float))
        return err_set(err, ERR_PROTO, "too little memory is shared");
    c->push = (float *)(void *)c->contribution.base;
    return 0;
}

int
compute_init(struct compute *c, const struct compute_setup *setup,
             struct err *err)
{
    struct net_options o = {.threads = setup->threads};
    const struct data_split *train;
    int r;

    memset(c, 0, sizeof *c);
    c->published = c->contribution = SHM_NONE;
    c->echo = setup->echo;
    r = job_parse(&c->job, "job.json", setup->job_dir, setup->job,
                  strlen(setup->job), err);
    if (r == 0)
        r = open_data(c, setup, err);
    if (r != 0)
        return -1;
    train = &c->data->train;
    c->t = graph_get_segments(c->job.graph);
    if (shards_init(&c->shards, &c->job.assign, c->job.workers, train->label,
                    train->n, c->data->n_classes, c->job.seed, err) != 0)
        return -1;
    c->loader = loader_new(c->data, &c->shards, &c->augment, c->job.seed, err);
    c->net = c->loader ? net_new(c->job.graph, &o, err) : NULL;
    if (!c->net || watermark_init(&c->watermark, c->t, err) != 0 ||
        packer_init(&c->packer, &c->job, err) != 0)
        return -1;
    return setup->shared ? share(c, err) : 0;
}

void
compute_release(struct compute *c)
{
    net_free(c->net);
    loader_free(c->loader);
    shards_release(&c->shards);
    dataset_free(c->data);
    optim_free(c->local);
    if (!compute_is_shared(c))
        mem_free(c->push);
    watermark_release(&c->watermark);
    shm_release(&c->published);
    shm_release(&c->contribution);
    mem_free(c->own);
    mem_free(c->base);
    mem_free(c->grad);
    packer_release(&c->packer);
    job_release(&c->job);
}

bool
compute_is_shared(const struct compute *c)
{
    return c->contribution.base != NULL;
}

static int
need(struct compute *c, float **v, struct err *err)
{
    if (!*v)
        *v = vector(c, err);
    return *v ? 0 : -1;
}

float *
compute_own(struct compute *c, struct err *err)
{
    if (need(c, &c->own, err) != 0)
        return NULL;
    c->params = c->own;
    return c->own;
}

int
compute_use_slot(struct compute *c, uint32_t slot, struct err *err)
{
    size_t stride = shm_stride(c->t->n_floats * sizeof(float));

    if (!c->published.base || slot >= c->published.n_bytes / stride)
        return err_set(err, ERR_PROTO, "no slot %u of parameters", slot);
    c->params =
        (const float *)(const void *)(c->published.base + slot * stride);
    return 0;
}

/* Local steps move parameters of our own, and what they began with stays. */
static int
prepare_local(struct compute *c, const float **base, struct err *err)
{
    size_t bytes = c->t->n_floats * sizeof(float);

    if (!c->local)
        c->local = optim_new(&c->job.optim, c->t, err);
    if (!c->local || need(c, &c->own, err) != 0)
        return -1;
    *base = c->params;
    if (c->params == c->own) {
        if (need(c, &c->base, err) != 0)
            return -1;
        memcpy(c->base, c->own, bytes);
        *base = c->base;
    } else {
        memcpy(c->own, c->params, bytes);
        c->params = c->own;
    }
    return 0;
}

/* The parameters below `end` are about to be read. */
static int
on_need(void *ctx, size_t end, struct err *err)
{
    struct compute *c = ctx;
    int64_t start = clock_now_ns();
    int r = c->flow->need(c->flow->ctx, end, err);

    c->waited_ns += clock_now_ns() - start;
    return r;
}

static void
on_segment(void *ctx, size_t index)
{
    struct compute *c = ctx;

    c->flow->final(c->flow->ctx, c->push, watermark_rise(&c->watermark, index));
}

static int
one_step(struct compute *c, const struct msg_cursor *at, float *grad,
         bool is_final, struct msg_push *told, struct err *err)
{
    struct net_progress progress = {
        .need = on_need, .segment = is_final ? on_segment : NULL, .ctx = c};
    struct data_cursor cursor = {.epoch = at->epoch,
                                 .shard = at->shard,
                                 .first = at->first,
                                 .count = at->count};
    struct net_batch b;
    struct net_result r;
    int64_t start = clock_now_ns(), loaded, waited = c->waited_ns;

    if (loader_train(c->loader, &cursor, &b, err) != 0)
        return -1;
    loaded = clock_now_ns();
    watermark_clear(&c->watermark);
    if (net_step(c->net, &b, c->params, grad, c->flow ? &progress : NULL, &r,
                 err) != 0)
        return -1;
    told->data_ns += loaded - start;
    told->compute_ns += clock_now_ns() - loaded - (c->waited_ns - waited);
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
    debt_forget(&c->packer.debt);
}

/* As much traffic of memory as a contribution costs at least: all parameters
 * are read, all of it is written. */
static void
echo(struct compute *c, const struct msg_order *o, struct msg_push *told)
{
    int64_t start = clock_now_ns();

    vec_set_scaled(c->push, ECHO_RATIO, c->params, c->t->n_floats);
    for (uint32_t i = 0; i < o->n_steps; i++)
        told->samples += o->step[i].count;
    told->iteration = o->iteration;
    told->version = o->version;
    told->n_steps = o->n_steps;
    told->loss = told->norm = 1; /* unknown, and nobody cares */
    told->compute_ns = clock_now_ns() - start;
    told->pull_ns = c->waited_ns;
}

int
compute_order(struct compute *c, const struct msg_order *o,
              const struct compute_flow *flow, struct msg_push *told,
              const float **push, struct err *err)
{
    bool local = o->contribution != EBSP_PUSH_GRADIENT;
    const float *base = NULL;
    size_t n = c->t->n_floats;
    int64_t start;
    bool is_final;
    float *grad;

    memset(told, 0, sizeof *told);
    c->flow = flow;
    c->waited_ns = 0;
    if (need(c, &c->push, err) != 0 ||
        ((local || o->n_steps > 1) && need(c, &c->grad, err) != 0) ||
        (local && flow && on_need(c, n, err) != 0) ||
        (local && prepare_local(c, &base, err) != 0))
        return -1;
    *push = c->push;
    if (c->echo) {
        if (flow && on_need(c, n, err) != 0)
            return -1;
        echo(c, o, told);
        return packer_run(&c->packer, o, c->push, n, err);
    }
    grad = local || o->n_steps > 1 ? c->grad : c->push;
    is_final = grad == c->push && !packer_is_for(&c->packer, o);
    for (uint32_t i = 0; i < o->n_steps; i++) {
        float count = (float)o->step[i].count;

        if (one_step(c, &o->step[i], grad, is_final, told, err) != 0)
            return -1;
        start = clock_now_ns();
        if (local)
            optim_update(c->local, c->own, grad, o->lr);
        else if (o->n_steps > 1 && i == 0)
            vec_set_scaled(c->push, count, grad, n);
        else if (o->n_steps > 1)
            vec_axpy(c->push, count, grad, n);
        told->compute_ns += clock_now_ns() - start;
    }
    start = clock_now_ns();
    if (o->contribution == EBSP_PUSH_DELTA)
        vec_sub(c->push, c->params, base, n);
    else if (o->contribution == EBSP_PUSH_MODEL)
        memcpy(c->push, c->params, n * sizeof(float));
    else if (o->n_steps > 1)
        vec_scale(c->push, 1.0f / (float)told->samples, n);
    if (packer_run(&c->packer, o, c->push, n, err) != 0)
        return -1;
    told->iteration = o->iteration;
    told->version = o->version;
    told->n_steps = o->n_steps;
    told->loss /= (double)told->samples;
    told->norm = optim_norm(c->t, c->push);
    told->compute_ns += clock_now_ns() - start;
    told->pull_ns = c->waited_ns;
    return 0;
}
