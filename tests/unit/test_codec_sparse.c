/* SPDX-License-Identifier: Apache-2.0 */
/* Compression of pushes: which numbers are sent, and that nothing is lost for
 * good. */
#include "codec_rig.h"

static const float *sorted_by;

static int
by_magnitude(const void *a, const void *b)
{
    const size_t *x = a, *y = b;
    float u = fabsf(sorted_by[*x]), v = fabsf(sorted_by[*y]);

    return u != v ? (u < v) - (u > v) : (*x > *y) - (*x < *y);
}

/* Against a sort; magnitudes of which many are equal. */
static void
test_topk(struct rng *rng)
{
    static size_t order[20000];
    int wrong = 0;

    for (int round = 0; round < 60; round++) {
        struct codec_part all = {.n = 1 + (size_t)rng_below(rng, 20000)};
        /* few of many: a sample tells where to look */
        struct codec_spec s = {.kind = CODEC_TOPK,
                               .share = round % 3 ? rng_unit(rng) : 0.002};
        size_t levels = 1 + (size_t)rng_below(rng, 2000), k;
        struct codec *c = codec_new(&s, &all, 1, all.n, NULL);
        struct codec_memory *m = codec_memory_new(c, NULL);
        uint8_t *bytes = mem_alloc(codec_bound(c, 0, all.n), 1);
        float *v = mem_alloc(all.n, sizeof *v);
        float *back = mem_alloc(all.n, sizeof *v);
        size_t used;

        for (size_t i = 0; i < all.n; i++) {
            v[i] = 1 + (float)rng_below(rng, levels);
            v[i] = rng_below(rng, 2) ? v[i] : -v[i];
            order[i] = i;
        }
        k = (size_t)ceil(s.share * (double)all.n);
        sorted_by = v;
        qsort(order, all.n, sizeof *order, by_magnitude);
        used = codec_encode(c, m, 0, 0, all.n, v, bytes);
        wrong += codec_decode(c, 0, 0, all.n, bytes, used, back, NULL) != 0;
        for (size_t i = 0; i < all.n; i++)
            wrong += back[order[i]] != (i < k ? v[order[i]] : 0);
        codec_memory_free(m);
        codec_free(c);
        mem_free(bytes);
        mem_free(v);
        mem_free(back);
    }
    is_int(wrong, 0, "topk: the largest, of equal ones the first");
}

/* Large ones just where a sample that is taken at equal distances looks. */
static void
test_sample(void)
{
    struct codec_part all = {.n = 1 << 16};
    struct codec_spec s = {.kind = CODEC_TOPK, .share = 0.25};
    struct codec *c = codec_new(&s, &all, 1, all.n, NULL);
    struct codec_memory *m = codec_memory_new(c, NULL);
    uint8_t *bytes = mem_alloc(codec_bound(c, 0, all.n), 1);
    float *v = mem_alloc(all.n, sizeof *v);
    size_t used, ones = 0, twos = 0;

    for (size_t i = 0; i < all.n; i++)
        v[i] = i % 8 ? 1 : 2;
    used = codec_encode(c, m, 0, 0, all.n, v, bytes);
    codec_decode(c, 0, 0, all.n, bytes, used, v, NULL);
    for (size_t i = 0; i < all.n; i++) {
        ones += v[i] == 1;
        twos += v[i] == 2;
    }
    ok(twos == all.n / 8 && ones == all.n / 8, "topk: a sample may mislead");
    codec_memory_free(m);
    codec_free(c);
    mem_free(bytes);
    mem_free(v);
}

/* Without error feedback the mean over many keys is the vector: within five
 * deviations of the mean of that many draws. */
static void
test_randomk(struct rng *rng)
{
    enum { ROUNDS = 2000, SIZE = 50 };
    struct codec_part all = {.n = SIZE};
    struct codec_spec s = {.kind = CODEC_RANDOMK, .share = 0.2};
    struct codec *c = codec_new(&s, &all, 1, SIZE, NULL);
    struct codec_memory *m = codec_memory_new(c, NULL);
    uint8_t bytes[10 * sizeof(float)];
    float v[SIZE], back[SIZE];
    double sum[SIZE] = {0};
    int wrong = 0;

    for (size_t i = 0; i < SIZE; i++)
        v[i] = (float)rng_normal(rng);
    for (uint64_t key = 0; key < ROUNDS; key++) {
        size_t used = codec_encode(c, m, key, 0, SIZE, v, bytes), sent = 0;

        wrong += codec_decode(c, key, 0, SIZE, bytes, used, back, NULL) != 0;
        for (size_t i = 0; i < SIZE; i++) {
            sum[i] += (double)back[i];
            sent += back[i] != 0;
        }
        wrong += sent != 10;
    }
    /* kept with 1/5, times 5: deviation 2 |v| of one */
    for (size_t i = 0; i < SIZE; i++)
        wrong += fabs(sum[i] / ROUNDS - (double)v[i]) >
                 5 * 2 * fabs((double)v[i]) / sqrt(ROUNDS);
    is_int(wrong, 0, "randomk without feedback: right on average");
    codec_memory_free(m);
    codec_free(c);
}

/* ---- error feedback ---- */

/* Whatever was put in has been sent or is owed. */
static void
test_feedback(const char *name, struct rng *rng)
{
    struct rig r;
    static double in[N], out[N];
    size_t wrong = 0;
    const float *owed;
    bool exact;

    rig_init(&r, name, true);
    owed = codec_memory_get(r.memory);
    memset(in, 0, sizeof in);
    memset(out, 0, sizeof out);
    for (uint64_t key = 0; key < 100; key++) {
        fill(&r, rng);
        through(&r, key, (size_t)rng_below(rng, N + 1));
        for (size_t i = 0; i < N; i++) {
            in[i] += (double)r.v[i];
            out[i] += (double)r.back[i];
        }
    }
    for (size_t i = 0; i < N; i++) {
        double lost = in[i] - out[i] - (double)owed[i];

        /* 200 roundings of numbers that are below 100 */
        wrong += fabs(lost) > 200 * 100 * 6e-8;
        wrong += (!is_sent(i, &exact) || exact) && owed[i] != 0;
    }
    ok(wrong == 0, "%s: what was not sent is owed, and nothing else", name);
    codec_memory_clear(r.memory);
    for (size_t i = 0; i < N; i++)
        wrong += owed[i] != 0;
    ok(wrong == 0, "%s: debts can be forgotten", name);
    rig_release(&r);
}

/* Descent on f(x) = |x - b|^2 / 2 where the compressed gradient alone goes
 * astray: coordinates of very different size (Karimireddy, section 3). */
static double
descend(const char *name, bool feedback)
{
    static float b[N];
    struct rig r;
    struct rng rng;
    double far = 0;
    bool exact;

    rig_init(&r, name, feedback);
    rng_init(&rng, 3);
    fill(&r, &rng);
    memcpy(b, r.v, sizeof b);
    for (size_t i = 0; i < N; i++)
        r.v[i] = -b[i]; /* gradient at x = 0 */
    for (uint64_t key = 0; key < 800; key++) {
        static float x[N];

        if (key == 0)
            memset(x, 0, sizeof x);
        through(&r, key, N);
        for (size_t i = 0; i < N; i++) {
            x[i] -= 0.02f * r.back[i];
            r.v[i] = x[i] - b[i];
        }
    }
    for (size_t i = 0; i < N; i++)
        if (is_sent(i, &exact) && !exact)
            far = fmax(far, fabs((double)r.v[i]));
    rig_release(&r);
    return far;
}

static void
test_descent(void)
{
    double with = descend("topk:0.1", true);
    double without = descend("topk:0.1", false);

    ok(with < 0.02, "topk with feedback converges (%g)", with);
    ok(without > 2 * with, "and without it is behind (%g)", without);
    with = descend("randomk:0.2", true);
    ok(with < 0.02, "randomk with feedback converges (%g)", with);
    with = descend("sign", true);
    ok(with < 0.6, "sign with feedback comes near, from 3 (%g)", with);
}

/* ---- strangers ---- */

static void
test_distances(void)
{
    static const struct {
        const char *what;
        size_t n;
        uint8_t bytes[12];
        int fine;
    } cases[] = {
        {"the first two", 2, {0, 0}, 1},
        {"the last two", 3, {0xa6, 2, 0}, 1}, /* 2 * 128 + 38 = 294 */
        {"beyond the end", 3, {0xa7, 2, 0}, 0},
        {"the second beyond the end", 3, {0xa6, 2, 1}, 0},
        {"more bytes than needed", 3, {0x80, 0, 0}, 0},
        {"no end", 2, {0x80, 0x80}, 0},
        {"more than 32 bits", 7, {0x80, 0x80, 0x80, 0x80, 0x80, 1, 0}, 0},
        {"all of 35 bits", 6, {0xff, 0xff, 0xff, 0xff, 0x7f, 0}, 0},
        {"none of them", 0, {0}, 0},
        {"one too many", 3, {0, 0, 1}, 0},
        {"too much padding", 5, {0, 0}, 0},
    };
    struct codec_part all = {.n = 296};
    struct codec_spec s = {.kind = CODEC_TOPK, .share = 2.0 / 296};
    struct codec *c = codec_new(&s, &all, 1, all.n, NULL);

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct err err = ERR_INIT;
        float v[296];
        uint8_t bytes[20] = {0};
        int fine;

        memcpy(bytes + 8, cases[i].bytes, cases[i].n);
        fine = codec_decode(c, 0, 0, all.n, bytes, 8 + (cases[i].n + 3) / 4 * 4,
                            v, &err);
        ok(fine == 0 ? cases[i].fine : !cases[i].fine && err.code == ERR_PROTO,
           "topk: %s", cases[i].what);
    }
    codec_free(c);
}

int
main(void)
{
    struct rng rng;

    rng_init(&rng, tap_seed(21));
    test_topk(&rng);
    test_sample();
    test_randomk(&rng);
    test_feedback("topk:0.03", &rng);
    test_feedback("randomk:0.03", &rng);
    test_feedback("sign", &rng);
    test_descent();
    test_distances();
    return done();
}
