/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/host_impl.h"

#include "base/mem.h"
#include "base/str.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

const char *
host_kind_name(uint32_t kind)
{
    static const char *const names[] = {
        [EBSP_EVENT_START] = "START", [EBSP_EVENT_PUSH] = "PUSH",
        [EBSP_EVENT_JOIN] = "JOIN",   [EBSP_EVENT_LEAVE] = "LEAVE",
        [EBSP_EVENT_WAKE] = "WAKE",
    };

    return kind < ARRAY_LEN(names) ? names[kind] : NULL;
}

const char *
host_event_text(const struct host *h, char *to, size_t cap)
{
    const struct ebsp_event *e = &h->sent.event;
    const char *name = host_kind_name(e->kind);

    if (!name)
        str_printf(to, cap, "event of unknown kind %u", e->kind);
    else if (e->worker == EBSP_NO_WORKER)
        str_printf(to, cap, "%s", name);
    else
        str_printf(to, cap, "%s of worker %u", name, e->worker);
    return to;
}

int
host_fail(struct host *h, const char *fmt, ...)
{
    char where[64];
    va_list ap;

    if (h->err.code != ERR_OK)
        return -1;
    va_start(ap, fmt);
    err_vset(&h->err, ERR_POLICY, fmt, ap);
    va_end(ap);
    if (h->in_event)
        err_wrap(&h->err, "on %s", host_event_text(h, where, sizeof where));
    return err_wrap(&h->err, "policy \"%s\"", host_get_policy(h));
}

int
host_driver_failed(struct host *h, const char *what)
{
    return err_set(&h->err, ERR_BUG, "%s failed without giving a reason", what);
}

/* ---- life ---------------------------------------------------------------- */

int
host_ask_bounds(struct host *h)
{
    struct {
        struct ebsp_bounds b;
        unsigned char tail[64];
    } asked;

    if (!h->config.lib->p.bounds)
        return 0;
    memset(&asked, 0, sizeof asked);
    asked.b.struct_size =
        (uint32_t)(h->config.future ? sizeof asked : sizeof asked.b);
    watchdog_enter(&h->name, "bounds", EBSP_NO_WORKER);
    h->config.lib->p.bounds(h->self, &asked.b);
    watchdog_leave();
    h->bounds = asked.b;
    return h->err.code == ERR_OK ? 0 : -1;
}

static int
create_policy(struct host *h)
{
    const struct ebsp_policy *p = &h->config.lib->p;

    if (p->needs & h->config.lacks)
        return host_fail(h,
                         "needs what this way of running cannot do "
                         "(bits 0x%llx of EBSP_CAN_*)",
                         (unsigned long long)(p->needs & h->config.lacks));
    watchdog_enter(&h->name, "create", EBSP_NO_WORKER);
    h->self = p->create(&h->lent.table);
    watchdog_leave();
    if (!h->self)
        return host_fail(h, "could not be created and gave no reason");
    return h->err.code == ERR_OK ? host_ask_bounds(h) : -1;
}

struct host *
host_new(const struct host_config *config, struct err *err)
{
    static const struct host_driver no_driver;
    struct host *h;
    uint32_t n = config->max_workers;

    if (n == 0 || n == EBSP_NO_WORKER) {
        err_set(err, ERR_BUG, "host for %u workers", n);
        return NULL;
    }
    h = mem_alloc(1, sizeof *h);
    if (!h) {
        err_nomem(err);
        return NULL;
    }
    h->config = *config;
    if (!h->config.driver)
        h->config.driver = &no_driver;
    watchdog_set_name(&h->name, config->lib->p.name);
    h->now_ns = INT64_MIN;
    h->told_ns = INT64_MAX;
    h->stats.version = config->version;
    h->cap_added = n;
    h->workers = mem_alloc(n, sizeof *h->workers);
    h->added = mem_alloc(n, sizeof *h->added);
    h->finished = mem_alloc(n, sizeof *h->finished);
    rng_init_key(&h->rng, config->seed, RNG_POLICY, 0, 0);
    host_lend(h);
    if (clocks_init(&h->clocks, n) != 0 || !h->workers || !h->added ||
        !h->finished)
        err_nomem(&h->err);
    else
        create_policy(h);
    if (h->err.code != ERR_OK) {
        err_set(err, h->err.code, "%s", h->err.text);
        host_free(h);
        return NULL;
    }
    return h;
}

void
host_free(struct host *h)
{
    if (!h)
        return;
    if (h->self) {
        watchdog_enter(&h->name, "destroy", EBSP_NO_WORKER);
        h->config.lib->p.destroy(h->self);
        watchdog_leave();
    }
    clocks_release(&h->clocks);
    timers_release(&h->timers);
    mem_free(h->workers);
    mem_free(h->added);
    mem_free(h->finished);
    mem_free(h->values);
    mem_free(h);
}

/* ---- questions ----------------------------------------------------------- */

int
host_check_deadlock(const struct host *h, struct err *err)
{
    char who[160] = "", after[64];
    size_t len = 0;
    uint32_t shown = 0;

    if (h->stats.running > 0 || h->stats.held == 0 ||
        timers_next_ns(&h->timers) != INT64_MAX)
        return 0;
    for (uint32_t i = 0; i < h->config.max_workers && shown < 8; i++)
        if (h->workers[i].state == HOST_HELD)
            len += (size_t)snprintf(who + len, sizeof who - len, "%s%u",
                                    shown++ ? ", " : "", i);
    return err_set(err, ERR_POLICY,
                   "policy \"%s\": deadlock after %s: it holds worker%s %s%s, "
                   "none is running and no timer is pending",
                   host_get_policy(h), host_event_text(h, after, sizeof after),
                   shown > 1 ? "s" : "", who,
                   shown < h->stats.held ? ", ..." : "");
}

int
host_check_committed(const struct host *h, struct err *err)
{
    if (h->n_added == 0)
        return 0;
    return err_set(err, ERR_POLICY,
                   "policy \"%s\": %zu push%s added but not committed when the "
                   "last worker left",
                   host_get_policy(h), h->n_added, h->n_added > 1 ? "es" : "");
}

void
host_get_stats(const struct host *h, struct host_stats *stats)
{
    *stats = h->stats;
    stats->uncommitted = h->n_added;
}

const uint64_t *
host_get_histogram(const struct host *h)
{
    return h->histogram;
}

enum host_state
host_get_state(const struct host *h, uint32_t worker)
{
    return worker < h->config.max_workers ? h->workers[worker].state
                                          : HOST_ABSENT;
}

void
host_fetch(const struct host *h, uint32_t worker)
{
    __builtin_prefetch(&h->workers[worker], 1);
    __builtin_prefetch(&h->clocks.group_of[worker], 1);
}

uint64_t
host_get_clock(const struct host *h, uint32_t worker)
{
    if (worker >= h->config.max_workers)
        return 0;
    if (clocks_has(&h->clocks, worker))
        return clocks_get(&h->clocks, worker);
    return h->workers[worker].clock;
}

const char *
host_get_policy(const struct host *h)
{
    return h->config.lib->p.name;
}

const struct ebsp_bounds *
host_get_bounds(const struct host *h)
{
    return &h->bounds;
}

uint32_t
host_get_max_workers(const struct host *h)
{
    return h->config.max_workers;
}
