/* SPDX-License-Identifier: Apache-2.0 */
/* Time of one training step (forward, backward, plain SGD) of a job's network
 * on random input:
 *
 *   step JOB.json [--threads T] [--batch B] [--seconds S]
 *        [--clock wall|processor] [--tune off|quick|full] [--exact]
 *        [--ways TEXT] [--verbose]
 *
 * `--clock processor` counts the processor time of the process, divided by
 * its threads: what to compare when other load disturbs the wall clock.
 * Not built by `make`; see bench/README.md. */
#include "base/buf.h"
#include "base/err.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/rng.h"
#include "base/str.h"
#include "base/vec.h"
#include "nn/net.h"
#include "nn/tune.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define MAX_STEPS 100000

struct bench {
    struct json_doc doc;
    struct graph *graph;
    struct net *net;
    struct net_batch batch;
    float *x, *params, *grads;
    int32_t *label;
    uint64_t *key;
    double *ms;
    int processor; /* clock: processor time of so many threads; 0: wall */
};

static double
now_ms(const struct bench *b)
{
    struct timespec t;

    clock_gettime(b->processor ? CLOCK_PROCESS_CPUTIME_ID : CLOCK_MONOTONIC,
                  &t);
    return ((double)t.tv_sec * 1e3 + (double)t.tv_nsec * 1e-6) /
           (b->processor ? b->processor : 1);
}

static int
by_value(const void *a, const void *b)
{
    const double *x = a, *y = b;

    return (*x > *y) - (*x < *y);
}

static int
fill(struct bench *b, size_t n, struct err *err)
{
    size_t width = shape_count(graph_get_input(b->graph));
    size_t n_floats = graph_get_segments(b->graph)->n_floats;
    uint64_t classes = (uint64_t)graph_get_outputs(b->graph);
    struct rng rng;

    b->x = mem_alloc_aligned(n * width * sizeof *b->x);
    b->params = mem_alloc_aligned(n_floats * sizeof *b->params);
    b->grads = mem_alloc_aligned(n_floats * sizeof *b->grads);
    b->label = mem_alloc(n, sizeof *b->label);
    b->key = mem_alloc(n, sizeof *b->key);
    b->ms = mem_alloc(MAX_STEPS, sizeof *b->ms);
    if (!b->x || !b->params || !b->grads || !b->label || !b->key || !b->ms)
        return err_nomem(err);
    rng_init(&rng, 1);
    for (size_t i = 0; i < n * width; i++)
        b->x[i] = (float)rng_normal(&rng);
    for (size_t i = 0; i < n; i++) {
        b->label[i] = (int32_t)rng_below(&rng, classes);
        b->key[i] = rng_u64(&rng);
    }
    graph_init_params(b->graph, 1, b->params);
    b->batch =
        (struct net_batch){.n = n, .x = b->x, .label = b->label, .key = b->key};
    return 0;
}

/* Steps until `seconds` are over, after three to warm up: their median and
 * number, and the time of all.  The last one ends after that. */
static int
measure(struct bench *b, double seconds, double *ms, size_t *steps,
        double *total_ms, struct net_result *r, struct err *err)
{
    size_t n_floats = graph_get_segments(b->graph)->n_floats, n = 0;
    double start = now_ms(b);

    for (int warm = 3; n < MAX_STEPS; warm--) {
        double t = now_ms(b);

        if (net_step(b->net, &b->batch, b->params, b->grads, NULL, r, err) != 0)
            return -1;
        vec_axpy(b->params, -0.01f, b->grads, n_floats);
        if (warm > 0) {
            start = now_ms(b);
            continue;
        }
        b->ms[n++] = now_ms(b) - t;
        if (n >= 5 && now_ms(b) - start > seconds * 1e3)
            break;
    }
    *total_ms = now_ms(b) - start;
    qsort(b->ms, n, sizeof *b->ms, by_value);
    *ms = b->ms[n / 2];
    *steps = n;
    return 0;
}

struct tuning {
    const char *tune, *ways; /* off, quick, full; text, or NULL */
    bool exact;
};

static int
choose_ways(struct graph *g, const struct tuning *how, size_t batch,
            int threads, struct err *err)
{
    const struct tune_options o = {.batch = batch,
                                   .threads = threads,
                                   .full = !strcmp(how->tune, "full"),
                                   .exact = how->exact};

    if (how->ways)
        return graph_set_ways(g, how->ways, err);
    return strcmp(how->tune, "off") != 0 && tune_is_useful(g, &o)
               ? tune_graph(g, &o, err)
               : 0;
}

static int
run(struct bench *b, const char *path, int threads, size_t batch,
    double seconds, const struct tuning *how, int verbose, struct err *err)
{
    struct net_options o = {.threads = threads};
    struct buf text = BUF_INIT(1 << 20);
    struct net_result r = {0};
    struct jcur root;
    size_t steps;
    double ms, total_ms;

    if (json_doc_load(&b->doc, path, err) != 0)
        return -1;
    root = jcur_root(&b->doc);
    b->graph = graph_new(&root, err);
    if (!b->graph || fill(b, batch, err) != 0)
        return -1;
    if (choose_ways(b->graph, how, batch, threads, err) != 0)
        return -1;
    b->net = net_new(b->graph, &o, err);
    if (!b->net || measure(b, seconds, &ms, &steps, &total_ms, &r, err) != 0)
        return -1;
    if (verbose) {
        net_describe(b->net, &text);
        fputs(text.data ? text.data : "", stdout);
        buf_release(&text);
    }
    buf_adds(&text, "ways        ");
    graph_get_ways(b->graph, &text);
    if (verbose)
        printf("%s\n", text.data);
    buf_release(&text);
    printf("%s batch %zu threads %d: %.3f ms/step (median of %zu in %.3f s), "
           "%.1f samples/s, %.1f GFLOP/s forward+backward, %.1f MB, loss "
           "%.5f\n",
           path, batch, threads, ms, steps, total_ms * 1e-3,
           (double)batch / ms * 1e3,
           3.0 * graph_get_flop(b->graph) * (double)batch / ms * 1e-6,
           (double)net_get_memory(b->net) * 1e-6, r.loss);
    return 0;
}

/* `words` are separated by blanks. */
static bool
is_one_of(const char *word, const char *words)
{
    const char *at = strstr(words, word);
    size_t n = strlen(word);

    return n > 0 && at && !strchr(word, ' ') &&
           (at == words || at[-1] == ' ') && (at[n] == '\0' || at[n] == ' ');
}

int
main(int argc, char **argv)
{
    struct tuning how = {.tune = "quick"};
    struct bench b = {0};
    struct err err = ERR_INIT;
    uint64_t threads = 1, batch = 128;
    double seconds = 3.0;
    int bad = argc < 2, verbose = 0, processor = 0;
    int status;

    for (int i = 2; i < argc && !bad; i++) {
        if (!strcmp(argv[i], "--verbose"))
            verbose = 1;
        else if (!strcmp(argv[i], "--exact"))
            how.exact = true;
        else if (i + 1 == argc)
            bad = 1;
        else if (!strcmp(argv[i], "--threads"))
            bad = !str_u64(argv[++i], &threads) || threads < 1 || threads > 999;
        else if (!strcmp(argv[i], "--batch"))
            bad = !str_u64(argv[++i], &batch) || batch < 1;
        else if (!strcmp(argv[i], "--tune"))
            bad = !is_one_of(how.tune = argv[++i], "off quick full");
        else if (!strcmp(argv[i], "--ways"))
            how.ways = argv[++i];
        else if (!strcmp(argv[i], "--clock")) {
            processor = !strcmp(argv[++i], "processor");
            bad = !is_one_of(argv[i], "wall processor");
        } else if (!strcmp(argv[i], "--seconds"))
            bad = !str_f64(argv[++i], &seconds);
        else
            bad = 1;
    }
    b.processor = processor ? (int)threads : 0;
    if (bad) {
        fputs("usage: step JOB.json [--threads T] [--batch B] [--seconds S] "
              "[--clock wall|processor] [--tune off|quick|full] [--exact] "
              "[--ways TEXT] [--verbose]\n",
              stderr);
        return 2;
    }
    status = run(&b, argv[1], (int)threads, (size_t)batch, seconds, &how,
                 verbose, &err);
    if (status != 0)
        fprintf(stderr, "step: %s\n", err.text);
    net_free(b.net);
    graph_free(b.graph);
    json_doc_release(&b.doc);
    mem_free(b.x);
    mem_free(b.params);
    mem_free(b.grads);
    mem_free(b.label);
    mem_free(b.key);
    mem_free(b.ms);
    return status == 0 ? 0 : (int)err.code;
}
