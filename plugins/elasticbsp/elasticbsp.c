/* SPDX-License-Identifier: Apache-2.0 */
/* Elastic bulk synchronous parallel (Zhao et al., "Elastic bulk synchronous
 * parallel model for distributed deep learning", ICDM 2019, arXiv 2001.01347).
 *
 * A superstep is the time between two barriers.  Everybody runs freely until
 * all have pushed twice; their next pushes are predicted from that, and ZIPLINE
 * chooses for each how many iterations to go so that all of them arrive as
 * close together as possible.  Who has done its number waits; when all have,
 * they meet at the barrier with equal parameters, and the next superstep
 * begins.
 *
 * Counts decide who stops, never the time: a wrong prediction costs waiting but
 * cannot block.  Nor can max_gap: some worker with the least count is always
 * either running or done, and if it is done then everybody may go up to its own
 * quota, because quotas differ by at most max_gap.
 *
 * Staleness, with at most m = lookahead + max_gap pushes per worker before its
 * last one (1 + max_gap until the plan, lookahead after it):
 *
 * async       each of these is an update, and a push is at least as new as the
 *             superstep: at most (workers - 1) * m.  Who comes (back) waits for
 *             the next superstep, so nobody counts twice, and no more count
 *             than were there at once.
 * accumulate, local  one update per superstep, whose pushes were computed on
 *             what the last one left: 0.
 *
 * The clock gap has no bound: that is the idea. */
#include "elasticbsp/elasticbsp.h"

#include <stdlib.h>
#include <string.h>

static void
elastic_destroy(void *self)
{
    struct elastic *e = self;

    gate_release(&e->gate);
    zipline_release(&e->zipline);
    free(e->workers);
    free(e->points);
    free(e->choices);
    free(e);
}

static int
is_option(const struct ebsp_host *host, const char *name, const char *word)
{
    return strcmp(host->option_text(host->ctx, name), word) == 0;
}

static uint32_t
get_option(const struct ebsp_host *host, const char *name)
{
    return (uint32_t)host->option_number(host->ctx, name);
}

static void
take_options(struct elastic *e, const struct ebsp_host *host)
{
    e->lookahead = get_option(host, "lookahead");
    e->first = get_option(host, "first");
    e->max_gap = get_option(host, "max_gap");
    if (e->max_gap == 0)
        e->max_gap = e->lookahead;
    e->max_superstep_ns =
        (int64_t)(host->option_number(host->ctx, "max_superstep") * 1e6);
    e->predictor = is_option(host, "predictor", "ewma")     ? PREDICT_EWMA
                   : is_option(host, "predictor", "median") ? PREDICT_MEDIAN
                                                            : PREDICT_LAST;
    e->between = is_option(host, "between", "accumulate") ? BETWEEN_ACCUMULATE
                 : is_option(host, "between", "local")    ? BETWEEN_LOCAL
                                                          : BETWEEN_ASYNC;
    e->objective = is_option(host, "objective", "rate")    ? ZIPLINE_RATE
                   : is_option(host, "objective", "waste") ? ZIPLINE_WASTE
                                                           : ZIPLINE_DISTANCE;
}

/* All memory there will ever be. */
static int
allocate(struct elastic *e, uint32_t n)
{
    e->workers = calloc(n, sizeof *e->workers);
    e->points = calloc(n, sizeof *e->points);
    e->choices = calloc(n, sizeof *e->choices);
    if (!e->workers || !e->points || !e->choices)
        return -1;
    if (zipline_reserve(&e->zipline, n) != ZIPLINE_OK)
        return -1;
    return gate_init(&e->gate, n, e->max_gap + 1, e->max_gap - 1);
}

static void *
elastic_create(const struct ebsp_host *host)
{
    struct elastic *e = calloc(1, sizeof *e);

    if (!e) {
        host->fail(host->ctx, "out of memory");
        return NULL;
    }
    e->host = host;
    zipline_init(&e->zipline);
    take_options(e, host);
    if (e->between == BETWEEN_LOCAL && !(host->can & EBSP_CAN_LOCAL_STEPS)) {
        host->fail(host->ctx, "between=local needs workers that can do local "
                              "steps, which is not possible here");
        goto fail;
    }
    if (allocate(e, host->max_workers) != 0) {
        host->fail(host->ctx, "out of memory");
        goto fail;
    }
    return e;

fail:
    elastic_destroy(e);
    return NULL;
}

static int32_t
elastic_on_event(void *self, const struct ebsp_event *event)
{
    struct elastic *e = self;
    uint32_t w = event->worker;

    switch (event->kind) {
    case EBSP_EVENT_START:
        e->is_started = 1;
        break;
    case EBSP_EVENT_JOIN:
        e->workers[w] = (struct worker){.state = WAITING};
        if (++e->n_present > e->n_most)
            e->n_most = e->n_present;
        if (w >= e->n_workers)
            e->n_workers = w + 1;
        break;
    case EBSP_EVENT_PUSH:
        return superstep_take_push(e, event);
    case EBSP_EVENT_LEAVE:
        e->n_present--;
        superstep_forget(e, w);
        break;
    default:
        return 0;
    }
    return superstep_settle(e, event->now_ns);
}

static void
elastic_bounds(void *self, struct ebsp_bounds *bounds)
{
    const struct elastic *e = self;

    bounds->flags = EBSP_BOUND_STALENESS;
    bounds->max_staleness = 0;
    if (e->between == BETWEEN_ASYNC && e->n_most > 0)
        bounds->max_staleness =
            (e->n_most - UINT64_C(1)) * (e->max_gap + e->lookahead);
}

static const struct ebsp_option options[] = {
    {
        .name = "lookahead",
        .fallback = "15",
        .help = "iterations of each worker that a plan looks ahead",
        .type = EBSP_OPTION_INTEGER,
        .minimum = 1,
        .maximum = 4096, /* local steps that one release may ask for */
    },
    {
        .name = "first",
        .fallback = "0",
        .help = "0: a held worker may stop where it is; 1: one more at least",
        .type = EBSP_OPTION_INTEGER,
        .minimum = 0,
        .maximum = 1,
    },
    {
        .name = "predictor",
        .fallback = "last",
        .help = "what an iteration's time is predicted by",
        .words = "last|ewma|median",
        .type = EBSP_OPTION_WORD,
    },
    {
        .name = "between",
        .fallback = "async",
        .help = "what becomes of pushes between two barriers",
        .words = "async|accumulate|local",
        .type = EBSP_OPTION_WORD,
    },
    {
        .name = "objective",
        .fallback = "distance",
        .help = "what a plan makes small",
        .words = "distance|rate|waste",
        .type = EBSP_OPTION_WORD,
    },
    {
        .name = "max_gap",
        .fallback = "0",
        .help = "iterations between the slowest and the fastest in a "
                "superstep; 0: lookahead",
        .type = EBSP_OPTION_INTEGER,
        .minimum = 0,
        .maximum = 1e6,
    },
    {
        .name = "max_superstep",
        .fallback = "0",
        .help = "longest superstep that is planned, in milliseconds; 0: any",
        .type = EBSP_OPTION_NUMBER,
        .minimum = 0,
        .maximum = 1e9,
    },
};

static const struct ebsp_policy elasticbsp = {
    EBSP_POLICY_HEAD,
    .name = "elasticbsp",
    .version = "1.0",
    .summary = "supersteps that end where all workers are predicted to meet",
    .options = options,
    .n_options = sizeof options / sizeof options[0],
    .create = elastic_create,
    .destroy = elastic_destroy,
    .on_event = elastic_on_event,
    .bounds = elastic_bounds,
};

EBSP_POLICY_EXPORT(elasticbsp);
