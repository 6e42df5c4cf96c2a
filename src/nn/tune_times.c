/* SPDX-License-Identifier: Apache-2.0 */
#include "nn/tune_times.h"

#include "base/err.h"
#include "base/mem.h"
#include "nn/layers/types.h"
#include "nn/plan.h"

#include <string.h>

/* A new way must take less than this part of the time of the old one. */

int
tune_times_init(struct tune_times *t, const struct graph *g, struct err *err)
{
    t->graph = g;
    t->rest = 0;
    t->pass = mem_alloc(g->n, sizeof *t->pass);
    t->best = mem_alloc(g->n, sizeof *t->best);
    t->wino = mem_alloc(g->n, sizeof *t->wino);
    return t->pass && t->best && t->wino ? 0 : err_nomem(err);
}

void
tune_times_release(struct tune_times *t)
{
    mem_free(t->pass);
    mem_free(t->best);
    mem_free(t->wino);
}

/* Which of the times an operation belongs to. */
static double *
account(struct tune_times *t, const struct op *o)
{
    return o->layer->type == &layer_conv2d ? &t->pass[o->layer->index][o->pass]
                                           : &t->rest;
}

void
tune_times_enter(struct tune_times *t, const struct plan *p, const int64_t *ns,
                 size_t n_ran)
{
    memset(t->pass, 0, t->graph->n * sizeof *t->pass);
    memset(t->wino, 0, t->graph->n * sizeof *t->wino);
    t->rest = 0;
    for (size_t i = 0; i < n_ran; i++) {
        const struct op *o = &p->op[i];

        *account(t, o) += (double)ns[i] * 1e-9;
        if (strstr(o->how, "wino"))
            t->wino[o->layer->index][o->pass] = true;
    }
    for (size_t i = n_ran; i < p->n_ops; i++)
        *account(t, &p->op[i]) = 0;
}

static bool
is_like(const struct layer *a, const struct layer *b)
{
    return a->type == b->type && !memcmp(a->opt, b->opt, a->type->opt_size) &&
           !memcmp(&a->out, &b->out, sizeof a->out);
}

bool
tune_times_wins(const struct tune_times *trial, const struct tune_times *than,
                size_t i, int k, double part)
{
    const struct layer *l = trial->graph->layer;
    double now = 0, before = 0;

    if (l[i].type != &layer_conv2d)
        return false;
    for (size_t j = 0; j < trial->graph->n; j++)
        if (is_like(&l[i], &l[j]) && trial->wino[j][k] &&
            trial->pass[j][k] > 0 && than->pass[j][k] > 0) {
            now += trial->pass[j][k];
            before += than->pass[j][k];
        }
    return now < part * before;
}

bool
tune_times_wins_any(const struct tune_times *trial,
                    const struct tune_times *than, double part)
{
    for (size_t i = 0; i < trial->graph->n; i++)
        for (int k = 0; k < N_PASSES; k++)
            if (tune_times_wins(trial, than, i, k, part))
                return true;
    return false;
}

void
tune_times_take(struct tune_times *t, const struct tune_times *trial,
                enum way way)
{
    size_t n = t->graph->n;

    if (way == WAY_DIRECT || (trial->rest > 0 && trial->rest < t->rest))
        t->rest = trial->rest;
    /* All are judged before any time changes: like layers count together. */
    for (size_t i = 0; i < n; i++)
        for (int k = 0; k < N_PASSES; k++)
            if (way == WAY_DIRECT || tune_times_wins(trial, t, i, k, BETTER))
                t->best[i][k] = way;
    for (size_t i = 0; i < n; i++)
        for (int k = 0; k < N_PASSES; k++)
            if (t->best[i][k] == way &&
                (way == WAY_DIRECT || trial->pass[i][k] > 0))
                t->pass[i][k] = trial->pass[i][k];
}

double
tune_times_total(const struct tune_times *t)
{
    double sum = t->rest;

    for (size_t i = 0; i < t->graph->n; i++)
        for (int k = 0; k < N_PASSES; k++)
            sum += t->pass[i][k];
    return sum;
}
