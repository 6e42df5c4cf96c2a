/* SPDX-License-Identifier: Apache-2.0 */
#include "base/err.h"
#include "base/json.h"
#include "base/mem.h"
#include "nn/graph.h"
#include "tap.h"

#include <math.h>

/* A graph from the text of a job, or NULL and the error. */
static struct graph *
graph_of(const char *text, struct err *err)
{
    struct json_doc d;
    struct graph *g = NULL;

    if (json_doc_parse(&d, "j", text, strlen(text), err) == 0) {
        struct jcur root = jcur_root(&d);

        g = graph_new(&root, err);
        json_doc_release(&d);
    }
    return g;
}

static void
refused(const char *text, const char *want)
{
    struct err e = ERR_INIT;
    struct graph *g = graph_of(text, &e);

    ok(!g && e.code == ERR_CONFIG, "refused");
    is_str(e.text, want, want);
    graph_free(g);
}

/* One layer between an input and what makes a network of it. */
static void
layer_refused(const char *input, const char *layer, const char *want)
{
    char text[512];

    snprintf(text, sizeof text,
             "{\"input\": %s,\n\"layers\": [\n%s,\n{\"type\": \"dense\", "
             "\"units\": 2}, {\"type\": \"mse\"}]}",
             input, layer);
    refused(text, want);
}

static void
layer_shape(const char *input, const char *layer, const char *want)
{
    char text[512], shape[64];
    struct err e = ERR_INIT;
    struct layer_info info;
    struct graph *g;

    snprintf(text, sizeof text,
             "{\"input\": %s, \"layers\": [%s, {\"type\": \"dense\", "
             "\"units\": 2}, {\"type\": \"mse\"}]}",
             input, layer);
    g = graph_of(text, &e);
    if (!ok(g != NULL, "%s %s", layer, e.text))
        return;
    graph_get_layer(g, 0, &info);
    is_str(shape_text(&info.out, shape), want, "  shape");
    graph_free(g);
}

static const char resnet[] =
    "{\"input\": [3, 32, 32], \"layers\": ["
    "{\"type\": \"conv2d\", \"name\": \"stem\", \"filters\": 16, \"kernel\": "
    "3, \"padding\": 1, \"bias\": false},"
    "{\"type\": \"batchnorm\", \"momentum\": 0.2},"
    "{\"type\": \"relu\", \"name\": \"r\"},"
    "{\"type\": \"conv2d\", \"filters\": 16, \"kernel\": [3, 1], \"padding\": "
    "[1, 0], \"groups\": 4},"
    "{\"type\": \"add\", \"input\": [\"r\", \"conv2\"]},"
    "{\"type\": \"global_avgpool\"},"
    "{\"type\": \"dense\", \"units\": 10},"
    "{\"type\": \"softmax_cross_entropy\", \"label_smoothing\": 0.1}]}";

static void
whole_network(void)
{
    static const struct {
        const char *name, *type, *inputs, *shape;
        size_t n_params;
        double flop;
    } want[] = {
        {"stem", "conv2d", "input", "16x32x32", 432, 2.0 * 432 * 1024},
        {"bn1", "batchnorm", "stem", "16x32x32", 32, 2.0 * 16384},
        {"r", "relu", "bn1", "16x32x32", 0, 16384},
        {"conv2", "conv2d", "r", "16x32x32", 208, 2.0 * 192 * 1024},
        {"add1", "add", "r, conv2", "16x32x32", 0, 16384},
        {"gap1", "global_avgpool", "add1", "16", 0, 16384},
        {"fc1", "dense", "gap1", "10", 170, 320},
        {"loss1", "softmax_cross_entropy", "fc1", "1", 0, 40},
    };
    static const char *const segments[] = {
        "stem.weight",      "bn1.weight",      "bn1.bias",
        "bn1.running_mean", "bn1.running_var", "conv2.weight",
        "conv2.bias",       "fc1.weight",      "fc1.bias"};
    struct err e = ERR_INIT;
    struct graph *g = graph_of(resnet, &e);
    const struct segtab *t;
    size_t offset = 0, params = 0;
    double flop = 0.0;
    char shape[64];

    if (!ok(g != NULL, "small residual network %s", e.text))
        return;
    is_int(graph_get_layers(g), ARRAY_LEN(want), "layers");
    for (size_t i = 0; i < ARRAY_LEN(want); i++) {
        struct layer_info l;

        graph_get_layer(g, i, &l);
        is_str(l.name, want[i].name, "name");
        is_str(l.type, want[i].type, "  type");
        is_str(l.inputs, want[i].inputs, "  inputs");
        is_str(shape_text(&l.out, shape), want[i].shape, "  shape");
        is_int(l.n_params, want[i].n_params, "  parameters");
        ok(l.flop == want[i].flop, "  flop %g", l.flop);
        params += l.n_params;
        flop += l.flop;
    }
    ok(graph_get_flop(g) == flop, "flop of all");
    is_int(graph_get_outputs(g), 10, "outputs");
    is_int(graph_get_loss(g), LOSS_SOFTMAX_CROSS_ENTROPY, "loss");
    is_str(shape_text(graph_get_input(g), shape), "3x32x32", "input");

    t = graph_get_segments(g);
    is_int(t->n, ARRAY_LEN(segments), "segments");
    for (size_t i = 0; i < t->n; i++) {
        is_str(t->seg[i].name, segments[i], "segment");
        ok(t->seg[i].offset == offset, "  follows the one before, aligned");
        offset += (t->seg[i].count + 15) / 16 * 16;
    }
    is_int(t->n_floats, offset, "length of the flat vector");
    is_int(t->n_params, params, "trained parameters");
    is_int(t->seg[5].n_dims, 4, "weights of a grouped convolution");
    ok(t->seg[5].dim[0] == 16 && t->seg[5].dim[1] == 4 &&
           t->seg[5].dim[2] == 3 && t->seg[5].dim[3] == 1,
       "  are O, I / groups, kh, kw");
    ok(t->seg[3].kind == SEGMENT_STAT && t->seg[3].momentum == 0.2 &&
           t->seg[4].momentum == 0.2,
       "statistics have their momentum");
    ok(t->seg[0].kind == SEGMENT_WEIGHT && t->seg[1].kind == SEGMENT_BIAS &&
           t->seg[6].kind == SEGMENT_BIAS,
       "only weights decay");
    graph_free(g);
}

static void
shapes(void)
{
    layer_shape("[1, 28, 28]",
                "{\"type\": \"conv2d\", \"filters\": 20, \"kernel\": 5}",
                "20x24x24");
    layer_shape("[3, 7, 9]",
                "{\"type\": \"conv2d\", \"filters\": 4, \"kernel\": [3, 2], "
                "\"stride\": [2, 3], \"padding\": [1, 0], \"dilation\": [2, "
                "1]}",
                "4x3x3");
    layer_shape("[3, 7, 9]",
                "{\"type\": \"conv2d\", \"filters\": 4, \"kernel\": 4, "
                "\"padding\": \"same\"}",
                "4x7x9");
    layer_shape("[3, 7, 9]",
                "{\"type\": \"conv2d\", \"filters\": 4, \"kernel\": 3, "
                "\"stride\": 2, \"padding\": \"same\"}",
                "4x4x5");
    layer_shape("[8, 7, 7]", "{\"type\": \"maxpool\", \"kernel\": 2}", "8x3x3");
    layer_shape("[8, 32, 32]",
                "{\"type\": \"avgpool\", \"kernel\": 3, \"stride\": 2, "
                "\"padding\": 1}",
                "8x16x16");
    layer_shape("[8, 5, 6]", "{\"type\": \"global_avgpool\"}", "8");
    layer_shape("[8, 5, 6]", "{\"type\": \"flatten\"}", "240");
    layer_shape("[8, 5, 6]", "{\"type\": \"groupnorm\", \"groups\": 4}",
                "8x5x6");
    layer_shape("[8, 5, 6]", "{\"type\": \"lrn\"}", "8x5x6");
    layer_shape("[8]", "{\"type\": \"dense\", \"units\": 3}", "3");
}

static void
errors_of_networks(void)
{
    refused("[]", "j:1:1: input: expected an array, got nothing");
    refused("{\"input\": 5}", "j:1:11: input: expected an array, got 5");
    refused("{\"input\": [1, 2]}",
            "j:1:11: input: expected 1 number or 3 (channels, height, width), "
            "got 2");
    refused("{\"input\": [1, 0, 2]}",
            "j:1:15: input[1]: expected an integer from 1 to 1048576, got 0");
    refused("{\"input\": [1048576, 1048576, 1048576]}",
            "j:1:11: input: more than 2147483648 numbers per sample");
    refused("{\"input\": [4]}",
            "j:1:1: layers: expected an array, got nothing");
    refused("{\"input\": [4], \"layers\": []}",
            "j:1:26: layers: expected at least 1 element, got 0");
    refused("{\"input\": [4], \"layers\": [{\"type\": \"dense\", \"units\": "
            "1}]}",
            "j:1:36: layers[0].type: expected a loss as the last layer "
            "(softmax_cross_entropy, mse), got \"dense\"");
    refused("{\"input\": [4], \"layers\": [{\"type\": \"mse\"}, {\"type\": "
            "\"mse\"}]}",
            "j:1:36: layers[0].type: layers after the loss");
    refused("{\"input\": [4], \"layers\": [{\"type\": \"mse\"}]}",
            "j:1:26: layers: no layer has parameters to train");
    refused("{\"input\": [4], \"layers\": [\n"
            "{\"type\": \"dense\", \"units\": 4, \"name\": \"a\"},\n"
            "{\"type\": \"dense\", \"units\": 4, \"input\": \"input\"},\n"
            "{\"type\": \"mse\"}]}",
            "j:2:1: layers[0]: no layer uses the output of \"a\"");
    refused("{\"input\": [4], \"layers\": [\n"
            "{\"type\": \"dense\", \"units\": 4, \"name\": \"a\"},\n"
            "{\"type\": \"relu\", \"name\": \"a\"}, {\"type\": \"mse\"}]}",
            "j:3:26: layers[1].name: name \"a\" is used twice");
    refused("{\"input\": [4], \"layers\": [\n"
            "{\"type\": \"dense\", \"units\": 4, \"name\": \"fc2\"},\n"
            "{\"type\": \"dense\", \"units\": 4}, {\"type\": \"mse\"}]}",
            "j:3:1: layers[1].name: name \"fc2\" is used twice");
}

static void
errors_of_layers(void)
{
    layer_refused("[4]", "7", "j:3:1: layers[0]: expected an object, got 7");
    layer_refused("[4]", "{}",
                  "j:3:1: layers[0].type: expected a string, got nothing");
    layer_refused(
        "[4]", "{\"type\": \"dens\"}",
        "j:3:10: layers[0].type: unknown layer \"dens\", did you mean "
        "\"dense\"?");
    layer_refused("[4]", "{\"type\": \"lstm9000\"}",
                  "j:3:10: layers[0].type: unknown layer \"lstm9000\"");
    layer_refused("[4]", "{\"type\": \"relu\", \"slope\": 0.1}",
                  "j:3:27: layers[0].slope: unknown key");
    layer_refused("[4]", "{\"type\": \"dense\", \"unit\": 1}",
                  "j:3:27: layers[0].unit: unknown key, did you mean "
                  "\"units\"?");
    layer_refused("[4]", "{\"type\": \"dense\", \"units\": 0}",
                  "j:3:28: layers[0].units: expected an integer from 1 to "
                  "1048576, got 0");
    layer_refused("[4]", "{\"type\": \"relu\", \"name\": \"a b\"}",
                  "j:3:26: layers[0].name: expected up to 63 letters, digits, "
                  "\"_\", \"-\", \".\" and not \"input\"");
    layer_refused("[4]", "{\"type\": \"relu\", \"name\": \"input\"}",
                  "j:3:26: layers[0].name: expected up to 63 letters, digits, "
                  "\"_\", \"-\", \".\" and not \"input\"");
    layer_refused("[4]", "{\"type\": \"relu\", \"input\": \"later\"}",
                  "j:3:27: layers[0].input: no earlier layer is called "
                  "\"later\"");
    layer_refused("[4]", "{\"type\": \"relu\", \"input\": 3}",
                  "j:3:27: layers[0].input: expected the name of an earlier "
                  "layer");
    layer_refused("[4]",
                  "{\"type\": \"relu\", \"input\": [\"input\", "
                  "\"input\"]}",
                  "j:3:27: layers[0].input: expected 1 input, got 2");
    layer_refused("[4]", "{\"type\": \"add\"}",
                  "j:3:1: layers[0].input: expected 2 to 8 inputs, got 1");
    layer_refused("[4, 4, 4]",
                  "{\"type\": \"maxpool\", \"name\": \"p\", \"kernel\": 2}, "
                  "{\"type\": \"add\", \"input\": [\"p\", \"input\"]}",
                  "j:3:73: layers[1].input: shapes differ: 4x2x2 and 4x4x4 (p, "
                  "input)");
    layer_refused("[4]",
                  "{\"type\": \"conv2d\", \"filters\": 1, \"kernel\": 1}",
                  "j:3:1: layers[0]: expected an input of 3 dimensions, got 4");
    layer_refused("[1, 8, 8]", "{\"type\": \"conv2d\", \"kernel\": 1}",
                  "j:3:1: layers[0].filters: expected an integer from 1 to "
                  "1048576, got nothing");
    layer_refused("[1, 8, 8]", "{\"type\": \"conv2d\", \"filters\": 1}",
                  "j:3:1: layers[0].kernel: expected an integer or 2 integers, "
                  "got nothing");
    layer_refused("[1, 8, 8]",
                  "{\"type\": \"conv2d\", \"filters\": 1, \"kernel\": 9}",
                  "j:3:44: layers[0].kernel: kernel 9x9 larger than input 8x8");
    layer_refused("[1, 8, 8]",
                  "{\"type\": \"conv2d\", \"filters\": 1, \"padding\": [1, 0], "
                  "\"kernel\": [3, 5], \"dilation\": 5}",
                  "j:3:63: layers[0].kernel: kernel 11x21 larger than padded "
                  "input 10x8");
    layer_refused("[6, 8, 8]",
                  "{\"type\": \"conv2d\", \"filters\": 8, \"kernel\": 1, "
                  "\"groups\": 4}",
                  "j:3:57: layers[0].groups: 4 groups do not divide 6 channels "
                  "and 8 filters");
    layer_refused("[6, 8, 8]",
                  "{\"type\": \"maxpool\", \"kernel\": 2, \"padding\": 2}",
                  "j:3:45: layers[0].padding: expected less padding than the "
                  "kernel 2x2");
    layer_refused("[6, 8, 8]",
                  "{\"type\": \"conv2d\", \"filters\": 2, \"kernel\": 2, "
                  "\"padding\": \"valid\"}",
                  "j:3:58: layers[0].padding: expected \"same\", an integer or "
                  "2 integers, got \"valid\"");
    layer_refused(
        "[6]", "{\"type\": \"groupnorm\", \"groups\": 4}",
        "j:3:33: layers[0].groups: 4 groups do not divide 6 channels");
    layer_refused("[6, 4, 4]", "{\"type\": \"lrn\", \"size\": 4}",
                  "j:3:25: layers[0].size: expected an odd number, got 4");
    layer_refused("[6]", "{\"type\": \"dropout\", \"rate\": 1}",
                  "j:3:29: layers[0].rate: expected a number from 0 to 0.99, "
                  "got 1");
    layer_refused("[6]",
                  "{\"type\": \"dense\", \"units\": 1, \"init\": \"xavier\"}",
                  "j:3:39: layers[0].init: expected one of he, glorot, lecun, "
                  "normal, uniform, constant, got \"xavier\"");
    layer_refused("[6]",
                  "{\"type\": \"dense\", \"units\": 1, \"init\": {\"std\": 1}}",
                  "j:3:39: layers[0].init.type: expected a string, got "
                  "nothing");
    layer_refused(
        "[6]",
        "{\"type\": \"dense\", \"units\": 1, \"bias_init\": {\"type\": "
        "\"constant\", \"std\": 1}}",
        "j:3:72: layers[0].bias_init.std: unknown key");
}

/* Sizes of a hostile job neither overflow nor are allocated. */
static void
absurd_sizes(void)
{
    layer_refused("[1048576, 1, 1]",
                  "{\"type\": \"conv2d\", \"filters\": 1048576, \"kernel\": "
                  "1}",
                  "j:3:1: layers[0]: more than 2147483648 parameters up to "
                  "this layer");
    layer_refused("[1048576, 1, 1]",
                  "{\"type\": \"conv2d\", \"filters\": 1048576, \"kernel\": "
                  "1048575, \"padding\": 1048576}",
                  "j:3:1: layers[0]: more than 2147483648 parameters up to "
                  "this layer");
    layer_refused("[1, 1048576, 1024]",
                  "{\"type\": \"conv2d\", \"filters\": 1048576, \"kernel\": "
                  "1}",
                  "j:3:1: layers[0]: more than 2147483648 outputs per sample "
                  "up to this layer");
    layer_refused("[1048576]",
                  "{\"type\": \"dense\", \"units\": 2047}, {\"type\": "
                  "\"dense\", \"units\": 1048576}",
                  "j:3:35: layers[1]: more than 2147483648 parameters up to "
                  "this layer");
}

static double
mean_square(const float *v, size_t n)
{
    double s = 0.0;

    for (size_t i = 0; i < n; i++)
        s += (double)v[i] * v[i];
    return s / (double)n;
}

static void
initial_values(void)
{
    static const char text[] =
        "{\"input\": [64], \"layers\": ["
        "{\"type\": \"dense\", \"units\": 1000},"
        "{\"type\": \"dense\", \"units\": 500, \"init\": \"glorot\"},"
        "{\"type\": \"dense\", \"units\": 51, \"init\": {\"type\": \"normal\", "
        "\"std\": 0.5}, \"bias_init\": {\"type\": \"constant\", \"value\": "
        "2}},"
        "{\"type\": \"dense\", \"units\": 999, \"init\": \"uniform\"},"
        "{\"type\": \"dense\", \"units\": 9, \"init\": \"lecun\"},"
        "{\"type\": \"batchnorm\"}, {\"type\": \"mse\"}]}";
    /* Mean squares; their relative error over n draws is about sqrt(2 / n),
     * under 1.5 % for the smallest (8991 draws): 5 % is safe. */
    static const double want[] = {2.0 / 64, 2.0 / 1500, 0.25, 1.0 / 153,
                                  1.0 / 999};
    struct err e = ERR_INIT;
    struct graph *g = graph_of(text, &e);
    const struct segtab *t;
    float *a, *b;

    if (!ok(g != NULL, "initializers %s", e.text))
        return;
    t = graph_get_segments(g);
    a = mem_alloc(t->n_floats, sizeof *a);
    b = mem_alloc(t->n_floats, sizeof *b);
    if (!a || !b)
        abort();
    memset(a, 0xff, t->n_floats * sizeof *a);
    graph_init_params(g, 7, a);
    graph_init_params(g, 7, b);
    ok(!memcmp(a, b, t->n_floats * sizeof *a), "same seed, same bits");
    graph_init_params(g, 8, b);
    ok(memcmp(a, b, t->n_floats * sizeof *a) != 0, "other seed, others");
    for (size_t i = 0; i < 5; i++) {
        const struct segment *s = &t->seg[2 * i];
        double got = mean_square(a + s->offset, s->count);

        ok(fabs(got / want[i] - 1.0) < 0.05, "%s: mean square %g, expected %g",
           s->name, got, want[i]);
    }
    ok(mean_square(a + t->seg[1].offset, t->seg[1].count) == 0.0,
       "biases are zero");
    ok(a[t->seg[5].offset] == 2.0f && a[t->seg[5].offset + 50] == 2.0f &&
           a[t->seg[5].offset + 51] == 0.0f,
       "unless told otherwise, and the gap behind them is zero");
    ok(a[t->seg[10].offset] == 1.0f && a[t->seg[11].offset] == 0.0f &&
           a[t->seg[12].offset] == 0.0f && a[t->seg[13].offset] == 1.0f,
       "batch normalization starts as the identity");
    mem_free(a);
    mem_free(b);
    graph_free(g);
}

/* Whichever allocation fails: an error, no leak, no crash. */
static void
out_of_memory(void)
{
    struct json_doc d;
    struct err e = ERR_INIT;
    struct jcur root;
    int failures = 0;

    if (json_doc_parse(&d, "j", resnet, sizeof resnet - 1, &e) != 0)
        abort();
    root = jcur_root(&d);
    for (long n = 0;; n++) {
        struct graph *g;

        err_clear(&e);
        mem_fail_after(n);
        g = graph_new(&root, &e);
        mem_fail_after(-1);
        if (g) {
            graph_free(g);
            break;
        }
        failures += e.code == ERR_NOMEM;
        if (failures != n + 1 || n > 1000)
            break;
    }
    ok(failures > 20, "%d failed allocations reported", failures);
    json_doc_release(&d);
}

int
main(void)
{
    whole_network();
    shapes();
    errors_of_networks();
    errors_of_layers();
    absurd_sizes();
    initial_values();
    out_of_memory();
    return done();
}
