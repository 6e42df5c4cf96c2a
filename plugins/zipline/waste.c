/* SPDX-License-Identifier: Apache-2.0 */
/* The barrier with the least share of waiting.
 *
 * The sum of all waits grows by n per unit of time and drops by a worker's
 * interval at each of its points.  No plan rules out another one early, as in
 * leap.c, so all points are merged, oldest first, by a tournament of the
 * workers' next points: O(R n log n). */
#include "zipline/search.h"

struct waste {
    zl_wide waits;   /* sum over the workers */
    uint64_t length; /* of the superstep */
};

/* waits / length of x is certainly not below that of y.  Saves most barriers
 * from an exact comparison, which needs a division of 128 bits. */
static bool
is_hopeless(const struct waste *x, const struct waste *y)
{
    double a = (double)x->waits * (double)y->length;
    double b = (double)y->waits * (double)x->length;

    return a > b * (1 + 1e-12); /* rounding is below 1e-15 */
}

static bool
is_less(const struct waste *x, const struct waste *y)
{
    struct zl_ratio a, b;

    if (is_hopeless(x, y))
        return false;
    a = zl_ratio_of(x->waits, x->length);
    b = zl_ratio_of(y->waits, y->length);
    return zl_ratio_compare(&a, &b) < 0;
}

int64_t
zl_waste(const struct zl_search *s)
{
    int64_t now = s->first_barrier, best_barrier = now;
    struct waste best, at = {0, (uint64_t)(now - s->base)};
    struct zl_tree next; /* leaf: worker; key: its next point */
    const struct zl_node *soonest;

    zl_tree_init(&next, s->room_a, s->n);
    for (size_t p = 0; p < s->n; p++) {
        const struct zipline_worker *w = &s->workers[p];
        int64_t i = zl_index_at(w, now);

        at.waits += (uint64_t)(now - zl_point(w, i));
        if (i < w->max_index)
            zl_tree_put(&next, p, zl_point(w, i + 1));
    }
    zl_tree_build(&next);
    soonest = &next.node[1];
    best = at;

    while (soonest->key <= s->last_barrier && best.waits > 0) {
        at.waits += (zl_wide)s->n * (uint64_t)(soonest->key - now);
        now = soonest->key;
        at.length = (uint64_t)(now - s->base);
        while (soonest->key == now) {
            const struct zipline_worker *w = &s->workers[soonest->leaf];
            bool more = now < zl_point(w, w->max_index);

            at.waits -= (uint64_t)w->interval;
            zl_tree_set(&next, soonest->leaf,
                        more ? now + w->interval : ZL_NONE);
        }
        if (is_less(&at, &best)) {
            best = at;
            best_barrier = now;
        }
    }
    return best_barrier;
}
