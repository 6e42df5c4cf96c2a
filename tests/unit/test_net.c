/* SPDX-License-Identifier: Apache-2.0 */
/* What net.h promises beside right gradients (test_gradients). */
#include "base/buf.h"
#include "net_fixture.h"
#include "nn/par.h"

#include <malloc.h>
#include <pthread.h>

static const char lenet[] =
    "{'type': 'conv2d', 'filters': 6, 'kernel': 3}, {'type': 'relu'},"
    "{'type': 'maxpool', 'kernel': 2},"
    "{'type': 'conv2d', 'filters': 10, 'kernel': 3}, {'type': 'relu'},"
    "{'type': 'maxpool', 'kernel': 2},"
    "{'type': 'dense', 'units': 20}, {'type': 'relu'}, {'type': 'dropout'},"
    "{'type': 'dense', 'units': 5}, {'type': 'softmax_cross_entropy'}";

static const char normed[] =
    "{'type': 'conv2d', 'filters': 16, 'kernel': 3}, {'type': 'batchnorm'},"
    "{'type': 'relu'}, {'type': 'conv2d', 'filters': 16, 'kernel': 3,"
    " 'padding': 1}, {'type': 'batchnorm'},"
    "{'type': 'add', 'input': ['bn2', 'relu1']}, {'type': 'relu'},"
    "{'type': 'global_avgpool'},"
    "{'type': 'dense', 'units': 5}, {'type': 'softmax_cross_entropy'}";

static double
largest_difference(const float *a, const float *b, size_t n)
{
    double worst = 0.0;

    for (size_t i = 0; i < n; i++)
        if (!(fabs((double)a[i] - (double)b[i]) <= worst))
            worst = fabs((double)a[i] - (double)b[i]);
    return worst;
}

/* Also when other sizes and evaluation came in between, and when plans were
 * thrown away because of them. */
static void
same_bits(const char *what, const char *layers, int threads)
{
    struct fixture f = fixture("[3, 14, 14]", layers, 24, threads);
    size_t n = f.t->n_floats;
    struct net_result a, b;
    float *first;

    a = step(&f);
    first = copy(f.grads, n);
    memset(f.grads, 0xff, n * sizeof *f.grads);
    for (size_t size = 1; size < 24; size++) {
        f.batch.n = size;
        step(&f);
        eval(&f);
    }
    f.batch.n = 24;
    b = step(&f);
    ok(!memcmp(first, f.grads, n * sizeof *first) && a.loss == b.loss &&
           a.correct == b.correct,
       "%s, %d thread%s: the same step gives the same bits", what, threads,
       threads == 1 ? "" : "s");
    mem_free(first);
    release(&f);
}

/* Sums are taken in another order, in float: 1e-5 of numbers below 10. */
static void
same_numbers_with_threads(void)
{
    struct fixture a = fixture("[3, 14, 14]", normed, 24, 1);
    struct fixture b = fixture("[3, 14, 14]", normed, 24, 2);
    double off;

    step(&a);
    step(&b);
    off = largest_difference(a.grads, b.grads, a.t->n_floats);
    ok(off < 1e-5, "1 and 2 threads agree (%.1e)", off);
    release(&a);
    release(&b);
}

/* Without batch normalization a mini-batch is the mean of its samples, in
 * whatever company: sizes that fill no vector, and dropout too. */
static void
batch_is_mean_of_samples(void)
{
    struct fixture f = fixture("[3, 14, 14]", lenet, 7, 1);
    size_t n = f.t->n_floats;
    struct net_batch whole = f.batch;
    double loss = 0.0, off;
    uint64_t correct = 0;
    struct net_result r;
    float *mean = mem_alloc(n, sizeof *mean);

    if (!mean)
        die("memory");
    for (size_t i = 0; i < whole.n; i++) {
        f.batch = (struct net_batch){.n = 1,
                                     .x = f.x + i * f.width,
                                     .label = f.label + i,
                                     .key = f.key + i};
        r = step(&f);
        loss += r.loss / 7.0;
        correct += r.correct;
        for (size_t k = 0; k < n; k++)
            mean[k] += f.grads[k] / 7.0f;
    }
    f.batch = whole;
    r = step(&f);
    off = largest_difference(mean, f.grads, n);
    ok(off < 1e-5 && fabs(loss / r.loss - 1.0) < 1e-6 && correct == r.correct,
       "7 samples are the mean of each alone (%.1e)", off);
    mem_free(mean);
    release(&f);
}

/* `grads` holds nothing of what was there before. */
static void
gradients_are_written_completely(void)
{
    struct fixture f = fixture("[3, 14, 14]", normed, 5, 1);
    size_t n = f.t->n_floats, gaps = 0;
    float *first;

    step(&f);
    first = copy(f.grads, n);
    memset(f.grads, 0xff, n * sizeof *f.grads);
    step(&f);
    ok(!memcmp(first, f.grads, n * sizeof *first),
       "gradients are written completely");
    for (size_t i = 0; i < f.t->n; i++)
        for (size_t k = f.t->seg[i].offset + f.t->seg[i].count;
             k < (i + 1 < f.t->n ? f.t->seg[i + 1].offset : n); k++)
            gaps += f.grads[k] != 0.0f;
    is_int(gaps, 0, "gaps are zero");
    mem_free(first);
    release(&f);
}

struct seen {
    const struct fixture *f;
    float *at_call; /* what grads held when the segment was announced */
    int times[32];
    size_t last;
    int upward; /* announcements of a later segment than the one before */
};

static void
see(void *ctx, size_t index)
{
    struct seen *s = ctx;
    const struct segment *g = &s->f->t->seg[index];

    memcpy(s->at_call + g->offset, s->f->grads + g->offset,
           g->count * sizeof(float));
    s->times[index]++;
    s->upward += index > s->last;
    s->last = index;
}

static void
progress(void)
{
    struct fixture f = fixture("[3, 14, 14]", normed, 5, 1);
    struct seen s = {.f = &f, .last = f.t->n};
    const struct net_progress done = {.segment = see, .ctx = &s};
    struct err e = ERR_INIT;
    struct net_result r;
    int once = 0;

    s.at_call = mem_alloc(f.t->n_floats, sizeof(float));
    if (!s.at_call ||
        net_step(f.net, &f.batch, f.params, f.grads, &done, &r, &e) != 0)
        die(e.text);
    for (size_t i = 0; i < f.t->n; i++)
        once += s.times[i] == 1;
    is_int(once, f.t->n, "each segment is announced once");
    is_int(s.upward, 0, "last segments first");
    ok(!memcmp(s.at_call, f.grads, f.t->n_floats * sizeof(float)),
       "what was announced was final");
    mem_free(s.at_call);
    release(&f);
}

/* Parameters that come late: a layer's are in `params` from when they are asked
 * for, until then NaN. */
struct late {
    const float *from;
    float *params;
    size_t have;
    int calls, downward, refuse_at; /* calls from 1; 0: never */
};

static int
bring(void *ctx, size_t end, struct err *err)
{
    struct late *l = ctx;

    if (++l->calls == l->refuse_at)
        return err_set(err, ERR_TARGET, "not today");
    l->downward += end <= l->have;
    memcpy(l->params + l->have, l->from + l->have,
           (end - l->have) * sizeof(float));
    l->have = end;
    return 0;
}

static void
parameters_come_when_needed(void)
{
    struct fixture f = fixture("[3, 14, 14]", normed, 5, 1);
    size_t n = f.t->n_floats;
    struct late l = {.from = copy(f.params, n), .params = f.params};
    const struct net_progress late = {.need = bring, .ctx = &l};
    struct net_result a, b;
    struct err e = ERR_INIT;
    float *g;

    a = step(&f);
    g = copy(f.grads, n);
    memset(f.params, 0xff, n * sizeof(float));
    ok(net_step(f.net, &f.batch, f.params, f.grads, &late, &b, &e) == 0 &&
           a.loss == b.loss && !memcmp(g, f.grads, n * sizeof(float)),
       "parameters that come layer by layer: the same bits");
    ok(l.calls > 3 && l.downward == 0 && l.have == n,
       "asked for in %d parts, in forward order, to the end", l.calls);
    l.have = 0;
    l.calls = 0;
    l.refuse_at = 3;
    ok(net_step(f.net, &f.batch, f.params, f.grads, &late, &b, &e) == -1 &&
           e.code == ERR_TARGET && !strcmp(e.text, "not today"),
       "a refusal ends the step and is told as it is: %s", e.text);
    mem_free(g);
    mem_free((void *)(uintptr_t)l.from);
    release(&f);
}

/* Ours through the hook; and the heap of the process, which holds what oneDNN
 * and the C library take, does not grow either. */
static void
steps_allocate_nothing(int threads)
{
    struct fixture f = fixture("[3, 14, 14]", normed, 16, threads);
    struct net_result r;
    struct err e = ERR_INIT;
    size_t before;
    int failed = 0;

    /* Plans first; then the C library's caches of what oneDNN takes and gives
     * back within a step. */
    for (int i = 0; i < 2; i++) {
        step(&f);
        eval(&f);
    }
    before = mallinfo2().uordblks;
    mem_fail_after(0);
    for (int i = 0; i < 20; i++) {
        failed += net_step(f.net, &f.batch, f.params, f.grads, NULL, &r, &e);
        failed += net_eval(f.net, &f.batch, f.params, &r, &e);
    }
    mem_fail_after(-1);
    is_int(failed, 0, "a step allocates nothing");
    is_int(mallinfo2().uordblks, before, "and the heap stays as it is");
    release(&f);
}

static void
statistics_of_batchnorm(void)
{
    struct fixture f = fixture("[2, 3, 4]",
                               "{'type': 'batchnorm'}, {'type': 'flatten'},"
                               "{'type': 'dense', 'units': 2}, {'type': 'mse'}",
                               6, 1);
    const float *mean = f.grads + f.t->seg[2].offset;
    const float *var = f.grads + f.t->seg[3].offset;
    const double m = 6 * 12;

    step(&f);
    for (size_t c = 0; c < 2; c++) {
        double sum = 0.0, sum2 = 0.0;

        for (size_t n = 0; n < 6; n++)
            for (size_t i = 0; i < 12; i++) {
                double x = (double)f.x[n * 24 + c * 12 + i];

                sum += x;
                sum2 += x * x;
            }
        sum /= m;
        sum2 = (sum2 - m * sum * sum) / (m - 1.0);
        ok(fabs((double)mean[c] - sum) < 1e-6 &&
               fabs((double)var[c] - sum2) < 1e-5,
           "channel %zu: mean and unbiased variance of the mini-batch", c);
    }
    release(&f);
}

/* 1x1 convolution and dense layer that copy their input, so that the outputs
 * are those of batchnorm alone. */
static void
evaluation_uses_running_statistics(void)
{
    struct fixture f =
        fixture("[3]",
                "{'type': 'batchnorm', 'epsilon': 0.5}, {'type': 'dropout'},"
                "{'type': 'dense', 'units': 3}, {'type': 'mse'}",
                2, 1);
    float *v[6];
    double off = 0.0;

    for (size_t i = 0; i < 6; i++)
        v[i] = f.params + f.t->seg[i].offset;
    for (size_t i = 0; i < 9; i++)
        v[4][i] = i % 4 == 0 ? 1.0f : 0.0f;
    memset(v[5], 0, 3 * sizeof(float));
    eval(&f);
    for (size_t i = 0; i < 6; i++) {
        size_t c = i % 3;
        double want = ((double)f.x[i] - (double)v[2][c]) /
                          sqrt((double)v[3][c] + 0.5) * (double)v[0][c] +
                      (double)v[1][c];

        off = fmax(off, fabs(want - (double)net_get_outputs(f.net)[i]));
    }
    ok(off < 1e-5, "evaluation: running statistics, no dropout (%.1e)", off);
    release(&f);
}

/* The mean of ones survives: y is 1 on average, with a deviation of
 * sqrt(0.3 / 0.7 / 1000) = 0.02 per sample, so that the mean of y^2 over 64
 * samples is 1.0004 +- 0.005. */
static void
dropout_keeps_the_mean(void)
{
    struct fixture f = fixture("[1000]",
                               "{'type': 'dropout', 'rate': 0.3},"
                               "{'type': 'dense', 'units': 1, 'bias': false},"
                               "{'type': 'mse'}",
                               64, 1);
    float *target = mem_alloc(64, sizeof *target);
    double a, b;

    if (!target)
        die("memory");
    for (size_t i = 0; i < 64 * 1000; i++)
        f.x[i] = 1.0f;
    for (size_t i = 0; i < 1000; i++)
        f.params[i] = 1e-3f;
    f.batch.target = target;
    a = step(&f).loss;
    ok(fabs(a - 1.0) < 0.02 && a != 1.0, "dropout keeps the mean (%.4f)", a);
    b = step(&f).loss;
    ok(a == b, "the same keys draw the same");
    for (size_t i = 0; i < 64; i++)
        f.key[i] += 1;
    b = step(&f).loss;
    ok(a != b, "others draw others");
    ok(fabs(eval(&f).loss - 1.0) < 1e-5, "evaluation drops nothing");
    mem_free(target);
    release(&f);
}

/* Each place and each layer draws for itself. */
static void
dropout_is_independent(void)
{
    struct fixture f =
        fixture("[2048]",
                "{'type': 'dropout'}, {'type': 'dropout'},"
                "{'type': 'dense', 'units': 1, 'bias': false}, {'type': 'mse'}",
                64, 1);
    float *target = mem_alloc(64, sizeof *target);
    double both, halves;

    if (!target)
        die("memory");
    f.batch.target = target;
    for (size_t i = 0; i < 64 * 2048; i++)
        f.x[i] = 1.0f;
    /* One mask twice would double the mean of the outputs, which is 1 with a
     * deviation of sqrt(3 / 2048) = 0.04 each. */
    for (size_t i = 0; i < 2048; i++)
        f.params[i] = 1.0f / 2048.0f;
    both = step(&f).loss;
    ok(fabs(both - 1.0) < 0.1, "two layers draw independently (%.3f)", both);
    /* A mask with a period would cancel: the mean of y^2 is 3 / 2048. */
    for (size_t period = 2; period <= 1024; period *= 2) {
        for (size_t i = 0; i < 2048; i++)
            f.params[i] = (i / period % 2 ? 1.0f : -1.0f) / 2048.0f;
        halves = step(&f).loss * 2048.0 / 3.0;
        ok(halves > 0.5 && halves < 2.0, "no period of %zu (%.3f)", period,
           halves);
    }
    mem_free(target);
    release(&f);
}

static void
losses(void)
{
    struct fixture f =
        fixture("[3]", "{'type': 'dense', 'units': 3}, {'type': 'mse'}", 2, 1);
    static float target[6] = {1, 2, 3, 4, 5, 6};
    const float *y;
    double sum = 0.0;
    struct net_result r;

    f.batch.target = target;
    f.batch.label = NULL;
    r = eval(&f);
    y = net_get_outputs(f.net);
    for (size_t i = 0; i < 6; i++)
        sum += ((double)y[i] - (double)target[i]) *
               ((double)y[i] - (double)target[i]) / 6.0;
    ok(fabs(r.loss - sum) < 1e-12 && r.correct == 0, "mse of targets");
    release(&f);

    f = fixture("[3]",
                "{'type': 'dense', 'units': 3, 'bias': false},"
                "{'type': 'softmax_cross_entropy'}",
                2, 1);
    memset(f.params, 0, f.t->n_floats * sizeof *f.params);
    f.label[0] = 0;
    f.label[1] = 0;
    r = eval(&f);
    ok(fabs(r.loss - log(3.0)) < 1e-12, "equal outputs: log of the classes");
    is_int(r.correct, 2, "the first of equal outputs is the answer");
    f.label[1] = 2;
    is_int(eval(&f).correct, 1, "and not a later one");
    f.params[0] = 1e30f;
    f.x[0] = 1e8f;
    f.x[3] = 1.0f;
    f.label[1] = 1;
    r = eval(&f);
    ok(isfinite(r.loss) || isinf(r.loss), "huge outputs do not become NaN");
    release(&f);
}

static void
bad_input(void)
{
    struct fixture f = fixture("[3, 14, 14]", lenet, 4, 1);
    struct net_result r;
    struct err e = ERR_INIT;

    f.label[2] = 5;
    ok(net_step(f.net, &f.batch, f.params, f.grads, NULL, &r, &e) == -1 &&
           e.code == ERR_CONFIG,
       "refused: %s", e.text);
    err_clear(&e);
    f.label[2] = -1;
    ok(net_eval(f.net, &f.batch, f.params, &r, &e) == -1, "refused: %s",
       e.text);
    err_clear(&e);
    f.label[2] = 0;
    f.batch.n = 0;
    ok(net_eval(f.net, &f.batch, f.params, &r, &e) == -1, "refused: %s",
       e.text);
    err_clear(&e);
    f.batch.n = 4;
    f.batch.key = NULL;
    ok(net_step(f.net, &f.batch, f.params, f.grads, NULL, &r, &e) == -1,
       "refused: %s", e.text);
    ok(eval(&f).loss > 0.0, "evaluation needs no keys");
    f.batch.key = f.key;
    release(&f);
}

/* Also from the first layer, through relus that do not know NaN. */
static void
nan_reaches_the_loss(void)
{
    struct fixture f = fixture("[3, 14, 14]", lenet, 4, 2);
    size_t told = 0;

    for (size_t i = 0; i < f.t->n; i++) {
        float *w = f.params + f.t->seg[i].offset, old = *w;

        *w = i % 2 ? NAN : INFINITY;
        told += isnan(step(&f).loss) && isnan(eval(&f).loss);
        *w = old;
    }
    is_int(told, f.t->n, "NaN or infinity in any parameter reaches the loss");
    f.x[4 * f.width - 1] = NAN;
    ok(isnan(step(&f).loss), "and in a sample");
    f.x[4 * f.width - 1] = 0.0f;
    ok(isfinite(step(&f).loss), "and does not stay");
    release(&f);
}

/* Whichever allocation fails of the first step of a larger size: an error, and
 * the usual size works as before.  No leak either, says ASan. */
static void
out_of_memory(void)
{
    struct fixture f = fixture("[3, 14, 14]", normed, 32, 1);
    struct net_batch large = f.batch, small = f.batch;
    struct net_result r, large_want = step(&f), small_want;
    long failures = 0, wrong = 0;
    int failed = -1;

    small.n = 3;
    f.batch = small;
    small_want = step(&f);
    net_free(f.net);
    f.net = new_net(f.graph, 1);
    while (failed && failures < 1000) {
        struct err e = ERR_INIT;

        wrong += step(&f).loss != small_want.loss;
        mem_fail_after(failures);
        failed = net_step(f.net, &large, f.params, f.grads, NULL, &r, &e);
        mem_fail_after(-1);
        failures += failed != 0;
        wrong += failed && (e.code != ERR_NOMEM || net_get_outputs(f.net));
    }
    wrong += step(&f).loss != small_want.loss;
    ok(failures > 10 && wrong == 0 && r.loss == large_want.loss,
       "each of %ld allocations may fail", failures);
    release(&f);
}

static void *
run_thread(void *ctx)
{
    struct fixture *f = ctx;

    for (int i = 0; i < 50; i++) {
        step(f);
        eval(f);
    }
    step(f);
    return NULL;
}

static void
two_nets_in_two_threads(void)
{
    struct fixture a = fixture("[3, 14, 14]", normed, 9, 1);
    struct fixture b = fixture("[3, 14, 14]", lenet, 9, 2);
    float *alone[2];
    pthread_t thread;

    step(&a);
    step(&b);
    alone[0] = copy(a.grads, a.t->n_floats);
    alone[1] = copy(b.grads, b.t->n_floats);
    if (pthread_create(&thread, NULL, run_thread, &a) != 0)
        die("pthread_create");
    run_thread(&b);
    pthread_join(thread, NULL);
    ok(!memcmp(a.grads, alone[0], a.t->n_floats * sizeof(float)) &&
           !memcmp(b.grads, alone[1], b.t->n_floats * sizeof(float)),
       "two nets in two threads, each with its own number of threads");
    mem_free(alone[0]);
    mem_free(alone[1]);
    release(&a);
    release(&b);
}

static void
outputs_stay(void)
{
    struct fixture f = fixture("[3, 14, 14]", normed, 3, 1);
    float *after_step;
    double off = 0.0;

    /* Without its running statistics batchnorm would differ: take theirs. */
    step(&f);
    for (size_t i = 0; i < f.t->n; i++)
        if (f.t->seg[i].kind == SEGMENT_STAT)
            memcpy(f.params + f.t->seg[i].offset, f.grads + f.t->seg[i].offset,
                   f.t->seg[i].count * sizeof(float));
    step(&f);
    after_step = copy(net_get_outputs(f.net), 15);
    eval(&f);
    /* Variances are unbiased in one and biased in the other: 3 x 144 numbers,
     * twice half of 1 / 432 of outputs below 10. */
    off = largest_difference(after_step, net_get_outputs(f.net), 15);
    ok(off > 0.0 && off < 0.05, "outputs after a step, too (%.1e)", off);
    mem_free(after_step);
    release(&f);
}

/* The caller's OpenMP code finds its own number of threads again. */
static void
threads_are_restored(void)
{
    struct fixture f = fixture("[3, 14, 14]", normed, 3, 2);
    int before = par_set_threads(3);

    step(&f);
    is_int(par_set_threads(before), 3, "the number of threads is restored");
    release(&f);
}

static void
described(void)
{
    struct fixture f = fixture("[3, 14, 14]", lenet, 4, 1);
    struct buf text = BUF_INIT(4096);
    size_t lines = 0;

    net_describe(f.net, &text);
    is_int(text.len, 0, "nothing to describe before the first step");
    ok(net_get_outputs(f.net) == NULL, "and no outputs");
    step(&f);
    net_describe(f.net, &text);
    for (size_t i = 0; i < text.len; i++)
        lines += text.data[i] == '\n';
    is_int(lines, graph_get_layers(f.graph), "a line per layer");
    ok(strstr(text.data, "conv2") && strstr(text.data, "weights"),
       "with what computes it");
    ok(net_get_memory(f.net) > 0, "memory: %zu bytes", net_get_memory(f.net));
    buf_release(&text);
    release(&f);
}

int
main(void)
{
    for (int threads = 1; threads <= 2; threads++) {
        same_bits("lenet", lenet, threads);
        same_bits("batchnorm", normed, threads);
        steps_allocate_nothing(threads);
    }
    same_numbers_with_threads();
    batch_is_mean_of_samples();
    gradients_are_written_completely();
    progress();
    parameters_come_when_needed();
    statistics_of_batchnorm();
    evaluation_uses_running_statistics();
    dropout_keeps_the_mean();
    dropout_is_independent();
    losses();
    bad_input();
    nan_reaches_the_loss();
    out_of_memory();
    two_nets_in_two_threads();
    outputs_stay();
    threads_are_restored();
    described();
    return done();
}
