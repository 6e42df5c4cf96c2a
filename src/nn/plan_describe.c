/* SPDX-License-Identifier: Apache-2.0 */
#include "base/buf.h"
#include "nn/plan.h"

#include <string.h>

/* "forward jit:avx2, weights jit:avx2"; repeated words are counted. */
static void
describe_ops(const struct plan *p, const struct layer *l, struct buf *to)
{
    const char *comma = "";
    size_t reorders = 0;

    for (size_t i = 0; i < p->n_ops; i++) {
        const struct op *o = &p->op[i];

        if (o->layer != l)
            continue;
        if (!strcmp(o->what, "reorder")) {
            reorders++;
            continue;
        }
        buf_addf(to, "%s%s %s", comma, o->what, o->how);
        comma = ", ";
    }
    if (reorders)
        buf_addf(to, "%s%zu reorder%s", comma, reorders,
                 reorders == 1 ? "" : "s");
}

void
plan_describe(const struct plan *p, struct buf *to)
{
    for (size_t i = 0; i < p->graph->n; i++) {
        const struct layer *l = &p->graph->layer[i];

        buf_addf(to, "%-16s %-10s ", l->name, p->layout[i]);
        describe_ops(p, l, to);
        buf_adds(to, "\n");
    }
}
