/* SPDX-License-Identifier: Apache-2.0 */
/* How long will a worker's next iteration take? */
#ifndef EBSP_ELASTICBSP_PREDICT_H
#define EBSP_ELASTICBSP_PREDICT_H

#include <stdint.h>

enum predictor {
    PREDICT_LAST,  /* as long as the last one */
    PREDICT_EWMA,  /* moving average, weight 1/4 for the newest */
    PREDICT_MEDIAN /* of the last five: one outlier does not count */
};

#define PREDICT_MEMORY 5
/* 19 hours.  Longer intervals count as this, shorter than 1 ns as 1 ns. */
#define PREDICT_MAX_NS (INT64_C(1) << 46)

struct predict {
    int64_t recent_ns[PREDICT_MEMORY]; /* a ring */
    uint64_t n;                        /* observations so far */
    double mean_ns;
};

void predict_observe(struct predict *p, int64_t interval_ns);
/* Something must have been observed. 1 .. PREDICT_MAX_NS */
int64_t predict_next(const struct predict *p, enum predictor how);

#endif
