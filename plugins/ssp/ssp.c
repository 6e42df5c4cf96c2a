/* SPDX-License-Identifier: Apache-2.0 */
/* Stale synchronous parallel (Ho et al., "More effective distributed ML via a
 * stale synchronous parallel parameter server", NIPS 2013): each push is
 * applied when it arrives, and its worker goes on while it is at most
 * `staleness` iterations ahead of the slowest one.
 *
 * The clock gap is at most staleness + 1: a worker is released at a clock that
 * is at most `staleness` above the least, its next push adds one, and the least
 * clock never falls (newcomers start at it, leavers can only raise it).  There
 * is no such bound for the number of updates that a push is late: each of the
 * n - 1 others can be 2 * staleness + 1 pushes further, and a worker that
 * leaves and comes back counts again. */
#include "act.h"
#include "common/gate.h"

#include <stdlib.h>

struct ssp {
    const struct ebsp_host *host;
    struct gate gate; /* by the clocks of the events */
    uint64_t staleness;
    int is_started;
};

static void
ssp_destroy(void *self)
{
    struct ssp *s = self;

    gate_release(&s->gate);
    free(s);
}

static void *
ssp_create(const struct ebsp_host *host)
{
    struct ssp *s = calloc(1, sizeof *s);

    if (!s) {
        host->fail(host->ctx, "out of memory");
        return NULL;
    }
    s->host = host;
    s->staleness = (uint64_t)host->option_number(host->ctx, "staleness");
    if (gate_init(&s->gate, host->max_workers, s->staleness + 2,
                  s->staleness) != 0) {
        host->fail(host->ctx, "out of memory");
        ssp_destroy(s);
        return NULL;
    }
    return s;
}

/* Releases whoever waits without need. */
static int32_t
settle(struct ssp *s)
{
    uint32_t w;

    while (s->is_started && (w = gate_next(&s->gate)) != GATE_NONE)
        if (act_release(s->host, w) != 0)
            return -1;
    return 0;
}

static int32_t
enter(struct ssp *s, const struct ebsp_event *e)
{
    if (gate_enter(&s->gate, e->worker, e->clock) != 0) {
        s->host->fail(s->host->ctx, "JOIN with a clock that nobody can have");
        return -1;
    }
    gate_hold(&s->gate, e->worker);
    return settle(s);
}

static int32_t
take_push(struct ssp *s, const struct ebsp_event *e)
{
    if (act_add(s->host, e->worker, 1.0) != 0 || act_commit(s->host, 1.0) != 0)
        return -1;
    if (gate_move(&s->gate, e->worker, e->clock) != 0) {
        s->host->fail(s->host->ctx, "PUSH with a clock that nobody can have");
        return -1;
    }
    gate_hold(&s->gate, e->worker);
    return settle(s);
}

static int32_t
ssp_on_event(void *self, const struct ebsp_event *e)
{
    struct ssp *s = self;

    switch (e->kind) {
    case EBSP_EVENT_START:
        s->is_started = 1;
        return settle(s);
    case EBSP_EVENT_JOIN:
        return enter(s, e);
    case EBSP_EVENT_PUSH:
        return take_push(s, e);
    case EBSP_EVENT_LEAVE:
        gate_leave(&s->gate, e->worker);
        return settle(s);
    default:
        return 0;
    }
}

static void
ssp_bounds(void *self, struct ebsp_bounds *bounds)
{
    const struct ssp *s = self;

    bounds->flags = EBSP_BOUND_GAP;
    bounds->max_gap = s->staleness + 1;
}

static const struct ebsp_option options[] = {
    {
        .name = "staleness",
        .fallback = "3",
        .help = "iterations that a worker may be ahead of the slowest",
        .type = EBSP_OPTION_INTEGER,
        .minimum = 0,
        .maximum = 1e6,
    },
};

static const struct ebsp_policy ssp = {
    EBSP_POLICY_HEAD,
    .name = "ssp",
    .version = "1.0",
    .summary = "stale synchronous: wait when too far ahead of the slowest",
    .options = options,
    .n_options = sizeof options / sizeof options[0],
    .create = ssp_create,
    .destroy = ssp_destroy,
    .on_event = ssp_on_event,
    .bounds = ssp_bounds,
};

EBSP_POLICY_EXPORT(ssp);
