/* SPDX-License-Identifier: Apache-2.0 */
#include "ps/guard.h"

#include <math.h>

enum guard_verdict
guard_judge(const struct guard *g, double factor, uint32_t kind, double loss,
            double norm)
{
    if (!isfinite(loss) || !isfinite(norm))
        return GUARD_NOT_FINITE;
    if (factor <= 0 || g->n < GUARD_FEW || kind != g->kind)
        return GUARD_GOOD;
    /* Nothing but zeros is no measure. */
    return g->largest > 0 && norm > factor * g->largest ? GUARD_OUTLIER
                                                        : GUARD_GOOD;
}

void
guard_accept(struct guard *g, uint32_t kind, double norm)
{
    if (kind != g->kind)
        *g = (struct guard){.kind = kind};
    if (norm > g->largest)
        g->largest = norm;
    if (g->n < GUARD_FEW)
        g->n++;
}
