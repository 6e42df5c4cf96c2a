/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/slow.h"

#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define MAX_FACTOR 1e6

int
slows_add(struct slows *s, const char *arg, struct argp_state *state)
{
    const char *colon = strchr(arg, ':');
    char rank[16] = "";
    struct slow new, *more;

    if (colon)
        snprintf(rank, sizeof rank, "%.*s", (int)(colon - arg), arg);
    if (!colon || !str_u64(rank, &new.rank) ||
        !str_f64(colon + 1, &new.factor) ||
        !(new.factor >= 1.0 && new.factor <= MAX_FACTOR))
        argp_error(state,
                   "--slow: expected RANK:FACTOR with a factor from 1 to %g, "
                   "got \"%s\"",
                   MAX_FACTOR, arg);
    more = mem_resize(s->v, s->n, s->n + 1, sizeof *more);
    if (!more)
        return ENOMEM;
    s->v = more;
    s->v[s->n++] = new;
    return 0;
}

int
slows_check(const struct slows *s, uint32_t n_workers, struct err *err)
{
    for (size_t i = 0; i < s->n; i++)
        if (s->v[i].rank >= n_workers)
            return err_set(err, ERR_USAGE, "--slow: no worker %llu among %u",
                           (unsigned long long)s->v[i].rank, n_workers);
    return 0;
}

double
slows_get(const struct slows *s, uint64_t rank)
{
    double factor = 1.0;

    for (size_t i = 0; i < s->n; i++)
        if (s->v[i].rank == rank)
            factor = s->v[i].factor;
    return factor;
}

void
slows_release(struct slows *s)
{
    mem_free(s->v);
    *s = (struct slows){NULL, 0};
}
