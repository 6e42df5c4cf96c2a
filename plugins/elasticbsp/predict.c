/* SPDX-License-Identifier: Apache-2.0 */
#include "elasticbsp/predict.h"

#define NEWEST_WEIGHT 0.25

void
predict_observe(struct predict *p, int64_t interval_ns)
{
    int64_t x = interval_ns;

    if (x < 1)
        x = 1;
    if (x > PREDICT_MAX_NS)
        x = PREDICT_MAX_NS;
    if (p->n == 0)
        p->mean_ns = (double)x;
    p->mean_ns += NEWEST_WEIGHT * ((double)x - p->mean_ns);
    p->recent_ns[p->n++ % PREDICT_MEMORY] = x;
}

/* The upper one of the middle two when there is an even number. */
static int64_t
get_median(const struct predict *p)
{
    int64_t v[PREDICT_MEMORY] = {0};
    uint32_t n = p->n < PREDICT_MEMORY ? (uint32_t)p->n : PREDICT_MEMORY;

    for (uint32_t i = 0; i < n; i++) {
        uint32_t k = i;

        for (; k > 0 && v[k - 1] > p->recent_ns[i]; k--)
            v[k] = v[k - 1];
        v[k] = p->recent_ns[i];
    }
    return v[n / 2];
}

int64_t
predict_next(const struct predict *p, enum predictor how)
{
    switch (how) {
    case PREDICT_EWMA:
        return (int64_t)p->mean_ns;
    case PREDICT_MEDIAN:
        return get_median(p);
    default:
        return p->recent_ns[(p->n - 1) % PREDICT_MEMORY];
    }
}
