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

/* What needs in one place what servers would divide. */
struct obstacle {
    const char *key, *needs;
};

/* NULL: nothing. */
static const struct obstacle *
find_obstacle(const struct job *j)
{
    static const struct obstacle compress = {"compress",
                                             "all of a contribution"},
                                 clip = {"optimizer.clip_norm",
                                         "all of a contribution"},
                                 net = {"emulate.net",
                                        "all of a worker's traffic"};

    if (j->compress.kind != CODEC_NONE)
        return &compress;
    if (j->optim.clip_norm > 0)
        return &clip;
    if (j->emulation.net)
        return &net;
    return NULL;
}

static size_t
most_of(const struct job *j)
{
    size_t most = range_most(graph_get_segments(j->graph)->n_floats);

    return most > JOB_MAX_SERVERS ? JOB_MAX_SERVERS : most;
}

/* "auto", were there no obstacle. */
static uint32_t
worth(const struct cluster *c, const struct job *j)
{
    size_t n_floats = graph_get_segments(j->graph)->n_floats;
    size_t most = most_of(j);

    if (!has_other_hosts(c) || n_floats * sizeof(float) <= SERVERS_WORTH)
        return 0;
    return (uint32_t)(c->hosts.n < most ? c->hosts.n : most);
}

int
servers_choose(const struct cluster *c, const struct job *j, uint32_t *n,
               struct err *err)
{
    const struct obstacle *obstacle = find_obstacle(j);
    struct jcur root = jcur_root(&j->doc), at = jcur_key(&root, "servers");

    *n = 0;
    if (j->servers == JOB_AUTO) {
        if (!obstacle)
            *n = worth(c, j);
        return 0;
    }
    if (j->servers == 0)
        return 0;
    if (obstacle)
        return jcur_fail(&at, err,
                         "parameter servers do not work with \"%s\": leave one "
                         "of the two out (--servers 0)",
                         obstacle->key);
    if ((size_t)j->servers > most_of(j))
        return jcur_fail(&at, err,
                         "%d servers, but the %zu numbers of this network can "
                         "be divided among %zu at most",
                         j->servers, graph_get_segments(j->graph)->n_floats,
                         most_of(j));
    *n = (uint32_t)j->servers;
    return 0;
}

bool
servers_print_obstacle(FILE *to, const char *before, const struct cluster *c,
                       const struct job *j)
{
    const struct obstacle *obstacle = find_obstacle(j);

    if (!obstacle || j->servers != JOB_AUTO || worth(c, j) == 0)
        return false;
    fprintf(to, "%snone: \"%s\" needs %s in one place\n", before, obstacle->key,
            obstacle->needs);
    return true;
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

    fputs("\nservers     ", to);
    if (n == 0) {
        if (!servers_print_obstacle(to, "", c, j))
            fputs("none: the coordinator holds the parameters\n", to);
        return;
    }
    fprintf(to, "%u\n", n);
    for (uint32_t k = 0; k < n; k++) {
        struct range r = range_get(n_floats, k, n);

        fprintf(to, "server %-4u %-16s %10s  %6.2f%%\n", k,
                servers_get_host(c, k),
                str_bytes(bytes, (double)r.count * sizeof(float)),
                100.0 * (double)r.count / (double)n_floats);
    }
}
