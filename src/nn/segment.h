/* SPDX-License-Identifier: Apache-2.0 */
/* The parameters of a network are one flat vector of floats with a table of
 * segments, one per tensor, in forward order.  Push, pull, optimizer,
 * checkpoint and compression see flat memory.
 *
 * Layout in the flat vector is plain and the same on every machine: weights as
 * PyTorch has them (convolution: O, I/groups, kh, kw; dense: out, in), rows
 * last.  Offsets are multiples of 16 floats; the gaps are zero and stay it. */
#ifndef EBSP_NN_SEGMENT_H
#define EBSP_NN_SEGMENT_H

#include <stddef.h>
#include <stdint.h>

#define SEGMENT_DIMS  4
#define SEGMENT_ALIGN 16 /* floats */

enum segment_kind {
    SEGMENT_WEIGHT, /* weight decay applies */
    SEGMENT_BIAS,   /* trained, no weight decay: biases, norm scale and shift */
    SEGMENT_STAT    /* running statistics of batch normalization: a push holds
                     * those of the mini-batch, an update moves the running ones
                     * towards them by `momentum` */
};

struct segment {
    char name[96]; /* "conv1.weight", as in the safetensors file */
    enum segment_kind kind;
    int n_dims;
    int64_t dim[SEGMENT_DIMS];
    size_t offset, count; /* floats */
    double momentum;      /* SEGMENT_STAT */
};

struct segtab {
    struct segment *seg;
    size_t n;
    size_t n_floats; /* length of the flat vector, gaps included */
    size_t n_params; /* trained numbers, statistics and gaps excluded */
};

/* XXH3-free fingerprint of names, kinds and shapes: two tables with the same
 * fingerprint describe the same vector (64-bit, seeded hash). */
uint64_t segtab_fingerprint(const struct segtab *t);

#endif
