/* SPDX-License-Identifier: Apache-2.0 */
/* Which fault is due: by the schedule, and at random. */
#include "base/clock.h"
#include "chaos/impl.h"

#include <math.h>

/* ---- the schedule -------------------------------------------------------- */

void
due_enter(void *ctx, enum chaos_state state, uint32_t rank)
{
    struct chaos *c = ctx;

    for (size_t i = 0; i < c->c->schedule->n; i++) {
        const struct fault *f = &c->c->schedule->v[i];
        struct entry *e = &c->entry[i];

        if (f->state != state ||
            (f->rank != CHAOS_ANY_RANK && f->rank != rank &&
             !chaos_is_coordinator(state)))
            continue;
        e->seen++;
        if (e->seen < f->step || e->done || e->waiting)
            continue;
        e->due = true;
        e->who = rank;
    }
}

/* Who has left the state before we came to read of it is not hit: the next time
 * that it is entered is. */
static int
act_by_schedule(struct chaos *c, struct err *err)
{
    for (size_t i = 0; i < c->c->schedule->n; i++) {
        const struct fault *f = &c->c->schedule->v[i];
        struct entry *e = &c->entry[i];

        if (!e->due)
            continue;
        e->due = false;
        if (!scene_is_in(&c->scene, f->state, e->who))
            continue;
        e->waiting = true;
        e->tries++;
        if (inject(c, f, e->who, i, err) != 0)
            return -1;
    }
    return 0;
}

void
due_judge(struct chaos *c, struct strike *s)
{
    struct entry *e;

    if (!s->again || (!s->noticed && s->outcome == STRIKE_OPEN))
        return;
    s->again = false;
    if (s->entry == SIZE_MAX)
        return;
    e = &c->entry[s->entry];
    e->waiting = false;
    e->done =
        e->tries >= CHAOS_TRIES || (!s->late && s->outcome != STRIKE_MISSED);
}

/* ---- at random ----------------------------------------------------------- */

static enum chaos_action
draw_action(struct chaos *c, bool may_cut)
{
    unsigned n = 0, mask = c->c->actions;
    uint64_t k;

    if (!may_cut)
        mask &= ~(1U << CHAOS_CUT);
    for (int a = 0; a < CHAOS_ACTIONS; a++)
        n += mask >> a & 1U;
    if (n == 0)
        return CHAOS_ACTIONS;
    k = rng_below(&c->rng, n);
    for (int a = 0;; a++)
        if ((mask >> a & 1U) && k-- == 0)
            return (enum chaos_action)a;
}

/* What is stopped already is left alone: when it goes on would not be ours to
 * say. */
static bool
is_stopped(const struct chaos *c, bool coordinator, uint32_t rank)
{
    for (size_t i = 0; i < c->r->n_strikes; i++) {
        const struct strike *s = &c->r->strike[i];

        if (s->go_on_ns &&
            chaos_is_coordinator(s->fault.state) == coordinator &&
            (coordinator || s->fault.rank == rank))
            return true;
    }
    return false;
}

static bool
is_target(const struct chaos *c, uint32_t rank)
{
    const struct actor *a = scene_get(&c->scene, rank);

    return a->exists && a->has_state && !is_stopped(c, false, rank);
}

/* The coordinator and each worker are equally likely. */
static int
act_at_random(struct chaos *c, struct err *err)
{
    bool coordinator = !is_stopped(c, true, 0);
    struct fault f = {.state = CHAOS_TRAINING, .step = 1};
    uint32_t rank = 0, n = coordinator;
    uint64_t k;

    for (uint32_t i = 0; i < c->scene.n; i++)
        n += is_target(c, i);
    if (n == 0)
        return 0;
    k = rng_below(&c->rng, n);
    if (!coordinator || k-- > 0) {
        while (!is_target(c, rank) || k-- > 0)
            rank++;
        f.state = c->scene.rank[rank].state;
    }
    f.action = draw_action(c, !chaos_is_coordinator(f.state) &&
                                  f.state != CHAOS_STARTING);
    if (f.action == CHAOS_STOP)
        f.stop_s = 0.1 + 2.9 * rng_unit(&c->rng);
    return f.action == CHAOS_ACTIONS ? 0 : inject(c, &f, rank, SIZE_MAX, err);
}

/* The time between two faults is exponentially distributed. */
static void
draw_time(struct chaos *c, int64_t now_ns)
{
    double wait = -log1p(-rng_unit(&c->rng)) * c->c->mtbf_s;

    c->random_ns = now_ns + chaos_ns(fmin(wait, 1e6));
}

static bool
is_over(const struct chaos *c, int64_t now_ns)
{
    return c->c->duration_s > 0 &&
           now_ns - c->r->begin_ns > chaos_ns(c->c->duration_s);
}

int
due_act(struct chaos *c, struct err *err)
{
    int64_t now = clock_now_ns();

    if (act_by_schedule(c, err) != 0)
        return -1;
    if (c->c->mtbf_s <= 0 || !c->scene.training || is_over(c, now))
        return 0;
    if (c->random_ns == 0)
        draw_time(c, now);
    if (now < c->random_ns)
        return 0;
    draw_time(c, now);
    return act_at_random(c, err);
}

int64_t
due_next_ns(const struct chaos *c)
{
    return c->random_ns && c->scene.training ? c->random_ns : INT64_MAX;
}
