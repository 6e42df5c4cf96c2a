/* SPDX-License-Identifier: Apache-2.0 */
/* What a plan takes where it was asked for a way that it does not have: known
 * only from its operations. */
#include "base/err.h"
#include "base/mem.h"
#include "nn/layers/types.h"
#include "nn/par.h"
#include "nn/plan.h"
#include "nn/wino_kernels.h"

#include <string.h>

enum taken { NOT_COMPUTED, BY_DIRECT, BY_WINOGRAD };

static const char *
name_way(enum way asked, enum taken taken)
{
    if (taken == NOT_COMPUTED)
        return "none";
    if (asked == WAY_WINOGRAD) {
        if (taken == BY_WINOGRAD)
            return "winograd";
        return dnn_has_winograd() ? "winograd (not for this shape: direct)"
                                  : "winograd (not on this processor: direct)";
    }
    if (asked == WAY_OWN) {
        if (taken == BY_WINOGRAD)
            return "own winograd";
        return wino_has_kernels()
                   ? "own winograd (not for this shape: direct)"
                   : "own winograd (not on this processor: direct)";
    }
    return "direct";
}

/* The computations themselves, not the reordering around them. */
static void
find_taken(const struct plan *p, enum taken (*taken)[N_PASSES])
{
    static const char *const names[] = {"forward", "data", "weights"};

    for (size_t i = 0; i < p->n_ops; i++) {
        const struct op *o = &p->op[i];

        for (int k = 0; o->layer->type == &layer_conv2d && k < N_PASSES; k++)
            if (!strcmp(o->what, names[k]))
                taken[o->layer->index][k] =
                    strstr(o->how, "wino") ? BY_WINOGRAD : BY_DIRECT;
    }
}

static int
make_plan(const struct graph *g, size_t batch, enum taken (*taken)[N_PASSES],
          struct err *err)
{
    struct plan *p = NULL;
    struct dnn dnn = {0};
    int r;

    if (dnn_open(&dnn, err) == 0)
        p = plan_new(g, &dnn, batch, true, err);
    if (p)
        find_taken(p, taken);
    r = p ? 0 : -1;
    plan_free(p);
    dnn_close(&dnn);
    return r;
}

int
graph_find_ways(const struct graph *g, size_t batch, int threads,
                const char *(*way)[N_PASSES], struct err *err)
{
    enum taken(*taken)[N_PASSES];
    int before = par_set_threads(threads), r;

    taken = mem_alloc(g->n, sizeof *taken);
    r = taken ? make_plan(g, batch, taken, err) : err_nomem(err);
    for (size_t i = 0; r == 0 && i < g->n; i++)
        for (int k = 0; k < N_PASSES; k++) {
            enum way asked =
                g->ways.layer ? (enum way)g->ways.layer[i].pass[k] : WAY_DIRECT;

            way[i][k] = g->layer[i].type == &layer_conv2d
                            ? name_way(asked, taken[i][k])
                            : NULL;
        }
    par_set_threads(before);
    mem_free(taken);
    return r;
}
