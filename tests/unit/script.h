/* SPDX-License-Identifier: Apache-2.0 */
/* A policy inside of the test: on_event calls a function of the test, and a
 * driver that writes down what it is told. */
#ifndef EBSP_TEST_SCRIPT_H
#define EBSP_TEST_SCRIPT_H

#include "base/err.h"
#include "policy/host.h"
#include "policy/lib.h"

#include <stdio.h>
#include <string.h>

struct script;
typedef int32_t script_fn(struct script *s, const struct ebsp_event *e);

struct script {
    struct policy_lib lib;
    struct host_driver driver;
    struct host_config config;
    struct host *host;
    struct err err;
    const struct ebsp_host *lent; /* what the plugin got */
    script_fn *on_event;
    struct ebsp_bounds bounds; /* flags != 0: promised */
    struct ebsp_event last;    /* the event delivered last */
    char log[2048];            /* events, driver's calls: "P0 +0*1 C1 " */
    uint32_t finish_from; /* releases of workers from here on find no work */
    bool driver_fails;
    int n; /* for the test */
};

/* The plugin's object is the script: there is one at a time. */
static struct script *script_now;

static inline void script_log(struct script *s, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

static inline void
script_log(struct script *s, const char *fmt, ...)
{
    size_t n = strlen(s->log);
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(s->log + n, sizeof s->log - n, fmt, ap);
    va_end(ap);
}

static inline void *
script_create(const struct ebsp_host *host)
{
    script_now->lent = host;
    return script_now;
}

static inline void
script_destroy(void *self)
{
    ((struct script *)self)->lent = NULL;
}

static inline int32_t
script_on_event(void *self, const struct ebsp_event *e)
{
    static const char letters[] = "?SPJLW";
    struct script *s = self;

    s->last = *e;
    if (e->kind == EBSP_EVENT_START)
        script_log(s, "S ");
    else if (e->kind == EBSP_EVENT_WAKE)
        script_log(s, "W%llu ", (unsigned long long)e->cookie);
    else
        script_log(s, "%c%u ", letters[e->kind < 6 ? e->kind : 0], e->worker);
    return s->on_event ? s->on_event(s, e) : 0;
}

static inline void
script_bounds(void *self, struct ebsp_bounds *b)
{
    const struct script *s = self;

    b->flags = s->bounds.flags;
    b->max_staleness = s->bounds.max_staleness;
    b->max_gap = s->bounds.max_gap;
}

static inline int
script_add(void *ctx, uint32_t worker, double weight, struct err *err)
{
    struct script *s = ctx;

    script_log(s, "+%u*%g ", worker, weight);
    return s->driver_fails ? err_set(err, ERR_SYS, "disk full") : 0;
}

static inline int
script_commit(void *ctx, double weight, uint32_t pushes, uint64_t samples,
              struct err *err)
{
    (void)err;
    script_log(ctx, "C%g(%u,%llu) ", weight, pushes,
               (unsigned long long)samples);
    return 0;
}

static inline int
script_drop(void *ctx, uint32_t worker, struct err *err)
{
    (void)err;
    script_log(ctx, "-%u ", worker);
    return 0;
}

static inline int
script_release(void *ctx, uint32_t worker, const struct host_release *how,
               bool *finished, struct err *err)
{
    struct script *s = ctx;

    (void)err;
    *finished = worker >= s->finish_from;
    script_log(s, "R%u%s%s ", worker, how->keep ? "k" : "",
               *finished ? "!" : "");
    return 0;
}

static inline void
script_timer(void *ctx, int64_t at_ns)
{
    if (at_ns == INT64_MAX)
        script_log(ctx, "T- ");
    else
        script_log(ctx, "T%lld ", (long long)at_ns);
}

static inline void
script_note(void *ctx, const char *name, const struct host_value *values,
            size_t n)
{
    script_log(ctx, "%s(", name);
    for (size_t i = 0; i < n; i++)
        script_log(ctx, "%s%s=%g", i ? "," : "", values[i].name,
                   values[i].value);
    script_log(ctx, ") ");
}

/* A host for n workers; config may be changed before script_open. */
static inline void
script_init(struct script *s, uint32_t n, script_fn *on_event)
{
    *s = (struct script){.on_event = on_event, .finish_from = UINT32_MAX};
    s->lib.p = (struct ebsp_policy){
        EBSP_POLICY_HEAD,
        .name = "script",
        .version = "1",
        .summary = "of a test",
        .create = script_create,
        .destroy = script_destroy,
        .on_event = script_on_event,
        .bounds = script_bounds,
    };
    s->driver =
        (struct host_driver){script_add,     script_commit, script_drop,
                             script_release, script_timer,  script_note};
    s->config = (struct host_config){
        .lib = &s->lib, .driver = &s->driver, .ctx = s, .max_workers = n};
}

static inline int
script_open(struct script *s)
{
    script_now = s;
    s->host = host_new(&s->config, &s->err);
    return s->host ? 0 : -1;
}

/* n workers join at time 0 and the run starts. */
static inline int
script_start(struct script *s, uint32_t n)
{
    if (script_open(s) != 0)
        return -1;
    for (uint32_t i = 0; i < n; i++)
        if (host_join(s->host, 0, i, &s->err) != 0)
            return -1;
    return host_start(s->host, 0, &s->err);
}

static inline int
script_push(struct script *s, int64_t now_ns, uint32_t worker)
{
    static const struct host_push push = {.samples = 10, .steps = 1};

    return host_push(s->host, now_ns, worker, &push, &s->err);
}

static inline void
script_close(struct script *s)
{
    host_free(s->host);
    s->host = NULL;
}

/* ---- actions ------------------------------------------------------------- */

static inline int32_t
script_act(struct script *s, struct ebsp_action a)
{
    a.struct_size = sizeof a;
    return s->lent->act(s->lent->ctx, &a);
}

#define ACT(s, k, ...)                                                         \
    script_act(s, (struct ebsp_action){.kind = EBSP_ACTION_##k, __VA_ARGS__})

#endif
