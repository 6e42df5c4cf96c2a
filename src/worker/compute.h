/* SPDX-License-Identifier: Apache-2.0 */
/* What a worker computes: an order in, a contribution out.  No sockets. */
#ifndef EBSP_WORKER_COMPUTE_H
#define EBSP_WORKER_COMPUTE_H

#include "base/shm.h"
#include "job/job.h"
#include "nn/net.h"
#include "wire/msg.h"
#include "worker/pack.h"
#include "worker/watermark.h"

struct err;

/* How an order that is being executed meets the rest of the worker; all on the
 * computing thread. */
struct compute_flow {
    /* As in struct net_progress: the parameters may still be on their way. */
    int (*need)(void *ctx, size_t end, struct err *err);
    /* The last n floats of the contribution v are final, while the others are
     * still being computed.  Not called for every kind of order. */
    void (*final)(void *ctx, const float *v, size_t n);
    void *ctx;
};

struct compute {
    struct job job;
    struct dataset *data;
    struct augment_config augment;
    struct shards shards;
    struct loader *loader;
    bool echo;
    struct net *net;
    const struct segtab *t;
    struct optim *local; /* made when local steps are first asked for */
    /* What the next order is computed on: a published vector, which is only
     * read, or `own`. */
    const float *params;
    float *own;  /* pulled over a connection, or moved by local steps; NULL
                  * before */
    float *base; /* copy of `own` from before local steps; NULL before */
    float *grad; /* of one step of many; NULL before */
    float *push; /* the contribution; NULL before */
    struct packer packer;

    struct shm published, contribution; /* shared with the coordinator */

    /* While an order is executed. */
    const struct compute_flow *flow; /* NULL: everything is there */
    int64_t waited_ns;               /* for parameters */
    struct watermark watermark;
};

struct compute_setup {
    const char *job;      /* text of the effective job */
    const char *job_dir;  /* data may lie there, too */
    const char *data_dir; /* instead of the job's; NULL: as the job says */
    const char *blob;     /* file with the data set (data/blob.h), or NULL */
    int threads;
    bool echo;   /* a contribution in proportion to the parameters instead */
    bool shared; /* JOIN_FD_PARAMS and the others were inherited */
    uint64_t data_hash; /* of the data set in the blob, or shared */
};

/* Reads job and data, builds the network and its plan for a full mini-batch.
 * A blob that is damaged is removed: ERR_SYS, and the next one is whole.
 * compute_release also after a failure. */
int compute_init(struct compute *c, const struct compute_setup *setup,
                 struct err *err);
void compute_release(struct compute *c);

/* Where parameters that come over a connection belong; the next order is
 * computed on them.  NULL: out of memory. */
float *compute_own(struct compute *c, struct err *err);
/* The next order is computed on a published vector. */
int compute_use_slot(struct compute *c, uint32_t slot, struct err *err);
/* Contributions are left where the coordinator reads them. */
bool compute_is_shared(const struct compute *c);

/* What earlier orders have left behind, the momentum of local steps and the
 * debt of compression, is gone: to the coordinator a worker that comes back is
 * a new one. */
void compute_forget(struct compute *c);

/* Executes an order on the parameters above; fills iteration, version, samples,
 * correct, n_steps, loss, norm, data_ns and compute_ns of `told`, pull_ns with
 * the time that it waited for parameters meanwhile, and *push.  `flow` may be
 * NULL. */
int compute_order(struct compute *c, const struct msg_order *o,
                  const struct compute_flow *flow, struct msg_push *told,
                  const float **push, struct err *err);

#endif
