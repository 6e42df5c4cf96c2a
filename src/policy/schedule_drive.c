/* SPDX-License-Identifier: Apache-2.0 */
/* A schedule as the host's driver: mini-batches, durations, what is seen. */
#include "base/err.h"
#include "base/exact.h"
#include "base/mem.h"
#include "policy/schedule_impl.h"

#include <string.h>

/* ---- what is seen -------------------------------------------------------- */

static void
mix(struct schedule *s, uint64_t a, uint64_t b)
{
    s->digest = rng_hash(s->digest, a, b);
}

static uint64_t
get_bits(double v)
{
    uint64_t bits;

    memcpy(&bits, &v, sizeof bits);
    return bits;
}

int
schedule_see(struct schedule *s, const struct schedule_seen *seen,
             struct err *err)
{
    if (!s->config.see)
        return 0;
    return s->config.see(s->config.ctx, s, seen, err);
}

int
schedule_see_event(struct schedule *s, enum schedule_kind kind, uint32_t worker,
                   struct err *err)
{
    struct schedule_seen seen = {.kind = kind, .worker = worker};

    return schedule_see(s, &seen, err);
}

/* An action; what it does is part of the digest. */
static int
see_action(struct schedule *s, const struct schedule_seen *seen,
           struct err *err)
{
    mix(s, seen->kind, (uint64_t)s->now_ns);
    mix(s, seen->worker, get_bits(seen->weight));
    return schedule_see(s, seen, err);
}

/* ---- mini-batches -------------------------------------------------------- */

bool
schedule_has_work(const struct schedule *s)
{
    return s->n_returned > 0 || s->n_claimed < s->config.n_batches;
}

/* Up to n batches for an iteration of n steps; fewer when fewer are left. */
static int
claim(struct schedule *s, struct schedule_worker *w, uint32_t n,
      struct err *err)
{
    while (n-- > 0 && schedule_has_work(s)) {
        if (w->n_batches == w->cap_batches) {
            size_t cap = w->cap_batches ? 2 * w->cap_batches : 4;
            uint32_t *v =
                mem_resize(w->batches, w->cap_batches, cap, sizeof *v);

            if (!v)
                return err_nomem(err);
            w->batches = v;
            w->cap_batches = cap;
        }
        w->batches[w->n_batches++] =
            s->n_returned > 0 ? s->returned[--s->n_returned] : s->n_claimed++;
    }
    return 0;
}

void
schedule_give_back(struct schedule *s, struct schedule_worker *w)
{
    while (w->n_batches > 0)
        s->returned[s->n_returned++] = w->batches[--w->n_batches];
}

static int
use(struct schedule *s, struct schedule_worker *w, struct err *err)
{
    while (w->n_batches > 0) {
        uint32_t b = w->batches[--w->n_batches];

        if (s->uses[b]++ > 0)
            return err_set(err, ERR_BUG, "mini-batch %u is used twice", b);
        s->n_used++;
    }
    return 0;
}

/* ---- the host's driver --------------------------------------------------- */

static int
drive_add(void *ctx, uint32_t worker, double weight, struct err *err)
{
    struct schedule *s = ctx;
    struct schedule_seen seen = {
        .kind = SCHEDULE_ADD, .worker = worker, .weight = weight};

    s->n_uncommitted++;
    if (use(s, &s->workers[worker], err) != 0)
        return -1;
    return see_action(s, &seen, err);
}

static int
drive_commit(void *ctx, double weight, uint32_t pushes, uint64_t samples,
             struct err *err)
{
    struct schedule *s = ctx;
    struct schedule_seen seen = {.kind = SCHEDULE_COMMIT,
                                 .weight = weight,
                                 .pushes = pushes,
                                 .samples = samples};

    if (pushes != s->n_uncommitted)
        return err_set(err, ERR_BUG, "commit of %u pushes instead of %u",
                       pushes, s->n_uncommitted);
    s->n_uncommitted = 0;
    return see_action(s, &seen, err);
}

static int
drive_drop(void *ctx, uint32_t worker, struct err *err)
{
    struct schedule *s = ctx;
    struct schedule_seen seen = {.kind = SCHEDULE_DROP, .worker = worker};

    schedule_give_back(s, &s->workers[worker]);
    return see_action(s, &seen, err);
}

static int64_t
draw_duration(struct schedule *s, const struct schedule_worker *w)
{
    switch (s->config.speed) {
    case SCHEDULE_JITTER:
        return w->pace_ns / 2 +
               (int64_t)(rng_unit(&s->rng) * (double)w->pace_ns);
    case SCHEDULE_TAIL:
        return (int64_t)((1 - exact_log(1 - rng_unit(&s->rng))) *
                         (double)w->pace_ns);
    case SCHEDULE_TICKS:
        return SCHEDULE_MS * (1 + (int64_t)rng_below(&s->rng, 4));
    default:
        return w->pace_ns;
    }
}

static int
drive_release(void *ctx, uint32_t worker, const struct host_release *how,
              bool *finished, struct err *err)
{
    struct schedule *s = ctx;
    struct schedule_worker *w = &s->workers[worker];
    struct schedule_seen seen = {
        .kind = SCHEDULE_RELEASE, .worker = worker, .how = *how};

    mix(s, how->keep, how->steps);
    mix(s, how->contribution, how->batch);
    mix(s, get_bits(how->lr_factor), 0);
    if (see_action(s, &seen, err) != 0 || claim(s, w, how->steps, err) != 0)
        return -1;
    if (w->n_batches == 0) {
        *finished = true;
        w->has_finished = true;
        s->n_present--;
        return schedule_see_event(s, SCHEDULE_FINISH, worker, err);
    }
    w->done_ns = s->now_ns;
    for (size_t i = 0; i < w->n_batches; i++)
        w->done_ns += draw_duration(s, w);
    w->tie = rng_u64(&s->rng);
    return 0;
}

static void
drive_timer(void *ctx, int64_t at_ns)
{
    ((struct schedule *)ctx)->timer_ns = at_ns;
}

static void
drive_note(void *ctx, const char *name, const struct host_value *values,
           size_t n)
{
    struct schedule *s = ctx;
    struct schedule_seen seen = {
        .kind = SCHEDULE_NOTE, .name = name, .values = values, .n_values = n};

    for (size_t i = 0; i < n; i++)
        mix(s, get_bits(values[i].value), i);
    if (see_action(s, &seen, s->err) != 0)
        s->has_failed = true;
}

const struct host_driver schedule_driver = {
    .add = drive_add,
    .commit = drive_commit,
    .drop = drive_drop,
    .release = drive_release,
    .timer = drive_timer,
    .note = drive_note,
};
