/* SPDX-License-Identifier: Apache-2.0 */
/* A second implementation of every layer, to hold the engine against: naive
 * loops in double precision over plain (N, C, H, W), written from ebsp-job(5)
 * and sharing nothing with src/nn but the table of segments. */
#ifndef EBSP_TEST_REF_NET_H
#define EBSP_TEST_REF_NET_H

#include "nn/segment.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct ref_batch {
    size_t n;
    const double *x;      /* n * input */
    const int32_t *label; /* n */
    const double *target; /* n * outputs, or NULL: one-hot labels (mse) */
    const uint64_t *key;  /* n; dropout */
};

struct ref_net;

/* The network of a job's text.  Any mistake in it ends the program: tests give
 * only jobs that graph_new accepted, with the table that it made. */
struct ref_net *ref_new(const char *job, const struct segtab *t);
void ref_free(struct ref_net *r);
/* Mean loss.  Training: normalization by the mini-batch, and dropout; grads
 * (unless NULL) is written completely, as net_step does.  Otherwise by
 * running statistics, and grads must be NULL. */
double ref_step(struct ref_net *r, const struct ref_batch *b,
                const double *params, bool training, double *grads);
/* n * outputs of the last step. */
const double *ref_outputs(const struct ref_net *r);
size_t ref_n_outputs(const struct ref_net *r);
/* How near the last step came to a kink: the smallest distance of a relu's
 * input from 0, or of the two largest numbers of a maximum. */
double ref_margin(const struct ref_net *r);

#endif
