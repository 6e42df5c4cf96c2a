/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/plan.h"

#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"
#include "codec/codec.h"
#include "nn/ways.h"

#include <string.h>

void
plan_print_layers(FILE *to, const struct graph *g)
{
    const struct segtab *t = graph_get_segments(g);
    char shape[64], count[32], flop[32], bytes[32];
    size_t width = 5;

    for (size_t i = 0; i < graph_get_layers(g); i++) {
        struct layer_info info;

        graph_get_layer(g, i, &info);
        if (strlen(info.name) > width)
            width = strlen(info.name);
    }
    fprintf(to, "%-*s  %-21s  %-14s  %10s  %10s  %s\n", (int)width, "layer",
            "type", "output", "parameters", "FLOP", "inputs");
    for (size_t i = 0; i < graph_get_layers(g); i++) {
        struct layer_info info;

        graph_get_layer(g, i, &info);
        fprintf(to, "%-*s  %-21s  %-14s  %10zu  %10s  %s\n", (int)width,
                info.name, info.type, shape_text(&info.out, shape),
                info.n_params, str_count(flop, info.flop), info.inputs);
    }
    fprintf(to,
            "\n%zu layers, %zu parameters (%s), %s in the flat vector, "
            "%s FLOP forward per sample\n",
            graph_get_layers(g), t->n_params,
            str_count(count, (double)t->n_params),
            str_bytes(bytes, (double)t->n_floats * sizeof(float)),
            str_count(flop, graph_get_flop(g)));
}

int
plan_print_ways(FILE *to, const struct job *j, enum tuning_source source,
                struct err *err)
{
    static const char *const sources[] = {"rules", "the job", "measured before",
                                          "measured now"};
    const struct graph *g = j->graph;
    const size_t n = graph_get_layers(g);
    const char *(*way)[N_PASSES] = mem_alloc(n, sizeof *way);
    int r = way ? graph_find_ways(g, j->batch, (int)j->threads, way, err)
                : err_nomem(err);
    struct layer_info info;

    if (r == 0)
        fprintf(to, "\nways        images %s (%s)\n", graph_get_images(g),
                sources[source]);
    for (size_t i = 0; r == 0 && i < n; i++) {
        if (!way[i][PASS_FORWARD])
            continue;
        graph_get_layer(g, i, &info);
        fprintf(to, "%-16s forward %s, data %s, weights %s\n", info.name,
                way[i][PASS_FORWARD], way[i][PASS_DATA], way[i][PASS_WEIGHTS]);
    }
    mem_free(way);
    return r;
}

/* What a worker sends at most. */
static size_t
push_bytes(const struct job *j)
{
    size_t n = graph_get_segments(j->graph)->n_floats;
    size_t bytes = n * sizeof(float);
    struct codec *c = NULL;

    if (job_codec(j, &c, NULL) == 0 && c)
        bytes = codec_bound(c, 0, n);
    codec_free(c);
    return bytes;
}

void
plan_print(FILE *to, const struct job *j, const struct dataset *d)
{
    static const char *const optims[] = {"sgd", "adam", "adamw"};
    static const char *const scalings[] = {"none", "linear", "sqrt"};
    static const char *const assigns[] = {"dynamic", "iid", "dirichlet"};
    static const char *const schedules[] = {"constant", "step", "cosine"};
    char shape[64], bytes[32], flop[32];
    const struct segtab *t = graph_get_segments(j->graph);

    fprintf(to, "job         %s (%s)\n", j->name, j->doc.name);
    if (d)
        fprintf(to,
                "data        %s: %zu training and %zu test samples of %s, "
                "%lld classes, hash %016llx\n",
                d->source, d->train.n, d->test.n, shape_text(&d->shape, shape),
                (long long)d->n_classes, (unsigned long long)d->hash);
    fprintf(to, "workers     %u local, %u thread%s each, assignment %s\n",
            j->workers, j->threads, j->threads == 1 ? "" : "s",
            assigns[j->assign.kind]);
    fprintf(to, "policy      %s\n", j->policy);
    fprintf(to, "mini-batch  %u samples per worker, %u epoch%s\n", j->batch,
            j->epochs, j->epochs == 1 ? "" : "s");
    fprintf(to,
            "optimizer   %s, learning rate %g per mini-batch (scaling %s), "
            "schedule %s%s\n",
            optims[j->optim.kind], j->optim.lr, scalings[j->lr_scaling],
            schedules[j->schedule.kind],
            j->progress == PROGRESS_UPDATES ? " that counts updates" : "");
    fprintf(to, "traffic     %s%s push + %s pull per iteration and worker\n",
            j->compress.kind == CODEC_TOPK ? "at most " : "",
            str_bytes(bytes, (double)push_bytes(j)),
            str_bytes(flop, (double)t->n_floats * sizeof(float)));
    fprintf(to, "seed        %llu\n\n", (unsigned long long)j->seed);
    plan_print_layers(to, j->graph);
}
