/* SPDX-License-Identifier: Apache-2.0 */
/* A plugin for the tests, built against the header that POLICY_H names and with
 * at most one FAULT_... defined, each a way to be wrong.  Valid C99 to C++20.
 */
#include POLICY_H

#include <stdlib.h>

#ifdef FAULT_UNDEFINED_SYMBOL
extern int ebsp_has_no_such_function(void);
#endif

struct policy {
    const struct ebsp_host *host;
    unsigned char *is_ready;
    int is_started;
    unsigned n_events;
    int64_t now_ns;
};

#if defined(FAULT_STATIC_STATE)
static unsigned n_static;
#endif

static int32_t
act(const struct policy *p, uint32_t kind, uint32_t worker, double weight)
{
    struct ebsp_action a = {sizeof a, kind, worker, 0, weight, 0,
                            0,        0,    0,      0, 0,      0};

    return p->host->act(p->host->ctx, &a);
}

static void
destroy(void *self)
{
    free(((struct policy *)self)->is_ready);
    free(self);
}

static void *
create(const struct ebsp_host *host)
{
    struct policy *p = (struct policy *)calloc(1, sizeof *p);

    if (!p)
        return NULL;
    p->host = host;
    p->is_ready = (unsigned char *)calloc(host->max_workers, 1);
    if (!p->is_ready) {
        free(p);
        return NULL;
    }
#ifdef FAULT_EXACT_HOST_SIZE
    if (host->struct_size != sizeof *host) {
        host->fail(host->ctx, "strange host");
        destroy(p);
        return NULL;
    }
#endif
#ifdef FAULT_ACT_IN_CREATE
    act(p, EBSP_ACTION_RELEASE, 0, 0);
#endif
#ifdef FAULT_UNDEFINED_SYMBOL
    p->is_started = ebsp_has_no_such_function();
#endif
    return p;
}

static double
weight_of(struct policy *p)
{
#if defined(FAULT_STATIC_STATE)
    (void)p;
    return 1 + n_static++ % 2;
#elif defined(FAULT_ADDRESS_DEPENDENT)
    return (double)((uintptr_t)p >> 4);
#elif defined(FAULT_NAN)
    return p->n_events > 50 ? 0.0 * (1e308 * 1e308) : 1;
#else
    (void)p;
    return 1;
#endif
}

#ifdef FAULT_WAITS_FOR_EVER
static int32_t
wake_later(const struct policy *p)
{
    struct ebsp_action a = {
        sizeof a, EBSP_ACTION_WAKE, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0};

    a.at_ns = p->now_ns + 1000;
    return p->host->act(p->host->ctx, &a);
}
#endif

static int32_t
push(struct policy *p, uint32_t worker)
{
#ifdef FAULT_CRASH
    if (p->n_events == 20)
        *(volatile int *)0 = 0;
#endif
#ifdef FAULT_HANG
    while (p->n_events == 20)
        ;
#endif
#ifdef FAULT_EXIT
    if (p->n_events == 20)
        exit(0);
#endif
    if (act(p, EBSP_ACTION_ADD, worker, weight_of(p)) != 0)
        return -1;
#ifdef FAULT_NO_COMMIT
    if (p->n_events % 2)
        return act(p, EBSP_ACTION_RELEASE, worker, 0);
#endif
    if (act(p, EBSP_ACTION_COMMIT, 0, 1) != 0)
        return -1;
#ifdef FAULT_WAITS_FOR_EVER
    if (p->n_events >= 20)
        return wake_later(p);
#endif
#ifdef FAULT_NO_RELEASE
    if (p->n_events == 20)
        return 0;
#endif
    return act(p, EBSP_ACTION_RELEASE, worker, 0);
}

static int32_t
start(struct policy *p)
{
    uint32_t w;

    p->is_started = 1;
    for (w = 0; w < p->host->max_workers; w++)
        if (p->is_ready[w] && act(p, EBSP_ACTION_RELEASE, w, 0) != 0)
            return -1;
    return 0;
}

static int32_t
on_event(void *self, const struct ebsp_event *e)
{
    struct policy *p = (struct policy *)self;

#ifdef FAULT_EXACT_EVENT_SIZE
    if (e->struct_size != sizeof *e)
        return -1;
#endif
    p->now_ns = e->now_ns;
    switch (e->kind) {
    case EBSP_EVENT_START:
        return start(p);
    case EBSP_EVENT_PUSH:
        p->n_events++;
        return push(p, e->worker);
    case EBSP_EVENT_JOIN:
        if (p->is_started)
            return act(p, EBSP_ACTION_RELEASE, e->worker, 0);
        p->is_ready[e->worker] = 1;
        return 0;
    case EBSP_EVENT_LEAVE:
#ifndef FAULT_FORGETS_LEAVE
        p->is_ready[e->worker] = 0;
#endif
        return 0;
    case EBSP_EVENT_WAKE:
#ifdef FAULT_WAITS_FOR_EVER
        return wake_later(p);
#else
        return 0;
#endif
    default:
#ifdef FAULT_KNOWS_EVERYTHING
        return -1;
#else
        return 0;
#endif
    }
}

#ifdef FAULT_BOUND
static void
bounds(void *self, struct ebsp_bounds *b)
{
    (void)self;
    b->flags = EBSP_BOUND_STALENESS;
    b->max_staleness = 2;
}
#endif

#ifdef FAULT_OPTION_NAME
#    define OPTION_NAME NULL
#else
#    define OPTION_NAME "rate"
#endif
#ifdef FAULT_OPTION_RANGE
#    define FALLBACK "1000"
#elif defined(FAULT_OPTION_TYPE)
#    define FALLBACK "fast"
#else
#    define FALLBACK "3"
#endif

static const struct ebsp_option options[] = {
    {OPTION_NAME, FALLBACK, "an option", NULL, 0, 9, EBSP_OPTION_INTEGER, 0},
};

static const struct ebsp_policy description = {
#ifdef FAULT_MAGIC
    0x12345678,
#else
    EBSP_POLICY_MAGIC,
#endif
#ifdef FAULT_MAJOR
    EBSP_POLICY_ABI_MAJOR + 1,
#else
    EBSP_POLICY_ABI_MAJOR,
#endif
    EBSP_POLICY_ABI_MINOR,
#ifdef FAULT_TRUNCATED
    40,
#elif defined(FAULT_HUGE)
    100000,
#else
    sizeof(struct ebsp_policy),
#endif
#ifdef FAULT_STRIDE
    sizeof(struct ebsp_option) - 8,
#else
    sizeof(struct ebsp_option),
#endif
#ifdef FAULT_NEEDS
    UINT64_C(1) << 40,
#else
    0,
#endif
    UINT64_C(1) << 50, /* offers what no host knows: ignored */
#ifdef FAULT_NAME
    "Bad Name",
#else
    "plugin",
#endif
    "1.0",
#ifdef FAULT_SUMMARY
    "two\nlines",
#else
    "for the tests",
#endif
    options,
    1,
    create,
    destroy,
#ifdef FAULT_CALLBACK
    NULL,
#else
    on_event,
#endif
#ifdef FAULT_BOUND
    bounds,
#else
    NULL,
#endif
};

#if defined(FAULT_NULL_ENTRY)
const struct ebsp_policy *
ebsp_policy_entry(void)
{
    (void)description;
    return NULL;
}
#elif defined(FAULT_NO_ENTRY)
extern const struct ebsp_policy *get_policy(void);
const struct ebsp_policy *
get_policy(void)
{
    return &description;
}
#else
EBSP_POLICY_EXPORT(description);
#endif
