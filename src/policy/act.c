/* SPDX-License-Identifier: Apache-2.0 */
/* The actions of a policy: checked, accounted, handed to the driver. */
#include "policy/host_impl.h"

#include "base/mem.h"
#include "policy/abi.h"

#include <math.h>
#include <string.h>

/* A policy that sets more timers than this forgets to let them expire. */
#define MAX_TIMERS(n_workers) (16 * (size_t)(n_workers) + 1024)
/* Pushes that wait for a COMMIT; the bookkeeping takes 16 bytes for each. */
#define MAX_ADDED ((size_t)1 << 26)
/* Pushes that are dropped in a row without a COMMIT: that training gets on is
 * no longer to be hoped for. */
#define MAX_DROPS(n_workers) (100 * (uint64_t)(n_workers) + 1000)
/* WAKEs at one instant that each ask for another one "now". */
#define MAX_SPINS 10000

/* The worker of an action, when it is held and its push is as wanted. */
static struct host_worker *
get_held(struct host *h, const char *what, uint32_t worker, bool want_push)
{
    struct host_worker *w;
    const char *why = NULL;

    if (worker >= h->config.max_workers) {
        host_fail(h, "%s of worker %u: the highest number is %u", what, worker,
                  h->config.max_workers - 1);
        return NULL;
    }
    w = &h->workers[worker];
    if (w->state == HOST_ABSENT)
        why = "it is not there";
    else if (w->state == HOST_RUNNING)
        why = "it is running";
    else if (want_push && !w->has_push)
        why = "it has no push, or it was added or dropped already";
    else if (!want_push && w->has_push)
        why = "its push was neither added nor dropped";
    if (why) {
        host_fail(h, "%s of worker %u: %s", what, worker, why);
        return NULL;
    }
    return w;
}

static int
do_add(struct host *h, const struct ebsp_action *a)
{
    const struct host_driver *d = h->config.driver;
    struct host_worker *w = get_held(h, "ADD", a->worker, true);

    if (!w)
        return -1;
    if (h->n_added >= MAX_ADDED)
        return host_fail(h, "%zu pushes without a COMMIT", h->n_added);
    if (h->n_added == h->cap_added) {
        struct host_added *v =
            mem_resize(h->added, h->cap_added, 2 * h->cap_added, sizeof *v);

        if (!v)
            return err_nomem(&h->err);
        h->added = v;
        h->cap_added *= 2;
    }
    if (d->add && d->add(h->config.ctx, a->worker, a->weight, &h->err) != 0)
        return host_driver_failed(h, "add");
    h->added[h->n_added++] = (struct host_added){w->base_version, a->worker};
    h->samples_added += w->samples;
    w->has_push = false;
    return 0;
}

/* A push is as stale as the number of updates between the parameters it was
 * computed on and the update that applies it. */
static int
count_staleness(struct host *h)
{
    for (size_t i = 0; i < h->n_added; i++) {
        const struct host_added *push = &h->added[i];
        uint64_t s = h->stats.version - push->base_version;

        if ((h->bounds.flags & EBSP_BOUND_STALENESS) &&
            s > h->bounds.max_staleness)
            return host_fail(h,
                             "promised a staleness of at most %llu, but the "
                             "push of worker %u is %llu updates old",
                             (unsigned long long)h->bounds.max_staleness,
                             push->worker, (unsigned long long)s);
        h->stats.sum_staleness += s;
        h->stats.applied++;
        if (s > h->stats.max_staleness)
            h->stats.max_staleness = s;
        h->histogram[s < HOST_HISTOGRAM ? s : HOST_HISTOGRAM - 1]++;
    }
    return 0;
}

static int
do_commit(struct host *h, const struct ebsp_action *a)
{
    const struct host_driver *d = h->config.driver;

    if (h->n_added == 0)
        return host_fail(h, "COMMIT of nothing: no push was added");
    if (count_staleness(h) != 0)
        return -1;
    if (d->commit && d->commit(h->config.ctx, a->weight, (uint32_t)h->n_added,
                               h->samples_added, &h->err) != 0)
        return host_driver_failed(h, "commit");
    h->n_added = 0;
    h->samples_added = 0;
    h->n_drops = 0;
    h->stats.version++;
    return 0;
}

static int
do_drop(struct host *h, const struct ebsp_action *a)
{
    const struct host_driver *d = h->config.driver;
    struct host_worker *w = get_held(h, "DROP", a->worker, true);

    if (!w)
        return -1;
    if (++h->n_drops > MAX_DROPS(h->most))
        return host_fail(h,
                         "has dropped %llu pushes in a row and committed "
                         "nothing",
                         (unsigned long long)h->n_drops);
    if (d->drop && d->drop(h->config.ctx, a->worker, &h->err) != 0)
        return host_driver_failed(h, "drop");
    w->has_push = false;
    h->stats.dropped++;
    return 0;
}

/* NULL, or what is wrong with how the worker is to go on. */
static const char *
check_release(const struct host *h, const struct host_worker *w,
              const struct ebsp_action *a)
{
    if (!h->is_started)
        return "START has not come yet";
    if (a->flags & ~EBSP_RELEASE_KEEP)
        return "unknown flags";
    if ((a->flags & EBSP_RELEASE_KEEP) && !w->has_params)
        return "EBSP_RELEASE_KEEP, but it has no parameters yet";
    if (a->contribution > EBSP_PUSH_MODEL)
        return "unknown contribution";
    if (!isfinite(a->lr_factor) || a->lr_factor < 0)
        return "lr_factor is not a number from 0";
    if ((h->config.lacks & EBSP_CAN_LOCAL_STEPS) &&
        (a->steps > 1 || a->contribution != EBSP_PUSH_GRADIENT))
        return "local steps, which this way of running cannot do";
    return NULL;
}

static int
do_release(struct host *h, const struct ebsp_action *a)
{
    const struct host_driver *d = h->config.driver;
    struct host_worker *w = get_held(h, "RELEASE", a->worker, false);
    const char *why = w ? check_release(h, w, a) : NULL;
    struct host_release how;
    bool finished = false;

    if (!w)
        return -1;
    if (why)
        return host_fail(h, "RELEASE of worker %u: %s", a->worker, why);
    how = (struct host_release){
        .keep = a->flags & EBSP_RELEASE_KEEP,
        .steps = a->steps ? a->steps : 1,
        .contribution = a->contribution,
        .lr_factor = a->lr_factor > 0 ? a->lr_factor : 1,
        .batch = a->batch,
    };
    if (d->release &&
        d->release(h->config.ctx, a->worker, &how, &finished, &h->err) != 0)
        return host_driver_failed(h, "release");
    w->state = HOST_RUNNING;
    w->released_ns = h->now_ns;
    if (!how.keep) {
        w->base_version = h->stats.version;
        w->has_params = true;
    }
    h->stats.held--;
    h->stats.running++;
    h->stats.releases++;
    if (!clocks_has(&h->clocks, a->worker))
        clocks_enter(&h->clocks, a->worker, w->clock);
    if (finished)
        h->finished[h->n_finished++] = a->worker;
    return 0;
}

static int
do_wake(struct host *h, const struct ebsp_action *a)
{
    int64_t at_ns = a->at_ns > h->now_ns ? a->at_ns : h->now_ns;

    if (at_ns == h->now_ns && h->sent.event.kind == EBSP_EVENT_WAKE &&
        ++h->n_spins > MAX_SPINS)
        return host_fail(h, "asks to be woken at once for ever");
    if (h->timers.n >= MAX_TIMERS(h->config.max_workers))
        return host_fail(h, "has %zu timers pending", h->timers.n);
    if (timers_add(&h->timers, at_ns, a->cookie) != 0)
        return err_nomem(&h->err);
    return 0;
}

enum { USES_WORKER = 1, USES_WEIGHT = 2, USES_TIME = 4, USES_HOW = 8 };

static const struct action_kind {
    const char *name;
    unsigned uses;
    int (*run)(struct host *h, const struct ebsp_action *a);
} kinds[] = {
    [EBSP_ACTION_ADD] = {"ADD", USES_WORKER | USES_WEIGHT, do_add},
    [EBSP_ACTION_COMMIT] = {"COMMIT", USES_WEIGHT, do_commit},
    [EBSP_ACTION_DROP] = {"DROP", USES_WORKER, do_drop},
    [EBSP_ACTION_RELEASE] = {"RELEASE", USES_WORKER | USES_HOW, do_release},
    [EBSP_ACTION_WAKE] = {"WAKE", USES_TIME, do_wake},
};

/* A field that is set although the kind has no use for it, or NULL.  Refused
 * because a later ABI may give it a meaning. */
static const char *
get_stray_field(const struct ebsp_action *a, unsigned uses)
{
    if (a->reserved != 0)
        return "reserved";
    if (!(uses & USES_WORKER) && a->worker != 0)
        return "worker";
    if (!(uses & USES_WEIGHT) && a->weight != 0)
        return "weight";
    if (!(uses & USES_TIME) && (a->at_ns != 0 || a->cookie != 0))
        return a->at_ns != 0 ? "at_ns" : "cookie";
    if (!(uses & USES_HOW)) {
        if (a->flags != 0)
            return "flags";
        if (a->steps != 0 || a->batch != 0)
            return a->steps != 0 ? "steps" : "batch";
        if (a->contribution != 0 || a->lr_factor != 0)
            return a->contribution != 0 ? "contribution" : "lr_factor";
    }
    return NULL;
}

/* A plugin from the future may send more than this ABI knows, but that must not
 * be asked for. */
static int
check_size(struct host *h, const struct ebsp_action *a)
{
    const unsigned char *bytes = (const unsigned char *)a;

    if (!a)
        return host_fail(h, "act(NULL)");
    if (a->struct_size < ABI_1_0_ACTION || a->struct_size > ABI_MAX_SIZE)
        return host_fail(h, "action with struct_size %u, expected %zu",
                         a->struct_size, sizeof *a);
    for (size_t i = sizeof *a; i < a->struct_size; i++)
        if (bytes[i] != 0)
            return host_fail(h,
                             "action %u uses a field that this ebsp does "
                             "not know",
                             a->kind);
    return 0;
}

/* The action is read where it lies: copying what the plugin has just written
 * in pieces would wait for its stores, by far the most of an action's time. */
int32_t
host_act(void *ctx, const struct ebsp_action *a)
{
    struct host *h = ctx;
    const struct action_kind *kind;
    const char *stray;
    int r;

    if (h->err.code != ERR_OK)
        return -1;
    if (!h->in_event)
        return host_fail(h, "acts outside of on_event");
    if (h->is_probe)
        return host_fail(h, "acts; a kind that it does not know is to be "
                            "ignored");
    if (check_size(h, a) != 0)
        return -1;
    if (a->kind >= ARRAY_LEN(kinds) || !kinds[a->kind].run)
        return host_fail(h, "unknown action kind %u", a->kind);
    kind = &kinds[a->kind];
    stray = get_stray_field(a, kind->uses);
    if (stray)
        return host_fail(h, "%s with a value in \"%s\", expected 0", kind->name,
                         stray);
    if (!isfinite(a->weight))
        return host_fail(h, "%s with a weight that is not finite", kind->name);
    watchdog_leave();
    r = kind->run(h, a);
    watchdog_return();
    return r;
}
