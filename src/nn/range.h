/* SPDX-License-Identifier: Apache-2.0 */
/* The flat vector of parameters cut into contiguous ranges of as many bytes
 * each as possible, one for each parameter server. */
#ifndef EBSP_NN_RANGE_H
#define EBSP_NN_RANGE_H

#include "nn/segment.h"

#include <stdbool.h>
#include <stdint.h>

struct err;

struct range {
    size_t first, count; /* floats, multiples of SEGMENT_ALIGN */
};

/* Range k of n, which is at most range_most.  Sizes differ by SEGMENT_ALIGN
 * floats at most, however large a tensor is: it is cut where a range ends. */
struct range range_get(size_t n_floats, uint32_t k, uint32_t n);
/* So many ranges that none is empty. */
size_t range_most(size_t n_floats);

/* The table of a range alone: its segments, and what the range has of those
 * that are cut; offsets count from its beginning. */
int range_cut(const struct segtab *t, const struct range *r,
              struct segtab *part, struct err *err);
void range_release(struct segtab *part);

#endif
