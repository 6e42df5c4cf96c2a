/* SPDX-License-Identifier: Apache-2.0 */
#include "nn/graph.h"

#include "base/mem.h"
#include "base/rng.h"
#include "nn/layer.h"

#include <stdio.h>
#include <string.h>

size_t
shape_count(const struct shape *s)
{
    size_t n = 1;

    for (int i = 0; i < s->n_dims; i++)
        n *= (size_t)s->dim[i];
    return n;
}

const char *
shape_text(const struct shape *s, char to[64])
{
    if (s->n_dims == 1)
        snprintf(to, 64, "%lld", (long long)s->dim[0]);
    else
        snprintf(to, 64, "%lldx%lldx%lld", (long long)s->dim[0],
                 (long long)s->dim[1], (long long)s->dim[2]);
    return to;
}

void
graph_free(struct graph *g)
{
    if (!g)
        return;
    for (size_t i = 0; i < g->cap; i++) {
        mem_free(g->layer[i].inputs);
        mem_free(g->layer[i].opt);
    }
    mem_free(g->layer);
    mem_free(g->segments.seg);
    mem_free(g->init);
    mem_free(g->ways.layer);
    mem_free(g);
}

const struct segtab *
graph_get_segments(const struct graph *g)
{
    return &g->segments;
}

const struct shape *
graph_get_input(const struct graph *g)
{
    return &g->input;
}

/* What the loss reads: a value may be the input itself. */
int64_t
graph_get_outputs(const struct graph *g)
{
    size_t value = g->layer[g->n - 1].in[0];

    return (int64_t)shape_count(value == 0 ? &g->input
                                           : &g->layer[value - 1].out);
}

enum loss_kind
graph_get_loss(const struct graph *g)
{
    return g->layer[g->n - 1].type->loss;
}

size_t
graph_get_layers(const struct graph *g)
{
    return g->n;
}

void
graph_get_layer(const struct graph *g, size_t i, struct layer_info *info)
{
    const struct layer *l = &g->layer[i];

    *info = (struct layer_info){.name = l->name,
                                .type = l->type->name,
                                .out = l->out,
                                .flop = l->flop,
                                .inputs = l->inputs};
    for (size_t s = l->seg; s < l->seg + l->n_seg; s++)
        if (g->segments.seg[s].kind != SEGMENT_STAT)
            info->n_params += g->segments.seg[s].count;
}

double
graph_get_flop(const struct graph *g)
{
    return g->flop;
}

void
graph_init_params(const struct graph *g, uint64_t seed, float *params)
{
    memset(params, 0, g->segments.n_floats * sizeof *params);
    for (size_t i = 0; i < g->segments.n; i++) {
        const struct segment *s = &g->segments.seg[i];
        struct rng rng;

        rng_init_key(&rng, seed, RNG_INIT, i, 0);
        init_fill(&g->init[i], &rng, params + s->offset, s->count);
    }
}
