/* SPDX-License-Identifier: Apache-2.0 */
/* A network with parameters and samples, for tests of the engine. */
#ifndef EBSP_NET_FIXTURE_H
#define EBSP_NET_FIXTURE_H

#include "base/err.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/rng.h"
#include "nn/net.h"
#include "tap.h"

#include <math.h>

struct fixture {
    struct graph *graph;
    struct net *net;
    const struct segtab *t;
    struct net_batch batch;
    float *x, *params, *grads;
    int32_t *label;
    uint64_t *key;
    size_t width; /* of a sample */
};

static inline void
die(const char *what)
{
    printf("Bail out! %s\n", what);
    exit(1);
}

static inline struct net *
new_net(const struct graph *g, int threads)
{
    struct net_options o = {.threads = threads};
    struct err e = ERR_INIT;
    struct net *n = net_new(g, &o, &e);

    if (!n)
        die(e.text);
    return n;
}

/* A network with random parameters (also where the initializer says 0 or 1)
 * and n random samples.  Jobs are written with ' for ", to be readable. */
static inline struct fixture
fixture(const char *input, const char *layers, size_t n, int threads)
{
    struct fixture f = {0};
    char job[4096];
    struct err e = ERR_INIT;
    struct json_doc d;
    struct jcur root;
    struct rng rng;

    snprintf(job, sizeof job, "{'input': %s, 'layers': [%s]}", input, layers);
    for (char *c = job; *c; c++)
        if (*c == '\'')
            *c = '"';
    if (json_doc_parse(&d, "j", job, strlen(job), &e) != 0)
        die(e.text);
    root = jcur_root(&d);
    f.graph = graph_new(&root, &e);
    if (!f.graph)
        die(e.text);
    json_doc_release(&d);
    f.net = new_net(f.graph, threads);
    f.t = graph_get_segments(f.graph);
    f.width = shape_count(graph_get_input(f.graph));
    f.x = mem_alloc_aligned(n * f.width * sizeof *f.x);
    f.params = mem_alloc_aligned(f.t->n_floats * sizeof *f.params);
    f.grads = mem_alloc_aligned(f.t->n_floats * sizeof *f.grads);
    f.label = mem_alloc(n, sizeof *f.label);
    f.key = mem_alloc(n, sizeof *f.key);
    if (!f.x || !f.params || !f.grads || !f.label || !f.key)
        die("memory");
    rng_init_key(&rng, 1, RNG_TEST, n, f.width);
    for (size_t i = 0; i < n * f.width; i++)
        f.x[i] = (float)rng_normal(&rng);
    for (size_t i = 0; i < n; i++) {
        f.label[i] =
            (int32_t)rng_below(&rng, (uint64_t)graph_get_outputs(f.graph));
        f.key[i] = rng_u64(&rng);
    }
    graph_init_params(f.graph, 1, f.params);
    for (size_t s = 0; s < f.t->n; s++)
        for (size_t i = 0; i < f.t->seg[s].count; i++)
            f.params[f.t->seg[s].offset + i] += (float)(0.2 * rng_unit(&rng));
    f.batch =
        (struct net_batch){.n = n, .x = f.x, .label = f.label, .key = f.key};
    return f;
}

static inline void
release(struct fixture *f)
{
    net_free(f->net);
    graph_free(f->graph);
    mem_free(f->x);
    mem_free(f->params);
    mem_free(f->grads);
    mem_free(f->label);
    mem_free(f->key);
}

static inline struct net_result
step(struct fixture *f)
{
    struct net_result r;
    struct err e = ERR_INIT;

    if (net_step(f->net, &f->batch, f->params, f->grads, NULL, &r, &e) != 0)
        die(e.text);
    return r;
}

static inline struct net_result
eval(struct fixture *f)
{
    struct net_result r;
    struct err e = ERR_INIT;

    if (net_eval(f->net, &f->batch, f->params, &r, &e) != 0)
        die(e.text);
    return r;
}

static inline float *
copy(const float *v, size_t n)
{
    float *c = mem_alloc(n, sizeof *c);

    if (!c)
        die("memory");
    return memcpy(c, v, n * sizeof *c);
}

#endif
