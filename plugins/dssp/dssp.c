/* SPDX-License-Identifier: Apache-2.0 */
/* Dynamic stale synchronous parallel (Zhao et al., "Dynamic stale synchronous
 * parallel distributed training for deep learning", ICDCS 2019): like SSP with
 * the threshold `low`, but when the fastest worker would have to wait, a
 * controller may grant it extra iterations, as many as let it meet the slowest
 * one with the shortest wait, up to the threshold `high`.
 *
 * Two errors of the printed algorithm are mended: push times are recorded on
 * every push of every worker, and no release beyond `low` is given at a gap of
 * `high` or more.  (As printed the gap grows without limit.)
 *
 * The clock gap is at most max(high, low + 1): a worker is released either at a
 * gap of at most `low` or at one below `high`, its push adds one, and the least
 * clock never falls (newcomers start at it, leavers can only raise it). */
#include "act.h"
#include "common/gate.h"

#include <math.h>
#include <stdlib.h>

struct pacer {
    uint64_t grant;           /* r[i]: extra iterations left */
    int64_t last_ns, prev_ns; /* arrivals of its last two pushes */
    uint64_t n_pushes;        /* since it joined */
};

struct dssp {
    const struct ebsp_host *host;
    struct gate gate; /* by the clocks of the events */
    struct pacer *pacers;
    uint64_t low, high;
    int is_started;
};

static void
dssp_destroy(void *self)
{
    struct dssp *d = self;

    gate_release(&d->gate);
    free(d->pacers);
    free(d);
}

static uint64_t
max_gap_of(const struct dssp *d)
{
    return d->high > d->low ? d->high : d->low + 1;
}

static void *
dssp_create(const struct ebsp_host *host)
{
    struct dssp *d = calloc(1, sizeof *d);

    if (!d) {
        host->fail(host->ctx, "out of memory");
        return NULL;
    }
    d->host = host;
    d->low = (uint64_t)host->option_number(host->ctx, "low");
    d->high = (uint64_t)host->option_number(host->ctx, "high");
    if (d->high < d->low) {
        host->fail(host->ctx, "option high is below low");
        goto fail;
    }
    d->pacers = calloc(host->max_workers, sizeof *d->pacers);
    if (!d->pacers || gate_init(&d->gate, host->max_workers, max_gap_of(d) + 1,
                                d->low) != 0) {
        host->fail(host->ctx, "out of memory");
        goto fail;
    }
    return d;

fail:
    dssp_destroy(d);
    return NULL;
}

/* Releases whoever waits without need. */
static int32_t
settle(struct dssp *d)
{
    uint32_t w;

    while (d->is_started && (w = gate_next(&d->gate)) != GATE_NONE)
        if (act_release(d->host, w) != 0)
            return -1;
    return 0;
}

static double
interval_of(const struct pacer *x)
{
    return (double)x->last_ns - (double)x->prev_ns;
}

/* r*: how many iterations p should do beyond `low`, 0 .. high - low.  Its next
 * pushes are predicted at last + i * interval, those of the slowest at
 * last + (k + 1) * interval; the closest pair tells, the earliest one on ties.
 * O(high - low), whatever the number of workers. */
static uint64_t
ask_controller(const struct dssp *d, uint32_t p)
{
    const struct pacer *fast = &d->pacers[p];
    const struct pacer *slow = &d->pacers[gate_slowest(&d->gate)];
    uint64_t r_max = d->high - d->low, k = 0, best_i = 0;
    double fast_ns = interval_of(fast), slow_ns = interval_of(slow);
    double ahead_ns = (double)fast->last_ns - (double)slow->last_ns;
    double best = INFINITY;

    if (fast->n_pushes < 2 || slow->n_pushes < 2)
        return 0; /* nothing to predict from yet */
    for (uint64_t i = 0; i <= r_max; i++) {
        double t = ahead_ns + (double)i * fast_ns;
        double off = fabs(t - (double)(k + 1) * slow_ns);

        /* both rows grow, so the partner never moves back */
        while (k < r_max && fabs(t - (double)(k + 2) * slow_ns) <= off)
            off = fabs(t - (double)(++k + 1) * slow_ns);
        if (off < best) {
            best = off;
            best_i = i;
        }
    }
    return best_i;
}

/* May p, which has just pushed, go on at once? */
static int
may_go_on(struct dssp *d, uint32_t p)
{
    struct pacer *x = &d->pacers[p];
    uint64_t gap = gate_gap(&d->gate, p);
    int is_fastest = d->gate.workers[p].clock == d->gate.max;

    if (gap > d->low && gap >= d->high) {
        x->grant = 0; /* its prediction was wrong */
        return 0;
    }
    if (x->grant > 0) {
        x->grant--;
        return 1;
    }
    if (gap <= d->low)
        return 1;
    if (is_fastest)
        x->grant = ask_controller(d, p);
    if (x->grant == 0)
        return 0;
    x->grant--;
    return 1;
}

static int32_t
take_push(struct dssp *d, const struct ebsp_event *e)
{
    struct pacer *x = &d->pacers[e->worker];

    if (act_add(d->host, e->worker, 1.0) != 0 || act_commit(d->host, 1.0) != 0)
        return -1;
    if (gate_move(&d->gate, e->worker, e->clock) != 0) {
        d->host->fail(d->host->ctx, "PUSH with a clock that nobody can have");
        return -1;
    }
    x->prev_ns = x->last_ns;
    x->last_ns = e->now_ns;
    x->n_pushes++;
    if (!may_go_on(d, e->worker))
        gate_hold(&d->gate, e->worker);
    else if (act_release(d->host, e->worker) != 0)
        return -1;
    return settle(d);
}

static int32_t
enter(struct dssp *d, const struct ebsp_event *e)
{
    d->pacers[e->worker] = (struct pacer){0};
    if (gate_enter(&d->gate, e->worker, e->clock) != 0) {
        d->host->fail(d->host->ctx, "JOIN with a clock that nobody can have");
        return -1;
    }
    gate_hold(&d->gate, e->worker);
    return settle(d);
}

static int32_t
dssp_on_event(void *self, const struct ebsp_event *e)
{
    struct dssp *d = self;

    switch (e->kind) {
    case EBSP_EVENT_START:
        d->is_started = 1;
        return settle(d);
    case EBSP_EVENT_JOIN:
        return enter(d, e);
    case EBSP_EVENT_PUSH:
        return take_push(d, e);
    case EBSP_EVENT_LEAVE:
        gate_leave(&d->gate, e->worker);
        return settle(d);
    default:
        return 0;
    }
}

static void
dssp_bounds(void *self, struct ebsp_bounds *bounds)
{
    bounds->flags = EBSP_BOUND_GAP;
    bounds->max_gap = max_gap_of(self);
}

static const struct ebsp_option options[] = {
    {
        .name = "low",
        .fallback = "3",
        .help = "iterations ahead of the slowest that are always allowed",
        .type = EBSP_OPTION_INTEGER,
        .minimum = 0,
        .maximum = 10000,
    },
    {
        .name = "high",
        .fallback = "15",
        .help = "iterations ahead that the controller may allow; from low on",
        .type = EBSP_OPTION_INTEGER,
        .minimum = 0,
        .maximum = 10000,
    },
};

static const struct ebsp_policy dssp = {
    EBSP_POLICY_HEAD,
    .name = "dssp",
    .version = "1.0",
    .summary = "dynamic stale synchronous: SSP with a threshold that adapts",
    .options = options,
    .n_options = sizeof options / sizeof options[0],
    .create = dssp_create,
    .destroy = dssp_destroy,
    .on_event = dssp_on_event,
    .bounds = dssp_bounds,
};

EBSP_POLICY_EXPORT(dssp);
