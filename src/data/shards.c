/* SPDX-License-Identifier: Apache-2.0 */
#include "base/err.h"
#include "base/mem.h"
#include "base/rng.h"
#include "data/assign.h"

#include <math.h> /* floor */
#include <string.h>

/* Keys of RNG_SHARD. */
enum { KEY_IID, KEY_CLASS, KEY_PARTS };

void
shards_release(struct shards *s)
{
    mem_free(s->start);
    mem_free(s->member);
    memset(s, 0, sizeof *s);
}

static void
deal_iid(struct shards *s, uint32_t n, uint64_t seed)
{
    struct rng r;

    rng_init_key(&r, seed, RNG_SHARD, KEY_IID, 0);
    rng_shuffle(&r, s->member, n);
    for (uint32_t i = 0; i <= s->n; i++)
        s->start[i] = (uint32_t)((uint64_t)n * i / s->n);
}

/* Cuts 0..n into s->n parts in proportions drawn from Dirichlet(alpha): gamma
 * variables divided by their sum.  end[i] is where part i ends.  For a tiny
 * alpha all of them may underflow to zero; the limit of the distribution is
 * then one part that takes everything. */
static void
draw_parts(struct rng *r, double alpha, uint32_t n, uint32_t n_parts,
           double *weight, uint32_t *end)
{
    double sum = 0.0, below = 0.0;

    for (uint32_t i = 0; i < n_parts; i++) {
        weight[i] = rng_gamma(r, alpha);
        sum += weight[i];
    }
    if (!(sum > 0.0)) {
        weight[rng_below(r, n_parts)] = 1.0;
        sum = 1.0;
    }
    for (uint32_t i = 0; i < n_parts; i++) {
        below += weight[i];
        end[i] = (uint32_t)floor(below / sum * n + 0.5);
    }
    end[n_parts - 1] = n;
}

/* shard[i] of every sample i. */
static int
draw_shards(uint32_t *shard, double alpha, uint32_t n_parts,
            const int32_t *label, uint32_t n, int64_t n_classes, uint64_t seed,
            struct err *err)
{
    double *weight = mem_alloc(n_parts, sizeof *weight);
    uint32_t *end = mem_alloc(n_parts, sizeof *end);
    uint32_t *of_class = mem_alloc(n, sizeof *of_class);
    uint32_t *first = mem_alloc((size_t)n_classes + 2, sizeof *first);
    int result = -1;

    if (!weight || !end || !of_class || !first) {
        err_nomem(err);
        goto out;
    }
    /* Counting sort: of_class[first[k] .. first[k + 1] - 1] are those of k. */
    for (uint32_t i = 0; i < n; i++)
        first[label[i] + 2]++;
    for (int64_t k = 0; k < n_classes; k++)
        first[k + 2] += first[k + 1];
    for (uint32_t i = 0; i < n; i++)
        of_class[first[label[i] + 1]++] = i;
    for (int64_t k = 0; k < n_classes; k++) {
        uint32_t *member = of_class + first[k], m = first[k + 1] - first[k];
        struct rng r;

        rng_init_key(&r, seed, RNG_SHARD, KEY_CLASS, (uint64_t)k);
        rng_shuffle(&r, member, m);
        rng_init_key(&r, seed, RNG_SHARD, KEY_PARTS, (uint64_t)k);
        draw_parts(&r, alpha, m, n_parts, weight, end);
        for (uint32_t part = 0, i = 0; i < m; i++) {
            while (i >= end[part])
                part++;
            shard[member[i]] = part;
        }
    }
    result = 0;
out:
    mem_free(weight);
    mem_free(end);
    mem_free(of_class);
    mem_free(first);
    return result;
}

/* Nobody is left without a sample: the largest shard gives one away. */
static void
feed_empty(uint32_t *shard, uint32_t *size, uint32_t n_parts, uint32_t n)
{
    for (uint32_t i = 0; i < n_parts; i++) {
        uint32_t largest = 0, at = 0;

        if (size[i] > 0)
            continue;
        for (uint32_t j = 1; j < n_parts; j++)
            if (size[j] > size[largest])
                largest = j;
        while (at + 1 < n && shard[at] != largest)
            at++;
        shard[at] = i;
        size[largest]--;
        size[i]++;
    }
}

static int
deal_dirichlet(struct shards *s, double alpha, const int32_t *label, uint32_t n,
               int64_t n_classes, uint64_t seed, struct err *err)
{
    uint32_t *shard = mem_alloc(n, sizeof *shard);
    uint32_t *size = mem_alloc(s->n, sizeof *size);
    int result = -1;

    if (!shard || !size) {
        err_nomem(err);
        goto out;
    }
    if (draw_shards(shard, alpha, s->n, label, n, n_classes, seed, err) != 0)
        goto out;
    for (uint32_t i = 0; i < n; i++)
        size[shard[i]]++;
    feed_empty(shard, size, s->n, n);
    for (uint32_t i = 0; i < s->n; i++) {
        s->start[i + 1] = s->start[i] + size[i];
        size[i] = s->start[i]; /* from here on: the next free place */
    }
    for (uint32_t i = 0; i < n; i++)
        s->member[size[shard[i]]++] = i;
    result = 0;
out:
    mem_free(shard);
    mem_free(size);
    return result;
}

int
shards_init(struct shards *s, const struct assign_config *c, uint32_t n_workers,
            const int32_t *label, size_t n, int64_t n_classes, uint64_t seed,
            struct err *err)
{
    int r = 0;

    memset(s, 0, sizeof *s);
    s->n = c->kind == ASSIGN_DYNAMIC ? 1 : n_workers;
    if (n == 0 || n > UINT32_MAX || s->n == 0 || n < s->n)
        return err_set(
            err, ERR_CONFIG,
            "static assignment: %u workers for %zu samples, expected "
            "at least one each",
            s->n, n);
    if (c->kind == ASSIGN_DIRICHLET && (!label || n_classes < 1))
        return err_set(err, ERR_CONFIG,
                       "dirichlet assignment: expected data with classes");
    s->start = mem_alloc((size_t)s->n + 1, sizeof *s->start);
    s->member = mem_alloc(n, sizeof *s->member);
    if (!s->start || !s->member) {
        shards_release(s);
        return err_nomem(err);
    }
    for (uint32_t i = 0; i < n; i++)
        s->member[i] = i;
    s->start[s->n] = (uint32_t)n;
    if (c->kind == ASSIGN_IID)
        deal_iid(s, (uint32_t)n, seed);
    else if (c->kind == ASSIGN_DIRICHLET)
        r = deal_dirichlet(s, c->alpha, label, (uint32_t)n, n_classes, seed,
                           err);
    if (r != 0)
        shards_release(s);
    return r;
}
