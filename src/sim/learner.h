/* SPDX-License-Identifier: Apache-2.0 */
/* Real training under somebody else's clock: the workers of a run in one
 * process.  A contribution is computed at once when its worker is released, on
 * the parameters that the worker has then, with the very code of the worker
 * process and of the server's ledger; so the order of actions alone decides
 * about the bits. */
#ifndef EBSP_SIM_LEARNER_H
#define EBSP_SIM_LEARNER_H

#include "job/evaluate.h"
#include "job/job.h"
#include "policy/host.h"
#include "ps/ledger.h"

struct err;
struct learner;

/* For the job's number of workers; opens its data. `job` must outlive it. */
struct learner *learner_new(const struct job *job, struct err *err);
void learner_free(struct learner *l);
/* There may be workers 0 .. workers-1 from here on. */
int learner_reserve(struct learner *l, uint32_t workers, struct err *err);
uint32_t learner_get_workers(const struct learner *l);
struct ledger *learner_get_ledger(struct learner *l);

/* shard: whose mini-batches it gets when they are assigned statically. */
int learner_release(struct learner *l, uint32_t worker, uint32_t shard,
                    const struct host_release *how, bool *none,
                    struct err *err);
/* The worker's order again, on the parameters of now. */
int learner_retry(struct learner *l, uint32_t worker, struct err *err);
/* ERR_DIVERGED when its contribution is not finite; learner_add refuses it,
 * too. */
int learner_check(const struct learner *l, uint32_t worker, struct err *err);
/* Of the contribution that was computed at the release. */
const struct host_push *learner_get_push(const struct learner *l,
                                         uint32_t worker);
const struct share *learner_get_share(const struct learner *l, uint32_t worker);
int learner_add(struct learner *l, uint32_t worker, double weight,
                struct err *err);
/* *lr: the learning rate that was used. */
int learner_commit(struct learner *l, double weight, uint32_t pushes,
                   double *lr, struct err *err);
/* The mini-batches of its order go back to the queue. */
int learner_drop(struct learner *l, uint32_t worker, struct err *err);
/* The worker is gone.  The next one of its number knows nothing of it. */
void learner_forget(struct learner *l, uint32_t worker);
int learner_evaluate(struct learner *l, struct evaluation *e, struct err *err);

#endif
