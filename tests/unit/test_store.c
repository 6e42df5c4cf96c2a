/* SPDX-License-Identifier: Apache-2.0 */
#include "base/err.h"
#include "ps/store.h"
#include "tap.h"

#include <ebsp/policy.h>

#include <math.h>

/* One weight of two numbers at 0, one statistic at 16. */
static struct segment segs[] = {
    {.name = "w", .kind = SEGMENT_WEIGHT, .n_dims = 1, .dim = {2}, .count = 2},
    {.name = "s",
     .kind = SEGMENT_STAT,
     .n_dims = 1,
     .dim = {1},
     .offset = 16,
     .count = 1,
     .momentum = 0.5},
};
static const struct segtab table = {
    .seg = segs, .n = 2, .n_floats = 32, .n_params = 2};
static const struct optim_config sgd = {.kind = OPTIM_SGD, .lr = 0.1};

static void
set(float *v, float a, float b, float stat)
{
    memset(v, 0, 32 * sizeof *v);
    v[0] = a;
    v[1] = b;
    v[16] = stat;
}

static void
updates(struct store *s)
{
    struct err e = ERR_INIT;
    float push[32];

    ok(store_commit(s, 1, 0.1, &e) == -1, "nothing to commit: %s", e.text);
    set(store_edit(s), 1, 2, 4);
    set(push, 1, 0, 8);
    store_add(s, push, EBSP_PUSH_GRADIENT, 0.5, NULL);
    set(push, 0, 1, 6);
    store_add(s, push, EBSP_PUSH_GRADIENT, 0.5, NULL);
    err_clear(&e);
    ok(store_add(s, push, EBSP_PUSH_DELTA, 1, &e) == -1, "kinds do not mix: %s",
       e.text);
    store_commit(s, 1, 0.1, NULL);
    ok(fabsf(store_peek(s)[0] - 0.95f) < 1e-6f &&
           fabsf(store_peek(s)[1] - 1.95f) < 1e-6f,
       "a mean gradient moves the weights");
    ok(store_peek(s)[16] == 5.5f, "statistics move towards their mean");
    is_int(store_get_version(s), 1, "an update is a version");

    /* a sum of two: twice the step, but still the mean of statistics */
    set(push, 1, 1, 7.5f);
    store_add(s, push, EBSP_PUSH_GRADIENT, 1, NULL);
    store_add(s, push, EBSP_PUSH_GRADIENT, 1, NULL);
    store_commit(s, 1, 0.1, NULL);
    ok(fabsf(store_peek(s)[0] - 0.75f) < 1e-6f, "a sum is a sum");
    ok(store_peek(s)[16] == 6.5f, "of statistics it is the mean all the same");

    set(push, 10, 20, 30);
    store_add(s, push, EBSP_PUSH_MODEL, 1, NULL);
    store_commit(s, 1, 0, NULL);
    ok(store_peek(s)[1] == 20 && store_peek(s)[16] == 30, "a model replaces");
    set(push, 1, -1, 0);
    store_add(s, push, EBSP_PUSH_DELTA, 1, NULL);
    store_commit(s, 0.5, 0, NULL);
    ok(store_peek(s)[0] == 10.5f && store_peek(s)[1] == 19.5f,
       "a delta is added");
    store_add(s, push, EBSP_PUSH_DELTA, 1, NULL);
    store_discard(s);
    ok(store_commit(s, 1, 0, NULL) == -1, "what is discarded is gone");
}

static void
references(struct store *s)
{
    struct params *a = store_ref(s), *b;
    float first = a->v[0], push[32];
    const float *spare = a->v;

    set(push, 1, 1, 1);
    store_add(s, push, EBSP_PUSH_GRADIENT, 1, NULL);
    store_commit(s, 1, 1, NULL);
    ok(a->v[0] == first, "what others look at does not change");
    ok(store_peek(s)[0] == first - 1, "the current one does");
    b = store_ref(s);
    is_int(b->version, a->version + 1, "each knows its version");
    store_unref(a);
    store_unref(b);
    store_add(s, push, EBSP_PUSH_GRADIENT, 1, NULL);
    store_commit(s, 1, 1, NULL);
    ok(store_peek(s) == b->v, "in place when nobody looks");
    b = store_ref(s);
    store_add(s, push, EBSP_PUSH_GRADIENT, 1, NULL);
    store_commit(s, 1, 1, NULL);
    ok(store_peek(s) == spare, "a spare vector is used again");
    store_unref(b);
}

int
main(void)
{
    struct store *s = store_new(&table, &sgd, NULL);

    if (!ok(s != NULL, "store"))
        return done();
    updates(s);
    references(s);
    store_free(s);
    return done();
}
