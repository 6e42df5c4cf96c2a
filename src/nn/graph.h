/* SPDX-License-Identifier: Apache-2.0 */
/* A network as its job describes it: layers with checked options and shapes.
 * Knows nothing of mini-batch sizes, memory or oneDNN; see net.h for that. */
#ifndef EBSP_NN_GRAPH_H
#define EBSP_NN_GRAPH_H

#include "nn/segment.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct err;
struct graph;
struct jcur;

/* Shape of one sample: {C, H, W} or {K}. */
struct shape {
    int n_dims; /* 1 or 3 */
    int64_t dim[3];
};

size_t shape_count(const struct shape *s);
const char *shape_text(const struct shape *s, char to[64]); /* "3x32x32" */

enum loss_kind { LOSS_SOFTMAX_CROSS_ENTROPY, LOSS_MSE };

/* One line of the table that --dry-run and inspect show. */
struct layer_info {
    const char *name, *type;
    struct shape out;
    size_t n_params;    /* trained */
    double flop;        /* forward, per sample; a multiply-add counts 2 */
    const char *inputs; /* "conv1" or "a, b" */
};

/* Reads "input", "layers" and "ways" of a job (see ebsp-job(5)) and checks
 * everything: keys, types, ranges, names, branches, shapes.  The last layer
 * must be a loss.  Errors are ERR_CONFIG with position and path. */
struct graph *graph_new(const struct jcur *job, struct err *err);
void graph_free(struct graph *g);

const struct segtab *graph_get_segments(const struct graph *g);
const struct shape *graph_get_input(const struct graph *g);
/* Width of the last layer before the loss. */
int64_t graph_get_outputs(const struct graph *g);
enum loss_kind graph_get_loss(const struct graph *g);
size_t graph_get_layers(const struct graph *g);
void graph_get_layer(const struct graph *g, size_t i, struct layer_info *info);
double graph_get_flop(const struct graph *g); /* forward, per sample */

/* Seeded initial values, independent of everything but seed and table. */
void graph_init_params(const struct graph *g, uint64_t seed, float *params);

#endif
