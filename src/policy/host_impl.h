/* SPDX-License-Identifier: Apache-2.0 */
/* The inside of a host, shared by host.c (events), act.c (actions) and
 * services.c (the rest of what a plugin may call). */
#ifndef EBSP_POLICY_HOST_IMPL_H
#define EBSP_POLICY_HOST_IMPL_H

#include "base/err.h"
#include "base/rng.h"
#include "policy/clocks.h"
#include "policy/host.h"
#include "policy/lib.h"
#include "policy/timers.h"
#include "policy/watchdog.h"

struct host_worker {
    enum host_state state;
    bool has_push;         /* arrived, neither added nor dropped */
    bool has_params;       /* got them since it joined */
    uint64_t clock;        /* before it is in `clocks`: where it would start */
    uint64_t base_version; /* of the parameters it has */
    uint64_t samples;      /* of the push */
    int64_t released_ns;
};

/* A push in the accumulator. */
struct host_added {
    uint64_t base_version;
    uint32_t worker;
};

struct host {
    struct host_config config;
    void *self; /* the plugin's object */
    struct watchdog_name name;
    struct err err;
    bool busy;       /* inside a host_* call */
    bool in_event;   /* inside on_event */
    bool is_probe;   /* ... of a kind that nobody knows */
    bool is_started; /* START was delivered or is being delivered */
    int64_t now_ns;
    struct host_worker *workers;
    struct clocks clocks;
    struct host_added *added;
    size_t n_added, cap_added;
    uint64_t samples_added;
    /* released workers that found no work: LEAVE(FINISHED) is due */
    uint32_t *finished;
    size_t n_finished;
    struct timers timers;
    int64_t told_ns;  /* earliest timer as the driver knows it */
    uint32_t n_spins; /* timers asked for "now" by WAKE, at this instant */
    uint32_t n_wakes; /* in a row, without another event */
    struct ebsp_bounds bounds;
    uint32_t most;    /* workers at once, so far */
    uint64_t n_drops; /* by the policy, in a row, without a COMMIT */
    struct host_stats stats;
    uint64_t histogram[HOST_HISTOGRAM];
    struct rng rng;
    struct host_value *values; /* of a note */
    size_t cap_values;

    /* What the plugin sees.  The tails are there only for config.future. */
    struct {
        struct ebsp_host table;
        unsigned char tail[64];
    } lent;
    struct {
        struct ebsp_event event; /* the one delivered last */
        unsigned char tail[64];
    } sent;
};

/* ERR_POLICY "policy "x": on PUSH of worker 3: ..."; always -1. */
int host_fail(struct host *h, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
/* A driver's call failed, perhaps without saying why; always -1. */
int host_driver_failed(struct host *h, const char *what);
/* "PUSH", or NULL for a kind that this ABI does not have. */
const char *host_kind_name(uint32_t kind);
/* "PUSH of worker 3" for the event delivered last; returns `to`. */
const char *host_event_text(const struct host *h, char *to, size_t cap);

/* What the policy promises to as many workers as there were at most. */
int host_ask_bounds(struct host *h);
/* Fills h->lent (services.c). */
void host_lend(struct host *h);
/* ebsp_host.act (act.c). */
int32_t host_act(void *ctx, const struct ebsp_action *a);

#endif
