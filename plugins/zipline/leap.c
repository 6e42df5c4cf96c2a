/* SPDX-License-Identifier: Apache-2.0 */
/* The barrier of the shortest distance, or of the best rate.
 *
 * Let the age of a worker at time b be the time since its last point.  The
 * distance of barrier b is the greatest age.  Suppose a plan is known; call
 * `limit` the least age at b that makes b no better than it.  Then
 *
 *  - a worker whose interval is not above the limit never reaches that age:
 *    only the slow workers must be watched, and the better the plan, the fewer
 *    those are.  They come from a tournament for the longest interval;
 *
 *  - a worker that is too old at b stays so until its next point: no barrier
 *    before that is better.  So b leaps there, and the points in between, its
 *    own and everybody's, are never looked at;
 *
 *  - when nobody is too old, b is the earliest better barrier.
 *
 * Which of the too old workers is found does not matter for the result.  The
 * slowest are too old for the longest time: asking them one by one, slowest
 * first, soon finds one that makes b leap far.  Only where many workers are
 * slow by a hair would that cost O(n) each time.  So it may cost so many steps
 * per worker and period; then a tournament for the oldest point takes over,
 * which costs O(log n) per point.  In all O(R n log n) at worst, and usually
 * little more than looking at each worker once.
 *
 * A worker that has run out of points ages forever, and the first one to do so
 * is the oldest of these.  Once it is too old the search is over: nobody else's
 * end has to be known, and as long as it is not too old nobody's end matters.
 *
 * With `rate` the limit is distance / length of the best plan times the length
 * at b.  It grows with b, but not faster than ages do, because no rate is above
 * 1: too old stays too old. */
#include "zipline/search.h"

/* The first plans are bad ones and cost more to improve: some periods' steps
 * are granted in advance. */
#define ADVANCE 8

struct leap {
    const struct zl_search *s;
    int64_t b;
    int64_t too_old; /* b - limit: points not after this are */
    int64_t best, best_distance;
    struct zl_tree rest;   /* leaf: worker; key: -interval, or ZL_NONE */
    struct zl_track *slow; /* slowest first */
    size_t n_slow;
    double steps, allowed; /* one by one */
    bool by_age;           /* the tournament has taken over */
    struct zl_tree oldest; /* leaf: index of slow; key: the point */
};

static void
set_b(struct leap *l, int64_t b)
{
    int64_t limit = l->best_distance;

    if (l->s->objective == ZIPLINE_RATE) {
        zl_wide best_length = (zl_wide)(l->best - l->s->base);
        zl_wide length = (zl_wide)(b - l->s->base);

        limit = (int64_t)(((zl_wide)limit * length + best_length - 1) /
                          best_length);
    }
    l->b = b;
    l->too_old = b - limit;
}

/* The worker's last point not after b; x->point is one of its points there. */
static int64_t
last_point(const struct leap *l, const struct zl_track *x)
{
    int64_t age = l->b - x->point;

    if (age >= x->interval) {
        age -= x->interval; /* mostly enough, and no division */
        if (age >= x->interval)
            age %= x->interval;
    }
    return l->b - age;
}

/* For a worker that looks too old: true when it is, and b leaps. */
static bool
leaps(struct leap *l, struct zl_track *x)
{
    x->point = last_point(l, x);
    if (x->point > l->too_old)
        return false;
    x->point += x->interval;
    set_b(l, x->point);
    return true;
}

static bool
one_leaps(struct leap *l)
{
    for (size_t i = 0; i < l->n_slow; i++) {
        if (l->slow[i].point <= l->too_old && leaps(l, &l->slow[i])) {
            l->steps += (double)(i + 1);
            return true;
        }
    }
    l->steps += (double)l->n_slow;
    return false;
}

static bool
oldest_leaps(struct leap *l)
{
    const struct zl_node *oldest = &l->oldest.node[1];

    while (oldest->key <= l->too_old) {
        struct zl_track *x = &l->slow[oldest->leaf];
        bool yes = leaps(l, x);

        zl_tree_set(&l->oldest, oldest->leaf, x->point);
        if (yes)
            return true;
    }
    return false;
}

/* Somebody is too old, and b has leapt. */
static bool
leap(struct leap *l)
{
    if (!l->by_age && l->steps > l->allowed) {
        double periods =
            (double)(l->b - l->s->first_barrier) / (double)l->slow[0].interval;

        l->allowed = l->s->steps * (double)l->n_slow * (ADVANCE + periods);
        if (l->steps > l->allowed) {
            l->by_age = true;
            zl_tree_init(&l->oldest, l->s->room_a, l->n_slow);
            for (size_t i = 0; i < l->n_slow; i++)
                zl_tree_put(&l->oldest, i, l->slow[i].point);
            zl_tree_build(&l->oldest);
        }
    }
    return l->by_age ? oldest_leaps(l) : one_leaps(l);
}

static int64_t
greatest_age_of_all(struct leap *l)
{
    int64_t first = l->b;

    for (size_t i = 0; i < l->n_slow; i++) {
        l->slow[i].point = last_point(l, &l->slow[i]);
        if (l->slow[i].point < first)
            first = l->slow[i].point;
    }
    l->steps += (double)l->n_slow;
    return l->b - first;
}

static int64_t
age_of_oldest(struct leap *l)
{
    const struct zl_node *oldest = &l->oldest.node[1];

    for (;;) {
        struct zl_track *x = &l->slow[oldest->leaf];

        x->point = last_point(l, x);
        if (x->point == oldest->key)
            return l->b - x->point;
        zl_tree_set(&l->oldest, oldest->leaf, x->point);
    }
}

static void
add_slow(struct leap *l, int64_t point, int64_t interval)
{
    size_t i = l->n_slow++;

    l->slow[i] = (struct zl_track){point, interval};
    if (l->by_age) {
        if (i == l->oldest.size)
            zl_tree_grow(&l->oldest, i > l->s->n / 2 ? l->s->n : 2 * i);
        zl_tree_set(&l->oldest, i, point);
    }
}

/* The distance of b; the workers slower than that become slow ones.  Where the
 * first worker that has run out of points is the oldest of all, its age may
 * come out too small; it is too old by any limit then. */
static int64_t
distance_at_b(struct leap *l)
{
    const struct zl_node *slowest = &l->rest.node[1];
    int64_t distance = l->by_age ? age_of_oldest(l) : greatest_age_of_all(l);

    while (slowest->key < -distance) {
        const struct zipline_worker *w = &l->s->workers[slowest->leaf];
        int64_t age = (l->b - zl_point(w, w->min_index)) % w->interval;

        distance = age > distance ? age : distance;
        add_slow(l, l->b - age, w->interval);
        zl_tree_set(&l->rest, slowest->leaf, ZL_NONE);
    }
    return distance;
}

int64_t
zl_leap(const struct zl_search *s)
{
    struct leap l = {.s = s, .b = s->first_barrier, .slow = s->tracks};

    zl_tree_init(&l.rest, s->room_b, s->n);
    for (size_t p = 0; p < s->n; p++)
        zl_tree_put(&l.rest, p, -s->workers[p].interval);
    zl_tree_build(&l.rest);

    for (;;) {
        l.best_distance = distance_at_b(&l);
        l.best = l.b;
        set_b(&l, l.b);
        do {
            if (l.best_distance == 0 || l.b > s->last_barrier ||
                s->first_end <= l.too_old)
                return l.best;
        } while (leap(&l));
    }
}
