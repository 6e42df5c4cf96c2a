/* SPDX-License-Identifier: Apache-2.0 */
#include "chaos/scene.h"

#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"

#include <limits.h>
#include <string.h>
#include <unistd.h>

#define MAX_RANKS 65536

/* One event that is being taken. */
struct taking {
    struct scene *s;
    const struct jcur *e;
    scene_enter_fn *enter;
    void *ctx;
    struct actor *a; /* of the event's rank; NULL: it has none */
    uint32_t rank;
};

int
scene_init(struct scene *s, struct err *err)
{
    *s = (struct scene){0};
    /* As the workers say it themselves. */
    if (gethostname(s->host, sizeof s->host - 1) != 0)
        return err_errno(err, "name of this host");
    return 0;
}

void
scene_release(struct scene *s)
{
    mem_free(s->rank);
}

const struct actor *
scene_get(const struct scene *s, uint32_t rank)
{
    return rank < s->n ? &s->rank[rank] : NULL;
}

bool
scene_is_in(const struct scene *s, enum chaos_state state, uint32_t rank)
{
    const struct actor *a = scene_get(s, rank);

    switch (state) {
    case CHAOS_COORDINATOR:
        return s->starting;
    case CHAOS_TRAINING:
    case CHAOS_COMMITTING:
        return s->training;
    case CHAOS_CHECKPOINTING:
        return s->checkpointing > 0;
    case CHAOS_EVALUATING:
        return s->evaluating > 0;
    case CHAOS_ENDING:
        return s->ending;
    case CHAOS_PUSHING: /* no event tells its begin */
        return a && a->has_state && a->state == CHAOS_COMPUTING;
    default:
        return a && a->has_state && a->state == state;
    }
}

uint32_t
scene_count_connected(const struct scene *s)
{
    uint32_t n = 0;

    for (uint32_t i = 0; i < s->n; i++)
        n += s->rank[i].connected;
    return n;
}

/* ---- of workers ---------------------------------------------------------- */

static void
enter(const struct taking *t, enum chaos_state state)
{
    t->a->has_state = true;
    t->a->state = state;
    t->enter(t->ctx, state, t->rank);
}

static void
on_spawn(struct taking *t)
{
    *t->a = (struct actor){.exists = true, .spawned = ++t->s->spawned};
    enter(t, CHAOS_STARTING);
}

static void
on_hello(struct taking *t)
{
    const char *host = "";
    int64_t pid = 0;

    (void)jcur_str_or(t->e, "host", &host, NULL);
    (void)jcur_int_or(t->e, "pid", 1, INT_MAX, &pid, NULL);
    t->a->exists = t->a->connected = true;
    t->a->is_remote = strcmp(host, t->s->host) != 0;
    t->a->pid = (pid_t)pid;
    enter(t, CHAOS_READING);
}

static void
on_ready(struct taking *t)
{
    enter(t, CHAOS_HELD);
}

static void
on_join(struct taking *t)
{
    if (t->a->has_state && t->a->state == CHAOS_IDLE)
        enter(t, CHAOS_HELD);
}

static void
on_push(struct taking *t)
{
    enter(t, CHAOS_HELD);
    t->enter(t->ctx, CHAOS_TRAINING, 0);
}

static void
on_release(struct taking *t)
{
    enter(t, CHAOS_COMPUTING);
    t->enter(t->ctx, CHAOS_PUSHING, t->rank);
}

static void
on_idle(struct taking *t)
{
    enter(t, CHAOS_IDLE);
}

static void
on_leave(struct taking *t)
{
    t->a->has_state = t->a->connected = false;
}

static void
on_lost(struct taking *t)
{
    const char *then = "";

    (void)jcur_str_or(t->e, "then", &then, NULL);
    t->a->connected = t->a->has_state = false;
    t->a->exists = !strcmp(then, "remove");
    if (t->a->exists) /* it is told to end, and ends by itself */
        enter(t, CHAOS_STOPPING);
}

/* ---- of the coordinator -------------------------------------------------- */

void
scene_die(struct scene *s)
{
    for (uint32_t i = 0; i < s->n; i++)
        s->rank[i] = (struct actor){0};
    s->training = s->ending = s->over = s->starting = false;
    s->checkpointing = s->evaluating = 0;
}

static void
on_run(struct taking *t)
{
    scene_die(t->s);
    t->s->sessions++;
    t->s->starting = true;
    t->enter(t->ctx, CHAOS_COORDINATOR, 0);
}

static void
on_start(struct taking *t)
{
    t->s->starting = false;
    t->s->training = true;
}

static void
on_commit(struct taking *t)
{
    t->enter(t->ctx, CHAOS_COMMITTING, 0);
}

static void
on_snapshot(struct taking *t)
{
    const char *of = "";
    bool save;

    (void)jcur_str_or(t->e, "of", &of, NULL);
    save = !strcmp(of, "checkpoint");
    ++*(save ? &t->s->checkpointing : &t->s->evaluating);
    t->enter(t->ctx, save ? CHAOS_CHECKPOINTING : CHAOS_EVALUATING, 0);
}

/* A snapshot that waited may have been replaced by a newer one. */
static void
on_checkpoint(struct taking *t)
{
    t->s->checkpointing = 0;
}

static void
on_eval(struct taking *t)
{
    t->s->evaluating -= t->s->evaluating > 0;
}

static void
on_end(struct taking *t)
{
    t->s->training = t->s->starting = false;
    t->s->ending = true;
    t->enter(t->ctx, CHAOS_ENDING, 0);
    for (t->rank = 0; t->rank < t->s->n; t->rank++) {
        t->a = &t->s->rank[t->rank];
        if (t->a->connected)
            enter(t, CHAOS_STOPPING);
    }
}

static void
on_over(struct taking *t)
{
    t->s->training = t->s->ending = false;
    t->s->over = true;
}

static const struct kind {
    const char *event;
    bool has_rank;
    void (*take)(struct taking *t);
} kinds[] = {
    {"push", true, on_push},
    {"release", true, on_release},
    {"retry", true, on_release},
    {"commit", false, on_commit},
    {"run", false, on_run},
    {"spawn", true, on_spawn},
    {"hello", true, on_hello},
    {"ready", true, on_ready},
    {"join", true, on_join},
    {"idle", true, on_idle},
    {"leave", true, on_leave},
    {"lost", true, on_lost},
    {"start", false, on_start},
    {"snapshot", false, on_snapshot},
    {"checkpoint", false, on_checkpoint},
    {"checkpoint_failed", false, on_checkpoint},
    {"eval", false, on_eval},
    {"end", false, on_end},
    {"over", false, on_over},
};

/* Ranks come as they are told of. */
static int
find_actor(struct taking *t, struct err *err)
{
    struct scene *s = t->s;
    int64_t rank = 0;

    if (jcur_int(t->e, "rank", 0, MAX_RANKS - 1, &rank, err) != 0)
        return -1;
    t->rank = (uint32_t)rank;
    if (t->rank >= s->n) {
        struct actor *more =
            mem_resize(s->rank, s->n, t->rank + 1, sizeof *more);

        if (!more)
            return err_nomem(err);
        s->rank = more;
        s->n = t->rank + 1;
    }
    t->a = &s->rank[t->rank];
    return 0;
}

int
scene_take(struct scene *s, const char *event, const struct jcur *e,
           scene_enter_fn *enter_fn, void *ctx, struct err *err)
{
    struct taking t = {.s = s, .e = e, .enter = enter_fn, .ctx = ctx};

    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        if (strcmp(kinds[i].event, event) != 0)
            continue;
        if (kinds[i].has_rank && find_actor(&t, err) != 0)
            return -1;
        kinds[i].take(&t);
        break;
    }
    return 0;
}
