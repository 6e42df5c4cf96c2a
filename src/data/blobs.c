/* SPDX-License-Identifier: Apache-2.0 */
/* Gaussian clusters, one per class: tiny data for tests. */
#include "base/err.h"
#include "base/mem.h"
#include "base/rng.h"
#include "data/kind.h"

/* Second half of RNG_DATA's key; splits are 0 and 1. */
#define CENTERS 2

struct blobs_config {
    struct shape shape;
    int64_t n_classes, n[2], seed;
    double spread; /* deviation within a class; that of the centers is 1 */
};

static int
parse_shape(struct blobs_config *c, const struct jcur *data, struct err *err)
{
    struct jcur shape = jcur_key(data, "shape");

    if (!shape.v) {
        c->shape = (struct shape){1, {8, 0, 0}};
        return jcur_int_or(data, "features", 1, 1 << 20, &c->shape.dim[0], err);
    }
    if (jcur_has(data, "features"))
        return jcur_fail(&shape, err, "expected \"features\" or \"shape\"");
    c->shape = (struct shape){3, {0, 0, 0}};
    return jcur_ints_or(data, "shape", 3, 1, 1024, c->shape.dim, err);
}

static int
parse(struct blobs_config *c, const struct jcur *data, uint64_t seed,
      struct err *err)
{
    static const char *const known[] = {DATA_KEYS, "classes", "features",
                                        "shape",   "train",   "test",
                                        "spread",  "seed",    NULL};

    *c = (struct blobs_config){.n_classes = 3,
                               .n = {600, 150},
                               .spread = 0.5,
                               .seed = (int64_t)(seed & INT64_MAX)};
    if (jcur_object(data, known, err) != 0 || parse_shape(c, data, err) != 0 ||
        jcur_int_or(data, "classes", 2, 10000, &c->n_classes, err) != 0 ||
        jcur_int_or(data, "train", 1, 10000000, &c->n[0], err) != 0 ||
        jcur_int_or(data, "test", 1, 10000000, &c->n[1], err) != 0 ||
        jcur_num_or(data, "spread", 0, 1000, &c->spread, err) != 0 ||
        jcur_int_or(data, "seed", 0, INT64_MAX, &c->seed, err) != 0)
        return -1;
    return 0;
}

static int
blobs_check(const struct jcur *data, struct err *err)
{
    struct blobs_config c;

    return parse(&c, data, 0, err);
}

static void
draw(const struct blobs_config *c, int split, const float *center,
     size_t n_numbers, struct data_room *to, size_t n)
{
    float *x = to->x;

    for (size_t i = 0; i < n; i++, x += n_numbers) {
        const float *from;
        struct rng r;

        rng_init_key(&r, (uint64_t)c->seed, RNG_DATA, (uint64_t)split, i);
        to->label[i] = (int32_t)rng_below(&r, (uint64_t)c->n_classes);
        from = center + (size_t)to->label[i] * n_numbers;
        for (size_t j = 0; j < n_numbers; j++)
            x[j] = from[j] + (float)(c->spread * rng_normal(&r));
    }
}

static int
blobs_open(struct dataset *d, const struct data_request *r, struct err *err)
{
    struct blobs_config c;
    struct data_room to[2];
    size_t n_numbers, n_centers;
    struct rng rng;
    float *center;

    if (parse(&c, r->data, r->seed, err) != 0)
        return -1;
    d->source = mem_printf("generated, seed %lld", (long long)c.seed);
    if (!d->source)
        return err_nomem(err);
    d->type = DATA_F32;
    d->shape = c.shape;
    d->n_classes = c.n_classes;
    if (data_alloc(d, data_min((size_t)c.n[0], r->limit[0]),
                   data_min((size_t)c.n[1], r->limit[1]), to, err) != 0)
        return -1;
    n_numbers = shape_count(&c.shape);
    n_centers = (size_t)c.n_classes * n_numbers;
    center = mem_alloc(n_centers, sizeof *center);
    if (!center)
        return err_nomem(err);
    rng_init_key(&rng, (uint64_t)c.seed, RNG_DATA, CENTERS, 0);
    for (size_t i = 0; i < n_centers; i++)
        center[i] = (float)rng_normal(&rng);
    draw(&c, 0, center, n_numbers, &to[0], d->train.n);
    draw(&c, 1, center, n_numbers, &to[1], d->test.n);
    mem_free(center);
    return 0;
}

const struct data_kind data_blobs = {"blobs", blobs_check, blobs_open};
