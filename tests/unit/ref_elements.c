/* SPDX-License-Identifier: Apache-2.0 */
/* Reference layers that mix no positions of an image: normalizations,
 * activations, losses. */
#include "ref_layers.h"

#include "base/rng.h"

#include <math.h>
#include <string.h>

static double
number(const struct ref_layer *l, const char *key, double fallback)
{
    const json_t *v = jcur_key(l->at, key).v;

    return v ? json_number_value(v) : fallback;
}

/* ---- normalization ---- */

/* What shares mean and variance: samples n0..n1-1 of channels c0..c1-1. */
struct block {
    int64_t n0, n1, c0, c1;
};

struct moments {
    double mean, scale; /* scale = 1 / sqrt(variance + epsilon) */
};

/* The index of element i (of `area`) of channel c of sample n. */
static int64_t
index_of(const struct ref_value *s, int64_t n, int64_t c, int64_t i)
{
    return (n * s->c + c) * s->h * s->w + i;
}

static double
block_size(const struct ref_layer *l, const struct block *b)
{
    return (double)((b->n1 - b->n0) * (b->c1 - b->c0) * l->out->h * l->out->w);
}

/* Mean over the block of (v - shift)^power. */
static double
block_mean(const struct ref_layer *l, const struct block *b, double shift,
           int power)
{
    double sum = 0;

    for (int64_t n = b->n0; n < b->n1; n++)
        for (int64_t c = b->c0; c < b->c1; c++)
            for (int64_t i = 0; i < l->out->h * l->out->w; i++) {
                double v = l->in[0]->v[index_of(l->out, n, c, i)] - shift;

                sum += power == 2 ? v * v : v;
            }
    return sum / block_size(l, b);
}

static struct moments
block_moments(const struct ref_layer *l, const struct block *b)
{
    double epsilon = number(l, "epsilon", 1e-5);
    bool batch = !strcmp(l->type, "batchnorm");
    struct moments m;
    double var;

    if (batch && !l->training)
        return (struct moments){l->mean[b->c0],
                                1 / sqrt(l->var[b->c0] + epsilon)};
    m.mean = block_mean(l, b, 0, 1);
    var = block_mean(l, b, m.mean, 2);
    m.scale = 1 / sqrt(var + epsilon);
    if (batch && l->d_mean) { /* statistics leave as if they were gradients */
        l->d_mean[b->c0] = m.mean;
        l->d_var[b->c0] = var * block_size(l, b) / (block_size(l, b) - 1);
    }
    return m;
}

static void
norm_forward(const struct ref_layer *l, const struct block *b)
{
    struct moments m = block_moments(l, b);

    for (int64_t n = b->n0; n < b->n1; n++)
        for (int64_t c = b->c0; c < b->c1; c++)
            for (int64_t i = 0; i < l->out->h * l->out->w; i++) {
                int64_t k = index_of(l->out, n, c, i);

                l->out->v[k] =
                    l->weight[c] * (l->in[0]->v[k] - m.mean) * m.scale +
                    l->bias[c];
            }
}

/* With g = dL/dy * weight and h the normalized input:
 * dL/dx = scale * (g - mean(g) - h mean(g h)). */
static void
norm_backward(const struct ref_layer *l, const struct block *b)
{
    struct moments m = block_moments(l, b);
    double g_sum = 0, gh_sum = 0;

    for (int pass = 0; pass < 2; pass++)
        for (int64_t n = b->n0; n < b->n1; n++)
            for (int64_t c = b->c0; c < b->c1; c++)
                for (int64_t i = 0; i < l->out->h * l->out->w; i++) {
                    int64_t k = index_of(l->out, n, c, i);
                    double h = (l->in[0]->v[k] - m.mean) * m.scale;
                    double g = l->out->d[k] * l->weight[c];

                    if (pass == 1) {
                        l->in[0]->d[k] +=
                            m.scale * (g - g_sum / block_size(l, b) -
                                       h * gh_sum / block_size(l, b));
                        continue;
                    }
                    g_sum += g;
                    gh_sum += g * h;
                    l->d_weight[c] += l->out->d[k] * h;
                    l->d_bias[c] += l->out->d[k];
                }
}

void
ref_norm(const struct ref_layer *l, bool back)
{
    bool batch = !strcmp(l->type, "batchnorm");
    int64_t c = l->out->c, groups = (int64_t)number(l, "groups", (double)c);

    for (int64_t n = 0; n < (batch ? 1 : l->n); n++)
        for (int64_t g = 0; g < groups; g++) {
            struct block b = {n, n + 1, g * (c / groups),
                              (g + 1) * (c / groups)};

            if (batch) {
                b.n0 = 0;
                b.n1 = l->n;
            }
            back ? norm_backward(l, &b) : norm_forward(l, &b);
        }
}

/* ---- local response normalization ---- */

static double
lrn_base(const struct ref_layer *l, int64_t n, int64_t c, int64_t i)
{
    int64_t size = (int64_t)number(l, "size", 5), half = size / 2;
    double sum = 0;

    for (int64_t k = c - half; k <= c + half; k++) {
        double v = k >= 0 && k < l->out->c
                       ? l->in[0]->v[index_of(l->out, n, k, i)]
                       : 0;

        sum += v * v;
    }
    return number(l, "k", 1) + number(l, "alpha", 1e-4) / (double)size * sum;
}

void
ref_lrn(const struct ref_layer *l, bool back)
{
    int64_t size = (int64_t)number(l, "size", 5), half = size / 2;
    double alpha = number(l, "alpha", 1e-4), beta = number(l, "beta", 0.75);

    for (int64_t n = 0; n < l->n; n++)
        for (int64_t c = 0; c < l->out->c; c++)
            for (int64_t i = 0; i < l->out->h * l->out->w; i++) {
                int64_t at = index_of(l->out, n, c, i);
                double x = l->in[0]->v[at], base = lrn_base(l, n, c, i);

                if (!back) {
                    l->out->v[at] = x * pow(base, -beta);
                    continue;
                }
                l->in[0]->d[at] += l->out->d[at] * pow(base, -beta);
                for (int64_t k = c - half; k <= c + half; k++) {
                    int64_t by = index_of(l->out, n, k, i);

                    if (k < 0 || k >= l->out->c)
                        continue;
                    /* x_c enters the base of its neighbour k */
                    l->in[0]->d[at] -= 2 * alpha * beta / (double)size * x *
                                       l->out->d[by] * l->in[0]->v[by] *
                                       pow(lrn_base(l, n, k, i), -beta - 1);
                }
            }
}

/* ---- activations ---- */

/* Value and derivative. */
static double
activate(const struct ref_layer *l, double x, double *d)
{
    const double pi = 3.14159265358979323846;
    const char *way = json_string_value(jcur_key(l->at, "approximate").v);
    double y;

    if (!strcmp(l->type, "tanh")) {
        y = tanh(x);
        *d = 1 - y * y;
        return y;
    }
    if (!strcmp(l->type, "sigmoid")) {
        y = 1 / (1 + exp(-x));
        *d = y * (1 - y);
        return y;
    }
    if (!strcmp(l->type, "gelu") && way && !strcmp(way, "tanh")) {
        double t = tanh(sqrt(2 / pi) * (x + 0.044715 * x * x * x));

        *d = 0.5 * (1 + t) +
             0.5 * x * (1 - t * t) * sqrt(2 / pi) * (1 + 3 * 0.044715 * x * x);
        return 0.5 * x * (1 + t);
    }
    if (!strcmp(l->type, "gelu")) {
        double phi = 0.5 * (1 + erf(x / sqrt(2)));

        *d = phi + x * exp(-x * x / 2) / sqrt(2 * pi);
        return x * phi;
    }
    *d = x > 0                            ? 1
         : !strcmp(l->type, "leaky_relu") ? number(l, "slope", 0.01)
                                          : 0;
    return x * *d; /* relu, leaky_relu */
}

void
ref_activation(const struct ref_layer *l, bool back)
{
    for (int64_t i = 0; i < l->n * l->out->c * l->out->h * l->out->w; i++) {
        double d, y = activate(l, l->in[0]->v[i], &d);

        if (back)
            l->in[0]->d[i] += l->out->d[i] * d;
        else
            l->out->v[i] = y;
    }
}

/* ---- dropout ---- */

/* Two numbers of 32 bits from one hash of (key of the sample, layer, place);
 * what is below rate * 2^32 is dropped. */
void
ref_dropout(const struct ref_layer *l, bool back)
{
    double limit = floor(number(l, "rate", 0.5) * 0x1p32 + 0.5);
    double keep = l->training ? 1 - limit * 0x1p-32 : 1;
    int64_t k = l->out->c * l->out->h * l->out->w;

    for (int64_t n = 0; n < l->n; n++)
        for (int64_t i = 0; i < k; i++) {
            uint64_t h = rng_hash(l->key[n], l->index, (uint64_t)i / 2);
            uint32_t drawn = (uint32_t)(i % 2 ? h >> 32 : h);
            bool dropped = l->training && drawn < limit;

            if (back)
                l->in[0]->d[n * k + i] +=
                    dropped ? 0 : l->out->d[n * k + i] / keep;
            else
                l->out->v[n * k + i] =
                    dropped ? 0 : l->in[0]->v[n * k + i] / keep;
        }
}

/* ---- losses ---- */

static double
cross_entropy(const struct ref_layer *l, int64_t n, int32_t label, bool back)
{
    int64_t k = l->in[0]->c * l->in[0]->h * l->in[0]->w;
    const double *x = l->in[0]->v + n * k;
    double smooth = number(l, "label_smoothing", 0), largest = x[0], sum = 0,
           loss = 0;

    for (int64_t i = 1; i < k; i++)
        largest = fmax(largest, x[i]);
    for (int64_t i = 0; i < k; i++)
        sum += exp(x[i] - largest);
    for (int64_t i = 0; i < k; i++) {
        double log_p = x[i] - largest - log(sum);
        double q = smooth / (double)k + (i == label ? 1 - smooth : 0);

        loss -= q * log_p;
        if (back)
            l->in[0]->d[n * k + i] += (exp(log_p) - q) / (double)l->n;
    }
    return loss;
}

static double
mean_square(const struct ref_layer *l, int64_t n, int32_t label,
            const double *target, bool back)
{
    int64_t k = l->in[0]->c * l->in[0]->h * l->in[0]->w;
    double loss = 0;

    for (int64_t i = 0; i < k; i++) {
        double want = target ? target[n * k + i] : i == label;
        double off = l->in[0]->v[n * k + i] - want;

        loss += off * off / (double)k;
        if (back)
            l->in[0]->d[n * k + i] += 2 * off / (double)k / (double)l->n;
    }
    return loss;
}

double
ref_loss(const struct ref_layer *l, const int32_t *label, const double *target,
         bool gradient)
{
    bool mse = !strcmp(l->type, "mse");
    double sum = 0;

    for (int64_t n = 0; n < l->n; n++)
        sum += mse ? mean_square(l, n, label ? label[n] : -1, target, gradient)
                   : cross_entropy(l, n, label[n], gradient);
    return sum / (double)l->n;
}
