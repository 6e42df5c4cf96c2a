/* SPDX-License-Identifier: Apache-2.0 */
/* K-async SGD (Dutta et al., "Slow and stale gradients can win the race",
 * AISTATS 2018): k pushes, computed on whatever versions, make one update,
 * their mean.
 *
 * mode=async  a worker that has pushed waits for the update its push is part
 *             of: the k pushes come from k workers, the others go on computing
 * mode=batch  K-batch-async: it goes on at once with the parameters as they
 *             are, so that one worker can give several of the k pushes
 *
 * k = 1 is asp, in both modes and action for action.  Staleness and clock gap
 * have no bound.  Every event costs O(1), an update O(k); the sum is taken in
 * the order of arrival. */
#include "act.h"

#include <stdlib.h>

enum { ABSENT, READY, RUNNING, PUSHED };

struct kasync {
    const struct ebsp_host *host;
    unsigned char *states; /* of each worker */
    uint64_t *samples;     /* of each push that waits */
    uint32_t *pushed;      /* workers that wait for the update, as they came */
    uint32_t n_pushed;
    uint32_t n_live; /* running or pushed */
    uint32_t k;
    int is_batch, is_started;
    /* mode=batch: what is in the accumulator */
    uint32_t n_added;
    uint64_t samples_added, samples_first;
};

static void
kasync_destroy(void *self)
{
    struct kasync *s = self;

    free(s->states);
    free(s->samples);
    free(s->pushed);
    free(s);
}

static void *
kasync_create(const struct ebsp_host *host)
{
    struct kasync *s = calloc(1, sizeof *s);

    if (!s) {
        host->fail(host->ctx, "out of memory");
        return NULL;
    }
    s->host = host;
    s->k = (uint32_t)host->option_number(host->ctx, "k");
    s->is_batch = host->option_text(host->ctx, "mode")[0] == 'b';
    s->states = calloc(host->max_workers, sizeof *s->states);
    s->samples = calloc(host->max_workers, sizeof *s->samples);
    s->pushed = calloc(host->max_workers, sizeof *s->pushed);
    if (!s->states || !s->samples || !s->pushed) {
        host->fail(host->ctx, "out of memory");
        kasync_destroy(s);
        return NULL;
    }
    return s;
}

static int32_t
release(struct kasync *s, uint32_t worker)
{
    s->states[worker] = RUNNING;
    return act_release(s->host, worker);
}

/* ---- mode=async ---------------------------------------------------------- */

/* One update that weights every sample alike; who gave to it goes on. */
static int32_t
update(struct kasync *s)
{
    uint64_t total = 0;
    uint32_t n = s->n_pushed;

    for (uint32_t i = 0; i < n; i++)
        total += s->samples[s->pushed[i]];
    for (uint32_t i = 0; i < n; i++) {
        uint32_t w = s->pushed[i];

        if (act_add(s->host, w, (double)s->samples[w] / (double)total) != 0)
            return -1;
    }
    if (act_commit(s->host, 1.0) != 0)
        return -1;
    s->n_pushed = 0;
    for (uint32_t i = 0; i < n; i++)
        if (release(s, s->pushed[i]) != 0)
            return -1;
    return 0;
}

/* Waits for k pushes, or for all there can be. */
static int32_t
update_if_due(struct kasync *s)
{
    uint32_t wanted = s->k < s->n_live ? s->k : s->n_live;

    return s->n_pushed > 0 && s->n_pushed >= wanted ? update(s) : 0;
}

static int32_t
keep_push(struct kasync *s, const struct ebsp_event *e)
{
    s->states[e->worker] = PUSHED;
    s->samples[e->worker] = e->samples;
    s->pushed[s->n_pushed++] = e->worker;
    return update_if_due(s);
}

static void
remove_pushed(struct kasync *s, uint32_t worker)
{
    uint32_t i = 0;

    while (s->pushed[i] != worker)
        i++;
    for (s->n_pushed--; i < s->n_pushed; i++)
        s->pushed[i] = s->pushed[i + 1];
}

/* ---- mode=batch ---------------------------------------------------------- */

static int32_t
commit_added(struct kasync *s)
{
    double weight = (double)s->samples_first / (double)s->samples_added;

    s->n_added = 0;
    s->samples_added = 0;
    return act_commit(s->host, weight);
}

/* The samples of the pushes to come are not known yet, so weights are relative
 * to the first push and the commit divides by their sum. */
static int32_t
add_push(struct kasync *s, const struct ebsp_event *e)
{
    if (s->n_added++ == 0)
        s->samples_first = e->samples;
    s->samples_added += e->samples;
    if (act_add(s->host, e->worker,
                (double)e->samples / (double)s->samples_first) != 0)
        return -1;
    if (s->n_added >= s->k && commit_added(s) != 0)
        return -1;
    return release(s, e->worker);
}

/* ---- events -------------------------------------------------------------- */

static int32_t
start(struct kasync *s)
{
    s->is_started = 1;
    for (uint32_t w = 0; w < s->host->max_workers; w++)
        if (s->states[w] == READY && release(s, w) != 0)
            return -1;
    return 0;
}

static int32_t
forget(struct kasync *s, uint32_t worker)
{
    if (s->states[worker] == PUSHED)
        remove_pushed(s, worker);
    s->states[worker] = ABSENT;
    s->n_live--;
    /* nobody else may come: what is left is not enough, but not lost */
    if (s->n_live == 0 && s->n_added > 0)
        return commit_added(s);
    return update_if_due(s);
}

static int32_t
kasync_on_event(void *self, const struct ebsp_event *e)
{
    struct kasync *s = self;

    switch (e->kind) {
    case EBSP_EVENT_START:
        return start(s);
    case EBSP_EVENT_JOIN:
        s->n_live++;
        s->states[e->worker] = READY;
        return s->is_started ? release(s, e->worker) : 0;
    case EBSP_EVENT_PUSH:
        return s->is_batch ? add_push(s, e) : keep_push(s, e);
    case EBSP_EVENT_LEAVE:
        return forget(s, e->worker);
    default:
        return 0;
    }
}

static const struct ebsp_option options[] = {
    {
        .name = "k",
        .fallback = "2",
        .help = "pushes that make one update",
        .type = EBSP_OPTION_INTEGER,
        .minimum = 1,
        .maximum = 1e6,
    },
    {
        .name = "mode",
        .fallback = "async",
        .help = "after a push, wait for its update (async) or go on (batch)",
        .words = "async|batch",
        .type = EBSP_OPTION_WORD,
    },
};

static const struct ebsp_policy kasync = {
    EBSP_POLICY_HEAD,
    .name = "kasync",
    .version = "1.0",
    .summary = "one update for every k pushes, from whomever they come",
    .options = options,
    .n_options = sizeof options / sizeof options[0],
    .create = kasync_create,
    .destroy = kasync_destroy,
    .on_event = kasync_on_event,
};

EBSP_POLICY_EXPORT(kasync);
