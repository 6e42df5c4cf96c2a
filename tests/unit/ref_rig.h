/* SPDX-License-Identifier: Apache-2.0 */
/* One network in the engine and in the reference, with numbers to run on. */
#ifndef EBSP_TEST_REF_RIG_H
#define EBSP_TEST_REF_RIG_H

#include "base/json.h"
#include "base/rng.h"
#include "nn/net.h"
#include "ref_net.h"

#define RIG_BATCH 8 /* samples at most */

struct rig {
    struct json_doc doc;
    struct graph *graph;
    struct net *net;
    struct ref_net *ref;
    const struct segtab *t;
    size_t n, n_in, n_out; /* samples, floats of a sample, outputs */
    float *x, *target, *params, *grads;
    double *ref_x, *ref_target, *ref_params, *ref_grads;
    int32_t label[RIG_BATCH];
    uint64_t key[RIG_BATCH];
    bool use_target;
};

/* Random input, targets and parameters for n samples; grads is NaN.  -1 with a
 * "# reason" when the engine refuses the job. */
int rig_init(struct rig *g, const char *job, size_t n, int threads,
             struct rng *r);
void rig_release(struct rig *g);
struct net_batch rig_batch(const struct rig *g);

/* Each compares one thing and prints a "# reason" when it is not so; *worst is
 * the largest error seen, relative to the largest number of its tensor. */
bool rig_training_agrees(struct rig *g, double *worst);
bool rig_evaluation_agrees(struct rig *g, double *worst);
/* One more step gives the same bits as the last. */
bool rig_training_repeats(struct rig *g);
/* Gradient of the reference (of the last training) against differences. */
bool rig_reference_is_right(struct rig *g, struct rng *r);
/* Gradient of the engine likewise, without the reference. */
bool rig_engine_is_right(struct rig *g);
/* All of them on one network, the last with `slopes` only: deep networks have
 * kinks everywhere. */
bool rig_network_agrees(const char *job, size_t n, int threads, bool slopes,
                        struct rng *r, double *worst);

#endif
