/* SPDX-License-Identifier: Apache-2.0 */
/* The host of a policy: the one code path behind the live server, the
 * simulator and the conformance suite.
 *
 * It feeds events to the plugin, checks every action (worker known, held, push
 * there, not released twice, numbers finite), keeps what all drivers need
 * (clocks, versions, staleness, gaps), asserts the bounds that the policy
 * declares, and hands checked actions to a driver, which moves real gradients,
 * simulated time or nothing.
 *
 * Order: host_join for every worker of the start, host_start, then pushes,
 * joins, leaves and host_advance (timers) as they happen.  Actions that make
 * new events (a worker without work left) are queued and delivered before the
 * call returns.  The driver must not call the host from its own callbacks.
 * Time never runs backwards.
 *
 * After an error the host is dead: every later call gives the same error.
 * Misuse by the driver is ERR_BUG, by the policy ERR_POLICY:
 * policy "ssp": on PUSH of worker 3: RELEASE of worker 5: it is running */
#ifndef EBSP_POLICY_HOST_H
#define EBSP_POLICY_HOST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct ebsp_bounds;
struct err;
struct log;
struct policy_lib;
struct host;

/* How a released worker is to go on; see struct ebsp_action. */
struct host_release {
    bool keep;             /* go on with the parameters it has */
    uint32_t steps;        /* at least 1 */
    uint32_t contribution; /* EBSP_PUSH_* */
    double lr_factor;      /* 1: as scheduled */
    uint32_t batch;        /* samples per step; 0: the job's */
};

struct host_push {
    uint64_t samples; /* at least 1 */
    uint64_t steps;   /* at least 1 */
    int64_t compute_ns;
    double loss;
    double gradient_norm;
};

struct host_value {
    const char *name;
    double value;
};

/* What a driver does with checked actions.  Each returns 0, or -1 with err
 * filled, which ends the run.  NULL entries are no-ops (release: accepted). */
struct host_driver {
    int (*add)(void *ctx, uint32_t worker, double weight, struct err *err);
    /* pushes, samples: how many were added since the last commit */
    int (*commit)(void *ctx, double weight, uint32_t pushes, uint64_t samples,
                  struct err *err);
    int (*drop)(void *ctx, uint32_t worker, struct err *err);
    /* *finished = true: no mini-batch is left for this worker; the policy will
     * be told LEAVE(FINISHED) and the worker is out until host_join. */
    int (*release)(void *ctx, uint32_t worker, const struct host_release *how,
                   bool *finished, struct err *err);
    /* The earliest timer changed; INT64_MAX: none is pending. */
    void (*timer)(void *ctx, int64_t at_ns);
    void (*note)(void *ctx, const char *name, const struct host_value *values,
                 size_t n);
};

struct host_config {
    const struct policy_lib *lib; /* borrowed, with its parsed options */
    const struct host_driver *driver;
    void *ctx; /* of the driver */
    uint32_t max_workers;
    uint64_t lacks; /* EBSP_CAN_* that the driver cannot do; usually 0 */
    uint64_t seed;
    uint64_t version; /* of the parameters at the start (resume) */
    struct log *log;  /* may be NULL */
    /* For the conformance suite: the structs that the plugin gets are longer
     * than this ABI's, as those of a later ebsp will be. */
    bool future;
};

struct host *host_new(const struct host_config *config, struct err *err);
void host_free(struct host *h);

int host_join(struct host *h, int64_t now_ns, uint32_t worker, struct err *err);
int host_start(struct host *h, int64_t now_ns, struct err *err);
/* `worker` must be running.  base_version is the host's own record. */
int host_push(struct host *h, int64_t now_ns, uint32_t worker,
              const struct host_push *push, struct err *err);
/* A worker is lost, in whatever state (absent: nothing happens); a push of it
 * not yet added is dropped through the driver. */
int host_leave(struct host *h, int64_t now_ns, uint32_t worker,
               struct err *err);
/* Delivers the timers that are due at now_ns, in the order (time, asked).
 * Those that are asked for meanwhile wait for the next call. */
int host_advance(struct host *h, int64_t now_ns, struct err *err);
/* For the conformance suite: delivers an event of a kind that this ABI does
 * not have.  A policy must ignore it; every action is refused. */
int host_probe(struct host *h, int64_t now_ns, uint32_t kind, struct err *err);

/* All workers that have not left are held, no timer is pending (one at
 * INT64_MAX is none): nothing will ever happen again.  ERR_POLICY naming the
 * policy and whom it holds; 0 when all is well or everybody has left. The other
 * calls check this themselves after START. */
int host_check_deadlock(const struct host *h, struct err *err);
/* For a driver when everybody has left and nobody will join any more: pushes
 * that were added but not committed (stats.uncommitted) are lost work.
 * ERR_POLICY in that case, else 0. */
int host_check_committed(const struct host *h, struct err *err);

enum host_state { HOST_ABSENT, HOST_HELD, HOST_RUNNING };

struct host_stats {
    uint64_t version; /* updates so far */
    uint64_t pushes, dropped, releases, events;
    uint64_t max_staleness; /* of applied pushes */
    uint64_t sum_staleness; /* of them, and their number: for the mean */
    uint64_t applied;
    uint64_t max_gap;
    uint32_t running, held; /* workers now */
    size_t uncommitted;     /* pushes in the accumulator */
};

#define HOST_HISTOGRAM 64 /* last bin: this and more */

void host_get_stats(const struct host *h, struct host_stats *stats);
/* bins[s]: pushes applied with staleness s. */
const uint64_t *host_get_histogram(const struct host *h);
enum host_state host_get_state(const struct host *h, uint32_t worker);
/* A hint, of no effect but on speed: this worker's push is expected next. */
void host_fetch(const struct host *h, uint32_t worker);
uint64_t host_get_clock(const struct host *h, uint32_t worker);
const char *host_get_policy(const struct host *h); /* its name */
uint32_t host_get_max_workers(const struct host *h);
/* What the policy promises with these options and as many workers as were there
 * at once so far. */
const struct ebsp_bounds *host_get_bounds(const struct host *h);

#endif
