/* SPDX-License-Identifier: Apache-2.0 */
#include "common/gate.h"

#include <stdlib.h>
#include <string.h>

int
gate_init(struct gate *g, uint32_t max_workers, uint64_t width, uint64_t slack)
{
    uint64_t size = 1;

    while (size < width)
        size *= 2;
    memset(g, 0, sizeof *g);
    g->width = width;
    g->slack = slack;
    g->mask = size - 1;
    g->workers = calloc(max_workers, sizeof *g->workers);
    g->lanes = malloc(size * sizeof *g->lanes);
    if (!g->workers || !g->lanes) {
        gate_release(g);
        return -1;
    }
    memset(g->lanes, 0xff, size * sizeof *g->lanes); /* GATE_NONE */
    return 0;
}

void
gate_release(struct gate *g)
{
    free(g->workers);
    free(g->lanes);
    memset(g, 0, sizeof *g);
}

static struct gate_lane *
lane_of(const struct gate *g, uint64_t clock)
{
    return &g->lanes[clock & g->mask];
}

static struct gate_list *
list_of(const struct gate *g, const struct gate_worker *x)
{
    struct gate_lane *lane = lane_of(g, x->clock);

    return x->is_held ? &lane->held : &lane->free;
}

static void
link_worker(struct gate *g, uint32_t w)
{
    struct gate_worker *x = &g->workers[w];
    struct gate_list *l = list_of(g, x);

    x->prev = l->last;
    x->next = GATE_NONE;
    if (l->last == GATE_NONE)
        l->first = w;
    else
        g->workers[l->last].next = w;
    l->last = w;
}

static void
unlink_worker(struct gate *g, uint32_t w)
{
    const struct gate_worker *x = &g->workers[w];
    struct gate_list *l = list_of(g, x);

    if (x->prev == GATE_NONE)
        l->first = x->next;
    else
        g->workers[x->prev].next = x->next;
    if (x->next == GATE_NONE)
        l->last = x->prev;
    else
        g->workers[x->next].prev = x->prev;
}

static int
is_empty(const struct gate *g, uint64_t clock)
{
    const struct gate_lane *lane = lane_of(g, clock);

    return lane->free.first == GATE_NONE && lane->held.first == GATE_NONE;
}

int
gate_enter(struct gate *g, uint32_t w, uint64_t clock)
{
    struct gate_worker *x = &g->workers[w];

    if (g->n == 0) {
        g->min = g->max = g->held_from = clock;
    } else if (clock > g->min) {
        if (clock - g->min >= g->width)
            return -1;
        if (clock > g->max)
            g->max = clock;
    } else {
        if (g->max - clock >= g->width)
            return -1;
        g->min = clock;
    }
    x->clock = clock;
    x->is_in = 1;
    x->is_held = 0;
    link_worker(g, w);
    g->n++;
    return 0;
}

int
gate_move(struct gate *g, uint32_t w, uint64_t clock)
{
    struct gate_worker *x = &g->workers[w];

    if (!x->is_in || clock < x->clock || clock - g->min >= g->width)
        return -1;
    unlink_worker(g, w);
    x->clock = clock;
    link_worker(g, w);
    if (clock > g->max)
        g->max = clock;
    while (is_empty(g, g->min))
        g->min++;
    return 0;
}

void
gate_leave(struct gate *g, uint32_t w)
{
    struct gate_worker *x = &g->workers[w];

    if (!x->is_in)
        return;
    unlink_worker(g, w);
    x->is_in = 0;
    if (--g->n == 0)
        return;
    while (is_empty(g, g->min))
        g->min++;
    while (is_empty(g, g->max))
        g->max--;
}

uint64_t
gate_gap(const struct gate *g, uint32_t w)
{
    return g->workers[w].clock - g->min;
}

uint32_t
gate_slowest(const struct gate *g)
{
    return lane_of(g, g->min)->free.last;
}

static void
set_held(struct gate *g, uint32_t w, uint8_t is_held)
{
    unlink_worker(g, w);
    g->workers[w].is_held = is_held;
    link_worker(g, w);
}

void
gate_hold(struct gate *g, uint32_t w)
{
    set_held(g, w, 1);
    if (g->workers[w].clock < g->held_from)
        g->held_from = g->workers[w].clock;
}

void
gate_unhold(struct gate *g, uint32_t w)
{
    set_held(g, w, 0);
}

uint32_t
gate_next(struct gate *g)
{
    uint64_t end;

    if (g->n == 0)
        return GATE_NONE;
    end = g->max - g->min < g->slack ? g->max : g->min + g->slack;
    if (g->held_from < g->min)
        g->held_from = g->min;
    for (; g->held_from <= end; g->held_from++) {
        uint32_t w = lane_of(g, g->held_from)->held.first;

        if (w != GATE_NONE) {
            gate_unhold(g, w);
            return w;
        }
    }
    return GATE_NONE;
}
