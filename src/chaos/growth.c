/* SPDX-License-Identifier: Apache-2.0 */
#include "chaos/growth.h"

#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdlib.h>

int
growth_add(struct growth *g, const struct growth_sample *s, struct err *err)
{
    if (g->n == g->cap) {
        size_t cap = g->cap ? g->cap * 2 : 256;
        struct growth_sample *more =
            mem_resize(g->v, g->cap, cap, sizeof *more);

        if (!more)
            return err_nomem(err);
        g->v = more;
        g->cap = cap;
    }
    g->v[g->n++] = *s;
    return 0;
}

void
growth_release(struct growth *g)
{
    mem_free(g->v);
    *g = (struct growth){0};
}

static int
by_size(const void *x, const void *y)
{
    const uint64_t *a = x, *b = y;

    return *a < *b ? -1 : *a > *b;
}

/* What is held open for a moment shows in some samples: the least of them does
 * not have it.  Memory goes up and down: the middle. */
static uint64_t
typical(uint64_t *v, size_t n, bool memory)
{
    qsort(v, n, sizeof *v, by_size);
    return memory ? v[n / 2] : v[0];
}

struct compared {
    uint32_t session;
    size_t n; /* samples; too few: 0 */
    uint64_t before, between, after;
};

/* The samples v[0 .. n-1] of one session; room for n values. */
static struct compared
compare(const struct growth_sample *v, size_t n, bool memory, uint64_t *room)
{
    struct compared c = {.session = v->session};
    uint32_t most = 0;

    for (size_t i = 0; i < n; i++)
        if (v[i].connected > most)
            most = v[i].connected;
    for (size_t i = 0; i < n; i++)
        if (v[i].connected == most)
            room[c.n++] = memory ? v[i].memory : v[i].files;
    if (c.n < GROWTH_FEW) {
        c.n = 0;
        return c;
    }
    c.before = typical(room + c.n / 4, c.n / 4, memory);
    c.between = typical(room + c.n / 2, c.n / 4, memory);
    c.after = typical(room + c.n - c.n / 4, c.n / 4, memory);
    return c;
}

/* Of a trend both are large. */
static int64_t
lesser_step(const struct compared *c)
{
    int64_t first = (int64_t)(c->between - c->before);
    int64_t second = (int64_t)(c->after - c->between);

    return first < second ? first : second;
}

/* The session with the most growth of those that can be compared. */
static int
find_worst(const struct growth *g, bool memory, struct compared *worst,
           struct err *err)
{
    uint64_t *room = mem_alloc(g->n + 1, sizeof *room);

    *worst = (struct compared){0};
    if (!room)
        return err_nomem(err);
    for (size_t from = 0, to; from < g->n; from = to) {
        struct compared c;

        for (to = from; to < g->n && g->v[to].session == g->v[from].session;)
            to++;
        c = compare(g->v + from, to - from, memory, room);
        if (c.n > 0 && (worst->n == 0 || lesser_step(&c) > lesser_step(worst)))
            *worst = c;
    }
    mem_free(room);
    return 0;
}

static enum growth_verdict
judge(const struct growth *g, bool memory, struct compared *c,
      uint64_t *allowed, char *text, size_t cap, struct err *err)
{
    if (find_worst(g, memory, c, err) != 0) {
        (void)str_printf(text, cap, "out of memory");
        return GROWTH_UNKNOWN;
    }
    if (c->n == 0) {
        (void)str_printf(text, cap,
                         "no session of the coordinator was long enough to "
                         "tell (%d samples)",
                         GROWTH_FEW);
        return GROWTH_UNKNOWN;
    }
    *allowed = memory ? GROWTH_MEMORY +
                            (uint64_t)(GROWTH_MEMORY_SHARE * (double)c->before)
                      : GROWTH_FILES;
    return lesser_step(c) > (int64_t)*allowed / 2 ? GROWTH_FOUND : GROWTH_NONE;
}

enum growth_verdict
growth_files(const struct growth *g, char *text, size_t cap, struct err *err)
{
    struct compared c;
    uint64_t allowed;
    enum growth_verdict v = judge(g, false, &c, &allowed, text, cap, err);

    if (v != GROWTH_UNKNOWN)
        (void)str_printf(text, cap,
                         "%" PRIu64 " early, %" PRIu64 " later, %" PRIu64
                         " late in session %u of the coordinator",
                         c.before, c.between, c.after, c.session);
    return v;
}

enum growth_verdict
growth_memory(const struct growth *g, char *text, size_t cap, struct err *err)
{
    struct compared c;
    uint64_t allowed;
    enum growth_verdict v = judge(g, true, &c, &allowed, text, cap, err);
    char before[32], between[32], after[32];

    if (v != GROWTH_UNKNOWN)
        (void)str_printf(text, cap,
                         "%s early, %s later, %s late in session %u of the "
                         "coordinator",
                         str_bytes(before, (double)c.before),
                         str_bytes(between, (double)c.between),
                         str_bytes(after, (double)c.after), c.session);
    return v;
}
