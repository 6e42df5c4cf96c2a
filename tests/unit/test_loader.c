/* SPDX-License-Identifier: Apache-2.0 */
#include "base/err.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/rng.h"
#include "data/loader.h"
#include "tap.h"

#include <math.h>

/* A data set in memory whose labels number the samples. */
#define N      200
#define C      2
#define H      5
#define W      7
#define PIXELS (C * H * W)

static uint8_t bytes[N * PIXELS];
static float floats[N * PIXELS], targets[N * 3];
static int32_t numbers[N];

static struct dataset
make_data(enum data_type type)
{
    struct dataset d = {
        .kind = "test", .type = type, .shape = {3, {C, H, W}}, .n_classes = N};

    for (uint32_t i = 0; i < N * PIXELS; i++) {
        bytes[i] = (uint8_t)(1 + rng_hash(i, 0, 0) % 255); /* never 0 */
        floats[i] = (float)bytes[i] - 100.0f;
    }
    for (int i = 0; i < N; i++)
        numbers[i] = i;
    for (int i = 0; i < 3 * N; i++)
        targets[i] = (float)i;
    d.train.n = N;
    d.train.x = type == DATA_U8 ? (const void *)bytes : floats;
    d.train.label = numbers;
    d.test = d.train;
    return d;
}

static struct shards
make_shards(enum assign_kind kind)
{
    struct assign_config c = {kind, 0};
    struct shards s;

    if (shards_init(&s, &c, 3, numbers, N, N, 1, NULL) != 0)
        exit(1);
    return s;
}

static struct data_cursor
at(uint32_t epoch, uint32_t shard, uint64_t first, uint32_t count)
{
    return (struct data_cursor){epoch, shard, first, count, 0};
}

/* ---- order ---- */

static void
an_epoch_holds_each_sample_once(enum assign_kind kind, const char *name)
{
    struct dataset d = make_data(DATA_U8);
    struct shards s = make_shards(kind);
    struct augment_config none = {0};
    struct loader *l = loader_new(&d, &s, &none, 1, NULL);
    int seen[N] = {0}, first_epoch[N], moved = 0;
    bool once = true, right = true;
    struct net_batch b;

    for (uint32_t epoch = 0; epoch < 2; epoch++) {
        int place = 0;

        for (uint32_t shard = 0; shard < s.n; shard++) {
            uint32_t n = s.start[shard + 1] - s.start[shard];

            for (uint32_t i = 0; i < n; i += 16) {
                struct data_cursor c =
                    at(epoch, shard, i, n - i < 16 ? n - i : 16);

                right = right && loader_train(l, &c, &b, NULL) == 0;
                for (size_t j = 0; right && j < b.n; j++, place++) {
                    const uint8_t *image = bytes + b.label[j] * PIXELS;

                    seen[b.label[j]]++;
                    if (epoch == 0)
                        first_epoch[place] = b.label[j];
                    else
                        moved += first_epoch[place] != b.label[j];
                    for (int p = 0; p < PIXELS; p++)
                        right = right && fabsf(b.x[j * PIXELS + (size_t)p] -
                                               (float)image[p] / 255) < 1e-7f;
                }
            }
        }
        for (int i = 0; i < N; i++)
            once = once && seen[i] == (int)epoch + 1;
    }
    ok(right, "%s: pixels are those of the sample, from 0 to 1", name);
    ok(once, "%s: each sample once per epoch", name);
    ok(moved > N / 2, "%s: in another order each epoch", name);
    loader_free(l);
    shards_release(&s);
}

/* What a sample looks like does not depend on the batch it is in, on what was
 * loaded before, or on who loads it. */
static void
batches_can_be_cut_anywhere(void)
{
    struct dataset d = make_data(DATA_U8);
    struct shards s = make_shards(ASSIGN_DYNAMIC);
    struct augment_config a = {.pad = 2, .flip = true};
    struct loader *whole = loader_new(&d, &s, &a, 1, NULL);
    struct loader *parts = loader_new(&d, &s, &a, 1, NULL);
    struct loader *other = loader_new(&d, &s, &a, 2, NULL);
    struct data_cursor c = at(3, 0, 20, 60);
    struct net_batch b, p;
    bool same = true;
    uint64_t h = 0;

    loader_train(whole, &c, &b, NULL);
    for (uint32_t i = 0; i < 60; i += 20) {
        struct data_cursor far = at(i, 0, 100, 7);

        c = at(3, 0, 20 + i, 20);
        loader_train(parts, &far, &p, NULL);
        same = same && loader_train(parts, &c, &p, NULL) == 0 &&
               !memcmp(p.x, b.x + i * PIXELS, 20 * PIXELS * sizeof *p.x) &&
               !memcmp(p.label, b.label + i, 20 * sizeof *p.label) &&
               !memcmp(p.key, b.key + i, 20 * sizeof *p.key);
    }
    ok(same, "three small batches are one large one");
    ok(b.key[5] == rng_hash(1, (uint64_t)3 << 32, 25), "the key's formula");
    for (size_t i = 0; i < 60 * PIXELS; i++) {
        uint32_t bits;

        memcpy(&bits, b.x + i, 4);
        h = rng_hash(h, bits, i);
    }
    ok(h == UINT64_C(0x3195d5a2a524a706), "the known bits: %llx",
       (unsigned long long)h);
    c = at(3, 0, 20, 60);
    loader_train(other, &c, &p, NULL);
    ok(memcmp(p.label, b.label, 60 * sizeof *p.label) != 0 &&
           p.key[0] != b.key[0],
       "another seed, another order and other keys");
    loader_free(whole);
    loader_free(parts);
    loader_free(other);
    shards_release(&s);
}

/* ---- augmentation ---- */

/* The result of cropping at (dy, dx) and mirroring, by definition: slow and
 * plain. */
static bool
is_view(const float *x, const uint8_t *image, int dy, int dx, bool flip)
{
    for (int c = 0; c < C; c++)
        for (int i = 0; i < H; i++)
            for (int j = 0; j < W; j++) {
                int y = i + dy, z = (flip ? W - 1 - j : j) + dx;
                bool inside = y >= 0 && y < H && z >= 0 && z < W;
                float v = inside ? (float)image[(c * H + y) * W + z] / 255 : 0;

                /* "normalize" of the test: (v - 0.5) / 0.25, (v - 0.1) / 2 */
                v = c ? (v - 0.1f) / 2 : (v - 0.5f) / 0.25f;
                if (fabsf(x[(c * H + i) * W + j] - v) > 1e-6f)
                    return false;
            }
    return true;
}

static void
crops_and_flips(void)
{
    enum { PAD = 2, SIDE = 2 * PAD + 1 };
    struct dataset d = make_data(DATA_U8);
    struct shards s = make_shards(ASSIGN_DYNAMIC);
    struct augment_config a = {.pad = PAD,
                               .flip = true,
                               .n_norm = 2,
                               .mean = {0.5f, 0.1f},
                               .deviation = {0.25f, 2}};
    struct loader *l = loader_new(&d, &s, &a, 1, NULL);
    int crops[SIDE * SIDE] = {0}, flips = 0, n = 0, fewest = N, most = 0;
    bool found = true;
    struct net_batch b;

    for (uint32_t epoch = 0; epoch < 20; epoch++) {
        struct data_cursor c = at(epoch, 0, 0, N);

        found = found && loader_train(l, &c, &b, NULL) == 0;
        for (size_t i = 0; i < b.n; i++) {
            int k = 0;

            while (k < 2 * SIDE * SIDE &&
                   !is_view(b.x + i * PIXELS, bytes + b.label[i] * PIXELS,
                            k / 2 / SIDE - PAD, k / 2 % SIDE - PAD, k % 2))
                k++;
            found = found && k < 2 * SIDE * SIDE;
            if (!found)
                break;
            crops[k / 2]++;
            flips += k % 2;
            n++;
        }
    }
    ok(found, "each image is a crop of the padded one, mirrored or not");
    for (int k = 0; k < SIDE * SIDE; k++) {
        fewest = crops[k] < fewest ? crops[k] : fewest;
        most = crops[k] > most ? crops[k] : most;
    }
    /* 4000 draws from 25: 160 each, deviation 12.4; five of them */
    ok(fewest > 98 && most < 222, "all crops alike often: %d to %d of %d",
       fewest, most, n);
    /* deviation 32 */
    ok(abs(flips - n / 2) < 160, "half of them are mirrored: %d", flips);
    if (loader_plain(l, &d.test, 3, 2, &b, NULL) == 0)
        ok(is_view(b.x, bytes + 3 * PIXELS, 0, 0, false) &&
               is_view(b.x + PIXELS, bytes + 4 * PIXELS, 0, 0, false) &&
               b.label[1] == 4,
           "evaluation normalizes and does nothing else");
    loader_free(l);
    shards_release(&s);
}

static void
floats_and_targets(void)
{
    struct dataset d = make_data(DATA_F32);
    struct shards s = make_shards(ASSIGN_DYNAMIC);
    struct augment_config a = {.pad = 1}, none = {0};
    struct loader *l = loader_new(&d, &s, &none, 1, NULL);
    struct data_cursor c = at(0, 0, 7, 9);
    struct net_batch b;
    bool right;

    loader_plain(l, &d.test, 5, 3, &b, NULL);
    ok(b.x == floats + 5 * PIXELS && b.label == numbers + 5 && !b.key,
       "floats that stay as they are, are not copied");
    right = loader_train(l, &c, &b, NULL) == 0;
    for (size_t i = 0; right && i < b.n; i++)
        right = !memcmp(b.x + i * PIXELS, floats + b.label[i] * PIXELS,
                        PIXELS * sizeof *b.x);
    ok(right, "float images");
    loader_free(l);

    l = loader_new(&d, &s, &a, 1, NULL);
    right = loader_train(l, &c, &b, NULL) == 0;
    ok(right, "float images are cropped too");
    loader_free(l);

    d.shape = (struct shape){1, {PIXELS, 0, 0}};
    d.n_classes = 0;
    d.n_targets = 3;
    d.train.label = NULL;
    d.train.target = targets;
    a = (struct augment_config){.n_norm = 1, .mean = {10}, .deviation = {2}};
    l = loader_new(&d, &s, &a, 1, NULL);
    right = loader_train(l, &c, &b, NULL) == 0 && !b.label;
    for (size_t i = 0; right && i < b.n; i++) {
        size_t sample = (size_t)b.target[i * 3] / 3;

        right = b.target[i * 3 + 2] == b.target[i * 3] + 2;
        for (size_t p = 0; p < PIXELS; p++)
            right = right && b.x[i * PIXELS + p] ==
                                 (floats[sample * PIXELS + p] - 10) / 2;
    }
    ok(right, "plain numbers, normalized, with targets");
    loader_free(l);
    shards_release(&s);
}

/* ---- limits ---- */

static void
no_memory_after_the_first_batch(void)
{
    struct dataset d = make_data(DATA_U8);
    struct shards s = make_shards(ASSIGN_DYNAMIC);
    struct augment_config a = {.pad = 1};
    struct loader *l = loader_new(&d, &s, &a, 1, NULL);
    struct data_cursor c = at(0, 0, 0, 16), later = at(0, 0, 16, 10);
    struct err e = ERR_INIT;
    struct net_batch b;
    int r = -1;
    long n;

    for (n = 0; r != 0; n++) {
        err_clear(&e);
        mem_fail_after(n);
        r = loader_train(l, &c, &b, &e);
        mem_fail_after(-1);
        if (r != 0 && e.code != ERR_NOMEM)
            break;
    }
    ok(r == 0 && n > 3, "out of memory %ld times, then a batch", n - 1);
    mem_fail_after(0);
    ok(loader_train(l, &later, &b, &e) == 0, "a step allocates nothing");
    mem_fail_after(-1);
    loader_free(l);
    shards_release(&s);
}

static void
cursors_are_checked(void)
{
    static const struct data_cursor bad[] = {
        {0, 3, 0, 1, 0}, {0, 0, 60, 8, 0},         {0, 0, 67, 1, 0},
        {0, 0, 0, 0, 0}, {0, 0, UINT64_MAX, 2, 0}, {0, 0, 1, UINT32_MAX, 0},
    };
    struct dataset d = make_data(DATA_U8);
    struct shards s = make_shards(ASSIGN_IID), none = {0};
    struct augment_config a = {0};
    struct loader *l = loader_new(&d, &s, &a, 1, NULL);
    struct err e = ERR_INIT;
    struct net_batch b;

    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        err_clear(&e);
        ok(loader_train(l, &bad[i], &b, &e) == -1 && e.code == ERR_PROTO, "%s",
           e.text);
    }
    err_clear(&e);
    ok(loader_plain(l, &d.test, N - 1, 2, &b, &e) == -1, "%s", e.text);
    loader_free(l);
    l = loader_new(&d, &none, &a, 1, NULL);
    err_clear(&e);
    ok(loader_train(l, &bad[3], &b, &e) == -1, "no shards, no mini-batch");
    loader_free(l);
    shards_release(&s);
}

/* ---- configuration ---- */

static void
config(const char *json, int n_dims, const char *want)
{
    struct shape shape = {n_dims, {3, 8, 6}};
    struct augment_config c;
    struct err e = ERR_INIT;
    struct json_doc doc;
    struct jcur root, a;

    if (json_doc_parse(&doc, "j", json, strlen(json), &e) == 0) {
        root = jcur_root(&doc);
        a = jcur_key(&root, "augment");
        if (augment_config_parse(&c, &a, &shape, &e) == 0)
            snprintf(e.text, sizeof e.text, "pad %d flip %d norm %d: %g %g, %g",
                     c.pad, c.flip, c.n_norm, (double)c.mean[0],
                     (double)c.mean[2], (double)c.deviation[2]);
        json_doc_release(&doc);
    }
    is_str(e.text, want, json);
}

static void
configurations(void)
{
    config("{}", 3, "pad 0 flip 0 norm 0: 0 0, 0");
    config("{\"augment\": {\"pad_crop\": 6, \"flip\": true, \"normalize\":"
           " {\"mean\": [1, 2, 3], \"std\": 0.5}}}",
           3, "pad 6 flip 1 norm 3: 1 3, 0.5");
    config("{\"augment\": {\"normalize\": {\"mean\": 1, \"std\": 2}}}", 1,
           "pad 0 flip 0 norm 1: 1 0, 0");
    config("{\"augment\": {\"pad_crop\": 7}}", 3,
           "j:1:26: augment.pad_crop: expected an integer from 0 to 6, got 7");
    config("{\"augment\": {\"pad_crop\": 2}}", 1,
           "j:1:26: augment.pad_crop: only images can be augmented, not 3 "
           "numbers");
    config("{\"augment\": {\"flip\": 1}}", 3,
           "j:1:22: augment.flip: expected true or false, got 1");
    config("{\"augment\": {\"normalize\": {\"mean\": [1, 2], \"std\": 1}}}", 3,
           "j:1:36: augment.normalize.mean: expected 3 numbers, one for each "
           "channel, got 2");
    config("{\"augment\": {\"normalize\": {\"mean\": 1, \"std\": [1, 0, 1]}}}",
           3,
           "j:1:50: augment.normalize.std[1]: expected a number from 1e-06 to "
           "1e+06");
    config("{\"augment\": {\"normalize\": {\"mean\": 1}}}", 3,
           "j:1:27: augment.normalize.std: expected a number, or one for each "
           "channel");
    config("{\"augment\": {\"pad_cop\": 1}}", 3,
           "j:1:25: augment.pad_cop: unknown key, did you mean \"pad_crop\"?");
    config("{\"augment\": true}", 3,
           "j:1:13: augment: expected an object, got a boolean");
}

int
main(void)
{
    an_epoch_holds_each_sample_once(ASSIGN_DYNAMIC, "dynamic");
    an_epoch_holds_each_sample_once(ASSIGN_IID, "static");
    batches_can_be_cut_anywhere();
    crops_and_flips();
    floats_and_targets();
    no_memory_after_the_first_batch();
    cursors_are_checked();
    configurations();
    return done();
}
