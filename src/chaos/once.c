/* SPDX-License-Identifier: Apache-2.0 */
#include "chaos/once.h"

#include "base/err.h"
#include "base/mem.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define MAX_RANKS 65536

struct piece { /* a mini-batch */
    uint32_t epoch, shard, count;
    uint64_t first;
    uint64_t version; /* that it is in */
};

struct pieces {
    struct piece *v;
    size_t n, cap;
};

struct once {
    struct pieces *order; /* of each rank: what it computes or has pushed */
    uint32_t n_ranks;
    struct pieces added;   /* since the last commit */
    struct pieces applied; /* by version */
    uint64_t version;
};

struct once *
once_new(struct err *err)
{
    struct once *o = mem_alloc(1, sizeof *o);

    if (!o)
        err_nomem(err);
    return o;
}

void
once_free(struct once *o)
{
    if (!o)
        return;
    for (uint32_t i = 0; i < o->n_ranks; i++)
        mem_free(o->order[i].v);
    mem_free(o->order);
    mem_free(o->added.v);
    mem_free(o->applied.v);
    mem_free(o);
}

static int
append(struct pieces *to, const struct piece *p, size_t n, struct err *err)
{
    if (n > to->cap - to->n) {
        size_t cap = (to->n + n) * 2;
        struct piece *more = mem_resize(to->v, to->cap, cap, sizeof *more);

        if (!more)
            return err_nomem(err);
        to->v = more;
        to->cap = cap;
    }
    if (n > 0)
        memcpy(to->v + to->n, p, n * sizeof *p);
    to->n += n;
    return 0;
}

static struct pieces *
get_order(struct once *o, const struct jcur *e, struct err *err)
{
    int64_t rank = 0;

    if (jcur_int(e, "rank", 0, MAX_RANKS - 1, &rank, err) != 0)
        return NULL;
    if (rank >= o->n_ranks) {
        uint32_t n = (uint32_t)rank + 1;
        struct pieces *more = mem_resize(o->order, o->n_ranks, n, sizeof *more);

        if (!more) {
            err_nomem(err);
            return NULL;
        }
        o->order = more;
        o->n_ranks = n;
    }
    return &o->order[rank];
}

/* ---- events -------------------------------------------------------------- */

/* "rest": [[epoch, first, count, shard], ...] */
static int
take_rest(struct pieces *order, const struct jcur *e, struct err *err)
{
    struct jcur rest = jcur_key(e, "rest");
    size_t n;

    if (!rest.v)
        return 0;
    if (jcur_array(&rest, 1, &n, err) != 0)
        return -1;
    for (size_t i = 0; i < n; i++) {
        const json_t *v = json_array_get(rest.v, i);
        int64_t x[4];

        for (size_t k = 0; k < ARRAY_LEN(x); k++) {
            const json_t *number = json_array_get(v, k);

            x[k] = json_integer_value(number);
            if (!json_is_integer(number) || x[k] < 0 ||
                (k != 1 && x[k] > UINT32_MAX))
                return jcur_fail(&rest, err,
                                 "expected [epoch, first, count, shard]");
        }
        if (append(order,
                   &(struct piece){.epoch = (uint32_t)x[0],
                                   .first = (uint64_t)x[1],
                                   .count = (uint32_t)x[2],
                                   .shard = (uint32_t)x[3]},
                   1, err) != 0)
            return -1;
    }
    return 0;
}

static int
on_release(struct once *o, const struct jcur *e, struct err *err)
{
    struct pieces *order = get_order(o, e, err);
    int64_t epoch = 0, first = 0, count = 0, shard = 0;

    if (!order || jcur_int(e, "epoch", 0, UINT32_MAX, &epoch, err) != 0 ||
        jcur_int(e, "first", 0, INT64_MAX, &first, err) != 0 ||
        jcur_int(e, "count", 1, UINT32_MAX, &count, err) != 0 ||
        jcur_int_or(e, "shard", 0, UINT32_MAX, &shard, err) != 0)
        return -1;
    order->n = 0; /* what was pushed and not added is kept by nobody */
    if (append(order,
               &(struct piece){.epoch = (uint32_t)epoch,
                               .first = (uint64_t)first,
                               .count = (uint32_t)count,
                               .shard = (uint32_t)shard},
               1, err) != 0)
        return -1;
    return take_rest(order, e, err);
}

static int
on_add(struct once *o, const struct jcur *e, struct err *err)
{
    struct pieces *order = get_order(o, e, err);

    if (!order)
        return -1;
    if (order->n == 0)
        return jcur_fail(e, err, "added twice, or never given out");
    if (append(&o->added, order->v, order->n, err) != 0)
        return -1;
    order->n = 0;
    return 0;
}

/* Dropped, or its worker left: the order is given to somebody again. */
static int
on_drop(struct once *o, const struct jcur *e, struct err *err)
{
    struct pieces *order = get_order(o, e, err);

    if (!order)
        return -1;
    order->n = 0;
    return 0;
}

static int
on_commit(struct once *o, const struct jcur *e, struct err *err)
{
    int64_t version = 0, samples = 0;
    uint64_t sum = 0;

    if (jcur_int(e, "version", 1, INT64_MAX, &version, err) != 0 ||
        jcur_int(e, "samples", 0, INT64_MAX, &samples, err) != 0)
        return -1;
    if ((uint64_t)version != o->version + 1)
        return jcur_fail(e, err, "update %" PRId64 " follows update %" PRIu64,
                         version, o->version);
    o->version = (uint64_t)version;
    for (size_t i = 0; i < o->added.n; i++) {
        o->added.v[i].version = o->version;
        sum += o->added.v[i].count;
    }
    if (sum != (uint64_t)samples)
        return jcur_fail(e, err,
                         "an update of %" PRId64 " samples, but %" PRIu64
                         " were added",
                         samples, sum);
    if (append(&o->applied, o->added.v, o->added.n, err) != 0)
        return -1;
    o->added.n = 0;
    return 0;
}

static int
on_run(struct once *o, const struct jcur *e, struct err *err)
{
    (void)e;
    (void)err;
    for (uint32_t i = 0; i < o->n_ranks; i++)
        o->order[i].n = 0;
    o->added.n = 0;
    return 0;
}

/* The session has the parameters of `version`: what came after it is undone. */
static int
on_start(struct once *o, const struct jcur *e, struct err *err)
{
    int64_t version = 0;

    if (jcur_int(e, "version", 0, INT64_MAX, &version, err) != 0)
        return -1;
    if ((uint64_t)version > o->version)
        return jcur_fail(e, err,
                         "goes on from update %" PRId64 ", but the last one "
                         "told was %" PRIu64,
                         version, o->version);
    o->version = (uint64_t)version;
    while (o->applied.n > 0 &&
           o->applied.v[o->applied.n - 1].version > o->version)
        o->applied.n--;
    return 0;
}

static const struct kind {
    const char *event;
    int (*take)(struct once *o, const struct jcur *e, struct err *err);
} kinds[] = {
    {"release", on_release}, {"add", on_add},    {"commit", on_commit},
    {"drop", on_drop},       {"leave", on_drop}, {"run", on_run},
    {"start", on_start},
};

int
once_take(struct once *o, const char *event, const struct jcur *e,
          struct err *err)
{
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++)
        if (!strcmp(kinds[i].event, event))
            return kinds[i].take(o, e, err);
    return 0;
}

/* ---- the sum ------------------------------------------------------------- */

static int
by_place(const void *x, const void *y)
{
    const struct piece *a = x, *b = y;

    if (a->epoch != b->epoch)
        return a->epoch < b->epoch ? -1 : 1;
    if (a->shard != b->shard)
        return a->shard < b->shard ? -1 : 1;
    return a->first < b->first ? -1 : a->first > b->first;
}

static int
twice(const struct piece *p, const struct piece *q, struct err *err)
{
    return err_set(err, ERR_FAIL,
                   "epoch %u, samples from %" PRIu64 " of shard %u: applied "
                   "in update %" PRIu64 " and in update %" PRIu64,
                   q->epoch, q->first, q->shard, p->version, q->version);
}

/* Sorted pieces: no two may overlap, and when all is done none is missing:
 * without overlaps that is a matter of their sum. */
int
once_check(struct once *o, uint64_t n, uint32_t epochs, bool complete,
           size_t *applied, struct err *err)
{
    struct pieces *all = &o->applied;
    uint64_t sum = 0;
    uint32_t done = 0;

    *applied = all->n;
    if (all->n > 0)
        qsort(all->v, all->n, sizeof *all->v, by_place);
    for (size_t i = 0; i < all->n; i++) {
        const struct piece *p = &all->v[i], *before = i > 0 ? p - 1 : NULL;

        if (before && before->epoch != p->epoch)
            sum = 0;
        else if (before && before->shard == p->shard &&
                 before->first + before->count > p->first)
            return twice(before, p, err);
        sum += p->count;
        if (p->epoch >= epochs || p->first + p->count > n || sum > n)
            return err_set(err, ERR_FAIL,
                           "epoch %u, samples from %" PRIu64 ": there are "
                           "%u epochs of %" PRIu64 " samples",
                           p->epoch, p->first, epochs, n);
        if (i + 1 == all->n || p[1].epoch != p->epoch) {
            if (complete && (sum != n || p->epoch != done))
                return err_set(err, ERR_FAIL,
                               "epoch %u: %" PRIu64 " of %" PRIu64
                               " samples were applied",
                               p->epoch != done ? done : p->epoch,
                               p->epoch != done ? 0 : sum, n);
            done++;
        }
    }
    if (complete && done != epochs)
        return err_set(err, ERR_FAIL, "%u of %u epochs were applied", done,
                       epochs);
    return 0;
}
