/* SPDX-License-Identifier: Apache-2.0 */
/* Which pairs of machines are measured, and what both sides are told. */
#include "base/mem.h"
#include "base/str.h"
#include "cmd/check.h"

#include <math.h>
#include <string.h>

static int
add(struct check *c, size_t from, size_t to, struct err *err)
{
    struct check_link *more =
        mem_resize(c->link, c->n_links, c->n_links + 1, sizeof *more);

    if (!more)
        return err_nomem(err);
    c->link = more;
    more[c->n_links++] = (struct check_link){.from = from,
                                             .to = to,
                                             .rtt_s = NAN,
                                             .rtt_min_s = NAN,
                                             .up_bytes_per_s = NAN,
                                             .down_bytes_per_s = NAN};
    return 0;
}

/* Those with this machine first: a host's address is known from them. */
int
check_links_make(struct check *c, struct err *err)
{
    size_t n = c->n_nodes;

    for (size_t i = 1; i < n; i++)
        if (add(c, i, 0, err) != 0)
            return -1;
    if (n <= CHECK_ALL_PAIRS) {
        for (size_t i = 1; i < n; i++)
            for (size_t k = i + 1; k < n; k++)
                if (add(c, i, k, err) != 0)
                    return -1;
        return 0;
    }
    for (size_t i = 1; i < n; i++)
        if (add(c, i, i + 1 < n ? i + 1 : 1, err) != 0)
            return -1;
    return 0;
}

static const char *
how(const struct check *c, const struct check_link *l)
{
    const struct cluster_options *o = c->cluster.options;

    if (c->node[l->from].is_remote || c->node[l->to].is_remote)
        return o->insecure ? "insecure" : "tls";
    return o->tls_always ? "tls" : "plain";
}

/* This machine has the address and port that workers will be told; of a host
 * it is the address from which it was seen here. */
static const char *
address(const struct check *c, const struct check_link *l)
{
    if (l->to != 0)
        return c->node[l->to].address;
    return c->node[l->from].is_remote ? c->cluster.remote : "127.0.0.1";
}

void
check_links_ask_to(const struct check *c, const struct check_link *l,
                   char to[160])
{
    unsigned port =
        l->to == 0 && c->node[l->from].is_remote ? c->cluster.remote_port : 0;

    (void)str_printf(to, 160, "listen %s %u %s", address(c, l), port,
                     how(c, l));
}

void
check_links_ask_from(const struct check *c, const struct check_link *l,
                     char to[160])
{
    (void)str_printf(to, 160, "link %s %.0f %s", address(c, l),
                     c->node[l->to].facts.port, how(c, l));
}
