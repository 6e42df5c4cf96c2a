/* SPDX-License-Identifier: Apache-2.0 */
/* Choosing the ways of a network (ways.h) by measuring on this machine. */
#ifndef EBSP_NN_TUNE_H
#define EBSP_NN_TUNE_H

#include "nn/graph.h"
#include "nn/ways.h"

#include <stdbool.h>

struct buf;

struct tune_options {
    size_t batch; /* samples of a mini-batch */
    int threads;
    bool full;  /* whole mini-batches, more often: seconds, not tenths */
    bool exact; /* direct convolutions only; the layout is chosen */
};

/* Whether there is anything to choose that is worth the time: a step of some
 * milliseconds with convolutions in it. */
bool tune_is_useful(const struct graph *g, const struct tune_options *o);
/* Measures, and sets the ways of g.  The direct algorithm and the layout of
 * the rule keep their place unless another is clearly faster. */
int tune_graph(struct graph *g, const struct tune_options *o, struct err *err);
/* What the outcome depends on besides network and options: one line with the
 * processor, its instruction set and the version of oneDNN. */
void tune_machine(struct buf *to);

#endif
