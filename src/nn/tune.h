/* SPDX-License-Identifier: Apache-2.0 */
/* Choosing the ways of a network (ways.h) by measuring on this machine. */
#ifndef EBSP_NN_TUNE_H
#define EBSP_NN_TUNE_H

#include "nn/graph.h"
#include "nn/ways.h"

#include <stdbool.h>
#include <stdint.h>

struct buf;

struct tune_options {
    size_t batch; /* samples of a mini-batch */
    int threads;
    bool full;  /* whole mini-batches, more often: seconds, not tenths */
    bool exact; /* direct convolutions only; the layout is chosen */
    /* Time for measuring, of the processor where one thread computes; 0: about
     * five seconds, or with `full` a minute. */
    int64_t limit_ns;
    /* Called before measuring that will take more than about a second, or
     * NULL. */
    void (*slow)(void *ctx);
    void *ctx;
};

/* Whether there is anything to choose that is worth the time: a step of some
 * milliseconds with convolutions in it. */
bool tune_is_useful(const struct graph *g, const struct tune_options *o);
/* How many samples are measured with, and about how long on an ordinary
 * machine: without measuring. */
size_t tune_samples(const struct graph *g, const struct tune_options *o);
double tune_seconds(const struct graph *g, const struct tune_options *o);
/* Measures, and sets the ways of g.  The direct algorithm and the layout of
 * the rule keep their place unless another is clearly faster, and where time
 * is up. */
int tune_graph(struct graph *g, const struct tune_options *o, struct err *err);
/* What the outcome depends on besides network and options: one line with the
 * processor, its instruction set and the version of oneDNN. */
void tune_machine(struct buf *to);

#endif
