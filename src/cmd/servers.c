/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/servers.h"

#include "base/err.h"
#include "base/str.h"
#include "cmd/cluster.h"
#include "nn/range.h"

#include <stdbool.h>

static bool
has_other_hosts(const struct cluster *c)
{
    for (size_t i = 0; i < c->hosts.n; i++)
        if (!host_is_local(c->hosts.v[i].name))
            return true;
    return false;
}

/* What needs the whole of a contribution, or all of a worker's traffic, in one
 * place; NULL: nothing. */
static const char *
find_obstacle(const struct job *j)
{
    if (j->compress.kind != CODEC_NONE)
        return "\"compress\"";
    if (j->optim.clip_norm > 0)
        return "\"optimizer.clip_norm\"";
    if (j->emulation.net)
        return "\"emulate.net\"";
    return NULL;
}

int
servers_choose(const struct cluster *c, const struct job *j, uint32_t *n,
               struct err *err)
{
    size_t n_floats = graph_get_segments(j->graph)->n_floats;
    const char *obstacle = find_obstacle(j);
    struct jcur root = jcur_root(&j->doc), at = jcur_key(&root, "servers");
    size_t most = range_most(n_floats);

    if (most > JOB_MAX_SERVERS)
        most = JOB_MAX_SERVERS;
    *n = 0;
    if (j->servers == JOB_AUTO) {
        if (!obstacle && has_other_hosts(c) &&
            n_floats * sizeof(float) > SERVERS_WORTH)
            *n = (uint32_t)(c->hosts.n < most ? c->hosts.n : most);
        return 0;
    }
    if (j->servers == 0)
        return 0;
    if (obstacle)
        return jcur_fail(&at, err,
                         "parameter servers do not work with %s: leave one of "
                         "the two out (--servers 0)",
                         obstacle);
    if ((size_t)j->servers > most)
        return jcur_fail(&at, err,
                         "%d servers, but the %zu numbers of this network can "
                         "be divided among %zu at most",
                         j->servers, n_floats, most);
    *n = (uint32_t)j->servers;
    return 0;
}

const char *
servers_get_host(const struct cluster *c, uint32_t k)
{
    return c->hosts.n ? c->hosts.v[k % c->hosts.n].name : HOST_LOCAL;
}

void
servers_print(FILE *to, const struct cluster *c, const struct job *j,
              uint32_t n)
{
    size_t n_floats = graph_get_segments(j->graph)->n_floats;
    char bytes[32];

    if (n == 0) {
        fprintf(to,
                "\nservers     none: the coordinator holds the parameters\n");
        return;
    }
    fprintf(to, "\nservers     %u\n", n);
    for (uint32_t k = 0; k < n; k++) {
        struct range r = range_get(n_floats, k, n);

        fprintf(to, "server %-4u %-16s %10s  %6.2f%%\n", k,
                servers_get_host(c, k),
                str_bytes(bytes, (double)r.count * sizeof(float)),
                100.0 * (double)r.count / (double)n_floats);
    }
}
