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

/* Opens the job's data. `job` must outlive the learner. */
struct learner *learner_new(const struct job *job, struct err *err);
void learner_free(struct learner *l);
struct ledger *learner_get_ledger(struct learner *l);

int learner_release(struct learner *l, uint32_t worker,
                    const struct host_release *how, bool *none,
                    struct err *err);
/* Of the contribution that was computed at the release. */
const struct host_push *learner_get_push(const struct learner *l,
                                         uint32_t worker);
const struct share *learner_get_share(const struct learner *l, uint32_t worker);
int learner_add(struct learner *l, uint32_t worker, double weight,
                struct err *err);
int learner_commit(struct learner *l, double weight, uint32_t pushes,
                   struct err *err);
int learner_drop(struct learner *l, uint32_t worker, struct err *err);
int learner_evaluate(struct learner *l, struct evaluation *e, struct err *err);

#endif
