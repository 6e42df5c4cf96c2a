/* SPDX-License-Identifier: Apache-2.0 */
/* What an order is worth and what becomes of it: the one piece of code behind
 * orders, contributions and updates in the live server, in virtual-time
 * training and in a replay, so that the same actions give the same bits. */
#ifndef EBSP_PS_LEDGER_H
#define EBSP_PS_LEDGER_H

#include "data/assign.h"
#include "job/job.h"
#include "ps/store.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct err;
struct host_release;

/* A worker's current order. */
struct share {
    uint64_t iteration;         /* number of the order, from 1 */
    uint64_t version;           /* of the parameters when it was given */
    uint32_t contribution;      /* EBSP_PUSH_* */
    double factor;              /* learning-rate factor of the release */
    double lr;                  /* for local steps */
    struct data_cursor *cursor; /* n of them; 0: not ordered, or settled */
    uint32_t n, cap;
    uint64_t samples; /* that they stand for */
};

struct ledger {
    const struct job *job;
    const struct dataset *data;
    struct store *store;
    struct shards shards;
    struct assign *assign;
    struct data_cursor *added; /* ADDed since the last commit */
    size_t n_added, cap_added;
};

/* Parameters are initialized from the job's seed.  Everything is borrowed. */
int ledger_init(struct ledger *l, const struct job *job,
                const struct dataset *data, const struct store_options *store,
                struct err *err);
void ledger_release(struct ledger *l);

/* The mini-batches of a worker's next order; *none: nothing is left for it. */
int ledger_take(struct ledger *l, struct share *s, uint32_t worker,
                const struct host_release *how, bool *none, struct err *err);
/* What a policy's weight of the order's contribution is in the accumulator. */
double share_weight(const struct share *s, double weight);
/* The order's contribution joins the accumulator; the share is settled. */
int ledger_add(struct ledger *l, struct share *s, const float *push,
               double weight, struct err *err);
/* One update of `pushes` averaged contributions; what was added is done.
 * *lr: the learning rate that was used. */
int ledger_commit(struct ledger *l, double weight, uint32_t pushes, double *lr,
                  struct err *err);
/* The order's mini-batches go back to the queue; the share is settled. */
int ledger_give_back(struct ledger *l, struct share *s, struct err *err);

/* Learning rate of the next update, were it to average k pushes and `samples`
 * be consumed after it. */
double ledger_rate(const struct ledger *l, uint64_t samples, double k);
double ledger_epochs(const struct ledger *l); /* consumed, as a number */
uint64_t ledger_params_hash(const struct ledger *l);
void share_release(struct share *s);

#endif
