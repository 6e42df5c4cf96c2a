/* SPDX-License-Identifier: Apache-2.0 */
/* Generated, handwritten-like digits: a data set that is always there.  Image i
 * of a split depends on (seed, split, i) only: a smaller set is the beginning
 * of a larger one. */
#include "data/digits.h"

#include "base/err.h"
#include "base/mem.h"
#include "base/rng.h"
#include "data/kind.h"

struct digits_config {
    int64_t n[2], seed;
    double noise;
};

static int
parse(struct digits_config *c, const struct jcur *data, uint64_t seed,
      struct err *err)
{
    static const char *const known[] = {DATA_KEYS, "train", "test",
                                        "noise",   "seed",  NULL};

    *c = (struct digits_config){
        .n = {8000, 2000}, .seed = (int64_t)(seed & INT64_MAX), .noise = 0.35};
    if (jcur_object(data, known, err) != 0 ||
        jcur_int_or(data, "train", 1, 10000000, &c->n[0], err) != 0 ||
        jcur_int_or(data, "test", 1, 10000000, &c->n[1], err) != 0 ||
        jcur_num_or(data, "noise", 0, 1, &c->noise, err) != 0 ||
        jcur_int_or(data, "seed", 0, INT64_MAX, &c->seed, err) != 0)
        return -1;
    return 0;
}

static int
digits_check(const struct jcur *data, struct err *err)
{
    struct digits_config c;

    return parse(&c, data, 0, err);
}

static int
digits_open(struct dataset *d, const struct data_request *r, struct err *err)
{
    struct digits_config c;
    struct data_room to[2];

    if (parse(&c, r->data, r->seed, err) != 0)
        return -1;
    d->source = mem_printf("generated, seed %lld", (long long)c.seed);
    if (!d->source)
        return err_nomem(err);
    d->type = DATA_U8;
    d->shape = (struct shape){3, {1, DIGIT_SIDE, DIGIT_SIDE}};
    d->n_classes = 10;
    if (data_alloc(d, data_min((size_t)c.n[0], r->limit[0]),
                   data_min((size_t)c.n[1], r->limit[1]), to, err) != 0)
        return -1;
    for (int split = 0; split < 2; split++) {
        size_t n = split ? d->test.n : d->train.n;
        uint8_t *image = to[split].x;

        for (size_t i = 0; i < n; i++, image += DIGIT_PIXELS) {
            struct rng rng;

            rng_init_key(&rng, (uint64_t)c.seed, RNG_DATA, (uint64_t)split, i);
            to[split].label[i] = (int32_t)rng_below(&rng, 10);
            digit_draw(to[split].label[i], c.noise, &rng, image);
        }
    }
    return 0;
}

const struct data_kind data_digits = {"digits", digits_check, digits_open};
