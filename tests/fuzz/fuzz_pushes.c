/* SPDX-License-Identifier: Apache-2.0 */
/* Files of "ebsp zipline": read, look ahead, decide. */
#include "base/err.h"
#include "cmd/zipline.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
expect(int holds)
{
    if (!holds)
        abort();
}

static void
check_plan(const struct pushes *p, const struct zipline_plan *plan)
{
    for (size_t i = 0; i < p->n; i++) {
        const struct zipline_worker *w = &p->workers[i];
        const struct zipline_point *x = &plan->points[i];

        expect(x->index >= w->min_index && x->index <= w->max_index);
        expect(x->time == w->last_push + x->index * w->interval);
        expect(x->time >= plan->start && x->time <= plan->barrier);
    }
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct err err = ERR_INIT;
    struct pushes p;
    struct zipline z;

    zipline_init(&z);
    if (pushes_parse(&p, "x", (const char *)data, size, &err) != 0) {
        expect(err.code == ERR_CONFIG && !strncmp(err.text, "x:", 2));
        return 0;
    }
    if (pushes_look_ahead(&p, size & 1, 1 + (uint32_t)(size % 20), &err) == 0) {
        for (int o = ZIPLINE_DISTANCE; o <= ZIPLINE_WASTE; o++) {
            struct zipline_goal goal = {(enum zipline_objective)o, -1, 0};
            struct zipline_plan plan;

            expect(zipline_decide(&z, p.workers, p.n, &goal, &plan) ==
                   ZIPLINE_OK);
            check_plan(&p, &plan);
        }
    }
    zipline_release(&z);
    pushes_release(&p);
    return 0;
}
