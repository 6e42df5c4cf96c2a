/* SPDX-License-Identifier: Apache-2.0 */
#include "nn/layer.h"

#include "base/err.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/str.h"
#include "nn/layers/types.h"

#include <string.h>

const struct layer_type *const layer_types[] = {
    &layer_conv2d,
    &layer_dense,
    &layer_maxpool,
    &layer_avgpool,
    &layer_global_avgpool,
    &layer_batchnorm,
    &layer_groupnorm,
    &layer_lrn,
    &layer_relu,
    &layer_leaky_relu,
    &layer_gelu,
    &layer_tanh,
    &layer_sigmoid,
    &layer_dropout,
    &layer_flatten,
    &layer_add,
    &layer_softmax_cross_entropy,
    &layer_mse,
    NULL,
};

const struct layer_type *
layer_type_find(const char *name)
{
    for (size_t i = 0; layer_types[i]; i++)
        if (!strcmp(layer_types[i]->name, name))
            return layer_types[i];
    return NULL;
}

/* Room for one more segment: the table doubles at each power of two. */
static int
grow(struct graph *g, struct err *err)
{
    size_t n = g->segments.n;
    struct segment *seg;
    struct init *init;

    if (n & (n - 1) || n == 1)
        return 0;
    seg = mem_resize(g->segments.seg, n, n ? 2 * n : 2, sizeof *seg);
    if (!seg)
        return err_nomem(err);
    g->segments.seg = seg;
    init = mem_resize(g->init, n, n ? 2 * n : 2, sizeof *init);
    if (!init)
        return err_nomem(err);
    g->init = init;
    return 0;
}

int
layer_add_segment(const struct layer_reader *r, struct layer *l,
                  const char *suffix, enum segment_kind kind, int n_dims,
                  const int64_t *dim, const struct init *init, struct err *err)
{
    struct segtab *t = &r->graph->segments;
    struct segment *s;
    size_t count = 1;

    if (grow(r->graph, err) != 0)
        return -1;
    s = &t->seg[t->n];
    memset(s, 0, sizeof *s);
    for (int i = 0; i < n_dims; i++) {
        s->dim[i] = dim[i];
        if (__builtin_mul_overflow(count, (size_t)dim[i], &count))
            count = GRAPH_MAX_FLOATS + 1;
    }
    if (count > GRAPH_MAX_FLOATS || t->n_floats + count > GRAPH_MAX_FLOATS)
        return jcur_fail(r->at, err,
                         "more than %zu parameters up to this layer",
                         GRAPH_MAX_FLOATS);
    str_printf(s->name, sizeof s->name, "%s.%s", l->name, suffix);
    s->kind = kind;
    s->n_dims = n_dims;
    s->count = count;
    s->offset = t->n_floats;
    r->graph->init[t->n] = *init;
    if (l->n_seg++ == 0)
        l->seg = t->n;
    t->n++;
    t->n_floats += (count + SEGMENT_ALIGN - 1) / SEGMENT_ALIGN * SEGMENT_ALIGN;
    if (kind != SEGMENT_STAT)
        t->n_params += count;
    return 0;
}

int
layer_need_image(const struct layer_reader *r, struct err *err)
{
    char text[64];

    if (r->in[0]->n_dims == 3)
        return 0;
    return jcur_fail(r->at, err, "expected an input of 3 dimensions, got %s",
                     shape_text(r->in[0], text));
}

void
layer_same_shape(const struct layer_reader *r, struct layer *l, double flop)
{
    l->out = *r->in[0];
    l->flop = flop * (double)shape_count(&l->out);
}
