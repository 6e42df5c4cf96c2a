/* SPDX-License-Identifier: Apache-2.0 */
/* Every layer of the engine, forward and backward, against the reference of
 * ref_net.h and against finite differences, on random shapes and options.
 *
 * A layer stands between a small trained layer, whose gradient shows the
 * gradient of the layer's input, and a loss. */
#include "base/buf.h"
#include "base/mem.h"
#include "ref_rig.h"
#include "tap.h"

#include <math.h>

/* ---- random layers ---- */

static int64_t
pick(struct rng *r, int64_t min, int64_t max)
{
    return min + (int64_t)rng_below(r, (uint64_t)(max - min + 1));
}

/* Small odd numbers of channels, and full vectors of them. */
static int64_t
pick_channels(struct rng *r)
{
    return rng_below(r, 3) ? pick(r, 1, 6) : 16 * pick(r, 1, 2);
}

/* "kernel" k, and a padding that leaves no window empty. */
static void
add_window(struct buf *to, struct rng *r, int64_t kernel, bool full)
{
    buf_addf(to, ", \"kernel\": %lld", (long long)kernel);
    switch (rng_below(r, 4)) {
    case 0:
        buf_adds(to, ", \"padding\": \"same\"");
        break;
    case 1:
        buf_addf(to, ", \"padding\": [%lld, %lld]",
                 (long long)pick(r, 0, kernel / 2),
                 (long long)pick(r, 0, full ? kernel - 1 : kernel / 2));
        break;
    case 2:
        buf_addf(to, ", \"padding\": %lld", (long long)(kernel / 2));
        break;
    default:
        break;
    }
    if (rng_below(r, 2))
        buf_addf(to, ", \"stride\": %lld", (long long)pick(r, 1, 3));
    else if (rng_below(r, 4) == 0)
        buf_addf(to, ", \"stride\": [%lld, %lld]", (long long)pick(r, 1, 2),
                 (long long)pick(r, 1, 3));
}

static void
add_conv(struct buf *to, struct rng *r, int64_t c)
{
    int64_t groups = rng_below(r, 2) ? 1 : rng_below(r, 2) ? c : pick(r, 1, 3);
    int64_t kernel = pick(r, 1, 4);

    if (c % groups)
        groups = 1;
    buf_addf(to, "{\"type\": \"conv2d\", \"filters\": %lld",
             (long long)(groups * (rng_below(r, 3) ? pick(r, 1, 4) : 16)));
    add_window(to, r, kernel, true);
    if (groups > 1)
        buf_addf(to, ", \"groups\": %lld", (long long)groups);
    if (kernel < 3 && rng_below(r, 3) == 0)
        buf_adds(to, ", \"dilation\": 2");
    if (rng_below(r, 2))
        buf_adds(to, ", \"bias\": false");
    buf_adds(to, "},");
}

static void
add_dense(struct buf *to, struct rng *r, int64_t c)
{
    (void)c;
    buf_addf(to, "{\"type\": \"dense\", \"units\": %lld%s},",
             (long long)pick(r, 1, 40),
             rng_below(r, 2) ? ", \"bias\": false" : "");
}

static void
add_maxpool(struct buf *to, struct rng *r, int64_t c)
{
    (void)c;
    buf_adds(to, "{\"type\": \"maxpool\"");
    add_window(to, r, pick(r, 1, 3), false);
    buf_adds(to, "},");
}

static void
add_avgpool(struct buf *to, struct rng *r, int64_t c)
{
    (void)c;
    buf_adds(to, "{\"type\": \"avgpool\"");
    add_window(to, r, pick(r, 1, 3), false);
    if (rng_below(r, 2))
        buf_adds(to, ", \"count_include_pad\": false");
    buf_adds(to, "},");
}

static void
add_groupnorm(struct buf *to, struct rng *r, int64_t c)
{
    int64_t groups = pick(r, 1, 4);

    if (c % groups || c / groups < 2)
        groups = 1;
    /* the variance of a single number is 0: epsilon is all that keeps errors
     * of rounding small */
    buf_addf(to, "{\"type\": \"groupnorm\", \"groups\": %lld%s},",
             (long long)groups,
             c == 1            ? ", \"epsilon\": 0.01"
             : rng_below(r, 2) ? ", \"epsilon\": 1e-3"
                               : "");
}

static void
add_batchnorm(struct buf *to, struct rng *r, int64_t c)
{
    (void)c;
    buf_addf(to, "{\"type\": \"batchnorm\"%s},",
             rng_below(r, 2) ? ", \"epsilon\": 1e-3" : "");
}

static void
add_lrn(struct buf *to, struct rng *r, int64_t c)
{
    (void)c;
    buf_addf(to,
             "{\"type\": \"lrn\", \"size\": %lld, \"alpha\": %g, "
             "\"beta\": %g, \"k\": %g},",
             (long long)(2 * pick(r, 0, 3) + 1), 0.1 + rng_unit(r),
             0.5 + 0.5 * rng_unit(r), 1 + rng_unit(r));
}

static void
add_leaky(struct buf *to, struct rng *r, int64_t c)
{
    (void)c;
    buf_addf(to, "{\"type\": \"leaky_relu\", \"slope\": %g},",
             0.5 * rng_unit(r));
}

static void
add_gelu(struct buf *to, struct rng *r, int64_t c)
{
    (void)c;
    buf_addf(to, "{\"type\": \"gelu\"%s},",
             rng_below(r, 2) ? ", \"approximate\": \"tanh\"" : "");
}

static void
add_dropout(struct buf *to, struct rng *r, int64_t c)
{
    (void)c;
    buf_addf(to, "{\"type\": \"dropout\", \"rate\": %g},",
             rng_below(r, 4) ? rng_unit(r) * 0.9 : 0);
}

#define PLAIN(name)                                                            \
    static void add_##name(struct buf *to, struct rng *r, int64_t c)           \
    {                                                                          \
        (void)r;                                                               \
        (void)c;                                                               \
        buf_adds(to, "{\"type\": \"" #name "\"},");                            \
    }
PLAIN(relu)
PLAIN(tanh)
PLAIN(sigmoid)
PLAIN(flatten)
PLAIN(global_avgpool)

/* What is computed together, and what must not be computed in place because
 * somebody else reads it. */
static void
add_conv_relu(struct buf *to, struct rng *r, int64_t c)
{
    add_conv(to, r, c);
    add_relu(to, r, c);
}

static void
add_conv_batchnorm_relu(struct buf *to, struct rng *r, int64_t c)
{
    add_conv(to, r, c);
    add_batchnorm(to, r, c);
    add_relu(to, r, c);
}

static void
add_dense_relu(struct buf *to, struct rng *r, int64_t c)
{
    add_dense(to, r, c);
    add_relu(to, r, c);
}

static void
add_add(struct buf *to, struct rng *r, int64_t c)
{
    static const char *const forms[] = {
        "{\"type\": \"add\", \"input\": [\"probe\", \"probe\"]},",
        "{\"type\": \"relu\", \"name\": \"a\"},"
        "{\"type\": \"add\", \"input\": [\"a\", \"probe\"]},",
        "{\"type\": \"relu\", \"name\": \"a\", \"input\": \"probe\"},"
        "{\"type\": \"tanh\", \"name\": \"b\", \"input\": \"probe\"},"
        "{\"type\": \"add\", \"input\": [\"probe\", \"b\", \"a\"]},"
        "{\"type\": \"relu\"},",
    };

    (void)c;
    buf_adds(to, forms[rng_below(r, ARRAY_LEN(forms))]);
}

static const struct {
    const char *name;
    void (*add)(struct buf *to, struct rng *r, int64_t channels);
    bool image, vector; /* inputs that it takes */
} layers[] = {
    {"conv2d", add_conv, true, false},
    {"dense", add_dense, true, true},
    {"maxpool", add_maxpool, true, false},
    {"avgpool", add_avgpool, true, false},
    {"global_avgpool", add_global_avgpool, true, false},
    {"batchnorm", add_batchnorm, true, true},
    {"groupnorm", add_groupnorm, true, true},
    {"lrn", add_lrn, true, false},
    {"relu", add_relu, true, true},
    {"leaky_relu", add_leaky, true, true},
    {"gelu", add_gelu, true, true},
    {"tanh", add_tanh, true, true},
    {"sigmoid", add_sigmoid, true, true},
    {"dropout", add_dropout, true, true},
    {"flatten", add_flatten, true, true},
    {"add", add_add, true, true},
    {"conv2d, relu", add_conv_relu, true, false},
    {"conv2d, batchnorm, relu", add_conv_batchnorm_relu, true, false},
    {"dense, relu", add_dense_relu, true, true},
};

/* probe -> layer -> loss; sometimes the layer comes first, where no gradient of
 * its input is wanted, and a dense layer follows. */
static void
write_job(struct buf *to, struct rng *r, size_t which)
{
    bool image =
        layers[which].image && (!layers[which].vector || rng_below(r, 2));
    bool probe = layers[which].add == add_add || rng_below(r, 3);
    int64_t c = pick_channels(r), out = pick_channels(r);

    buf_clear(to);
    if (image)
        buf_addf(to, "{\"input\": [%lld, %lld, %lld], ", (long long)c,
                 (long long)pick(r, 4, 9), (long long)pick(r, 4, 9));
    else
        buf_addf(to, "{\"input\": [%lld], ", (long long)c);
    buf_adds(to, "\"layers\": [");
    if (probe && image)
        buf_addf(to,
                 "{\"type\": \"conv2d\", \"name\": \"probe\", "
                 "\"filters\": %lld, \"kernel\": 1},",
                 (long long)out);
    else if (probe)
        buf_addf(to,
                 "{\"type\": \"dense\", \"name\": \"probe\", "
                 "\"units\": %lld},",
                 (long long)out);
    layers[which].add(to, r, probe ? out : c);
    if (!probe || rng_below(r, 2))
        buf_adds(to, "{\"type\": \"dense\", \"units\": 7},");
    else if (rng_below(r, 2))
        buf_adds(to, "{\"type\": \"flatten\"},");
    if (rng_below(r, 3)) /* any number of outputs, even 1 */
        buf_adds(to, "{\"type\": \"mse\"}]}");
    else
        buf_addf(to,
                 "{\"type\": \"dense\", \"units\": 5},"
                 "{\"type\": \"softmax_cross_entropy\"%s}]}",
                 rng_below(r, 2) ? ", \"label_smoothing\": 0.1" : "");
}

/* ---- tests ---- */

static void
every_layer_agrees(uint64_t seed)
{
    struct buf job = BUF_INIT(8192);

    for (size_t which = 0; which < ARRAY_LEN(layers); which++) {
        double worst = 0;
        bool single = !strchr(layers[which].name, ',');
        int bad = 0, done = 0;
        struct rng r;

        rng_init_key(&r, seed, RNG_TEST, which, 0);
        for (int k = 0; k < 16 && !bad; k++, done++) {
            /* two or more samples, for batchnorm's variance of vectors */
            size_t n = (size_t)pick(&r, 3, 6);

            write_job(&job, &r, which);
            bad = !rig_network_agrees(job.data, n, k % 4 == 0 ? 2 : 1, single,
                                      &r, &worst);
        }
        ok(!bad, "%s: %d networks, off by %.1e", layers[which].name, done,
           worst);
    }
    buf_release(&job);
}

/* Layers that keep the shape of a 6x5x4 image, so that any may follow any. */
static void
add_same_shape(struct buf *to, struct rng *r, size_t i)
{
    static const char *const forms[] = {
        "\"conv2d\", \"filters\": 6, \"kernel\": 3, \"padding\": 1",
        "\"conv2d\", \"filters\": 6, \"kernel\": 1, \"bias\": false",
        "\"maxpool\", \"kernel\": 3, \"stride\": 1, \"padding\": 1",
        "\"avgpool\", \"kernel\": 3, \"stride\": 1, \"padding\": 1",
        "\"batchnorm\"",
        "\"groupnorm\", \"groups\": 3",
        "\"lrn\"",
        "\"relu\"",
        "\"relu\"",
        "\"leaky_relu\", \"slope\": 0.2",
        "\"tanh\"",
        "\"gelu\"",
        "\"dropout\", \"rate\": 0.3",
        "\"add\"",
        "\"add\"",
    };
    size_t form = i == 0 ? 0 : (size_t)rng_below(r, ARRAY_LEN(forms));
    size_t from = i == 0 ? 0 : (size_t)rng_below(r, i);

    if (i == 0) /* the input has other channels */
        from = 0;
    else if (rng_below(r, 2))
        from = i - 1;
    buf_addf(to, "{\"name\": \"n%zu\", \"type\": %s", i, forms[form]);
    if (!strcmp(forms[form], "\"add\""))
        buf_addf(to, ", \"input\": [\"n%zu\", \"n%zu\"]", from,
                 (size_t)rng_below(r, i));
    else if (i > 0)
        buf_addf(to, ", \"input\": \"n%zu\"", from);
    buf_adds(to, "},");
}

/* Branches at random: what is read twice, overwritten in place or added up in
 * the wrong order shows here. */
static void
random_networks_agree(uint64_t seed)
{
    struct buf job = BUF_INIT(8192);
    double worst = 0;
    int bad = 0;

    for (uint64_t k = 0; k < 60 && !bad; k++) {
        struct rng r;
        size_t n;

        rng_init_key(&r, seed, RNG_TEST, 1000, k);
        n = (size_t)pick(&r, 3, 8);
        buf_clear(&job);
        buf_adds(&job, "{\"input\": [3, 5, 4], \"layers\": [");
        for (size_t i = 0; i < n; i++)
            add_same_shape(&job, &r, i);
        /* no output may be unused: all meet here */
        buf_adds(&job, "{\"type\": \"add\", \"input\": [");
        for (size_t i = 0; i < n; i++)
            buf_addf(&job, "%s\"n%zu\"", i ? ", " : "", i);
        buf_adds(&job, "]},{\"type\": \"dense\", \"units\": 4},"
                       "{\"type\": \"softmax_cross_entropy\"}]}");
        bad = !rig_network_agrees(job.data, (size_t)pick(&r, 2, 5),
                                  k % 4 == 0 ? 2 : 1, false, &r, &worst);
    }
    ok(!bad, "60 networks with branches, off by %.1e", worst);
    buf_release(&job);
}

/* Larger shapes, where the engine chooses other algorithms and layouts. */
static void
real_shapes_agree(uint64_t seed)
{
    static const char *const jobs[] = {
        "{\"input\": [3, 32, 32], \"layers\": ["
        "{\"type\": \"conv2d\", \"filters\": 32, \"kernel\": 5,"
        " \"padding\": 2}, {\"type\": \"relu\"},"
        "{\"type\": \"maxpool\", \"kernel\": 3, \"stride\": 2,"
        " \"padding\": 1},"
        "{\"type\": \"dense\", \"units\": 10},"
        "{\"type\": \"softmax_cross_entropy\"}]}",
        "{\"input\": [16, 16, 16], \"layers\": ["
        "{\"type\": \"conv2d\", \"filters\": 32, \"kernel\": 3,"
        " \"padding\": 1, \"bias\": false}, {\"type\": \"batchnorm\"},"
        "{\"type\": \"relu\"},"
        "{\"type\": \"conv2d\", \"filters\": 32, \"kernel\": 3,"
        " \"padding\": 1, \"bias\": false}, {\"type\": \"batchnorm\"},"
        "{\"type\": \"relu\"}, {\"type\": \"global_avgpool\"},"
        "{\"type\": \"dense\", \"units\": 10},"
        "{\"type\": \"softmax_cross_entropy\"}]}",
        "{\"input\": [64, 14, 14], \"layers\": ["
        "{\"type\": \"conv2d\", \"filters\": 48, \"kernel\": 3,"
        " \"stride\": 2, \"padding\": 1, \"groups\": 2},"
        "{\"type\": \"gelu\"}, {\"type\": \"global_avgpool\"},"
        "{\"type\": \"mse\"}]}",
        /* Winograd by ebsp, in both layouts, with both sizes of filters */
        "{\"input\": [16, 16, 15], \"ways\": \"blocked ooo ooo\","
        " \"layers\": [{\"type\": \"conv2d\", \"filters\": 32,"
        " \"kernel\": 3, \"padding\": 1}, {\"type\": \"relu\"},"
        "{\"type\": \"conv2d\", \"filters\": 32, \"kernel\": 3,"
        " \"bias\": false}, {\"type\": \"batchnorm\"},"
        "{\"type\": \"relu\"}, {\"type\": \"dense\", \"units\": 10},"
        "{\"type\": \"softmax_cross_entropy\"}]}",
        "{\"input\": [12, 14, 13], \"ways\": \"nhwc ooo ooo\","
        " \"layers\": [{\"type\": \"conv2d\", \"filters\": 20,"
        " \"kernel\": 5, \"padding\": 2}, {\"type\": \"relu\"},"
        "{\"type\": \"maxpool\", \"kernel\": 2},"
        "{\"type\": \"conv2d\", \"filters\": 50, \"kernel\": 5,"
        " \"padding\": 1}, {\"type\": \"leaky_relu\", \"slope\": 0.1},"
        "{\"type\": \"dense\", \"units\": 10},"
        "{\"type\": \"softmax_cross_entropy\"}]}",
    };

    for (size_t i = 0; i < ARRAY_LEN(jobs); i++) {
        double worst = 0;
        struct rng r;
        bool good;

        rng_init_key(&r, seed, RNG_TEST, 2000, i);
        good =
            rig_network_agrees(jobs[i], 3, (int)(i % 2) + 1, false, &r, &worst);
        ok(good, "network %zu of real size, off by %.1e", i, worst);
    }
}

/* With inputs of 1, zeros of the first layer's gradient are what was dropped.
 */
static void
dropout_keeps_the_mean(uint64_t seed)
{
    const char *job = "{\"input\": [4000], \"layers\": ["
                      "{\"type\": \"dropout\", \"rate\": 0.3},"
                      "{\"type\": \"dense\", \"units\": 1},"
                      "{\"type\": \"mse\"}]}";
    struct net_result res;
    struct net_batch b;
    double kept = 0, wrong = 0, largest = 0;
    struct rng r;
    struct rig g;

    rng_init_key(&r, seed, RNG_TEST, 3000, 0);
    if (rig_init(&g, job, 1, 1, &r) != 0) {
        ok(0, "dropout");
        return;
    }
    for (size_t i = 0; i < 4000; i++)
        g.x[i] = 1;
    b = rig_batch(&g);
    net_step(g.net, &b, g.params, g.grads, NULL, &res, NULL);
    for (size_t i = 0; i < 4000; i++)
        largest = fmax(largest, fabs(g.grads[i]));
    for (size_t i = 0; i < 4000; i++) {
        kept += g.grads[i] != 0;
        wrong += g.grads[i] != 0 && fabs(g.grads[i]) < 0.999 * largest;
    }
    /* deviation of the share: sqrt(0.3 * 0.7 / 4000) = 0.007 */
    ok(fabs(kept / 4000 - 0.7) < 0.03, "dropout keeps %.3f of 0.7",
       kept / 4000);
    ok(wrong == 0 && fabs(largest - 2 * sqrt(res.loss) / 0.7) < 1e-3 * largest,
       "and divides what it keeps by it");
    rig_release(&g);
}

/* Where oneDNN's fastest choice let two threads write over each other's
 * numbers, in most steps (see plan_choose_refuses). */
static void
two_threads_do_not_race(uint64_t seed)
{
    const char *job = "{\"input\": [6, 16, 16], \"layers\": ["
                      "{\"type\": \"conv2d\", \"filters\": 12,"
                      " \"kernel\": 1, \"stride\": 2},"
                      "{\"type\": \"mse\"}]}";
    double worst = 0;
    struct rng r;
    struct rig g;
    bool good;

    rng_init_key(&r, seed, RNG_TEST, 4000, 0);
    good = rig_init(&g, job, 6, 2, &r) == 0;
    if (good) {
        good = rig_training_agrees(&g, &worst);
        for (int i = 0; i < 40 && good; i++)
            good = rig_training_repeats(&g);
        rig_release(&g);
    }
    ok(good, "two threads compute the same 40 times");
}

int
main(void)
{
    uint64_t seed = tap_seed(1);

    every_layer_agrees(seed);
    dropout_keeps_the_mean(seed);
    random_networks_agree(seed);
    real_shapes_agree(seed);
    two_threads_do_not_race(seed);
    return done();
}
