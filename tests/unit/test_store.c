/* SPDX-License-Identifier: Apache-2.0 */
#include "base/err.h"
#include "base/mem.h"
#include "base/shm.h"
#include "ps/store.h"
#include "tap.h"

#include <ebsp/policy.h>

#include <math.h>
#include <unistd.h>

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
    store_let_go(s, push, NULL);
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

/* ---- the same bits, however an update is divided --------------------------
 */

#define MANY   ((size_t)300000)
#define PUSHES 3

static struct segment many_segs[] = {
    {.name = "a", .kind = SEGMENT_WEIGHT, .count = 200001},
    {.name = "b", .kind = SEGMENT_BIAS, .offset = 200016, .count = 7},
    {.name = "s",
     .kind = SEGMENT_STAT,
     .offset = 200032,
     .count = 5000,
     .momentum = 0.1},
    {.name = "c",
     .kind = SEGMENT_WEIGHT,
     .offset = 205040,
     .count = 300000 - 205040},
};
static const struct segtab many = {
    .seg = many_segs, .n = 4, .n_floats = MANY, .n_params = 290000};

static void
randomize(float *v, uint64_t seed)
{
    uint64_t x = seed;

    memset(v, 0, MANY * sizeof *v);
    for (size_t i = 0; i < many.n; i++)
        for (size_t k = 0; k < many_segs[i].count; k++) {
            x = x * 6364136223846793005u + 1442695040888963407u; /* Knuth */
            v[many_segs[i].offset + k] = (float)((int64_t)x >> 40) * 0x1p-23f;
        }
}

/* As policies do it: pushes are let go of at any moment, or not at all. */
static void
train(struct store *s, uint32_t kind, bool let_go, float *push[PUSHES])
{
    struct params *old = NULL;

    randomize(store_edit(s), 1);
    for (uint64_t i = 0; i < 4; i++) {
        struct params *now = store_ref(s);

        for (uint64_t k = 0; k < PUSHES; k++) {
            randomize(push[k], 100 * i + k);
            store_add(s, push[k], kind, 1.0 / (double)(k + 2), NULL);
            if (let_go && (i + k) % 2)
                store_let_go(s, push[k], NULL);
        }
        store_commit(s, 0.7, 0.01, NULL);
        if (old)
            store_unref(old);
        old = now;
    }
    store_unref(old);
}

static void
divisions(const char *what, const struct optim_config *o, uint32_t kind,
          float *push[PUSHES])
{
    static const struct store_options how[] = {
        {.threads = 1}, {.threads = 3}, {.threads = 3, .n_slots = 2}};
    struct store *want = store_new(&many, o, &how[0], NULL);
    size_t bytes = MANY * sizeof(float);

    train(want, kind, false, push);
    for (size_t i = 0; i < 6; i++) {
        struct store *s = store_new(&many, o, &how[i % 3], NULL);

        train(s, kind, i >= 3, push);
        ok(memcmp(store_peek(s), store_peek(want), bytes) == 0,
           "%s: the same bits, way %zu", what, i);
        if (how[i % 3].n_slots)
            ok(store_get_fd(s) >= 0, "some of them shared");
        store_free(s);
    }
    store_free(want);
}

/* What the passes are compared with: the formulas, one whole vector after the
 * other. */
static void
plain(float *push[PUSHES])
{
    static const struct store_options one = {.threads = 2};
    struct store *s = store_new(&many, &sgd, &one, NULL);
    float *p = mem_alloc_aligned(MANY * sizeof *p);
    float *sum = mem_alloc_aligned(MANY * sizeof *sum);

    train(s, EBSP_PUSH_GRADIENT, false, push);
    randomize(p, 1);
    for (uint64_t i = 0; i < 4; i++) {
        for (uint64_t k = 0; k < PUSHES; k++) {
            randomize(push[k], 100 * i + k);
            for (size_t j = 0; j < MANY; j++)
                sum[j] = (k ? sum[j] : 0) +
                         (float)(1.0 / (double)(k + 2)) * push[k][j];
        }
        for (size_t j = 0; j < MANY; j++)
            if (j >= 200032 && j < 205032)
                p[j] += 0.1f *
                        (sum[j] * (float)(1 / (0.5 + 1.0 / 3 + 0.25)) - p[j]);
            else
                p[j] -= 0.01f * (sum[j] * 0.7f);
    }
    ok(memcmp(p, store_peek(s), MANY * sizeof *p) == 0, "as the formulas say");
    mem_free(p);
    mem_free(sum);
    store_free(s);
}

/* A reader of the shared memory sees what is published and cannot write. */
static void
shared(void)
{
    static const struct store_options how = {.n_slots = 2, .threads = 1};
    struct store *s = store_new(&table, &sgd, &how, NULL);
    struct err e = ERR_INIT;
    struct shm there;
    struct params *p;
    float push[32];
    int fd = dup(store_get_fd(s));

    set(store_edit(s), 1, 2, 3);
    is_int(shm_attach(&there, fd, SHM_PEERS_READ, &e), 0, "attached");
    p = store_ref(s);
    set(push, 1, 1, 1);
    store_add(s, push, EBSP_PUSH_GRADIENT, 1, NULL);
    store_commit(s, 1, 1, NULL);
    ok(((float *)(void *)there.base)[0] == 1 && p->slot == 0 &&
           *(float *)(void *)(there.base + shm_stride(sizeof push)) == 0,
       "old and new parameters side by side");
    fd = dup(store_get_fd(s));
    is_int(ftruncate(fd, 1), -1, "nobody can take the memory away");
    is_int(shm_attach(&there, fd, SHM_PEERS_WRITE, &e), -1,
           "nor change what is in it");
    store_unref(p);
    store_free(s);
    err_clear(&e);
    is_int(shm_attach(&there, dup(0), SHM_PEERS_READ, &e), -1, e.text);
}

/* More vectors are in use than lie in shared memory; later they do again. */
static void
crowded(void)
{
    static const struct store_options how = {.n_slots = 2, .threads = 1};
    struct store *s = store_new(&table, &sgd, &how, NULL);
    struct params *p[4];
    float push[32];
    int private = 0;

    set(push, 1, 1, 1);
    for (int i = 0; i < 4; i++) {
        p[i] = store_ref(s);
        private += p[i]->slot == STORE_PRIVATE;
        store_add(s, push, EBSP_PUSH_GRADIENT, 1, NULL);
        store_commit(s, 1, 1, NULL);
    }
    is_int(private, 2, "what does not fit is private");
    for (int i = 0; i < 4; i++)
        store_unref(p[i]);
    private = 0;
    for (int i = 0; i < 6; i++) {
        p[0] = store_ref(s);
        store_add(s, push, EBSP_PUSH_GRADIENT, 1, NULL);
        store_commit(s, 1, 1, NULL);
        store_unref(p[0]);
        p[0] = store_ref(s);
        private += p[0]->slot == STORE_PRIVATE;
        store_unref(p[0]);
    }
    is_int(private, 0, "but not when there is room again");
    store_free(s);
}

int
main(void)
{
    static const struct store_options alone = {.threads = 1};
    static const struct optim_config momentum = {.kind = OPTIM_SGD,
                                                 .momentum = 0.9,
                                                 .weight_decay = 0.01},
                                     clipped = {.kind = OPTIM_SGD,
                                                .clip_norm = 0.5,
                                                .clip_value = 1},
                                     adam = {.kind = OPTIM_ADAM,
                                             .beta1 = 0.9,
                                             .beta2 = 0.999,
                                             .epsilon = 1e-8,
                                             .clip_value = 0.5};
    struct store *s = store_new(&table, &sgd, &alone, NULL);
    float *push[PUSHES];

    if (!ok(s != NULL, "store"))
        return done();
    updates(s);
    references(s);
    store_free(s);
    for (size_t i = 0; i < PUSHES; i++)
        push[i] = mem_alloc_aligned(MANY * sizeof(float));
    plain(push);
    divisions("momentum", &momentum, EBSP_PUSH_GRADIENT, push);
    divisions("clipping", &clipped, EBSP_PUSH_GRADIENT, push);
    divisions("Adam", &adam, EBSP_PUSH_GRADIENT, push);
    divisions("delta", &sgd, EBSP_PUSH_DELTA, push);
    divisions("model", &sgd, EBSP_PUSH_MODEL, push);
    for (size_t i = 0; i < PUSHES; i++)
        mem_free(push[i]);
    shared();
    crowded();
    return done();
}
