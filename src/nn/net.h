/* SPDX-License-Identifier: Apache-2.0 */
/* A network ready to compute on this machine: the graph bound to oneDNN.
 *
 * Primitives, memory descriptors and buffers are made once per (mini-batch
 * size, mode) on first use and kept; nothing of ours is allocated in a step
 * after the first of its size (oneDNN's matrix product takes its working
 * memory, half a megabyte at most, from the heap and gives it back).  One net
 * is used by one thread at a time.  The same input, parameters and thread
 * count give the same bits. */
#ifndef EBSP_NN_NET_H
#define EBSP_NN_NET_H

#include "nn/graph.h"

struct net;

struct net_options {
    int threads; /* at least 1 */
};

/* n samples.  x: n * input shape, plain (N, C, H, W).  With softmax
 * cross-entropy `label` holds n class numbers, with mse `target` n * outputs
 * floats (or, when target is NULL, labels taken as one-hot). */
struct net_batch {
    size_t n;
    const float *x;
    const int32_t *label;
    const float *target;
    /* One key per sample, a function of seed, epoch and position only: what
     * dropout draws for a sample does not depend on who computes it. */
    const uint64_t *key;
};

struct net_result {
    /* Mean over the samples, with label smoothing if set.  NaN when any
     * parameter or sample is NaN or infinite, or an output NaN. */
    double loss;
    uint64_t correct; /* samples whose largest output is the label */
};

/* `graph` is borrowed and must outlive the net. */
struct net *net_new(const struct graph *graph, const struct net_options *o,
                    struct err *err);
void net_free(struct net *n);

/* Forward and backward in training mode.  params and grads are flat vectors
 * (segment.h); grads is written completely: mean gradient over the batch,
 * statistics of the batch for SEGMENT_STAT, zero in the gaps.
 *
 * `progress` may be NULL, and so may each of its functions. */
struct net_progress {
    /* Before anything that lies in params below `end` (floats) is read for the
     * first time: waits until it is there.  `end` only grows, layer by layer in
     * forward order, and is the whole vector before net_step returns.  -1 with
     * err filled ends the step, and net_step returns the same. */
    int (*need)(void *ctx, size_t end, struct err *err);
    /* During back-propagation, when a segment's gradient is final, last layers
     * first. */
    void (*segment)(void *ctx, size_t index);
    void *ctx;
};
int net_step(struct net *n, const struct net_batch *b, const float *params,
             float *grads, const struct net_progress *progress,
             struct net_result *result, struct err *err);

/* Forward only, in evaluation mode: running statistics, no dropout. */
int net_eval(struct net *n, const struct net_batch *b, const float *params,
             struct net_result *result, struct err *err);
/* The outputs (n * outputs floats) of the last call, before softmax; valid
 * until the next one.  NULL when it failed. */
const float *net_get_outputs(const struct net *n);

size_t net_get_memory(const struct net *n); /* bytes of buffers */
/* One line per layer of what was chosen: algorithm, layouts; for -v. */
struct buf;
void net_describe(const struct net *n, struct buf *to);

#endif
