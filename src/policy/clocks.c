/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/clocks.h"

#include "base/mem.h"

#include <assert.h>
#include <stddef.h>

int
clocks_init(struct clocks *c, uint32_t n)
{
    /* no group is empty, so there are never more groups than workers */
    c->groups = mem_alloc(n, sizeof *c->groups);
    c->group_of = mem_alloc(n, sizeof *c->group_of);
    c->first = CLOCKS_NONE;
    c->spare = n > 0 ? 0 : CLOCKS_NONE;
    if (!c->groups || !c->group_of) {
        clocks_release(c);
        return -1;
    }
    for (uint32_t i = 0; i < n; i++) {
        c->group_of[i] = CLOCKS_NONE;
        c->groups[i].next = i + 1 < n ? i + 1 : CLOCKS_NONE;
    }
    return 0;
}

void
clocks_release(struct clocks *c)
{
    mem_free(c->groups);
    mem_free(c->group_of);
    c->groups = NULL;
    c->group_of = NULL;
}

/* A new group behind `prev`; CLOCKS_NONE: in front of all. */
static uint32_t
insert_group(struct clocks *c, uint32_t prev, uint64_t clock)
{
    uint32_t i = c->spare;
    uint32_t next = prev == CLOCKS_NONE ? c->first : c->groups[prev].next;

    assert(i != CLOCKS_NONE);
    c->spare = c->groups[i].next;
    c->groups[i] = (struct clock_group){clock, 0, prev, next};
    if (prev == CLOCKS_NONE)
        c->first = i;
    else
        c->groups[prev].next = i;
    if (next != CLOCKS_NONE)
        c->groups[next].prev = i;
    return i;
}

static void
remove_member(struct clocks *c, uint32_t group)
{
    struct clock_group *g = &c->groups[group];

    if (--g->n_members > 0)
        return;
    if (g->prev == CLOCKS_NONE)
        c->first = g->next;
    else
        c->groups[g->prev].next = g->next;
    if (g->next != CLOCKS_NONE)
        c->groups[g->next].prev = g->prev;
    g->next = c->spare;
    c->spare = group;
}

static void
add_member(struct clocks *c, uint32_t group, uint32_t worker)
{
    c->groups[group].n_members++;
    c->group_of[worker] = group;
}

void
clocks_enter(struct clocks *c, uint32_t worker, uint64_t fallback)
{
    assert(c->group_of[worker] == CLOCKS_NONE);
    if (c->first == CLOCKS_NONE)
        insert_group(c, CLOCKS_NONE, fallback);
    add_member(c, c->first, worker);
}

uint64_t
clocks_tick(struct clocks *c, uint32_t worker)
{
    uint32_t i = c->group_of[worker], next = c->groups[i].next;
    struct clock_group *g = &c->groups[i];
    uint64_t clock = g->clock + 1;

    if (next != CLOCKS_NONE && c->groups[next].clock == clock) {
        add_member(c, next, worker);
        remove_member(c, i);
    } else if (g->n_members == 1) {
        g->clock = clock; /* the order stays: nobody has this clock */
    } else {
        next = insert_group(c, i, clock);
        add_member(c, next, worker);
        remove_member(c, i);
    }
    return clock;
}

void
clocks_leave(struct clocks *c, uint32_t worker)
{
    if (c->group_of[worker] == CLOCKS_NONE)
        return;
    remove_member(c, c->group_of[worker]);
    c->group_of[worker] = CLOCKS_NONE;
}

bool
clocks_has(const struct clocks *c, uint32_t worker)
{
    return c->group_of[worker] != CLOCKS_NONE;
}

uint64_t
clocks_get(const struct clocks *c, uint32_t worker)
{
    return c->groups[c->group_of[worker]].clock;
}

uint64_t
clocks_least(const struct clocks *c, uint64_t fallback)
{
    return c->first == CLOCKS_NONE ? fallback : c->groups[c->first].clock;
}
