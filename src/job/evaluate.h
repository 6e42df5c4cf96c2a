/* SPDX-License-Identifier: Apache-2.0 */
/* Loss and accuracy of parameters on the test split. */
#ifndef EBSP_JOB_EVALUATE_H
#define EBSP_JOB_EVALUATE_H

#include "data/loader.h"

#include <stdatomic.h>
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
/* Fails with ERR_FAIL soon after another thread has set *stop (may be NULL). */
int evaluator_run(struct evaluator *e, const float *params,
                  const atomic_bool *stop, struct evaluation *result,
                  struct err *err);

#endif
