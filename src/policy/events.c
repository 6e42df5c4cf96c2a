/* SPDX-License-Identifier: Apache-2.0 */
/* What happens, told to the policy: each call of a driver is one event and what
 * comes of it. */
#include "policy/host_impl.h"

/* Timers that may expire in a row, without any other event. */
#define MAX_WAKES 100000

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
    const struct ebsp_event *e = &h->sent.event;
    const char *name = host_kind_name(e->kind);
    int32_t r;

    if (e->kind != EBSP_EVENT_WAKE && !h->is_probe)
        h->n_wakes = 0;
    h->stats.events++;
    h->in_event = true;
    watchdog_enter(&h->name, name ? name : "an event of unknown kind",
                   e->worker);
    r = h->config.lib->p.on_event(h->self, e);
    watchdog_leave();
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
    uint32_t present;

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
        present = h->stats.held + h->stats.running;
        if (dispatch(h) == 0 && present > h->most) {
            h->most = present;
            host_ask_bounds(h);
        }
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

/* Timers that only lead to timers: a deadlock when nobody is running, and time
 * that does not pass otherwise. */
static void
count_wake(struct host *h)
{
    if (++h->n_wakes >= MAX_WAKES)
        host_fail(h, "asks for %d timers between two other events, while %s",
                  MAX_WAKES,
                  h->stats.running > 0 ? "workers are running"
                  : h->stats.held > 0  ? "all workers are held"
                                       : "no worker is there");
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
        if (dispatch(h) == 0)
            count_wake(h);
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
