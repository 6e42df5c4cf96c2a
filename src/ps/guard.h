/* SPDX-License-Identifier: Apache-2.0 */
/* Is a push to be trusted?  Its numbers must be finite, and its norm at most
 * `factor` times the largest that was accepted before.  The largest, not the
 * usual: when a network has learned its data, most gradients vanish, and an
 * honest one is a million times the median. */
#ifndef EBSP_PS_GUARD_H
#define EBSP_PS_GUARD_H

#include <stdint.h>

#define GUARD_FEW 16 /* before so many nothing is an outlier */

enum guard_verdict { GUARD_GOOD, GUARD_OUTLIER, GUARD_NOT_FINITE };

struct guard {
    double largest;
    uint32_t n;    /* accepted, up to GUARD_FEW */
    uint32_t kind; /* EBSP_PUSH_* that they are of */
};

/* factor 0: nothing is an outlier.  A push of another kind than the last one
 * has nothing to be compared with. */
enum guard_verdict guard_judge(const struct guard *g, double factor,
                               uint32_t kind, double loss, double norm);
void guard_accept(struct guard *g, uint32_t kind, double norm);

#endif
