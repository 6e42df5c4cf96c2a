/* SPDX-License-Identifier: Apache-2.0 */
/* Times of the operations of a network, and which way is better for each
 * computation of each convolution.  Private to nn/. */
#ifndef EBSP_NN_TUNE_TIMES_H
#define EBSP_NN_TUNE_TIMES_H

#include "nn/layer.h"
#include "nn/ways.h"

#include <stdint.h>

struct plan;

/* Another way is taken when its time is less than this part of the best. */
#define BETTER 0.97

/* Seconds.  Of each layer, but only those of convolutions are used. */
struct tune_times {
    const struct graph *graph;
    double (*pass)[N_PASSES]; /* 0: not measured */
    double rest;              /* everything else */
    bool (*wino)[N_PASSES];   /* by another algorithm than the direct */
    enum way (*best)[N_PASSES];
};

int tune_times_init(struct tune_times *t, const struct graph *g,
                    struct err *err);
void tune_times_release(struct tune_times *t);
/* From the nanoseconds of the first n_ran operations of a plan.  What is
 * measured in part is not measured. */
void tune_times_enter(struct tune_times *t, const struct plan *p,
                      const int64_t *ns, size_t n_ran);
/* Whether the times of one way take less than `part` of what was best for pass
 * k of layer i.  Convolutions that compute the same are judged together: ten
 * layers are ten measurements, and one that was not measured takes the way of
 * those that were. */
bool tune_times_wins(const struct tune_times *trial,
                     const struct tune_times *than, size_t i, int k,
                     double part);
/* The same for any of them. */
bool tune_times_wins_any(const struct tune_times *trial,
                         const struct tune_times *than, double part);
/* Takes what is better in `trial`, which is all in one way. */
void tune_times_take(struct tune_times *t, const struct tune_times *trial,
                     enum way way);
double tune_times_total(const struct tune_times *t);

#endif
