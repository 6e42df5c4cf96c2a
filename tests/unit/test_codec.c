/* SPDX-License-Identifier: Apache-2.0 */
/* Compression of pushes: what comes back, how wrong it may be, and bytes that
 * no encoder has written. */
#include "codec_rig.h"

static const char *const names[] = {
    "none",   "fp16",         "bf16",      "int8", "topk:0.03",
    "topk:1", "randomk:0.03", "randomk:1", "sign",
};
#define N_NAMES (sizeof names / sizeof names[0])

/* ---- words of a job ---- */

static void
test_spec(void)
{
    static const char *const bad[] = {
        "",           "zip",
        "fp16:1",     "topk:",
        "topk:0",     "topk:1.1",
        "topk:-1",    "topk:nan",
        "sign:0.01",  "randomk:0.1x",
        "topk:0.1:2", "a word that is longer than the longest of them",
    };
    struct codec_spec s;
    struct err err = ERR_INIT;
    int refused = 0;

    ok(codec_spec_parse(&s, "topk:0.25", &err) == 0 && s.kind == CODEC_TOPK &&
           s.share == 0.25 && s.feedback,
       "a share is read");
    ok(codec_spec_parse(&s, "randomk", &err) == 0 && s.share == 0.01,
       "its default is one per cent");
    ok(codec_spec_parse(&s, "none", &err) == 0 && s.kind == CODEC_NONE,
       "none is a word");
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        err_clear(&err);
        refused += codec_spec_parse(&s, bad[i], &err) == -1 &&
                   err.code == ERR_CONFIG && strstr(err.text, bad[i]);
    }
    is_int(refused, sizeof bad / sizeof bad[0], "other words are refused");
    err_clear(&err);
    codec_spec_parse(&s, "topkk", &err);
    ok(strstr(err.text, "did you mean \"topk\"?"), "with what may be meant");
}

static void
test_parts(void)
{
    static const struct codec_part wrong[][2] = {
        {{0, 5, false}, {4, 2, false}},
        {{6, 2, false}, {0, 2, false}},
        {{0, 5, false}, {8, 3, false}},
        {{0, 5, false}, {SIZE_MAX, 2, false}},
    };
    struct codec_spec s = {.kind = CODEC_FP16};

    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        struct err err = ERR_INIT;
        struct codec *c = codec_new(&s, wrong[i], 2, 10, &err);

        ok(!c && err.code == ERR_BUG, "parts out of order are refused");
        codec_free(c);
    }
}

/* ---- 16 bits ---- */

/* Value of a half from its definition. */
static double
half_value(unsigned h)
{
    int e = (int)(h >> 10 & 31);
    double m = h & 1023, v = e ? ldexp(1024 + m, e - 25) : ldexp(m, -24);

    return h & 0x8000 ? -v : v;
}

static double
brain_value(unsigned b)
{
    int e = (int)(b >> 7 & 255);
    double m = b & 127, v = e ? ldexp(128 + m, e - 134) : ldexp(m, -133);

    return b & 0x8000 ? -v : v;
}

static size_t
encode_one(struct codec *c, struct codec_memory *m, const float *v, size_t n,
           uint16_t *out)
{
    return codec_encode(c, m, 0, 0, n, v, out);
}

/* All finite patterns, the middle between each and the next, and what is just
 * beside it: to nearest, in the middle to even. */
static void
test_16(const char *name, unsigned inf, double (*value)(unsigned))
{
    struct codec_part all = {.n = 65536};
    struct codec_spec s;
    struct codec *c;
    struct codec_memory *m;
    float *v = mem_alloc(all.n, sizeof *v), *back = mem_alloc(all.n, sizeof *v);
    uint16_t *h = mem_alloc(all.n, sizeof *h);
    int same = 0, read = 0, middle = 0, below = 0, above = 0, special;

    codec_spec_parse(&s, name, NULL);
    c = codec_new(&s, &all, 1, all.n, NULL);
    m = codec_memory_new(c, NULL);
    for (unsigned i = 0; i < 65536; i++)
        h[i] = (uint16_t)i;
    codec_decode(c, 0, 0, all.n, h, all.n * sizeof *h, back, NULL);
    for (unsigned i = 0; i < 65536; i++)
        read += (i & 0x7fff) < inf ? (double)back[i] == value(i)
                : (i & 0x7fff) == inf
                    ? isinf(back[i]) && !signbit(back[i]) == !(i & 0x8000)
                    : isnan(back[i]);
    is_int(read, 65536, "every pattern is what the format says");
    encode_one(c, m, back, all.n, h);
    for (unsigned i = 0; i < 65536; i++)
        same += (i & 0x7fff) <= inf ? h[i] == i : (h[i] & 0x7fff) > inf;
    is_int(same, 65536, "and comes back as it was");
    for (unsigned i = 0; i + 1 < inf; i++)
        v[i] = (float)((value(i) + value(i + 1)) / 2);
    encode_one(c, m, v, inf - 1, h);
    for (unsigned i = 0; i + 1 < inf; i++)
        middle += h[i] == (i & 1 ? i + 1 : i);
    is_int(middle, inf - 1, "the middle goes to the even one");
    for (unsigned i = 0; i + 1 < inf; i++)
        back[i] = nextafterf(v[i], 0);
    encode_one(c, m, back, inf - 1, h);
    for (unsigned i = 0; i + 1 < inf; i++)
        below += h[i] == i;
    is_int(below, inf - 1, "below it to the lower one");
    for (unsigned i = 0; i + 1 < inf; i++)
        back[i] = -nextafterf(v[i], INFINITY);
    encode_one(c, m, back, inf - 1, h);
    for (unsigned i = 0; i + 1 < inf; i++)
        above += h[i] == ((i + 1) | 0x8000);
    is_int(above, inf - 1, "above it to the upper one");
    v[0] = 3.4028235e38f, v[1] = -3.4028235e38f, v[2] = NAN, v[3] = -INFINITY;
    encode_one(c, m, v, 4, h);
    special = h[0] == inf - 1 && h[1] == ((inf - 1) | 0x8000) &&
              (h[2] & 0x7fff) > inf && h[3] == (inf | 0x8000);
    ok(special, "%s: finite stays finite, NaN and Inf stay what they are",
       name);
    codec_memory_free(m);
    codec_free(c);
    mem_free(v);
    mem_free(back);
    mem_free(h);
}

/* ---- what comes back ---- */

/* One push, and the same in two ranges, however they are cut. */
static void
test_ranges(const char *name, struct rng *rng)
{
    struct rig r;
    size_t wrong = 0, gaps = 0, unequal = 0, bytes = 0;

    rig_init(&r, name, true);
    for (int round = 0; round < 50; round++) {
        size_t cut = (size_t)rng_below(rng, N + 1);
        bool exact;

        fill(&r, rng);
        wrong += through(&r, rng_u64(rng), cut) != 0;
        bytes += r.used > codec_bound(r.codec, 0, cut) +
                              codec_bound(r.codec, cut, N - cut);
        for (size_t i = 0; i < N; i++)
            if (!is_sent(i, &exact))
                gaps += r.back[i] != 0;
            else if (exact || !strcmp(name, "none"))
                unequal += r.back[i] != r.v[i];
    }
    ok(wrong == 0 && bytes == 0, "%s: any range comes back", name);
    ok(unequal == 0, "%s: statistics are exact", name);
    ok(gaps == 0, "%s: gaps are zero", name);
    rig_release(&r);
}

static void
test_same_bytes(const char *name, struct rng *rng)
{
    struct rig r, again;
    size_t bound;
    int same = 0;

    rig_init(&r, name, true);
    rig_init(&again, name, true);
    bound = codec_bound(r.codec, 0, N);
    for (uint64_t key = 0; key < 5; key++) {
        size_t used, other;

        fill(&r, rng);
        used = codec_encode(r.codec, r.memory, key, 0, N, r.v, r.bytes);
        other = codec_encode(again.codec, again.memory, key, 0, N, r.v,
                             again.bytes);
        same += used == other && used <= bound &&
                !memcmp(r.bytes, again.bytes, used);
    }
    is_int(same, 5, "the same input gives the same bytes");
    rig_release(&r);
    rig_release(&again);
}

static void
test_int8(struct rng *rng)
{
    struct rig r;
    size_t wrong = 0;

    rig_init(&r, "int8", true);
    for (int round = 0; round < 20; round++) {
        fill(&r, rng);
        through(&r, 0, N);
        for (size_t p = 0; p < N_PARTS; p++)
            for (size_t b = 0; b < parts[p].n; b += 256) {
                size_t n = parts[p].n - b < 256 ? parts[p].n - b : 256;
                const float *v = r.v + parts[p].first + b;
                const float *back = r.back + parts[p].first + b;
                double max = 0;

                for (size_t i = 0; i < n; i++)
                    max = fmax(max, fabs((double)v[i]));
                /* half a step, and the rounding of three operations */
                for (size_t i = 0; i < n; i++)
                    wrong += fabs((double)v[i] - (double)back[i]) >
                             max / 254 * (1 + 1e-4);
            }
    }
    is_int(wrong, 0, "int8: within half a step of its block");
    for (size_t i = 0; i < 25; i++)
        r.v[i] = i & 1 ? 1e-37f : -1e-42f;
    through(&r, 0, N);
    wrong = 0;
    for (size_t i = 0; i < 25; i++)
        wrong += r.back[i] != 0;
    is_int(wrong, 0, "int8: what is next to nothing is zero");
    rig_release(&r);
}

/* ---- NaN and Inf ---- */

static void
test_not_finite(const char *name, bool feedback)
{
    static const float bad[] = {NAN, INFINITY, -INFINITY};
    int seen = 0, healed = 0;

    for (int i = 0; i < 3; i++) {
        struct rig r;
        struct rng rng;
        int finite = 1, there = 0;

        rig_init(&r, name, feedback);
        rng_init(&rng, 1);
        fill(&r, &rng);
        through(&r, 0, N);
        r.v[1120 + 1234] = bad[i];
        through(&r, 1, N);
        for (size_t j = 1120; j < N; j++)
            there |= !isfinite(r.back[j]);
        seen += there;
        fill(&r, &rng);
        through(&r, 2, N);
        for (size_t j = 0; j < N; j++)
            finite &= isfinite(r.back[j]);
        healed += finite;
        rig_release(&r);
    }
    ok(seen == 3, "%s: what is not finite is seen", name);
    ok(healed == 3, "%s: and not remembered", name);
}

/* ---- strangers ---- */

static int
decodes(const struct rig *r, const void *bytes, size_t n)
{
    static float v[N];
    uint8_t *exact = mem_alloc(n, 1);
    int status;

    memcpy(exact, bytes, n);
    status = codec_decode(r->codec, 0, 0, N, exact, n, v, NULL);
    mem_free(exact);
    return status == 0;
}

/* Every length but the right one; a topk of any other is damaged or short. */
static void
test_lengths(const char *name, struct rng *rng)
{
    struct rig r;
    size_t accepted = 0, used;
    uint8_t *more;

    rig_init(&r, name, true);
    fill(&r, rng);
    used = codec_encode(r.codec, r.memory, 0, 0, N, r.v, r.bytes);
    more = mem_alloc(used + 9, 1);
    memcpy(more, r.bytes, used);
    for (size_t n = 0; n < used; n += n < 64 || used - n < 300 ? 1 : 37)
        accepted += (size_t)decodes(&r, more, n);
    for (size_t n = used + 1; n <= used + 9; n++)
        accepted += (size_t)decodes(&r, more, n);
    ok(accepted == 0 && decodes(&r, more, used), "%s: one length is right",
       name);
    mem_free(more);
    rig_release(&r);
}

/* Where every pattern means something (fuzz_codec has topk). */
static void
test_damage(const char *name, struct rng *rng)
{
    struct rig r;
    size_t used, fine = 0;

    rig_init(&r, name, true);
    fill(&r, rng);
    used = codec_encode(r.codec, r.memory, 0, 0, N, r.v, r.bytes);
    for (int round = 0; round < 300; round++) {
        size_t at = (size_t)rng_below(rng, used - 3); /* padding */
        uint8_t was = r.bytes[at];

        r.bytes[at] ^= (uint8_t)(1 + rng_below(rng, 255));
        fine += (size_t)decodes(&r, r.bytes, used);
        r.bytes[at] = was;
    }
    ok(fine == 300, "%s: any bytes of that length are numbers", name);
    rig_release(&r);
}

static void
test_memory(void)
{
    struct codec_spec s = {.kind = CODEC_TOPK, .feedback = true, .share = 1};
    struct codec *c = codec_new(&s, parts, N_PARTS, N, NULL);
    int failed = 0;

    for (long i = 0; i < 2; i++) {
        struct err err = ERR_INIT;

        mem_fail_after(i);
        failed +=
            !codec_new(&s, parts, N_PARTS, N, &err) && err.code == ERR_NOMEM;
    }
    for (long i = 0; i < 3; i++) {
        struct err err = ERR_INIT;

        mem_fail_after(i);
        failed += !codec_memory_new(c, &err) && err.code == ERR_NOMEM;
    }
    mem_fail_after(-1);
    is_int(failed, 5, "without memory there is an error");
    codec_free(c);
}

int
main(void)
{
    struct rng rng;

    rng_init(&rng, tap_seed(20));
    test_spec();
    test_parts();
    test_memory();
    test_16("fp16", 0x7c00, half_value);
    test_16("bf16", 0x7f80, brain_value);
    for (size_t i = 0; i < N_NAMES; i++) {
        test_ranges(names[i], &rng);
        test_same_bytes(names[i], &rng);
        test_not_finite(names[i], true);
        test_not_finite(names[i], false);
        test_lengths(names[i], &rng);
        if (strncmp(names[i], "topk", 4) != 0)
            test_damage(names[i], &rng);
    }
    test_int8(&rng);
    return done();
}
