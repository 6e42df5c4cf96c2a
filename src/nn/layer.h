/* SPDX-License-Identifier: Apache-2.0 */
/* Kinds of layers and the layers of a graph; private to nn/.
 *
 * A new kind is one file in layers/ that defines a struct layer_type, and one
 * line in the table of layer.c. */
#ifndef EBSP_NN_LAYER_H
#define EBSP_NN_LAYER_H

#include "nn/graph.h"
#include "nn/init.h"
#include "nn/ways.h"

#define LAYER_INPUTS 8
#define LAYER_NAME   64
#define LAYER_KEYS   "type", "name", "input" /* every layer may have them */

struct layer;
struct layer_reader;
struct plan;

struct layer_type {
    const char *name;        /* "conv2d", the "type" of a job */
    const char *prefix;      /* default names: "conv" gives conv1, conv2, ... */
    const char *const *keys; /* LAYER_KEYS and its own, ended by NULL */
    size_t min_inputs, max_inputs;
    bool is_loss;
    enum loss_kind loss;
    size_t opt_size; /* bytes of layer->opt */

    /* Reads and checks the options against the shapes of the inputs; fills
     * l->opt, l->out and l->flop and adds segments. */
    int (*read)(const struct layer_reader *r, struct layer *l, struct err *err);
    /* Both append operations to a plan (plan.h).  `backward` finds the whole
     * gradient of the output and leaves those of inputs and parameters; it is
     * not called where neither is wanted. */
    int (*forward)(struct plan *p, const struct layer *l, struct err *err);
    int (*backward)(struct plan *p, const struct layer *l, struct err *err);
};

struct layer {
    const struct layer_type *type;
    char name[LAYER_NAME];
    size_t index;
    /* Values that are read: 0 is the input of the network, i + 1 the output of
     * layer i. */
    size_t in[LAYER_INPUTS], n_in;
    char *inputs; /* their names for people: "a, b" */
    struct shape out;
    double flop;       /* forward, per sample */
    size_t seg, n_seg; /* its segments: seg, seg + 1, ... */
    size_t n_readers;  /* layers that read the output, with repetition */
    void *opt;
};

/* A layer while it is being read. */
struct layer_reader {
    struct graph *graph;
    const struct jcur *at; /* its object */
    const struct shape *in[LAYER_INPUTS];
};

struct graph {
    struct shape input;
    struct layer *layer; /* cap of them, n read */
    size_t n, cap;
    struct segtab segments;
    struct init *init; /* one per segment */
    struct ways ways;
    size_t n_floats; /* of all outputs of one sample together */
    double flop;
};

/* Largest number of floats in the parameters, and in all outputs of one sample
 * together. */
#define GRAPH_MAX_FLOATS ((size_t)1 << 31)
#define GRAPH_MAX_LAYERS 4096
/* Largest extent of one dimension, number of filters or units. */
#define GRAPH_MAX_DIM ((int64_t)1 << 20)

/* The types by name, ended by NULL; NULL when there is none of that name. */
extern const struct layer_type *const layer_types[];
const struct layer_type *layer_type_find(const char *name);

/* ---- for `read` ---- */

/* Appends segment "NAME.suffix" of the layer.  Dimensions are checked against
 * the limits. */
int layer_add_segment(const struct layer_reader *r, struct layer *l,
                      const char *suffix, enum segment_kind kind, int n_dims,
                      const int64_t *dim, const struct init *init,
                      struct err *err);
/* Fails unless input 0 is an image (C, H, W). */
int layer_need_image(const struct layer_reader *r, struct err *err);
/* The output has the shape of input 0, at `flop` per element. */
void layer_same_shape(const struct layer_reader *r, struct layer *l,
                      double flop);

#endif
