/* SPDX-License-Identifier: Apache-2.0 */
#include "base/rng.h"

#include "base/exact.h"

#include <errno.h>
#include <math.h>
#include <sys/random.h>

static uint64_t
splitmix64(uint64_t *x)
{
    uint64_t z = (*x += UINT64_C(0x9e3779b97f4a7c15));

    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

static uint64_t
rotl(uint64_t x, int k)
{
    return (x << k) | (x >> (64 - k));
}

void
rng_init(struct rng *r, uint64_t seed)
{
    for (int i = 0; i < 4; i++)
        r->s[i] = splitmix64(&seed);
}

uint64_t
rng_hash(uint64_t a, uint64_t b, uint64_t c)
{
    uint64_t x = a, h = splitmix64(&x);

    x = h ^ b;
    h = splitmix64(&x);
    x = h ^ c;
    return splitmix64(&x);
}

void
rng_init_key(struct rng *r, uint64_t seed, enum rng_stream stream, uint64_t a,
             uint64_t b)
{
    rng_init(r, rng_hash(rng_hash(seed, (uint64_t)stream, a), b, 0));
}

uint64_t
rng_u64(struct rng *r)
{
    uint64_t *s = r->s, result = rotl(s[1] * 5, 7) * 9, t = s[1] << 17;

    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = rotl(s[3], 45);
    return result;
}

/* Rejection: the highest partial block of size n is thrown away. */
uint64_t
rng_below(struct rng *r, uint64_t n)
{
    uint64_t limit = UINT64_MAX - (UINT64_MAX % n + 1) % n, x;

    do
        x = rng_u64(r);
    while (x > limit);
    return x % n;
}

double
rng_unit(struct rng *r)
{
    return (double)(rng_u64(r) >> 11) * 0x1p-53;
}

/* Box-Muller without keeping the second value: a stream has no hidden state. */
double
rng_normal(struct rng *r)
{
    double u = 1.0 - rng_unit(r); /* (0, 1] */
    double v = rng_unit(r);

    return sqrt(-2.0 * exact_log(u)) * exact_cos_turns(v);
}

/* Marsaglia and Tsang, "A simple method for generating gamma variables", 2000;
 * for shape < 1 their boost by U^(1/shape). */
double
rng_gamma(struct rng *r, double shape)
{
    double boost = 1.0, d, c;

    if (shape < 1.0) {
        boost = exact_exp(exact_log(1.0 - rng_unit(r)) / shape);
        shape += 1.0;
    }
    d = shape - 1.0 / 3.0;
    c = 1.0 / sqrt(9.0 * d);
    for (;;) {
        double x = rng_normal(r), v = 1.0 + c * x, u = 1.0 - rng_unit(r);

        if (v <= 0.0)
            continue;
        v = v * v * v;
        if (exact_log(u) < 0.5 * x * x + d - d * v + d * exact_log(v))
            return boost * d * v;
    }
}

void
rng_shuffle(struct rng *r, uint32_t *v, size_t n)
{
    for (size_t i = n; i > 1; i--) {
        size_t j = (size_t)rng_below(r, i);
        uint32_t t = v[i - 1];

        v[i - 1] = v[j];
        v[j] = t;
    }
}

int
rng_secret(void *to, size_t n_bytes)
{
    unsigned char *p = to;

    while (n_bytes > 0) {
        ssize_t n = getrandom(p, n_bytes, 0);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return -1;
        p += n;
        n_bytes -= (size_t)n;
    }
    return 0;
}
