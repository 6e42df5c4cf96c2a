/* SPDX-License-Identifier: Apache-2.0 */
/* Bulk synchronous parallel (Valiant, "A bridging model for parallel
 * computation", 1990): everybody pushes once, the mean over all samples is
 * applied as one update, everybody is released.
 *
 * The sum is taken in the order of the worker numbers, whoever came first, so
 * a run is reproducible bit for bit. */
#include "act.h"

#include <stdlib.h>

enum { ABSENT, WAITING, RUNNING, PUSHED };

struct bsp {
    const struct ebsp_host *host;
    unsigned char *states; /* of each worker */
    uint64_t *samples;     /* of each push of this round */
    uint32_t n_workers;    /* numbers below this have been seen */
    uint32_t n_running;    /* workers that this round still waits for */
    uint64_t n_samples;    /* of this round */
    int is_started;
};

static void
bsp_destroy(void *self)
{
    struct bsp *b = self;

    free(b->states);
    free(b->samples);
    free(b);
}

static void *
bsp_create(const struct ebsp_host *host)
{
    struct bsp *b = calloc(1, sizeof *b);

    if (!b) {
        host->fail(host->ctx, "out of memory");
        return NULL;
    }
    b->host = host;
    b->states = calloc(host->max_workers, sizeof *b->states);
    b->samples = calloc(host->max_workers, sizeof *b->samples);
    if (!b->states || !b->samples) {
        host->fail(host->ctx, "out of memory");
        bsp_destroy(b);
        return NULL;
    }
    return b;
}

/* One update that weights every sample alike. */
static int32_t
apply_mean(struct bsp *b)
{
    for (uint32_t w = 0; w < b->n_workers; w++)
        if (b->states[w] == PUSHED &&
            act_add(b->host, w, (double)b->samples[w] / (double)b->n_samples) !=
                0)
            return -1;
    b->n_samples = 0;
    return act_commit(b->host, 1.0);
}

/* Ends the round when nobody is left to wait for. */
static int32_t
end_round(struct bsp *b)
{
    if (!b->is_started || b->n_running > 0)
        return 0;
    if (b->n_samples > 0 && apply_mean(b) != 0)
        return -1;
    for (uint32_t w = 0; w < b->n_workers; w++) {
        if (b->states[w] == ABSENT)
            continue;
        if (act_release(b->host, w) != 0)
            return -1;
        b->states[w] = RUNNING;
        b->n_running++;
    }
    return 0;
}

static void
forget(struct bsp *b, uint32_t worker)
{
    if (b->states[worker] == RUNNING)
        b->n_running--;
    else if (b->states[worker] == PUSHED)
        b->n_samples -= b->samples[worker];
    b->states[worker] = ABSENT;
}

static int32_t
bsp_on_event(void *self, const struct ebsp_event *e)
{
    struct bsp *b = self;

    switch (e->kind) {
    case EBSP_EVENT_START:
        b->is_started = 1;
        return end_round(b);
    case EBSP_EVENT_JOIN:
        /* held until the round that runs has ended */
        b->states[e->worker] = WAITING;
        if (e->worker >= b->n_workers)
            b->n_workers = e->worker + 1;
        return end_round(b);
    case EBSP_EVENT_PUSH:
        b->states[e->worker] = PUSHED;
        b->samples[e->worker] = e->samples;
        b->n_samples += e->samples;
        b->n_running--;
        return end_round(b);
    case EBSP_EVENT_LEAVE:
        forget(b, e->worker);
        return end_round(b);
    default:
        return 0;
    }
}

static void
bsp_bounds(void *self, struct ebsp_bounds *bounds)
{
    (void)self;
    bounds->flags = EBSP_BOUND_STALENESS | EBSP_BOUND_GAP;
    bounds->max_staleness = 0;
    bounds->max_gap = 1;
}

static const struct ebsp_policy bsp = {
    EBSP_POLICY_HEAD,
    .name = "bsp",
    .version = "1.0",
    .summary = "bulk synchronous: one update per round, everybody waits",
    .create = bsp_create,
    .destroy = bsp_destroy,
    .on_event = bsp_on_event,
    .bounds = bsp_bounds,
};

EBSP_POLICY_EXPORT(bsp);
