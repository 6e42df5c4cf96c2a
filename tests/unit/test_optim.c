/* SPDX-License-Identifier: Apache-2.0 */
/* Optimizers and schedules.  The reference is written from the formulas, one
 * element at a time and in double precision; the kernels' bits are compared
 * with the same expressions evaluated without vectors. */
#include "base/err.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/rng.h"
#include "nn/optim.h"
#include "nn/optim_kernels.h"
#include "tap.h"

#include <math.h>

#define N_SEGMENTS 4
#define STEPS      25

/* ---- a table of four odd-sized segments ---- */

static struct segment segments[N_SEGMENTS] = {
    {"a.weight", SEGMENT_WEIGHT, 2, {7, 61}, 0, 427, 0},
    {"a.bias", SEGMENT_BIAS, 1, {61}, 432, 61, 0},
    {"b.running_mean", SEGMENT_STAT, 1, {5}, 496, 5, 0.1},
    {"c.weight", SEGMENT_WEIGHT, 2, {3, 11}, 512, 33, 0},
};
static const struct segtab table = {segments, N_SEGMENTS, 560, 521};

static int
in_a_segment(size_t i)
{
    for (size_t s = 0; s < table.n; s++)
        if (i >= segments[s].offset &&
            i < segments[s].offset + segments[s].count)
            return 1;
    return 0;
}

static void
fill(struct rng *r, float *v, double scale)
{
    for (size_t i = 0; i < table.n_floats; i++)
        v[i] = in_a_segment(i) ? (float)(scale * rng_normal(r)) : 0;
}

static int
parse(const char *text, struct optim_config *c, struct err *err)
{
    struct json_doc doc;
    struct jcur root;
    int r;

    if (json_doc_parse(&doc, "job", text, strlen(text), err) != 0)
        return -1;
    root = jcur_root(&doc);
    r = optim_config_parse(c, &root, err);
    json_doc_release(&doc);
    return r;
}

/* ---- reference ---- */

struct reference {
    double p[560], m[560], v[560];
};

static double
reference_clip(const struct optim_config *c, double *g)
{
    double sum = 0;

    for (size_t s = 0; s < table.n; s++)
        for (size_t i = segments[s].offset;
             i < segments[s].offset + segments[s].count; i++) {
            if (segments[s].kind == SEGMENT_STAT)
                continue;
            if (c->clip_value > 0)
                g[i] = fmax(-c->clip_value, fmin(c->clip_value, g[i]));
            sum += g[i] * g[i];
        }
    if (c->clip_norm > 0 && sqrt(sum) > c->clip_norm)
        return c->clip_norm / sqrt(sum);
    return 1;
}

static void
reference_element(const struct optim_config *c, struct reference *r, size_t i,
                  double g, double decay, double lr, int t)
{
    if (c->kind == OPTIM_SGD) {
        g += decay * r->p[i];
        r->m[i] = t == 1 ? g : c->momentum * r->m[i] + g;
        r->p[i] -= lr * (c->nesterov ? g + c->momentum * r->m[i] : r->m[i]);
        return;
    }
    if (c->kind == OPTIM_ADAM)
        g += decay * r->p[i];
    else
        r->p[i] -= lr * decay * r->p[i];
    r->m[i] = c->beta1 * r->m[i] + (1 - c->beta1) * g;
    r->v[i] = c->beta2 * r->v[i] + (1 - c->beta2) * g * g;
    r->p[i] -= lr * (r->m[i] / (1 - pow(c->beta1, t))) /
               (sqrt(r->v[i] / (1 - pow(c->beta2, t))) + c->epsilon);
}

static void
reference_update(const struct optim_config *c, struct reference *r,
                 const float *grad, double lr, int t)
{
    double g[560], scale;

    for (size_t i = 0; i < table.n_floats; i++)
        g[i] = grad[i];
    scale = reference_clip(c, g);
    for (size_t s = 0; s < table.n; s++)
        for (size_t i = segments[s].offset;
             i < segments[s].offset + segments[s].count; i++) {
            if (segments[s].kind == SEGMENT_STAT)
                r->p[i] += segments[s].momentum * (g[i] - r->p[i]);
            else
                reference_element(
                    c, r, i, scale * g[i],
                    segments[s].kind == SEGMENT_WEIGHT ? c->weight_decay : 0,
                    lr, t);
        }
}

/* ---- tests ---- */

static const char *const good[] = {
    "{\"lr\": 0.05}",
    "{\"type\": \"sgd\", \"lr\": 0.05, \"weight_decay\": 5e-4}",
    "{\"type\": \"sgd\", \"lr\": 0.05, \"momentum\": 0.9}",
    "{\"type\": \"sgd\", \"lr\": 0.05, \"momentum\": 0.9, \"nesterov\": true,"
    " \"weight_decay\": 5e-4}",
    "{\"type\": \"sgd\", \"lr\": 0.05, \"momentum\": 0.9, \"clip_norm\": 3}",
    "{\"type\": \"adam\", \"lr\": 0.01}",
    "{\"type\": \"adam\", \"lr\": 0.01, \"weight_decay\": 0.1,"
    " \"beta1\": 0.8, \"beta2\": 0.95, \"epsilon\": 1e-4}",
    "{\"type\": \"adamw\", \"lr\": 0.01}",
    "{\"type\": \"adamw\", \"lr\": 0.01, \"weight_decay\": 0.3,"
    " \"clip_value\": 0.5, \"clip_norm\": 2}",
};

/* Parameters and gradients are of order 1 and there are 25 steps of at most
 * 0.1: float rounding (6e-8 relative) in some 10 operations a step stays below
 * 25 * 10 * 6e-8 = 1.5e-5. */
static void
every_optimizer_follows_its_formula(uint64_t seed)
{
    float p[560], g[560];

    for (size_t k = 0; k < ARRAY_LEN(good); k++) {
        struct optim_config c;
        struct err err = ERR_INIT;
        struct reference ref = {.p = {0}};
        struct optim *o;
        struct rng r;
        double worst = 0, gaps = 0;

        if (!ok(parse(good[k], &c, &err) == 0, "%s %s", good[k], err.text))
            continue;
        o = optim_new(&c, &table, &err);
        rng_init_key(&r, seed, RNG_TEST, k, 0);
        fill(&r, p, 1);
        for (size_t i = 0; i < table.n_floats; i++)
            ref.p[i] = p[i];
        for (int t = 1; t <= STEPS; t++) {
            double lr = c.lr * (1 + t % 3);

            fill(&r, g, 1);
            reference_update(&c, &ref, g, lr, t);
            optim_update(o, p, g, lr);
        }
        for (size_t i = 0; i < table.n_floats; i++) {
            worst = fmax(worst, fabs(p[i] - ref.p[i]));
            if (!in_a_segment(i))
                gaps += fabs(p[i]);
        }
        ok(worst < 2e-5, "its updates, off by %.1e", worst);
        ok(gaps == 0, "gaps stay zero");
        is_int(optim_get_count(o), STEPS, "updates are counted");
        optim_free(o);
    }
}

static void
bad_options_are_refused(void)
{
    static const struct {
        const char *text, *what;
    } bad[] = {
        {"{}", "lr: expected a number"},
        {"[]", "expected an object"},
        {"{\"lr\": 0}", "lr: expected a number above 0, got 0"},
        {"{\"lr\": -1}", "lr: expected a number from 0"},
        {"{\"lr\": 1e-60}", "lr: expected a number above 0, got 1e-60"},
        {"{\"lr\": \"fast\"}", "got \"fast\""},
        {"{\"lr\": 0.1, \"type\": \"sdg\"}", "one of sgd, adam, adamw"},
        {"{\"lr\": 0.1, \"momentun\": 0.9}", "did you mean \"momentum\"?"},
        {"{\"lr\": 0.1, \"momentum\": 1}", "below 1, got 1"},
        {"{\"lr\": 0.1, \"nesterov\": true}", "needs a \"momentum\""},
        {"{\"lr\": 0.1, \"beta1\": 0.9}", "beta1: unknown key"},
        {"{\"lr\": 0.1, \"type\": \"adam\", \"momentum\": 0.9}",
         "momentum: unknown key"},
        {"{\"lr\": 0.1, \"type\": \"adam\", \"epsilon\": 0}",
         "epsilon: expected a number above 0"},
        {"{\"lr\": 0.1, \"type\": \"adam\", \"beta2\": 1.5}", "from 0 to 1"},
        {"{\"lr\": 0.1, \"weight_decay\": -1e-4}", "weight_decay: expected"},
        {"{\"lr\": 0.1, \"clip_norm\": -1}", "clip_norm: expected"},
    };

    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct optim_config c;
        struct err err = ERR_INIT;

        ok(parse(bad[i].text, &c, &err) == -1 && err.code == ERR_CONFIG &&
               strstr(err.text, bad[i].what),
           "%s: %s", bad[i].text, err.text);
    }
}

/* The element kernels may be compiled with any width of vectors, never with
 * other results: each line below is the kernel's expression. */
static void
vectors_change_no_bit(uint64_t seed)
{
    enum { n = 77 };
    const struct sgd_factors f = {0.7f, 0.05f, 5e-4f, 0.9f};
    const struct adam_factors a = {0.7f, 0.01f, 0.999f, 0.9f, 0.99f,
                                   0.1f, 0.01f, 0.02f,  1.3f, 1e-6f};
    volatile float d, x; /* one operation, one rounding */
    float p[4][n], g[n], v[4][n], m[n];
    int same[5] = {1, 1, 1, 1, 1};
    struct rng r;

    rng_init(&r, seed);
    for (int i = 0; i < n; i++) {
        g[i] = (float)rng_normal(&r);
        m[i] = (float)rng_normal(&r);
        p[0][i] = p[1][i] = p[2][i] = p[3][i] = (float)rng_normal(&r);
        v[0][i] = v[1][i] = v[2][i] = v[3][i] = (float)rng_unit(&r);
    }
    kernel_sgd(p[0], g, &f, n);
    kernel_momentum(p[1], g, v[1], &f, n);
    kernel_nesterov(p[2], g, v[2], &f, n);
    {
        float before[n], m0[n];

        memcpy(before, p[3], sizeof before);
        memcpy(m0, m, sizeof m0);
        kernel_adam(p[3], g, m, v[3], &a, n);
        for (int i = 0; i < n; i++) {
            volatile float w0 = before[i], d0, m1, v1, q;

            d0 = g[i] * a.scale;
            x = a.decay * w0;
            d0 = d0 + x;
            m1 = a.beta1 * m0[i];
            x = a.rest1 * d0;
            m1 = m1 + x;
            x = d0 * d0;
            x = a.rest2 * x;
            v1 = a.beta2 * v[0][i];
            v1 = v1 + x;
            q = sqrtf(v1);
            q = q * a.unbias;
            q = q + a.epsilon;
            x = a.step * m1;
            x = x / q;
            w0 = a.keep * w0;
            w0 = w0 - x;
            same[3] &= w0 == p[3][i];
            same[4] &= m1 == m[i] && v1 == v[3][i];
            /* and the three of sgd */
            w0 = before[i];
            d = g[i] * f.scale;
            x = f.decay * w0;
            d = d + x;
            x = f.lr * d;
            x = w0 - x;
            same[0] &= x == p[0][i];
            v1 = f.momentum * v[0][i];
            v1 = v1 + d;
            x = f.lr * v1;
            x = w0 - x;
            same[1] &= x == p[1][i] && v1 == v[1][i];
            x = f.momentum * v1;
            x = d + x;
            x = f.lr * x;
            x = w0 - x;
            same[2] &= x == p[2][i] && v1 == v[2][i];
        }
    }
    ok(same[0], "sgd: same bits as one element at a time");
    ok(same[1], "momentum");
    ok(same[2], "nesterov");
    ok(same[3] && same[4], "adam");
}

static void
clipping_bounds_the_gradient(uint64_t seed)
{
    float p[560] = {0}, g[560];
    struct optim_config c;
    struct optim *o;
    struct rng r;
    double before, largest = 0;

    rng_init(&r, seed);
    parse("{\"lr\": 1, \"clip_norm\": 0.25}", &c, NULL);
    o = optim_new(&c, &table, NULL);
    fill(&r, g, 1);
    optim_update(o, p, g, 1);
    /* float rounding of 521 products, and the epsilon in the divisor */
    ok(fabs(optim_norm(&table, p) - 0.25) < 1e-6,
       "an update has the norm of the clipped gradient: %.8f",
       optim_norm(&table, p));
    ok(fabs(p[496] - 0.1f * g[496]) < 1e-7, "statistics are not clipped");
    memset(p, 0, sizeof p);
    fill(&r, g, 0.001);
    before = optim_norm(&table, g);
    optim_update(o, p, g, 1);
    ok(optim_norm(&table, p) == before, "a short gradient is left alone");
    g[3] = NAN;
    optim_update(o, p, g, 1);
    ok(isnan(p[3]) && isnan(p[4]), "a NaN is not hidden by clip_norm");
    optim_free(o);

    parse("{\"lr\": 1, \"clip_value\": 0.5}", &c, NULL);
    o = optim_new(&c, &table, NULL);
    memset(p, 0, sizeof p);
    fill(&r, g, 1);
    g[5] = NAN;
    g[6] = -INFINITY;
    optim_update(o, p, g, 1);
    ok(isnan(p[5]) && p[6] == 0.5f, "nor by clip_value");
    for (size_t i = 7; i < 427; i++)
        largest = fmax(largest, fabs(p[i]));
    ok(largest == 0.5, "clip_value bounds each element");
    optim_free(o);
}

static void
state_can_be_saved(uint64_t seed)
{
    for (size_t k = 0; k < ARRAY_LEN(good); k++) {
        float p[560], q[560], g[560], h[560];
        struct optim_config c;
        struct optim *o, *again;
        struct rng r;

        rng_init(&r, seed);
        parse(good[k], &c, NULL);
        o = optim_new(&c, &table, NULL);
        again = optim_new(&c, &table, NULL);
        fill(&r, p, 1);
        fill(&r, g, 1);
        optim_update(o, p, g, 0.1);
        memcpy(q, p, sizeof q);
        for (int i = 0; i < optim_planes(o); i++)
            memcpy(optim_plane(again, i), optim_plane(o, i),
                   table.n_floats * sizeof(float));
        optim_set_count(again, optim_get_count(o));
        fill(&r, g, 1);
        memcpy(h, g, sizeof h);
        optim_update(o, p, g, 0.1);
        optim_update(again, q, h, 0.1);
        ok(!memcmp(p, q, sizeof p), "%d planes carry on: %s", optim_planes(o),
           optim_planes(o) ? optim_plane_name(o, 0) : "none");
        optim_free(o);
        optim_free(again);
    }
}

static void
memory_can_run_out(void)
{
    struct optim_config c;
    struct err err = ERR_INIT;

    parse("{\"lr\": 1, \"type\": \"adam\"}", &c, NULL);
    for (long n = 0; n < 3; n++) {
        err_clear(&err);
        mem_fail_after(n);
        ok(!optim_new(&c, &table, &err) && err.code == ERR_NOMEM,
           "allocation %ld fails", n);
    }
    mem_fail_after(-1);
}

/* ---- schedules ---- */

static int
parse_schedule(const char *text, struct schedule *s, struct err *err)
{
    struct json_doc doc;
    struct jcur root, at;
    int r;

    if (json_doc_parse(&doc, "job", text, strlen(text), err) != 0)
        return -1;
    root = jcur_root(&doc);
    at = jcur_key(&root, "schedule");
    r = schedule_parse(s, &at, err);
    json_doc_release(&doc);
    return r;
}

static void
schedules_have_their_shape(uint64_t seed)
{
    struct schedule s;
    struct rng r;
    int bounded = 1, falling = 1, warm = 1, steps = 1, ends = 1;

    ok(parse_schedule("{}", &s, NULL) == 0 && schedule_factor(&s, 3, 10) == 1,
       "no schedule: constant");
    ok(parse_schedule("{\"schedule\": {\"type\": \"step\", \"gamma\": 0.5,"
                      " \"milestones\": [100, 150]}}",
                      &s, NULL) == 0 &&
           schedule_factor(&s, 100, 200) == 1 &&
           schedule_factor(&s, 100.01, 200) == 0.5 &&
           schedule_factor(&s, 200, 200) == 0.25,
       "a milestone is the end of that epoch");
    ok(parse_schedule("{\"schedule\": {\"type\": \"cosine\"}}", &s, NULL) ==
               0 &&
           schedule_factor(&s, 0, 8) == 1 && schedule_factor(&s, 4, 8) == 0.5 &&
           schedule_factor(&s, 8, 8) == 0 && schedule_factor(&s, 9, 8) == 0,
       "cosine: 1, 1/2, 0");
    rng_init(&r, seed);
    for (int k = 0; k < 300; k++) {
        double total = 1 + 200 * rng_unit(&r), before;

        s = (struct schedule){
            .kind = (enum schedule_kind)rng_below(&r, 3),
            .warmup_epochs = k % 3 ? 0 : 0.5 * total * rng_unit(&r),
            .n_milestones = 3,
            .milestones = {0.6 * total, 0.7 * total, 0.9 * total},
            .gamma = rng_unit(&r),
            .min_factor = rng_unit(&r),
        };
        for (int i = 1; i <= 50; i++) {
            double w = s.warmup_epochs * i / 50;

            warm &= fabs(schedule_factor(&s, w, total) -
                         (s.warmup_epochs > 0 ? i / 50.0 : 1)) < 1e-9;
        }
        before = schedule_factor(&s, s.warmup_epochs, total);
        for (int i = 1; i <= 200; i++) {
            double at = s.warmup_epochs + (total - s.warmup_epochs) * i / 200;
            double f = schedule_factor(&s, at, total);

            bounded &= f >= 0 && f <= 1;
            falling &= f <= before + 1e-9;
            /* pi/2 / 200 is the steepest a cosine gets between two points */
            ends &= s.kind != SCHEDULE_COSINE || before - f < 0.008;
            before = f;
        }
        if (s.kind == SCHEDULE_COSINE)
            ends &= fabs(before - s.min_factor) < 1e-9;
        if (s.kind == SCHEDULE_STEP)
            steps &= fabs(before - pow(s.gamma, 3)) < 1e-12;
    }
    ok(warm, "warm-up is linear and ends at 1");
    ok(bounded, "factors lie in 0..1");
    ok(falling, "and never grow after the warm-up");
    ok(ends, "cosine falls smoothly to min_factor");
    ok(steps, "steps multiply");
}

static void
bad_schedules_are_refused(void)
{
    static const struct {
        const char *text, *what;
    } bad[] = {
        {"{\"schedule\": 3}", "schedule: expected an object, got 3"},
        {"{\"schedule\": {\"type\": \"poly\"}}", "constant, step, cosine"},
        {"{\"schedule\": {\"type\": \"step\"}}", "milestones: expected"},
        {"{\"schedule\": {\"type\": \"step\", \"milestones\": []}}",
         "at least 1 element"},
        {"{\"schedule\": {\"type\": \"step\", \"milestones\": [3, 2]}}",
         "milestones[1]: expected a number of epochs above 3"},
        {"{\"schedule\": {\"type\": \"step\", \"milestones\": [\"a\"]}}",
         "milestones[0]: expected a number of epochs above 0"},
        {"{\"schedule\": {\"type\": \"step\", \"milestones\": [1,2,3,4,5,6,7,"
         "8,9,10,11,12,13,14,15,16,17]}}",
         "at most 16 milestones, got 17"},
        {"{\"schedule\": {\"type\": \"cosine\", \"gamma\": 0.1}}",
         "gamma: unknown key"},
        {"{\"schedule\": {\"type\": \"cosine\", \"min_factor\": 2}}",
         "min_factor: expected a number from 0 to 1"},
        {"{\"schedule\": {\"warmup\": -1}}", "warmup: expected"},
    };

    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct schedule s;
        struct err err = ERR_INIT;

        ok(parse_schedule(bad[i].text, &s, &err) == -1 &&
               err.code == ERR_CONFIG && strstr(err.text, bad[i].what),
           "%s: %s", bad[i].text, err.text);
    }
}

static void
fingerprints_tell_tables_apart(void)
{
    struct segment other[N_SEGMENTS];
    struct segtab t = table;
    uint64_t h = segtab_fingerprint(&table);

    t.seg = other;
    memcpy(other, segments, sizeof other);
    ok(segtab_fingerprint(&t) == h, "equal tables, equal fingerprints");
    other[3].name[2] = 'W';
    ok(segtab_fingerprint(&t) != h, "a name counts");
    memcpy(other, segments, sizeof other);
    other[0].dim[0] = 61;
    other[0].dim[1] = 7;
    ok(segtab_fingerprint(&t) != h, "a shape counts");
    memcpy(other, segments, sizeof other);
    other[1].kind = SEGMENT_WEIGHT;
    ok(segtab_fingerprint(&t) != h, "a kind counts");
}

int
main(void)
{
    uint64_t seed = tap_seed(1);

    every_optimizer_follows_its_formula(seed);
    bad_options_are_refused();
    vectors_change_no_bit(seed);
    clipping_bounds_the_gradient(seed);
    state_can_be_saved(seed);
    memory_can_run_out();
    schedules_have_their_shape(seed);
    bad_schedules_are_refused();
    fingerprints_tell_tables_apart();
    return done();
}
