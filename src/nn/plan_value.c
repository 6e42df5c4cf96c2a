/* SPDX-License-Identifier: Apache-2.0 */
/* Values between layers and their gradients. */
#include "base/err.h"
#include "base/mem.h"
#include "base/vec.h"
#include "nn/kernels.h"
#include "nn/layers/types.h"
#include "nn/par.h"
#include "nn/plan.h"

#include <string.h>

struct value *
plan_in(struct plan *p, const struct layer *l, size_t i)
{
    return &p->value[l->in[i]];
}

struct value *
plan_out(struct plan *p, const struct layer *l)
{
    return &p->value[l->index + 1];
}

struct layer_state *
plan_state(struct plan *p, const struct layer *l)
{
    return &p->state[l->index];
}

bool
plan_may_overwrite(const struct plan *p, const struct value *v)
{
    for (; v; v = v->origin)
        if (!v->producer || v->kept || !p->reader[v - p->value])
            return false;
    return true;
}

void
plan_share(struct plan *p, const struct layer *l)
{
    struct value *in = plan_in(p, l, 0), *out = plan_out(p, l);

    out->data = in->data;
    out->origin = in;
}

static bool
same_place(const struct tensor *a, const struct tensor *b)
{
    return a->place.kind == b->place.kind && a->place.at == b->place.at;
}

int
plan_out_like(struct plan *p, const struct layer *l, const struct tensor *x,
              struct tensor *to, struct err *err)
{
    const struct value *in = plan_in(p, l, 0);

    /* A reordered copy is there for this layer only. */
    if (!same_place(x, &in->data) || plan_may_overwrite(p, in)) {
        *to = *x;
        return 0;
    }
    return plan_new_tensor(p, &x->md, to, err);
}

const struct layer *
plan_next_relu(const struct plan *p, const struct layer *l, float *slope)
{
    const struct layer *r = p->reader[l->index + 1];

    return r && relu_get_slope(r, slope) ? r : NULL;
}

/* ---- sums ---- */

struct sum {
    size_t n_floats, n_in;
    bool in_place; /* in[0] is out */
    enum rect rect;
    float slope;
};

/* At run time: addresses instead of places. */
struct sum_job {
    const struct sum *s;
    float *out;
    const float *in[LAYER_INPUTS], *mask;
};

/* Everything is done to a block while it is in the first-level cache, so that
 * a fused operation costs one pass over memory. */
#define SUM_BLOCK ((size_t)2048)

static void
sum_range(void *ctx, size_t begin, size_t end)
{
    const struct sum_job *j = ctx;
    const struct sum *s = j->s;

    for (size_t at = begin, n; at < end; at += n) {
        float *out = j->out + at;

        n = end - at < SUM_BLOCK ? end - at : SUM_BLOCK;
        if (!s->in_place)
            memcpy(out, j->in[0] + at, n * sizeof *out);
        for (size_t i = 1; i < s->n_in; i++)
            vec_add(out, j->in[i] + at, n);
        if (s->rect == RECT_DATA)
            kernel_relu(out, s->slope, n);
        else if (s->rect == RECT_GRAD)
            kernel_relu_grad(out, j->mask + at, s->slope, n);
    }
}

static void
run_sum(const struct plan *p, const struct op *o)
{
    struct sum_job j = {.s = o->ctx, .out = plan_at(p, o->place[0])};

    for (size_t i = 0; i < j.s->n_in; i++)
        j.in[i] = plan_at(p, o->place[1 + i]);
    if (j.s->rect == RECT_GRAD)
        j.mask = plan_at(p, o->place[1 + j.s->n_in]);
    par_for(j.s->n_floats, SUM_BLOCK, sum_range, &j);
}

int
plan_sum(struct plan *p, const struct layer *l, const char *what,
         const struct tensor *out, const struct tensor *const *in, size_t n,
         enum rect rect, float slope, const struct tensor *mask,
         struct err *err)
{
    const struct tensor *t[LAYER_INPUTS + 2];
    size_t n_t = 0;
    struct sum *s;
    struct op *o;

    t[n_t++] = out;
    for (size_t i = 0; i < n; i++)
        t[n_t++] = in[i];
    /* What is overwritten comes first. */
    for (size_t i = 1; i < n_t; i++)
        if (same_place(t[i], out)) {
            t[i] = t[1];
            t[1] = out;
        }
    if (rect == RECT_GRAD)
        t[n_t++] = mask;
    o = plan_kernel(p, l, what, "sum", run_sum, t, n_t, sizeof *s, err);
    if (!o)
        return -1;
    s = o->ctx;
    s->n_floats = dnn_bytes(&out->md) / sizeof(float);
    s->n_in = n;
    s->in_place = same_place(t[0], t[1]);
    s->rect = rect;
    s->slope = slope;
    return 0;
}

/* ---- gradients ---- */

static struct buffer *
grad_buffer(const struct plan *p, const struct tensor *g)
{
    return &p->buffer[g->place.at];
}

int
plan_grad_like(struct plan *p, const struct tensor *g, struct tensor *to,
               struct err *err)
{
    if (grad_buffer(p, g)->owners > 1)
        return plan_new_tensor(p, &g->md, to, err);
    *to = *g;
    return 0;
}

/* v->grad becomes g. */
static void
set_grad(struct plan *p, struct value *v, const struct tensor *g)
{
    if (v->n_grads > 0)
        grad_buffer(p, &v->grad)->owners--;
    v->grad = *g;
    grad_buffer(p, g)->owners++;
}

/* Where a + b may be written: over one of them that nobody else waits for.
 * `a` is owned by the value, `b` is new. */
static int
sum_target(struct plan *p, const struct tensor *a, const struct tensor *b,
           struct tensor *to, struct err *err)
{
    if (grad_buffer(p, b)->owners == 0) {
        *to = *b;
        return 0;
    }
    if (grad_buffer(p, a)->owners == 1 && !same_place(a, b)) {
        *to = *a;
        return 0;
    }
    return plan_new_tensor(p, &a->md, to, err);
}

int
plan_grad_add(struct plan *p, const struct layer *l, struct value *v,
              const struct tensor *g, bool rectified, struct err *err)
{
    const struct tensor *in[2];
    struct tensor same, to;
    enum rect rect = RECT_NONE;

    if (!v->wants_grad)
        return 0;
    v->n_rectified += rectified;
    if (v->n_grads == 0) {
        /* Others will be added: in the layout that they come in, mostly. */
        same = *g;
        if (!p->reader[v - p->value] &&
            plan_as(p, l, g, &v->data.md, &same, err) != 0)
            return -1;
        set_grad(p, v, &same);
        v->n_grads = 1;
        return 0;
    }
    if (plan_as(p, l, g, &v->grad.md, &same, err) != 0 ||
        sum_target(p, &v->grad, &same, &to, err) != 0)
        return -1;
    /* With the last term the rectifier can be applied in the same pass. */
    if (v->rectified && v->producer &&
        v->n_grads + 1 == v->producer->n_readers &&
        v->n_rectified < v->n_grads + 1 && dnn_equal(&to.md, &v->data.md))
        rect = RECT_GRAD;
    in[0] = &v->grad;
    in[1] = &same;
    if (plan_sum(p, l, "gradient", &to, in, 2, rect, v->slope, &v->data, err) !=
        0)
        return -1;
    set_grad(p, v, &to);
    v->n_grads++;
    if (rect == RECT_GRAD)
        v->n_rectified = v->n_grads;
    return 0;
}

int
plan_grad(struct plan *p, const struct layer *l, struct tensor *g,
          struct err *err)
{
    struct value *v = plan_out(p, l);
    const struct tensor *in[1];
    struct tensor same, to;

    if (v->rectified && v->n_rectified < v->n_grads) {
        if (plan_as(p, l, &v->grad, &v->data.md, &same, err) != 0 ||
            plan_grad_like(p, &same, &to, err) != 0)
            return -1;
        in[0] = &same;
        if (plan_sum(p, l, "gradient", &to, in, 1, RECT_GRAD, v->slope,
                     &v->data, err) != 0)
            return -1;
        set_grad(p, v, &to);
        v->n_rectified = v->n_grads;
    }
    *g = v->grad;
    return 0;
}

void
plan_grad_drop(struct plan *p, const struct layer *l)
{
    struct value *v = plan_out(p, l);

    grad_buffer(p, &v->grad)->owners--;
    v->n_grads = 0;
}

int
plan_grad_pass(struct plan *p, const struct layer *l, struct err *err)
{
    struct tensor g;

    if (plan_grad(p, l, &g, err) != 0)
        return -1;
    for (size_t i = 0; i < l->n_in; i++)
        if (plan_grad_add(p, l, plan_in(p, l, i), &g, false, err) != 0)
            return -1;
    plan_grad_drop(p, l);
    return 0;
}
