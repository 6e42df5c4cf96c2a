/* SPDX-License-Identifier: Apache-2.0 */
/* The gradient of every kind of layer against finite differences of the loss.
 * (Values are held against plain-C references in test_layers.) */
#include "net_fixture.h"

/* The loss at params + h * direction in one segment. */
static double
loss_at(struct fixture *f, const struct segment *s, const float *direction,
        double h)
{
    float *p = f->params + s->offset;
    float *saved = copy(p, s->count);
    double loss;

    for (size_t i = 0; i < s->count; i++)
        p[i] = (float)((double)p[i] + h * (double)direction[i]);
    loss = step(f).loss;
    memcpy(p, saved, s->count * sizeof *p);
    mem_free(saved);
    return loss;
}

static double
central(struct fixture *f, const struct segment *s, const float *v, double h)
{
    return (loss_at(f, s, v, h) - loss_at(f, s, v, -h)) / (2.0 * h);
}

#define DIRECTIONS 5

/* Distance between g . v and the measured derivative along one random
 * direction v, in units of |g| (plus a little, for gradients that are zero). */
static double
distance(struct fixture *f, const struct segment *s, const float *g, double h,
         struct rng *rng)
{
    double norm = 0.0, want = 0.0, got;
    float *v = mem_alloc(s->count, sizeof *v);

    if (!v)
        die("memory");
    for (size_t k = 0; k < s->count; k++) {
        v[k] = (float)rng_normal(rng);
        want += (double)g[k] * (double)v[k];
        norm += (double)g[k] * (double)g[k];
    }
    got = (4.0 * central(f, s, v, h / 2) - central(f, s, v, h)) / 3.0;
    mem_free(v);
    return fabs(got - want) / (sqrt(norm) + 0.1);
}

static int
by_value(const void *a, const void *b)
{
    const double *x = a, *y = b;

    return (*x > *y) - (*x < *y);
}

/* For each segment the derivative of the loss along a random direction v is
 * g . v.  Central differences at h and h / 2 are extrapolated, which leaves
 * O(h^4); the outputs are float, so that the loss carries about 1e-7 of noise
 * and the quotient 1e-7 / h.  With h = 1e-2 both are below 1e-4 of |g| where
 * the loss is smooth.  Where relu and maxpool have kinks, a step that moves a
 * share q of the units over one is off by about sqrt(q), for the terms of a
 * gradient have random signs: h = 1e-4 makes both errors 1 to 2 %, and the
 * median of five directions counts.  A wrong gradient is wrong in all. */
static void
gradients(const char *what, const char *input, const char *layers, size_t n,
          bool kinks)
{
    struct fixture f = fixture(input, layers, n, 1);
    double h = kinks ? 1e-4 : 1e-2, tolerance = kinks ? 4e-2 : 1e-3;
    double worst = 0.0;
    const char *where = "";
    struct rng rng;

    rng_init_key(&rng, 2, RNG_TEST, n, 0);
    for (size_t i = 0; i < f.t->n; i++) {
        const struct segment *s = &f.t->seg[i];
        double off[DIRECTIONS];
        float *g;

        if (s->kind == SEGMENT_STAT)
            continue;
        step(&f);
        g = copy(f.grads + s->offset, s->count);
        for (int d = 0; d < DIRECTIONS; d++)
            off[d] = distance(&f, s, g, h, &rng);
        qsort(off, DIRECTIONS, sizeof off[0], by_value);
        if (!(off[DIRECTIONS / 2] <= worst)) {
            worst = off[DIRECTIONS / 2];
            where = s->name;
        }
        mem_free(g);
    }
    ok(worst < tolerance, "gradients: %s (worst %.1e, %s)", what, worst, where);
    release(&f);
}

static const struct {
    const char *what, *input, *layers;
    size_t n;
    bool kinks;
} cases[] = {
    {"dense, softmax", "[7]",
     "{'type': 'dense', 'units': 5}, {'type': 'dense', 'units': 4},"
     "{'type': 'softmax_cross_entropy'}",
     9, false},
    {"dense, with padded rows", "[512]",
     "{'type': 'dense', 'units': 512}, {'type': 'groupnorm', 'groups': 1},"
     "{'type': 'dense', 'units': 70, 'bias': false},"
     "{'type': 'dense', 'units': 512}, {'type': 'groupnorm', 'groups': 1},"
     "{'type': 'dense', 'units': 64}, {'type': 'groupnorm', 'groups': 1},"
     "{'type': 'dense', 'units': 4}, {'type': 'softmax_cross_entropy'}",
     33, false},
    {"dense without bias, mse against labels", "[7]",
     "{'type': 'dense', 'units': 5, 'bias': false},"
     "{'type': 'dense', 'units': 4}, {'type': 'mse'}",
     9, false},
    {"label smoothing", "[7]",
     "{'type': 'dense', 'units': 5},"
     "{'type': 'softmax_cross_entropy', 'label_smoothing': 0.2}",
     9, false},
    /* Convolutions in both families of layouts: channels that fill blocks of
     * 8 and 16, and that do not. */
    {"conv2d: odd channels", "[3, 7, 6]",
     "{'type': 'conv2d', 'filters': 5, 'kernel': 3}, {'type': 'tanh'},"
     "{'type': 'conv2d', 'filters': 6, 'kernel': 2}, {'type': 'tanh'},"
     "{'type': 'dense', 'units': 4}, {'type': 'softmax_cross_entropy'}",
     5, false},
    {"conv2d: full blocks", "[16, 7, 6]",
     "{'type': 'conv2d', 'filters': 16, 'kernel': 3}, {'type': 'tanh'},"
     "{'type': 'conv2d', 'filters': 32, 'kernel': 2}, {'type': 'tanh'},"
     "{'type': 'dense', 'units': 4}, {'type': 'softmax_cross_entropy'}",
     5, false},
    {"conv2d: stride, padding, dilation, no bias", "[4, 9, 11]",
     "{'type': 'conv2d', 'filters': 8, 'kernel': [3, 2], 'padding': [2, 1],"
     " 'stride': [1, 2]}, {'type': 'tanh'},"
     "{'type': 'conv2d', 'filters': 8, 'kernel': 3, 'dilation': [2, 1],"
     " 'bias': false}, {'type': 'tanh'},"
     "{'type': 'dense', 'units': 3}, {'type': 'softmax_cross_entropy'}",
     3, false},
    {"conv2d: same padding, even kernel", "[2, 5, 5]",
     "{'type': 'conv2d', 'filters': 4, 'kernel': 4, 'padding': 'same'},"
     "{'type': 'tanh'}, {'type': 'conv2d', 'filters': 4, 'kernel': 3,"
     " 'padding': 'same', 'stride': 2}, {'type': 'tanh'},"
     "{'type': 'dense', 'units': 3}, {'type': 'softmax_cross_entropy'}",
     3, false},
    {"conv2d: groups", "[8, 6, 6]",
     "{'type': 'conv2d', 'filters': 8, 'kernel': 1}, {'type': 'tanh'},"
     "{'type': 'conv2d', 'filters': 12, 'kernel': 3, 'groups': 4},"
     "{'type': 'dense', 'units': 3}, {'type': 'softmax_cross_entropy'}",
     3, false},
    {"conv2d: depthwise", "[8, 6, 6]",
     "{'type': 'conv2d', 'filters': 8, 'kernel': 1}, {'type': 'tanh'},"
     "{'type': 'conv2d', 'filters': 8, 'kernel': 3, 'groups': 8},"
     "{'type': 'dense', 'units': 3}, {'type': 'softmax_cross_entropy'}",
     3, false},
    {"relu fused into conv2d and dense", "[3, 6, 6]",
     "{'type': 'conv2d', 'filters': 8, 'kernel': 3}, {'type': 'relu'},"
     "{'type': 'conv2d', 'filters': 5, 'kernel': 3}, {'type': 'relu'},"
     "{'type': 'dense', 'units': 9}, {'type': 'relu'},"
     "{'type': 'dense', 'units': 3}, {'type': 'softmax_cross_entropy'}",
     4, true},
    {"leaky_relu", "[3, 6, 6]",
     "{'type': 'conv2d', 'filters': 8, 'kernel': 3},"
     "{'type': 'leaky_relu', 'slope': 0.2}, {'type': 'dense', 'units': 9},"
     "{'type': 'leaky_relu'},"
     "{'type': 'dense', 'units': 3}, {'type': 'softmax_cross_entropy'}",
     4, true},
    {"relu where it cannot be fused", "[3, 6, 6]",
     "{'type': 'conv2d', 'filters': 4, 'kernel': 3, 'name': 'a'},"
     "{'type': 'relu'}, {'type': 'flatten', 'name': 'r'},"
     "{'type': 'flatten', 'input': 'a'}, {'type': 'relu', 'name': 's'},"
     "{'type': 'add', 'input': ['r', 's']},"
     "{'type': 'dense', 'units': 3}, {'type': 'softmax_cross_entropy'}",
     4, true},
    {"maxpool", "[3, 9, 8]",
     "{'type': 'conv2d', 'filters': 13, 'kernel': 2},"
     "{'type': 'maxpool', 'kernel': 2},"
     "{'type': 'dense', 'units': 3}, {'type': 'softmax_cross_entropy'}",
     4, true},
    {"maxpool: overlapping, padded, behind relu", "[3, 9, 8]",
     "{'type': 'conv2d', 'filters': 16, 'kernel': 2}, {'type': 'relu'},"
     "{'type': 'maxpool', 'kernel': 3, 'stride': 2, 'padding': 1},"
     "{'type': 'conv2d', 'filters': 20, 'kernel': 1}, {'type': 'relu'},"
     "{'type': 'maxpool', 'kernel': [2, 3], 'stride': [2, 1]},"
     "{'type': 'dense', 'units': 3}, {'type': 'softmax_cross_entropy'}",
     4, true},
    {"maxpool: gaps between windows, behind leaky_relu", "[3, 9, 8]",
     "{'type': 'conv2d', 'filters': 5, 'kernel': 2}, {'type': 'leaky_relu'},"
     "{'type': 'maxpool', 'kernel': 2, 'stride': 3},"
     "{'type': 'dense', 'units': 3}, {'type': 'softmax_cross_entropy'}",
     4, true},
    {"avgpool", "[3, 9, 8]",
     "{'type': 'conv2d', 'filters': 5, 'kernel': 2},"
     "{'type': 'avgpool', 'kernel': 3, 'stride': 2, 'padding': 1},"
     "{'type': 'conv2d', 'filters': 8, 'kernel': 2},"
     "{'type': 'avgpool', 'kernel': 2, 'padding': 1,"
     " 'count_include_pad': false},"
     "{'type': 'dense', 'units': 3}, {'type': 'softmax_cross_entropy'}",
     4, false},
    {"global_avgpool", "[3, 5, 4]",
     "{'type': 'conv2d', 'filters': 20, 'kernel': 2}, {'type': 'tanh'},"
     "{'type': 'global_avgpool'}, {'type': 'tanh'},"
     "{'type': 'dense', 'units': 3}, {'type': 'softmax_cross_entropy'}",
     4, false},
    {"batchnorm of images, with and without relu", "[3, 6, 5]",
     "{'type': 'conv2d', 'filters': 16, 'kernel': 2, 'bias': false},"
     "{'type': 'batchnorm'}, {'type': 'relu'},"
     "{'type': 'conv2d', 'filters': 5, 'kernel': 2}, {'type': 'batchnorm'},"
     "{'type': 'tanh'},"
     "{'type': 'dense', 'units': 3}, {'type': 'softmax_cross_entropy'}",
     8, true},
    {"batchnorm of rows", "[7]",
     "{'type': 'dense', 'units': 5}, {'type': 'batchnorm', 'epsilon': 0.01},"
     "{'type': 'tanh'},"
     "{'type': 'dense', 'units': 3}, {'type': 'softmax_cross_entropy'}",
     16, false},
    {"batchnorm of a flattened image", "[3, 4, 4]",
     "{'type': 'conv2d', 'filters': 5, 'kernel': 2}, {'type': 'flatten'},"
     "{'type': 'batchnorm', 'epsilon': 0.1}, {'type': 'tanh'},"
     "{'type': 'dense', 'units': 3}, {'type': 'softmax_cross_entropy'}",
     16, false},
    {"groupnorm", "[3, 6, 5]",
     "{'type': 'conv2d', 'filters': 8, 'kernel': 2},"
     "{'type': 'groupnorm', 'groups': 2}, {'type': 'tanh'},"
     "{'type': 'dense', 'units': 6}, {'type': 'groupnorm', 'groups': 1},"
     "{'type': 'dense', 'units': 3}, {'type': 'softmax_cross_entropy'}",
     3, false},
    {"lrn", "[3, 5, 5]",
     "{'type': 'conv2d', 'filters': 16, 'kernel': 2},"
     "{'type': 'lrn', 'alpha': 0.5}, {'type': 'tanh'},"
     "{'type': 'conv2d', 'filters': 5, 'kernel': 2},"
     "{'type': 'lrn', 'size': 3, 'alpha': 1, 'beta': 0.5, 'k': 2},"
     "{'type': 'dense', 'units': 3}, {'type': 'softmax_cross_entropy'}",
     3, false},
    {"gelu, tanh, sigmoid", "[3, 5, 5]",
     "{'type': 'conv2d', 'filters': 5, 'kernel': 2}, {'type': 'gelu'},"
     "{'type': 'conv2d', 'filters': 8, 'kernel': 2}, {'type': 'sigmoid'},"
     "{'type': 'dense', 'units': 6},"
     "{'type': 'gelu', 'approximate': 'tanh'},"
     "{'type': 'dense', 'units': 6}, {'type': 'tanh'},"
     "{'type': 'dense', 'units': 3}, {'type': 'softmax_cross_entropy'}",
     3, false},
    {"dropout of rows and images", "[3, 5, 5]",
     "{'type': 'conv2d', 'filters': 8, 'kernel': 2},"
     "{'type': 'dropout', 'rate': 0.3}, {'type': 'tanh'},"
     "{'type': 'conv2d', 'filters': 5, 'kernel': 2}, {'type': 'tanh'},"
     "{'type': 'dropout'}, {'type': 'dense', 'units': 6}, {'type': 'tanh'},"
     "{'type': 'dropout', 'rate': 0.1},"
     "{'type': 'dense', 'units': 3}, {'type': 'softmax_cross_entropy'}",
     3, false},
    {"branches that meet in an add of three", "[3, 6, 6]",
     "{'type': 'conv2d', 'filters': 8, 'kernel': 3}, {'type': 'tanh'},"
     "{'type': 'conv2d', 'filters': 8, 'kernel': 3, 'padding': 1},"
     "{'type': 'conv2d', 'filters': 8, 'kernel': 1, 'input': 'tanh1'},"
     "{'type': 'add', 'input': ['conv2', 'conv3', 'tanh1']},"
     "{'type': 'tanh'},"
     "{'type': 'dense', 'units': 3}, {'type': 'softmax_cross_entropy'}",
     3, false},
    {"a layer and the input twice in an add", "[7]",
     "{'type': 'dense', 'units': 7},"
     "{'type': 'add', 'input': ['fc1', 'input', 'fc1']}, {'type': 'tanh'},"
     "{'type': 'dense', 'units': 3}, {'type': 'softmax_cross_entropy'}",
     3, false},
    {"a layer that skips over an add, twice", "[7]",
     "{'type': 'dense', 'units': 5}, {'type': 'dense', 'units': 5},"
     "{'type': 'add', 'input': ['fc1', 'fc2']}, {'type': 'tanh'},"
     "{'type': 'add', 'input': ['tanh1', 'fc1']},"
     "{'type': 'dense', 'units': 3}, {'type': 'softmax_cross_entropy'}",
     3, false},
    {"a layer that is read again after its view was", "[2, 4, 4]",
     "{'type': 'conv2d', 'filters': 8, 'kernel': 2, 'name': 'a'},"
     "{'type': 'flatten'}, {'type': 'tanh'},"
     "{'type': 'flatten', 'input': 'a', 'name': 'b'},"
     "{'type': 'add', 'input': ['tanh1', 'b']},"
     "{'type': 'dense', 'units': 3}, {'type': 'softmax_cross_entropy'}",
     3, false},
    {"residual blocks", "[3, 8, 8]",
     "{'type': 'conv2d', 'filters': 16, 'kernel': 3, 'padding': 1,"
     " 'bias': false}, {'type': 'batchnorm'}, {'type': 'relu', 'name': 'r0'},"
     "{'type': 'conv2d', 'filters': 16, 'kernel': 3, 'padding': 1,"
     " 'bias': false}, {'type': 'batchnorm'}, {'type': 'relu'},"
     "{'type': 'conv2d', 'filters': 16, 'kernel': 3, 'padding': 1,"
     " 'bias': false}, {'type': 'batchnorm', 'name': 'n'},"
     "{'type': 'add', 'input': ['n', 'r0']}, {'type': 'relu', 'name': 'r1'},"
     "{'type': 'conv2d', 'filters': 24, 'kernel': 3, 'padding': 1,"
     " 'stride': 2, 'bias': false}, {'type': 'batchnorm', 'name': 'm'},"
     "{'type': 'conv2d', 'filters': 24, 'kernel': 1, 'stride': 2,"
     " 'bias': false, 'input': 'r1'}, {'type': 'batchnorm', 'name': 's'},"
     "{'type': 'add', 'input': ['m', 's']}, {'type': 'relu'},"
     "{'type': 'global_avgpool'},"
     "{'type': 'dense', 'units': 4}, {'type': 'softmax_cross_entropy'}",
     8, true},
};

int
main(void)
{
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        gradients(cases[i].what, cases[i].input, cases[i].layers, cases[i].n,
                  cases[i].kinks);
    return done();
}
