/* SPDX-License-Identifier: Apache-2.0 */
/* Backup workers (Chen et al., "Revisiting distributed synchronous SGD", 2016),
 * also known as K-sync SGD (Dutta et al., "Slow and stale gradients can win the
 * race", AISTATS 2018): a round ends when all but `backups` of its workers have
 * pushed, or when k have.  Their mean is applied as one update and they are
 * released.  Who comes later finds the version moved on: its push is dropped,
 * the batch goes back to the queue, and it joins the round that runs.
 *
 * Only pushes computed on the present version are kept and nothing is committed
 * while they wait, so the staleness is 0.  The clock gap has no bound (a worker
 * slow enough is late every time) unless everybody is waited for: then it is 1,
 * as for bsp.
 *
 * As in bsp the sum is taken in the order of the worker numbers. */
#include "act.h"

#include <stdlib.h>

enum { ABSENT, WAITING, RUNNING, PUSHED };

struct backup {
    const struct ebsp_host *host;
    unsigned char *states; /* of each worker */
    uint64_t *samples;     /* of each push of this round */
    uint32_t n_workers;    /* numbers below this have been seen */
    uint32_t n_running, n_pushed;
    uint64_t n_samples; /* of this round */
    uint32_t backups;   /* used when k is 0 */
    uint32_t k;
    int is_started;
};

static void
backup_destroy(void *self)
{
    struct backup *b = self;

    free(b->states);
    free(b->samples);
    free(b);
}

static void *
backup_create(const struct ebsp_host *host)
{
    struct backup *b = calloc(1, sizeof *b);

    if (!b) {
        host->fail(host->ctx, "out of memory");
        return NULL;
    }
    b->host = host;
    b->backups = (uint32_t)host->option_number(host->ctx, "backups");
    b->k = (uint32_t)host->option_number(host->ctx, "k");
    b->states = calloc(host->max_workers, sizeof *b->states);
    b->samples = calloc(host->max_workers, sizeof *b->samples);
    if (!b->states || !b->samples) {
        host->fail(host->ctx, "out of memory");
        backup_destroy(b);
        return NULL;
    }
    return b;
}

/* Pushes that end the round; never more than can come, at least one if any. */
static uint32_t
get_quorum(const struct backup *b)
{
    uint32_t n = b->n_running + b->n_pushed;

    if (b->k > 0)
        return b->k < n ? b->k : n;
    if (n > b->backups)
        return n - b->backups;
    return n > 0;
}

/* One update that weights every sample alike. */
static int32_t
apply_mean(struct backup *b)
{
    for (uint32_t w = 0; w < b->n_workers; w++)
        if (b->states[w] == PUSHED &&
            act_add(b->host, w, (double)b->samples[w] / (double)b->n_samples) !=
                0)
            return -1;
    b->n_samples = 0;
    return act_commit(b->host, 1.0);
}

static int32_t
release(struct backup *b, uint32_t worker)
{
    b->states[worker] = RUNNING;
    b->n_running++;
    return act_release(b->host, worker);
}

/* Ends the round when enough have pushed or nobody is left to push. */
static int32_t
end_round(struct backup *b)
{
    if (!b->is_started || b->n_pushed < get_quorum(b))
        return 0;
    if (b->n_pushed > 0 && apply_mean(b) != 0)
        return -1;
    b->n_pushed = 0;
    for (uint32_t w = 0; w < b->n_workers; w++)
        if ((b->states[w] == PUSHED || b->states[w] == WAITING) &&
            release(b, w) != 0)
            return -1;
    return 0;
}

static int32_t
take_push(struct backup *b, const struct ebsp_event *e)
{
    b->n_running--;
    if (e->base_version != e->version) /* late: its round is over */
        return act_drop(b->host, e->worker) != 0 ? -1 : release(b, e->worker);
    b->states[e->worker] = PUSHED;
    b->samples[e->worker] = e->samples;
    b->n_samples += e->samples;
    b->n_pushed++;
    return end_round(b);
}

static void
forget(struct backup *b, uint32_t worker)
{
    if (b->states[worker] == RUNNING)
        b->n_running--;
    if (b->states[worker] == PUSHED) {
        b->n_pushed--;
        b->n_samples -= b->samples[worker];
    }
    b->states[worker] = ABSENT;
}

static int32_t
backup_on_event(void *self, const struct ebsp_event *e)
{
    struct backup *b = self;

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
        return take_push(b, e);
    case EBSP_EVENT_LEAVE:
        forget(b, e->worker);
        return end_round(b);
    default:
        return 0;
    }
}

static void
backup_bounds(void *self, struct ebsp_bounds *bounds)
{
    const struct backup *b = self;

    bounds->flags = EBSP_BOUND_STALENESS;
    bounds->max_staleness = 0;
    if (b->k == 0 && b->backups == 0) {
        bounds->flags |= EBSP_BOUND_GAP;
        bounds->max_gap = 1;
    }
}

static const struct ebsp_option options[] = {
    {
        .name = "backups",
        .fallback = "1",
        .help = "workers that a round does not wait for",
        .type = EBSP_OPTION_INTEGER,
        .minimum = 0,
        .maximum = 1e6,
    },
    {
        .name = "k",
        .fallback = "0",
        .help = "pushes that end a round (K-sync); 0: workers less backups",
        .type = EBSP_OPTION_INTEGER,
        .minimum = 0,
        .maximum = 1e6,
    },
};

static const struct ebsp_policy backup = {
    EBSP_POLICY_HEAD,
    .name = "backup",
    .version = "1.0",
    .summary = "rounds that do not wait for the slowest few; late pushes drop",
    .options = options,
    .n_options = sizeof options / sizeof options[0],
    .create = backup_create,
    .destroy = backup_destroy,
    .on_event = backup_on_event,
    .bounds = backup_bounds,
};

EBSP_POLICY_EXPORT(backup);
