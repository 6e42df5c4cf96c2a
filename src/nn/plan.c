/* SPDX-License-Identifier: Apache-2.0 */
#include "nn/plan.h"

#include "base/clock.h"
#include "base/err.h"
#include "base/mem.h"
#include "nn/par.h"

#include <string.h>
#include <time.h>

/* The only reader of each value, if there is one. */
static void
find_readers(struct plan *p)
{
    const struct graph *g = p->graph;

    for (size_t i = 0; i < g->n; i++) {
        const struct layer *l = &g->layer[i];

        for (size_t k = 0; k < l->n_in; k++)
            if (l->in[k] > 0 && g->layer[l->in[k] - 1].n_readers == 1)
                p->reader[l->in[k]] = l;
    }
}

static int
set_input(struct plan *p, struct err *err)
{
    const struct shape *s = &p->graph->input;
    dnnl_dim_t dim[4] = {(dnnl_dim_t)p->n, s->dim[0], s->dim[1], s->dim[2]};
    struct tensor *t = &p->value[0].data;
    dnnl_memory_desc_t md;

    t->place = (struct place){PLACE_INPUT, 0};
    if (dnn_layout(&md, s->n_dims + 1, dim, dnn_plain(s->n_dims + 1), err) != 0)
        return -1;
    return plan_view(p, t, &md, t, err);
}

static int
build_forward(struct plan *p, struct err *err)
{
    for (size_t i = 0; i < p->graph->n; i++) {
        const struct layer *l = &p->graph->layer[i];
        struct value *out = plan_out(p, l);

        out->producer = l;
        out->wants_grad = p->training && l->n_seg > 0;
        for (size_t k = 0; k < l->n_in; k++)
            out->wants_grad |= plan_in(p, l, k)->wants_grad;
        if (l->type->forward(p, l, err) != 0)
            return err_wrap(err, "layer \"%s\"", l->name);
        p->layout[i] = l->type->is_loss ? "-" : dnn_layout_name(&out->data.md);
    }
    return 0;
}

static int
build_backward(struct plan *p, struct err *err)
{
    for (size_t i = p->graph->n; i-- > 0;) {
        const struct layer *l = &p->graph->layer[i];

        if (plan_out(p, l)->wants_grad && l->type->backward(p, l, err) != 0)
            return err_wrap(err, "layer \"%s\"", l->name);
    }
    return 0;
}

static void
find_params(struct plan *p)
{
    const struct segtab *t = &p->graph->segments;

    for (size_t i = 0; i < p->n_ops; i++) {
        struct op *o = &p->op[i];
        size_t end = o->layer->seg + o->layer->n_seg;

        for (size_t k = 0; k < o->n_places; k++)
            if (o->place[k].kind == PLACE_PARAMS)
                o->params_end = t->seg[end - 1].offset + t->seg[end - 1].count;
    }
}

/* What was needed to lay out the operations only. */
static void
end_build(struct plan *p)
{
    for (size_t i = 0; i < p->n_descs; i++)
        dnnl_primitive_desc_destroy(p->desc[i]);
    mem_free(p->desc);
    mem_free(p->state);
    mem_free(p->value);
    mem_free(p->reader);
    p->desc = NULL;
    p->n_descs = 0;
    p->state = NULL;
    p->value = NULL;
    p->reader = NULL;
}

struct plan *
plan_new(const struct graph *graph, const struct dnn *dnn, size_t n,
         bool training, struct err *err)
{
    struct plan *p = mem_alloc(1, sizeof *p);

    if (!p) {
        err_nomem(err);
        return NULL;
    }
    p->graph = graph;
    p->dnn = dnn;
    p->n = n;
    p->training = training;
    p->images = plan_choose_images(graph);
    p->value = mem_alloc(graph->n + 1, sizeof *p->value);
    p->reader = mem_alloc(graph->n + 1, sizeof *p->reader);
    p->state = mem_alloc(graph->n, sizeof *p->state);
    p->layout = mem_alloc(graph->n, sizeof *p->layout);
    if (!p->value || !p->reader || !p->state || !p->layout) {
        err_nomem(err);
        goto fail;
    }
    find_readers(p);
    if (set_input(p, err) != 0 || build_forward(p, err) != 0 ||
        (training && build_backward(p, err) != 0) || plan_lay_out(p, err) != 0)
        goto fail;
    find_params(p);
    end_build(p);
    return p;
fail:
    plan_free(p);
    return NULL;
}

void
plan_free(struct plan *p)
{
    if (!p)
        return;
    end_build(p);
    for (size_t i = 0; i < p->n_ops; i++) {
        if (p->op[i].primitive)
            dnnl_primitive_destroy(p->op[i].primitive);
        mem_free(p->op[i].ctx);
    }
    for (size_t i = 0; i < p->n_bindings; i++)
        dnnl_memory_destroy(p->binding[i].mem);
    mem_free(p->op);
    mem_free(p->buffer);
    mem_free(p->binding);
    mem_free(p->layout);
    mem_free(p);
}

static size_t
place_offset(const struct plan *p, struct place at)
{
    return at.kind == PLACE_ARENA ? p->buffer[at.at].offset
                                  : at.at * sizeof(float);
}

void *
plan_at(const struct plan *p, struct place place)
{
    return p->base[place.kind] + place_offset(p, place);
}

/* Gives the memory objects of one kind their addresses. */
static int
rebind(struct plan *p, enum place_kind kind, const void *base, struct err *err)
{
    /* oneDNN has one type for what it reads and what it writes. */
    char *b = (char *)(uintptr_t)base;

    if (p->base[kind] == b)
        return 0;
    p->base[kind] = NULL; /* until all are set */
    for (size_t i = 0; i < p->n_bindings; i++) {
        const struct binding *x = &p->binding[i];

        if (x->place.kind == kind &&
            dnn_check(dnnl_memory_set_data_handle(
                          x->mem, b + place_offset(p, x->place)),
                      "memory", err) != 0)
            return -1;
    }
    p->base[kind] = b;
    return 0;
}

static void
zero_gaps(const struct segtab *t, float *v)
{
    for (size_t i = 0; i < t->n; i++) {
        size_t end = t->seg[i].offset + t->seg[i].count;
        size_t next = i + 1 < t->n ? t->seg[i + 1].offset : t->n_floats;

        memset(v + end, 0, (next - end) * sizeof *v);
    }
}

/* Asks for the parameters below `end`, unless they were asked for. */
static int
need(const struct net_progress *progress, size_t *asked, size_t end,
     struct err *err)
{
    if (!progress || !progress->need || end <= *asked)
        return 0;
    *asked = end;
    return progress->need(progress->ctx, end, err);
}

int64_t
plan_clock_ns(void)
{
    struct timespec t;

    clock_gettime(
        par_get_threads() == 1 ? CLOCK_THREAD_CPUTIME_ID : CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * NS_PER_S + t.tv_nsec;
}

static dnnl_status_t
run_op(const struct plan *p, const struct op *o)
{
    if (!o->run)
        return dnnl_primitive_execute(o->primitive, p->dnn->stream,
                                      (int)o->n_places, o->arg);
    o->run(p, o);
    return o->status ? *o->status : dnnl_success;
}

int
plan_run(struct plan *p, char *arena, const struct net_batch *b,
         const float *params, float *grads, const struct net_progress *progress,
         struct net_result *result, struct err *err)
{
    size_t asked = 0;

    if (rebind(p, PLACE_ARENA, arena, err) != 0 ||
        rebind(p, PLACE_INPUT, b->x, err) != 0 ||
        rebind(p, PLACE_PARAMS, params, err) != 0 ||
        rebind(p, PLACE_GRADS, grads, err) != 0)
        return -1;
    p->batch = b;
    p->result = result;
    if (grads)
        zero_gaps(&p->graph->segments, grads);
    for (size_t i = 0; i < p->n_ops; i++) {
        const struct op *o = &p->op[i];
        int64_t start;

        p->n_ran = i;
        if (p->stop && p->stop(p->stop_ctx))
            return 0;
        start = p->spent_ns ? plan_clock_ns() : 0;

        if (need(progress, &asked, o->params_end, err) != 0)
            return -1;
        if (dnn_check(run_op(p, o), o->what, err) != 0)
            return err_wrap(err, "layer \"%s\"", o->layer->name);
        if (p->spent_ns)
            p->spent_ns[i] = plan_clock_ns() - start;
        for (size_t k = o->n_done; progress && progress->segment && k-- > 0;)
            progress->segment(progress->ctx, o->done + k);
    }
    p->n_ran = p->n_ops;
    /* What no operation reads, gaps, is there at the end all the same. */
    return need(progress, &asked, p->graph->segments.n_floats, err);
}
