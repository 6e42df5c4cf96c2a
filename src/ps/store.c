/* SPDX-License-Identifier: Apache-2.0 */
#include "ps/store.h"

#include "base/err.h"
#include "base/mem.h"
#include "base/vec.h"

#include <ebsp/policy.h>

#include <assert.h>
#include <string.h>

struct store {
    const struct segtab *t;
    struct optim *optim;
    struct params *now;   /* the store holds one reference of it */
    struct params *spare; /* nobody refers to these */
    float *sum;           /* the accumulator */
    double weight_sum;    /* of what was added */
    uint32_t kind;        /* EBSP_PUSH_* of what was added */
    uint32_t added;
};

static struct params *
params_new(struct store *s)
{
    struct params *p = mem_alloc(1, sizeof *p);

    if (p)
        p->v = mem_alloc_aligned(s->t->n_floats * sizeof(float));
    if (p && !p->v) {
        mem_free(p);
        return NULL;
    }
    if (p)
        p->store = s;
    return p;
}

static void
params_free(struct params *p)
{
    if (p)
        mem_free(p->v);
    mem_free(p);
}

struct store *
store_new(const struct segtab *t, const struct optim_config *o, struct err *err)
{
    struct store *s = mem_alloc(1, sizeof *s);

    if (!s) {
        err_nomem(err);
        return NULL;
    }
    s->t = t;
    s->now = params_new(s);
    s->sum = mem_alloc_aligned(t->n_floats * sizeof(float));
    if (!s->now || !s->sum) {
        err_nomem(err);
        store_free(s);
        return NULL;
    }
    s->now->refs = 1;
    s->optim = optim_new(o, t, err);
    if (!s->optim) {
        store_free(s);
        return NULL;
    }
    return s;
}

/* References that others hold must be given back before. */
void
store_free(struct store *s)
{
    if (!s)
        return;
    params_free(s->now);
    while (s->spare) {
        struct params *p = s->spare;

        s->spare = p->next;
        params_free(p);
    }
    optim_free(s->optim);
    mem_free(s->sum);
    mem_free(s);
}

float *
store_edit(struct store *s)
{
    assert(s->now->refs == 1);
    return s->now->v;
}

struct optim *
store_get_optim(struct store *s)
{
    return s->optim;
}

void
store_set_version(struct store *s, uint64_t version)
{
    s->now->version = version;
}

uint64_t
store_get_version(const struct store *s)
{
    return s->now->version;
}

const float *
store_peek(const struct store *s)
{
    return s->now->v;
}

struct params *
store_ref(struct store *s)
{
    s->now->refs++;
    return s->now;
}

void
store_unref(struct params *p)
{
    struct store *s = p->store;

    assert(p->refs > 0);
    if (--p->refs > 0)
        return;
    assert(p != s->now);
    p->next = s->spare;
    s->spare = p;
}

int
store_add(struct store *s, const float *push, uint32_t kind, double weight,
          struct err *err)
{
    if (s->added > 0 && s->kind != kind)
        return err_set(err, ERR_POLICY,
                       "a gradient, a delta and a model cannot be added up");
    if (s->added == 0)
        vec_set_scaled(s->sum, (float)weight, push, s->t->n_floats);
    else
        vec_axpy(s->sum, (float)weight, push, s->t->n_floats);
    s->kind = kind;
    s->weight_sum += weight;
    s->added++;
    return 0;
}

double
store_get_weight(const struct store *s)
{
    return s->weight_sum;
}

/* A vector that may be written: the current one when only the store refers to
 * it, else a spare one with the same content. */
static struct params *
writable(struct store *s, struct err *err)
{
    struct params *p = s->now;

    if (p->refs == 1)
        return p;
    p = s->spare;
    if (p) {
        s->spare = p->next;
    } else {
        p = params_new(s);
        if (!p) {
            err_nomem(err);
            return NULL;
        }
    }
    memcpy(p->v, s->now->v, s->t->n_floats * sizeof(float));
    p->version = s->now->version;
    p->summed = false;
    p->refs = 1;
    p->next = NULL;
    s->now->refs--; /* somebody else still has it */
    s->now = p;
    return p;
}

/* The sum of gradients wants the policy's weight, the statistics their mean:
 * they are levels, not steps. */
static void
scale_gradient(struct store *s, double weight)
{
    for (size_t i = 0; i < s->t->n; i++) {
        const struct segment *g = &s->t->seg[i];
        double w = g->kind == SEGMENT_STAT
                       ? (s->weight_sum != 0.0 ? 1.0 / s->weight_sum : 0.0)
                       : weight;

        if (w != 1.0)
            vec_scale(s->sum + g->offset, (float)w, g->count);
    }
}

int
store_commit(struct store *s, double weight, double lr, struct err *err)
{
    struct params *p;

    if (s->added == 0)
        return err_set(err, ERR_POLICY, "nothing to commit");
    p = writable(s, err);
    if (!p)
        return -1;
    switch (s->kind) {
    case EBSP_PUSH_DELTA:
        vec_axpy(p->v, (float)weight, s->sum, s->t->n_floats);
        break;
    case EBSP_PUSH_MODEL:
        vec_set_scaled(p->v, (float)weight, s->sum, s->t->n_floats);
        break;
    default:
        scale_gradient(s, weight);
        optim_update(s->optim, p->v, s->sum, lr);
        break;
    }
    p->version++;
    p->summed = false;
    store_discard(s);
    return 0;
}

void
store_discard(struct store *s)
{
    s->added = 0;
    s->weight_sum = 0.0;
}
