/* SPDX-License-Identifier: Apache-2.0 */
#include "nn/init.h"

#include "base/err.h"
#include "base/json.h"
#include "base/rng.h"

#include <math.h>

static const char *const kind_names[] = {
    "he", "glorot", "lecun", "normal", "uniform", "constant", NULL};

/* Keys beside "type", and the argument when it is absent. */
static const struct {
    const char *keys[3];
    double min, fallback;
} kinds[] = {
    [INIT_HE] = {{"type"}, 0.0, 0.0},
    [INIT_GLOROT] = {{"type"}, 0.0, 0.0},
    [INIT_LECUN] = {{"type"}, 0.0, 0.0},
    [INIT_NORMAL] = {{"type", "std"}, 0.0, 0.01},
    [INIT_UNIFORM] = {{"type", "bound"}, 0.0, 0.0},
    [INIT_CONSTANT] = {{"type", "value"}, -1e30, 0.0},
};

int
init_read(struct init *i, const struct jcur *layer, const char *key,
          struct err *err)
{
    struct jcur at = jcur_key(layer, key);
    const char *arg;
    int kind = 0;

    if (!at.v)
        return 0;
    if (!json_is_object(at.v)) {
        if (jcur_enum_or(layer, key, kind_names, &kind, err) != 0)
            return -1;
        i->kind = (enum init_kind)kind;
        i->arg = kinds[kind].fallback;
        return 0;
    }
    if (!jcur_has(&at, "type")) {
        struct jcur type = jcur_key(&at, "type");

        return jcur_fail(&type, err, "expected a string, got nothing");
    }
    if (jcur_enum_or(&at, "type", kind_names, &kind, err) != 0 ||
        jcur_object(&at, kinds[kind].keys, err) != 0)
        return -1;
    i->kind = (enum init_kind)kind;
    i->arg = kinds[kind].fallback;
    arg = kinds[kind].keys[1];
    return arg ? jcur_num_or(&at, arg, kinds[kind].min, 1e30, &i->arg, err) : 0;
}

static void
fill_normal(struct rng *rng, double std, float *to, size_t n)
{
    for (size_t k = 0; k < n; k++)
        to[k] = (float)(std * rng_normal(rng));
}

static void
fill_uniform(struct rng *rng, double bound, float *to, size_t n)
{
    for (size_t k = 0; k < n; k++)
        to[k] = (float)(bound * (2.0 * rng_unit(rng) - 1.0));
}

void
init_fill(const struct init *i, struct rng *rng, float *to, size_t n)
{
    switch (i->kind) {
    case INIT_HE:
        fill_normal(rng, sqrt(2.0 / i->fan_in), to, n);
        break;
    case INIT_GLOROT:
        fill_uniform(rng, sqrt(6.0 / (i->fan_in + i->fan_out)), to, n);
        break;
    case INIT_LECUN:
        fill_normal(rng, sqrt(1.0 / i->fan_in), to, n);
        break;
    case INIT_NORMAL:
        fill_normal(rng, i->arg, to, n);
        break;
    case INIT_UNIFORM:
        fill_uniform(rng, i->arg > 0.0 ? i->arg : 1.0 / sqrt(i->fan_in), to, n);
        break;
    case INIT_CONSTANT:
        for (size_t k = 0; k < n; k++)
            to[k] = (float)i->arg;
        break;
    }
}
