/* SPDX-License-Identifier: Apache-2.0 */
#include "data/loader.h"

#include "base/err.h"
#include "base/mem.h"
#include "base/rng.h"
#include "data/augment.h"

#include <inttypes.h>
#include <string.h>

/* The order of one epoch in one shard: sample numbers. */
struct order {
    uint32_t *sample; /* NULL: not made yet */
    uint32_t n;
    uint32_t epoch, shard;
};

struct loader {
    const struct dataset *d;
    const struct shards *shards;
    struct augment_config augment;
    uint64_t seed;
    struct pixel_map map;
    struct order order[2]; /* the one used last comes first */
    size_t n_numbers;      /* of a sample */
    /* The mini-batch; room for `cap` samples. */
    size_t cap;
    float *x, *target;
    int32_t *label;
    uint64_t *key;
};

struct loader *
loader_new(const struct dataset *d, const struct shards *s,
           const struct augment_config *a, uint64_t seed, struct err *err)
{
    struct loader *l = mem_alloc(1, sizeof *l);

    if (!l) {
        err_nomem(err);
        return NULL;
    }
    l->d = d;
    l->shards = s;
    l->augment = *a;
    l->seed = seed;
    l->n_numbers = shape_count(&d->shape);
    if (pixel_map_init(&l->map, d, a, err) != 0) {
        loader_free(l);
        return NULL;
    }
    return l;
}

void
loader_free(struct loader *l)
{
    if (!l)
        return;
    pixel_map_release(&l->map);
    mem_free(l->order[0].sample);
    mem_free(l->order[1].sample);
    mem_free(l->x);
    mem_free(l->target);
    mem_free(l->label);
    mem_free(l->key);
    mem_free(l);
}

/* Once for the largest mini-batch; after that nothing is allocated. */
static int
make_room(struct loader *l, size_t n, struct err *err)
{
    if (n <= l->cap)
        return 0;
    l->cap = 0;
    mem_free(l->x);
    mem_free(l->target);
    mem_free(l->label);
    mem_free(l->key);
    l->x = NULL;
    if (n <= SIZE_MAX / sizeof *l->x / l->n_numbers)
        l->x = mem_alloc_aligned(n * l->n_numbers * sizeof *l->x);
    l->target = mem_alloc(n, (size_t)l->d->n_targets * sizeof *l->target);
    l->label = mem_alloc(n, sizeof *l->label);
    l->key = mem_alloc(n, sizeof *l->key);
    if (!l->x || !l->target || !l->label || !l->key)
        return err_nomem(err);
    l->cap = n;
    return 0;
}

/* Seed, epoch and shard say it all: every worker makes the same order. */
static const struct order *
get_order(struct loader *l, uint32_t epoch, uint32_t shard, struct err *err)
{
    const struct shards *s = l->shards;
    struct order *o = l->order, swap = o[1];
    struct rng r;

    if (o[0].sample && o[0].epoch == epoch && o[0].shard == shard)
        return o;
    o[1] = o[0];
    o[0] = swap;
    if (o[0].sample && o[0].epoch == epoch && o[0].shard == shard)
        return o;
    mem_free(o[0].sample);
    o[0] = (struct order){.n = s->start[shard + 1] - s->start[shard],
                          .epoch = epoch,
                          .shard = shard};
    o[0].sample = mem_alloc(o[0].n, sizeof *o[0].sample);
    if (!o[0].sample) {
        err_nomem(err);
        return NULL;
    }
    memcpy(o[0].sample, s->member + s->start[shard],
           o[0].n * sizeof *o[0].sample);
    rng_init_key(&r, l->seed, RNG_SHUFFLE, epoch, shard);
    rng_shuffle(&r, o[0].sample, o[0].n);
    return o;
}

static const void *
image_at(const struct loader *l, const struct data_split *s, size_t i)
{
    const uint8_t *u8 = s->x;
    const float *f32 = s->x;

    if (l->d->type == DATA_U8)
        return u8 + i * l->n_numbers;
    return f32 + i * l->n_numbers;
}

int
loader_train(struct loader *l, const struct data_cursor *c, struct net_batch *b,
             struct err *err)
{
    const struct data_split *s = &l->d->train;
    size_t k = (size_t)l->d->n_targets;
    const struct order *o = NULL;

    if (c->shard < l->shards->n)
        o = get_order(l, c->epoch, c->shard, err);
    if (!o || c->count == 0 || c->first >= o->n || c->count > o->n - c->first)
        return err_set(err, ERR_PROTO,
                       "no such mini-batch: shard %" PRIu32 ", first %" PRIu64
                       ", count %" PRIu32,
                       c->shard, c->first, c->count);
    if (make_room(l, c->count, err) != 0)
        return -1;
    for (uint32_t i = 0; i < c->count; i++) {
        size_t sample = o->sample[c->first + i];
        uint64_t key = rng_hash(l->seed, (uint64_t)c->epoch << 32 | c->shard,
                                c->first + i);
        struct view v = augment_draw(&l->augment, key);

        pixel_map_image(&l->map, l->d->type, image_at(l, s, sample), &v,
                        l->x + i * l->n_numbers);
        l->key[i] = key;
        if (s->label)
            l->label[i] = s->label[sample];
        if (s->target)
            memcpy(l->target + i * k, s->target + sample * k,
                   k * sizeof *l->target);
    }
    *b = (struct net_batch){.n = c->count,
                            .x = l->x,
                            .label = s->label ? l->label : NULL,
                            .target = s->target ? l->target : NULL,
                            .key = l->key};
    return 0;
}

int
loader_plain(struct loader *l, const struct data_split *split, size_t first,
             size_t n, struct net_batch *b, struct err *err)
{
    static const struct view plain = {0, 0, false};

    if (n == 0 || first >= split->n || n > split->n - first)
        return err_set(err, ERR_BUG, "samples %zu to %zu of a split with %zu",
                       first, first + n, split->n);
    *b = (struct net_batch){.n = n};
    if (split->label)
        b->label = split->label + first;
    if (split->target)
        b->target = split->target + first * (size_t)l->d->n_targets;
    if (l->map.identity) { /* in place */
        b->x = image_at(l, split, first);
        return 0;
    }
    if (make_room(l, n, err) != 0)
        return -1;
    for (size_t i = 0; i < n; i++)
        pixel_map_image(&l->map, l->d->type, image_at(l, split, first + i),
                        &plain, l->x + i * l->n_numbers);
    b->x = l->x;
    return 0;
}
