/* SPDX-License-Identifier: Apache-2.0 */
/* Discrete-event simulation of a run in virtual time: the same policy plugin
 * behind the same host as the live server, with a model of computing,
 * communication and the server in place of machines. */
#ifndef EBSP_SIM_SIM_H
#define EBSP_SIM_SIM_H

#include "job/speed.h"
#include "policy/host.h"

#include <stdbool.h>
#include <stdint.h>

struct err;
struct learner;
struct policy_lib;

/* Between a worker and the server.  A transfer takes latency_ns, and the
 * server's link, which all workers share, for bytes / rate; each direction has
 * a link of its own. */
struct sim_net {
    int64_t latency_ns;
    double bytes_per_s; /* 0: infinitely fast */
    uint64_t push_bytes, pull_bytes;
    int64_t apply_ns; /* what an update costs the server */
};

/* What is particular about one worker's way to the server, each way. */
struct sim_path {
    int64_t latency_ns;
    double bytes_per_s; /* 0: infinitely fast */
};

/* A worker that is lost, for good, when so many samples are applied. */
struct sim_loss {
    uint64_t samples;
    uint32_t worker;
};

struct sim_config {
    uint32_t n; /* workers */
    const struct policy_lib *policy;
    struct speeds *speeds;
    double unit_ns; /* of their numbers; 0: a millisecond */
    struct sim_net net;
    const struct sim_path *path; /* of each worker; may be NULL */
    const struct sim_loss *loss; /* n_losses of them */
    size_t n_losses;
    uint64_t iterations; /* mini-batches in all; a learner has its own count */
    uint32_t batch;      /* samples of one */
    uint64_t seed;
    struct learner *learner; /* computes real gradients; may be NULL */
    /* Called after the event that made an update; may be NULL. */
    int (*on_update)(void *ctx, int64_t now_ns, struct err *err);
    void *ctx;
};

struct sim_result {
    double seconds; /* of virtual time */
    uint64_t iterations, samples, updates, dropped, events;
    uint64_t bytes_pushed, bytes_pulled, lost;
    double waiting_share; /* of the time that workers were there */
    double mean_staleness;
    uint64_t max_staleness, max_gap;
    uint64_t histogram[HOST_HISTOGRAM];
    uint64_t supersteps;                       /* told by the policy */
    double superstep_ms, superstep_iterations; /* means */
    double longest_superstep_ms;
};

int sim_run(const struct sim_config *c, struct sim_result *r, struct err *err);

#endif
