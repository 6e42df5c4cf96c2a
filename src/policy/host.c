/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/host_impl.h"

#include "base/mem.h"
#include "base/str.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

const char *
host_event_text(const struct host *h, char *to, size_t cap)
{
    static const char *const names[] = {
        [EBSP_EVENT_START] = "START", [EBSP_EVENT_PUSH] = "PUSH",
        [EBSP_EVENT_JOIN] = "JOIN",   [EBSP_EVENT_LEAVE] = "LEAVE",
        [EBSP_EVENT_WAKE] = "WAKE",
    };
    const struct ebsp_event *e = &h->sent.event;

    if (e->kind >= ARRAY_LEN(names) || !names[e->kind])
        str_printf(to, cap, "event of unknown kind %u", e->kind);
    else if (e->worker == EBSP_NO_WORKER)
        str_printf(to, cap, "%s", names[e->kind]);
    else
        str_printf(to, cap, "%s of worker %u", names[e->kind], e->worker);
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

static int
ask_bounds(struct host *h)
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
    h->config.lib->p.bounds(h->self, &asked.b);
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
    h->self = p->create(&h->lent.table);
    if (!h->self)
        return host_fail(h, "could not be created and gave no reason");
    return h->err.code == ERR_OK ? ask_bounds(h) : -1;
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
    if (h->self)
        h->config.lib->p.destroy(h->self);
    clocks_release(&h->clocks);
    timers_release(&h->timers);
    mem_free(h->workers);
    mem_free(h->added);
    mem_free(h->finished);
    mem_free(h->values);
    mem_free(h);
}

/* ---- events -------------------------------------------------------------- */

static struct ebsp_event *
prepare(struct host *h, uint32_t kind, uint32_t worker)
{
    size_t size = h->config.future ? sizeof h->sent : sizeof h->sent.event;

    h->sent.event = (struct ebsp_event){
        .struct_size = (uint32_t)size,
        .kind = kind,
        .now_ns = h->now_ns,
        .worker = worker,
        .version = h->stats.version,
    };
    return &h->sent.event;
}

static int
deliver(struct host *h)
{
    int32_t r;

    h->stats.events++;
    h->in_event = true;
    r = h->config.lib->p.on_event(h->self, &h->sent.event);
    if (r != 0 && h->err.code == ERR_OK)
        host_fail(h, "failed without giving a reason");
    h->in_event = false;
    return h->err.code == ERR_OK ? 0 : -1;
}

/* Takes the worker out, then tells the policy. */
static int
deliver_leave(struct host *h, uint32_t worker, uint32_t reason)
{
    struct host_worker *w = &h->workers[worker];

    if (w->has_push) {
        w->has_push = false;
        h->stats.dropped++;
        if (h->config.driver->drop &&
            h->config.driver->drop(h->config.ctx, worker, &h->err) != 0)
            return host_driver_failed(h, "drop");
    }
    if (w->state == HOST_RUNNING)
        h->stats.running--;
    else
        h->stats.held--;
    w->state = HOST_ABSENT;
    clocks_leave(&h->clocks, worker);
    prepare(h, EBSP_EVENT_LEAVE, worker)->reason = reason;
    return deliver(h);
}

/* Tells the LEAVEs that releases have caused, in order.  A worker leaves once,
 * so the queue never outgrows its max_workers entries. */
static int
flush_finished(struct host *h)
{
    for (size_t i = 0; i < h->n_finished; i++)
        if (deliver_leave(h, h->finished[i], EBSP_LEAVE_FINISHED) != 0)
            return -1;
    h->n_finished = 0;
    return 0;
}

/* Delivers the prepared event and what comes of it. */
static int
dispatch(struct host *h)
{
    return deliver(h) != 0 ? -1 : flush_finished(h);
}

static int
begin(struct host *h, int64_t now_ns, struct err *err)
{
    if (h->busy)
        return err_set(err, ERR_BUG, "the host was called by its own driver");
    if (h->err.code != ERR_OK)
        return err_set(err, h->err.code, "%s", h->err.text);
    if (now_ns < h->now_ns)
        return err_set(err, ERR_BUG, "time ran backwards: %lld after %lld ns",
                       (long long)now_ns, (long long)h->now_ns);
    if (now_ns > h->now_ns)
        h->n_spins = 0;
    h->now_ns = now_ns;
    h->busy = true;
    return 0;
}

static int
end(struct host *h, struct err *err)
{
    int64_t next_ns = timers_next_ns(&h->timers);

    if (h->err.code == ERR_OK && h->is_started)
        host_check_deadlock(h, &h->err);
    if (next_ns != h->told_ns) {
        h->told_ns = next_ns;
        if (h->config.driver->timer)
            h->config.driver->timer(h->config.ctx, next_ns);
    }
    h->busy = false;
    if (h->err.code == ERR_OK)
        return 0;
    return err_set(err, h->err.code, "%s", h->err.text);
}

int
host_join(struct host *h, int64_t now_ns, uint32_t worker, struct err *err)
{
    struct host_worker *w;

    if (begin(h, now_ns, err) != 0)
        return -1;
    w = worker < h->config.max_workers ? &h->workers[worker] : NULL;
    if (!w || w->state != HOST_ABSENT) {
        err_set(&h->err, ERR_BUG, "worker %u joins %s", worker,
                w ? "twice" : "beyond max_workers");
    } else if (h->is_started && (h->config.lacks & EBSP_CAN_ELASTIC)) {
        err_set(&h->err, ERR_BUG, "worker %u joins after the start", worker);
    } else {
        *w = (struct host_worker){.state = HOST_HELD};
        w->clock = clocks_least(&h->clocks, 0);
        h->stats.held++;
        prepare(h, EBSP_EVENT_JOIN, worker)->clock = w->clock;
        dispatch(h);
    }
    return end(h, err);
}

int
host_start(struct host *h, int64_t now_ns, struct err *err)
{
    if (begin(h, now_ns, err) != 0)
        return -1;
    if (h->is_started) {
        err_set(&h->err, ERR_BUG, "a second start");
    } else {
        h->is_started = true;
        prepare(h, EBSP_EVENT_START, EBSP_NO_WORKER);
        dispatch(h);
    }
    return end(h, err);
}

int
host_push(struct host *h, int64_t now_ns, uint32_t worker,
          const struct host_push *push, struct err *err)
{
    struct host_worker *w;
    struct ebsp_event *e;
    uint64_t clock, gap;

    if (begin(h, now_ns, err) != 0)
        return -1;
    if (host_get_state(h, worker) != HOST_RUNNING || push->samples == 0 ||
        push->steps == 0) {
        err_set(&h->err, ERR_BUG,
                "push of worker %u, which is not running, or of nothing",
                worker);
        return end(h, err);
    }
    w = &h->workers[worker];
    clock = clocks_tick(&h->clocks, worker);
    gap = clock - clocks_least(&h->clocks, clock);
    w->state = HOST_HELD;
    w->has_push = true;
    w->samples = push->samples;
    h->stats.running--;
    h->stats.held++;
    h->stats.pushes++;
    if (gap > h->stats.max_gap)
        h->stats.max_gap = gap;
    e = prepare(h, EBSP_EVENT_PUSH, worker);
    e->clock = clock;
    e->base_version = w->base_version;
    e->interval_ns = now_ns - w->released_ns;
    e->compute_ns = push->compute_ns;
    e->samples = push->samples;
    e->loss = push->loss;
    e->gradient_norm = push->gradient_norm;
    e->steps = push->steps;
    if ((h->bounds.flags & EBSP_BOUND_GAP) && gap > h->bounds.max_gap)
        host_fail(h,
                  "promised a clock gap of at most %llu, but worker %u is at "
                  "clock %llu and the slowest at %llu",
                  (unsigned long long)h->bounds.max_gap, worker,
                  (unsigned long long)clock, (unsigned long long)(clock - gap));
    else
        dispatch(h);
    return end(h, err);
}

int
host_leave(struct host *h, int64_t now_ns, uint32_t worker, struct err *err)
{
    if (begin(h, now_ns, err) != 0)
        return -1;
    if (host_get_state(h, worker) != HOST_ABSENT &&
        deliver_leave(h, worker, EBSP_LEAVE_LOST) == 0)
        flush_finished(h);
    return end(h, err);
}

int
host_advance(struct host *h, int64_t now_ns, struct err *err)
{
    uint64_t from_now_on;

    if (begin(h, now_ns, err) != 0)
        return -1;
    /* No timer is set before now, so a new one is never in front of an old
     * one that is due. */
    from_now_on = h->timers.next_seq;
    while (h->err.code == ERR_OK && timers_next_ns(&h->timers) <= now_ns &&
           h->timers.n > 0 && h->timers.v[0].seq < from_now_on) {
        struct timer t = timers_pop(&h->timers);

        prepare(h, EBSP_EVENT_WAKE, EBSP_NO_WORKER)->cookie = t.cookie;
        dispatch(h);
    }
    return end(h, err);
}

int
host_probe(struct host *h, int64_t now_ns, uint32_t kind, struct err *err)
{
    if (begin(h, now_ns, err) != 0)
        return -1;
    h->is_probe = true;
    prepare(h, kind, EBSP_NO_WORKER);
    dispatch(h);
    h->is_probe = false;
    return end(h, err);
}

/* ---- questions ----------------------------------------------------------- */

int
host_check_deadlock(const struct host *h, struct err *err)
{
    char who[160] = "", after[64];
    size_t len = 0;
    uint32_t shown = 0;

    if (h->stats.running > 0 || h->stats.held == 0 || h->timers.n > 0)
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

void
host_get_stats(const struct host *h, struct host_stats *stats)
{
    *stats = h->stats;
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
