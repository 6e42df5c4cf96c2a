/* SPDX-License-Identifier: Apache-2.0 */
/* Loss and accuracy of parameters on the test split. */
#ifndef EBSP_JOB_EVALUATE_H
#define EBSP_JOB_EVALUATE_H

#include "data/loader.h"

#include <stdint.h>

struct err;

struct evaluation {
    double loss;     /* mean over the samples */
    double accuracy; /* 0..1; 0 when the data has no classes */
    uint64_t samples;
};

struct evaluator;

/* Everything is borrowed.  One thread at a time. */
struct evaluator *evaluator_new(const struct graph *g, const struct dataset *d,
                                const struct augment_config *a, int threads,
                                struct err *err);
void evaluator_free(struct evaluator *e);
int evaluator_run(struct evaluator *e, const float *params,
                  struct evaluation *result, struct err *err);

#endif
