/* SPDX-License-Identifier: Apache-2.0 */
/* What a worker emulates, from its start and when the coordinator says
 * something else. */
#include "worker/worker_impl.h"

#include "base/mem.h"
#include "base/rng.h"
#include "io/link.h"

/* The same seed loses the same segments, of each process others. */
static int
set_link(struct worker *w, const struct link_spec *s, struct err *err)
{
    const struct join *j = &w->join;

    return conn_set_link(w->conn, s, rng_hash(j->seed, j->rank, j->life), err);
}

void
worker_set_link(struct worker *w)
{
    struct err err = ERR_INIT;
    struct link_spec s;

    if (w->join.net &&
        (link_parse(&s, w->join.net, &err) != 0 || set_link(w, &s, &err) != 0))
        worker_fail(w, &err);
}

static int
replace(char **to, const char *text, uint32_t n, struct err *err)
{
    char *new = n ? mem_printf("%.*s", (int)n, text) : NULL;

    if (n && !new)
        return err_nomem(err);
    mem_free(*to);
    *to = new;
    return 0;
}

/* The join is what a thinker that is still to come is made of. */
int
worker_on_emulate(struct worker *w, const void *body, size_t n, struct err *err)
{
    struct join *j = &w->join;
    struct link_spec s = {0};
    struct msg_emulate m;

    if (msg_get_emulate(&m, body, n, err) != 0 ||
        replace(&j->slow, m.slow, m.slow_len, err) != 0 ||
        replace(&j->net, m.net, m.net_len, err) != 0)
        return -1;
    j->pace_ms = m.pace_ms;
    if (j->net && link_parse(&s, j->net, err) != 0)
        return -1;
    if (w->thinker &&
        thinker_emulate(w->thinker, j->slow, j->pace_ms, err) != 0)
        return -1;
    return set_link(w, &s, err);
}
