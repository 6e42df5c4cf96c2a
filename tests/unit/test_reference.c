/* SPDX-License-Identifier: Apache-2.0 */
/* One step of the networks in models/, and updates of every optimizer, against
 * numbers that PyTorch computed in double precision: see
 * tests/torch/make_reference.py, which makes the same input.
 *
 * Tolerance: single precision through up to 20 layers gives losses to 1e-6 and
 * gradients to some 1e-5 of their norm, more where terms cancel in front of a
 * normalization; seeds are such that no relu is near its kink.  A mistake in a
 * formula, an order of dimensions or a padding changes it by far more than a
 * hundredth. */
#include "../torch/refdata.h"
#include "base/err.h"
#include "base/fs.h"
#include "base/json.h"
#include "base/mem.h"
#include "nn/net.h"
#include "nn/optim.h"
#include "ref_net.h"
#include "tap.h"

#include <math.h>

#define TOLERANCE 1e-3

#define MAX_BATCH 16

/* ---- comparison ---- */

static double worst; /* error of what was compared since it was set to 0 */

static bool
near(const char *what, double got, double want, double scale)
{
    double off = fabs(got - want) / scale;

    worst = fmax(worst, off);
    if (off <= TOLERANCE)
        return true;
    printf("# %s: %.9g, expected %.9g\n", what, got, want);
    return false;
}

static double
num(const struct jcur *c, const char *key)
{
    return json_number_value(jcur_key(c, key).v);
}

/* [Euclidean norm, sum with random signs] of n numbers. */
static bool
summary_is(const char *what, const struct jcur *want, uint64_t index,
           const float *v, size_t n)
{
    double norm = json_number_value(json_array_get(want->v, 0));
    double sum = json_number_value(json_array_get(want->v, 1));
    double square = 0, signs = 0;

    for (size_t i = 0; i < n; i++) {
        square += (double)v[i] * v[i];
        signs += rng_hash(0, REFDATA_SIGNS + index, i) >> 63 ? -v[i] : v[i];
    }
    /* where all terms cancel, as in front of a normalization, little is left
     * to compare with */
    return json_array_size(want->v) == 2 &&
           near(what, sqrt(square), norm, fmax(norm, 0.01)) &&
           near(what, signs, sum, fmax(norm, 0.01));
}

/* ---- networks ---- */

struct work {
    struct json_doc doc;
    struct graph *graph;
    struct net *net;
    const struct segtab *t;
    size_t n;
    float *x, *params, *grads;
    int32_t label[MAX_BATCH];
    uint64_t key[MAX_BATCH];
};

static void
work_release(struct work *w)
{
    net_free(w->net);
    graph_free(w->graph);
    json_doc_release(&w->doc);
    mem_free(w->x);
    mem_free(w->params);
    mem_free(w->grads);
}

static int
work_init(struct work *w, const struct jcur *job, struct err *err)
{
    const char *name = json_string_value(jcur_key(job, "name").v);
    uint64_t seed = (uint64_t)num(job, "seed");
    size_t n = (size_t)num(job, "batch"), n_in;
    const char *srcdir = getenv("EBSP_SRCDIR");
    char *path = mem_printf("%s/models/%s.json", srcdir ? srcdir : ".", name);
    struct net_options o = {.threads = 1};
    struct jcur root;

    memset(w, 0, sizeof *w);
    if (json_doc_load(&w->doc, path, err) == 0) {
        root = jcur_root(&w->doc);
        w->graph = graph_new(&root, err);
    }
    mem_free(path);
    if (w->graph)
        w->net = net_new(w->graph, &o, err);
    if (!w->net)
        return -1;
    w->t = graph_get_segments(w->graph);
    w->n = n;
    n_in = n * shape_count(graph_get_input(w->graph));
    w->x = mem_alloc_aligned(n_in * sizeof(float));
    w->params = mem_alloc_aligned(w->t->n_floats * sizeof(float));
    w->grads = mem_alloc_aligned(w->t->n_floats * sizeof(float));
    refdata_input(seed, w->x, n_in);
    refdata_labels(seed, w->label, n, 10);
    refdata_params(seed, w->t, w->params);
    return 0;
}

static bool
gradients_agree(const struct work *w, const struct jcur *segments)
{
    bool good = json_object_size(segments->v) == w->t->n;

    for (size_t i = 0; i < w->t->n && good; i++) {
        const struct segment *s = &w->t->seg[i];
        struct jcur want = jcur_key(segments, s->name);

        good = summary_is(s->name, &want, i, w->grads + s->offset, s->count);
    }
    return good;
}

static void
training_agrees(struct work *w, const struct jcur *root, const struct jcur *job)
{
    struct net_batch b = {w->n, w->x, w->label, NULL, w->key};
    struct jcur config = jcur_key(root, "training"),
                losses = jcur_key(job, "losses");
    struct err err = ERR_INIT;
    struct net_result res = {NAN, 0};
    struct optim_config c;
    struct optim *o = NULL;
    bool good = optim_config_parse(&c, &config, &err) == 0 &&
                (o = optim_new(&c, w->t, &err)) != NULL;

    worst = 0;
    for (size_t i = 0; i < 3 && good; i++) {
        good = net_step(w->net, &b, w->params, w->grads, NULL, &res, &err) == 0;
        good = good && near("loss", res.loss,
                            json_number_value(json_array_get(losses.v, i)), 1);
        if (good)
            optim_update(o, w->params, w->grads, c.lr);
    }
    good = good && net_eval(w->net, &b, w->params, &res, &err) == 0 &&
           near("loss", res.loss, num(job, "trained_eval_loss"),
                fmax(num(job, "trained_eval_loss"), 1));
    ok(good, "and so do three updates, running statistics included (%.1e) %s",
       worst, err.text);
    optim_free(o);
}

static void
job_agrees(const struct jcur *root, const struct jcur *job)
{
    const char *name = json_string_value(jcur_key(job, "name").v);
    struct jcur segments = jcur_key(job, "segments"),
                outputs = jcur_key(job, "outputs");
    struct net_result res = {NAN, 0};
    struct err err = ERR_INIT;
    struct net_batch b;
    struct work w;
    bool good;

    if (work_init(&w, job, &err) != 0) {
        ok(0, "%s: %s", name, err.text);
        work_release(&w);
        return;
    }
    b = (struct net_batch){w.n, w.x, w.label, NULL, w.key};
    worst = 0;
    good = net_eval(w.net, &b, w.params, &res, &err) == 0 &&
           near("loss", res.loss, num(job, "eval_loss"),
                fmax(num(job, "eval_loss"), 1)) &&
           summary_is("outputs", &outputs, 0, net_get_outputs(w.net),
                      w.n * (size_t)graph_get_outputs(w.graph));
    ok(good, "%s: evaluation agrees with PyTorch (%.1e) %s", name, worst,
       err.text);
    worst = 0;
    good = net_step(w.net, &b, w.params, w.grads, NULL, &res, &err) == 0 &&
           near("loss", res.loss, num(job, "loss"), 1) &&
           gradients_agree(&w, &segments);
    ok(good, "%s: loss and gradients agree (%.1e) %s", name, worst, err.text);
    training_agrees(&w, root, job);
    work_release(&w);
}

/* The naive reference of ref_net.h computes in double precision, too: it and
 * PyTorch check each other to many digits. */
static void
naive_reference_agrees(const struct jcur *job)
{
    const char *name = json_string_value(jcur_key(job, "name").v);
    struct jcur segments = jcur_key(job, "segments");
    struct err err = ERR_INIT;
    struct ref_net *ref;
    struct ref_batch b;
    struct work w;
    double *x, *p, *g, loss, most = 0;
    size_t n_in;

    if (work_init(&w, job, &err) != 0) {
        ok(0, "%s: %s", name, err.text);
        work_release(&w);
        return;
    }
    n_in = w.n * shape_count(graph_get_input(w.graph));
    x = mem_alloc(n_in, sizeof *x);
    p = mem_alloc(w.t->n_floats, sizeof *p);
    g = mem_alloc(w.t->n_floats, sizeof *g);
    for (size_t i = 0; i < n_in; i++)
        x[i] = w.x[i];
    for (size_t i = 0; i < w.t->n_floats; i++)
        p[i] = w.params[i];
    ref = ref_new(w.doc.text, w.t);
    b = (struct ref_batch){.n = w.n, .x = x, .label = w.label, .key = w.key};
    loss = ref_step(ref, &b, p, true, g);
    for (size_t i = 0; i < w.t->n; i++) {
        const struct segment *s = &w.t->seg[i];
        const json_t *want = jcur_key(&segments, s->name).v;
        double norm = json_number_value(json_array_get(want, 0)), sum = 0;

        for (size_t k = 0; k < s->count; k++)
            sum += rng_hash(0, REFDATA_SIGNS + i, k) >> 63 ? -g[s->offset + k]
                                                           : g[s->offset + k];
        most =
            fmax(most, fabs(sum - json_number_value(json_array_get(want, 1))) /
                           fmax(norm, 1e-3));
    }
    ok(fabs(loss - num(job, "loss")) < 1e-10 && most < 1e-8,
       "%s: the naive reference agrees with PyTorch to %.0e", name, most);
    ref_free(ref);
    mem_free(x);
    mem_free(p);
    mem_free(g);
    work_release(&w);
}

/* ---- optimizers ---- */

/* Five updates of eight numbers around 1: single precision keeps 1e-6. */
static void
optimizer_agrees(const struct jcur *at)
{
    static struct segment segment = {"w", SEGMENT_WEIGHT, 1, {8}, 0, 8, 0};
    static const struct segtab table = {&segment, 1, 16, 8};
    struct jcur config = jcur_key(at, "optimizer"),
                want = jcur_key(at, "params");
    float p[16] = {0}, g[16] = {0};
    struct err err = ERR_INIT;
    struct optim_config c;
    struct optim *o = NULL;
    double most = 0;

    if (optim_config_parse(&c, &config, &err) == 0)
        o = optim_new(&c, &table, &err);
    for (size_t i = 0; i < 8; i++)
        p[i] = refdata_draw(0, REFDATA_GRADIENT, i, 1, 0);
    for (uint64_t step = 0; o && step < 5; step++) {
        for (size_t i = 0; i < 8; i++)
            g[i] = refdata_draw(0, REFDATA_GRADIENT + 1 + step, i, 1, 0);
        optim_update(o, p, g, c.lr);
    }
    for (size_t i = 0; i < 8; i++)
        most = fmax(most,
                    fabs(p[i] - json_number_value(json_array_get(want.v, i))));
    ok(o && json_array_size(want.v) == 8 && most < 1e-6,
       "%s agrees with PyTorch (%.0e) %s",
       json_string_value(jcur_key(&config, "type").v), most, err.text);
    optim_free(o);
}

int
main(void)
{
    const char *srcdir = getenv("EBSP_SRCDIR");
    char *path =
        mem_printf("%s/tests/torch/reference.json", srcdir ? srcdir : ".");
    struct err err = ERR_INIT;
    struct json_doc doc;
    struct jcur root, jobs, optimizers;

    if (json_doc_load(&doc, path, &err) != 0) {
        ok(0, "%s", err.text);
        mem_free(path);
        return done();
    }
    root = jcur_root(&doc);
    jobs = jcur_key(&root, "jobs");
    optimizers = jcur_key(&root, "optimizers");
    is_int(json_array_size(jobs.v), 5, "five networks");
    is_int(json_array_size(optimizers.v), 9, "nine optimizers");
    for (size_t i = 0; i < json_array_size(jobs.v); i++) {
        struct jcur job = jcur_at(&jobs, i);

        job_agrees(&root, &job);
        if (i < 2) /* naive loops take seconds for the others */
            naive_reference_agrees(&job);
    }
    for (size_t i = 0; i < json_array_size(optimizers.v); i++) {
        struct jcur at = jcur_at(&optimizers, i);

        optimizer_agrees(&at);
    }
    json_doc_release(&doc);
    mem_free(path);
    return done();
}
