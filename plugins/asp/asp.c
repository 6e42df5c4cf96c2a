/* SPDX-License-Identifier: Apache-2.0 */
/* Asynchronous parallel (Downpour SGD of Dean et al., "Large scale distributed
 * deep networks", 2012, with a push per mini-batch): each push is applied when
 * it arrives and its worker goes on at once.  Staleness has no bound. */
#include "act.h"

#include <stdlib.h>

struct asp {
    const struct ebsp_host *host;
    unsigned char *is_ready; /* joined before START */
    int is_started;
};

static void
asp_destroy(void *self)
{
    struct asp *a = self;

    free(a->is_ready);
    free(a);
}

static void *
asp_create(const struct ebsp_host *host)
{
    struct asp *a = calloc(1, sizeof *a);

    if (a)
        a->is_ready = calloc(host->max_workers, sizeof *a->is_ready);
    if (!a || !a->is_ready) {
        host->fail(host->ctx, "out of memory");
        free(a);
        return NULL;
    }
    a->host = host;
    return a;
}

static int32_t
start(struct asp *a)
{
    a->is_started = 1;
    for (uint32_t w = 0; w < a->host->max_workers; w++)
        if (a->is_ready[w] && act_release(a->host, w) != 0)
            return -1;
    return 0;
}

static int32_t
apply(const struct asp *a, uint32_t worker)
{
    if (act_add(a->host, worker, 1.0) != 0 || act_commit(a->host, 1.0) != 0)
        return -1;
    return act_release(a->host, worker);
}

static int32_t
asp_on_event(void *self, const struct ebsp_event *e)
{
    struct asp *a = self;

    switch (e->kind) {
    case EBSP_EVENT_START:
        return start(a);
    case EBSP_EVENT_PUSH:
        return apply(a, e->worker);
    case EBSP_EVENT_JOIN:
        if (a->is_started)
            return act_release(a->host, e->worker);
        a->is_ready[e->worker] = 1;
        return 0;
    case EBSP_EVENT_LEAVE:
        a->is_ready[e->worker] = 0;
        return 0;
    default:
        return 0;
    }
}

static const struct ebsp_policy asp = {
    EBSP_POLICY_HEAD,
    .name = "asp",
    .version = "1.0",
    .summary = "asynchronous: each push is applied at once, nobody waits",
    .create = asp_create,
    .destroy = asp_destroy,
    .on_event = asp_on_event,
};

EBSP_POLICY_EXPORT(asp);
