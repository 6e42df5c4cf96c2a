/* SPDX-License-Identifier: Apache-2.0 */
#include "base/err.h"
#include "base/mem.h"
#include "view/tally_impl.h"

#include <math.h>
#include <string.h>

#define LOSS_FADE 0.98 /* as the coordinator's own mean */

void
tally_forget_worker(struct tally_worker *w)
{
    *w = (struct tally_worker){.last_push = NAN, .staleness = NAN};
}

struct tally_worker *
tally_get_worker(struct tally *t, const struct jcur *e, struct err *err)
{
    struct tally_worker *grown;
    int64_t rank;
    uint32_t n;

    if (jcur_int(e, "rank", 0, TALLY_MAX_RANKS - 1, &rank, err) != 0)
        return NULL;
    if (rank < t->n)
        return &t->worker[rank];
    n = (uint32_t)rank + 1;
    grown = mem_resize(t->worker, t->n, n, sizeof *grown);
    if (!grown) {
        err_nomem(err);
        return NULL;
    }
    t->worker = grown;
    for (; t->n < n; t->n++)
        grown[t->n] = (struct tally_worker){.last_push = NAN, .staleness = NAN};
    return &t->worker[rank];
}

void
tally_enter(const struct tally *t, struct tally_worker *w,
            enum tally_state state)
{
    if (w->state == TALLY_HELD && t->t > w->since)
        w->part[TALLY_WAIT] += t->t - w->since;
    w->state = state;
    w->since = t->t;
}

static int
on_spawn(struct tally *t, struct tally_worker *w, const struct jcur *e,
         struct err *err)
{
    (void)e;
    (void)err;
    w->known = true;
    w->starts++;
    tally_enter(t, w, TALLY_STARTS);
    return 0;
}

static int
on_hello(struct tally *t, struct tally_worker *w, const struct jcur *e,
         struct err *err)
{
    w->known = true;
    tally_enter(t, w, TALLY_STARTS);
    return tally_get_text(e, "host", w->host, sizeof w->host, err);
}

static int
on_join(struct tally *t, struct tally_worker *w, const struct jcur *e,
        struct err *err)
{
    (void)e;
    (void)err;
    w->known = true;
    tally_enter(t, w, TALLY_HELD);
    return 0;
}

static int
on_leave(struct tally *t, struct tally_worker *w, const struct jcur *e,
         struct err *err)
{
    (void)e;
    (void)err;
    tally_enter(t, w, TALLY_ABSENT);
    return 0;
}

static int
on_lost(struct tally *t, struct tally_worker *w, const struct jcur *e,
        struct err *err)
{
    t->lost++;
    return on_leave(t, w, e, err);
}

static int
on_idle(struct tally *t, struct tally_worker *w, const struct jcur *e,
        struct err *err)
{
    (void)e;
    (void)err;
    tally_enter(t, w, TALLY_IDLE);
    return 0;
}

static int
on_release(struct tally *t, struct tally_worker *w, const struct jcur *e,
           struct err *err)
{
    double held;

    if (tally_get_seconds(e, "held", &held, err) != 0)
        return -1;
    w->part[TALLY_WAIT] += held;
    w->state = TALLY_RUNNING; /* not entered: the wait is told */
    w->since = t->t;
    return 0;
}

static int
on_push(struct tally *t, struct tally_worker *w, const struct jcur *e,
        struct err *err)
{
    static const enum tally_part told[] = {TALLY_COMPUTE, TALLY_DATA,
                                           TALLY_PUSH, TALLY_PULL};
    double part[TALLY_PARTS] = {0}, loss;
    uint64_t base;

    for (size_t i = 0; i < ARRAY_LEN(told); i++)
        if (tally_get_seconds(e, tally_part_name(told[i]), &part[told[i]],
                              err) != 0)
            return -1;
    if (tally_get_count(e, "base", &base, err) != 0 ||
        tally_get_number(e, "loss", &loss, err) != 0)
        return -1;
    for (size_t i = 0; i < ARRAY_LEN(told); i++)
        w->part[told[i]] += part[told[i]];
    w->base = base;
    w->iterations++;
    w->last_push = t->t;
    t->pushes++;
    if (isfinite(loss)) {
        t->loss_sum = LOSS_FADE * t->loss_sum + (1 - LOSS_FADE) * loss;
        t->loss_one = LOSS_FADE * t->loss_one + (1 - LOSS_FADE);
    }
    tally_enter(t, w, TALLY_HELD);
    return 0;
}

static int
on_reject(struct tally *t, struct tally_worker *w, const struct jcur *e,
          struct err *err)
{
    (void)e;
    (void)err;
    t->rejected++;
    w->rejected++;
    return 0;
}

/* Whatever is added is committed before the next version. */
static int
on_add(struct tally *t, struct tally_worker *w, const struct jcur *e,
       struct err *err)
{
    uint64_t s = t->version > w->base ? t->version - w->base : 0;

    (void)e;
    (void)err;
    w->staleness = (double)s;
    t->stale[s < TALLY_STALENESS ? s : TALLY_STALENESS - 1]++;
    t->stale_count++;
    t->stale_sum += s;
    if (s > t->stale_max)
        t->stale_max = s;
    return 0;
}

static int
on_drop(struct tally *t, struct tally_worker *w, const struct jcur *e,
        struct err *err)
{
    (void)w;
    (void)e;
    (void)err;
    t->dropped++;
    return 0;
}

/* ---- all of them ----------------------------------------------------------
 */

tally_worker_fn *
tally_find_worker(const char *event)
{
    static const struct {
        const char *event;
        tally_worker_fn *fn;
    } kinds[] = {
        {"push", on_push},   {"add", on_add},       {"release", on_release},
        {"drop", on_drop},   {"idle", on_idle},     {"spawn", on_spawn},
        {"hello", on_hello}, {"join", on_join},     {"leave", on_leave},
        {"lost", on_lost},   {"reject", on_reject},
    };

    for (size_t i = 0; i < ARRAY_LEN(kinds); i++)
        if (strcmp(kinds[i].event, event) == 0)
            return kinds[i].fn;
    return NULL;
}
