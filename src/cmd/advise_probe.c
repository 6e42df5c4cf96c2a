/* SPDX-License-Identifier: Apache-2.0 */
/* A profile from what the hosts are asked, the way ebsp check asks them. */
#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"
#include "cmd/advise.h"

#include <inttypes.h>
#include <math.h>

/* A probe times one worker that is alone, for half a second: the scatter of
 * its iterations is not known.  Some per cent are usual. */
#define SCATTER 0.05

/* Workers that share processors take turns. */
static double
get_crowd(const struct check *c, const struct check_node *n)
{
    double wanted = (double)n->workers * c->job.threads;

    return n->facts.cpus > 0 && wanted > n->facts.cpus ? wanted / n->facts.cpus
                                                       : 1;
}

/* Between this machine and a host. */
static struct sim_path
get_path(const struct check *c, size_t node)
{
    struct sim_path path = {0, 0};

    for (size_t i = 0; i < c->n_links; i++) {
        const struct check_link *l = &c->link[i];
        double rate = fmin(l->up_bytes_per_s, l->down_bytes_per_s);

        if (!l->measured || (l->from != 0 && l->to != 0) ||
            (l->from != node && l->to != node))
            continue;
        if (l->rtt_s > 0)
            path.latency_ns = speed_clamp(l->rtt_s / 2 * 1e9);
        if (rate > 0)
            path.bytes_per_s = rate;
    }
    return path;
}

static int
place(struct advise *a, const struct check *c, struct buf *speeds,
      struct err *err)
{
    struct profile *p = &a->profile;
    uint32_t rank = 0;

    p->path = mem_alloc(p->n, sizeof *p->path);
    if (!p->path)
        return err_nomem(err);
    for (size_t i = 0; i < c->n_nodes; i++) {
        const struct check_node *n = &c->node[i];
        double crowd = get_crowd(c, n);

        if (n->workers == 0)
            continue;
        if (!(n->facts.step_s > 0))
            return err_set(err, ERR_FAIL, "%s has not told how fast it is: %s",
                           n->name, n->facts.no_speed);
        a->crowded = a->crowded || crowd > 1;
        buf_addf(speeds, "%s%" PRIu32 "-%" PRIu32 ":lognormal(%.9g,%g)",
                 rank ? ";" : "", rank, rank + n->workers - 1,
                 n->facts.step_s * 1e3 * n->slow * crowd, SCATTER);
        for (uint32_t k = 0; k < n->workers; k++)
            p->path[rank++] = i > 0 ? get_path(c, i) : (struct sim_path){0, 0};
    }
    return buf_ok(speeds, err);
}

int
advise_probe(struct advise *a, const struct check_options *o, struct err *err)
{
    struct buf speeds = BUF_INIT((size_t)16 << 20);
    struct check c;
    int r = check_look(&c, o, err);

    a->signal = c.signal;
    if (r == 0) {
        check_first_error(&c, err);
        r = err->code == ERR_OK ? 0 : -1;
    }
    if (r == 0) {
        a->profile.n = c.job.workers;
        r = place(a, &c, &speeds, err);
    }
    if (r == 0)
        r = speeds_parse(&a->profile.speeds, a->profile.n, speeds.data, 1, err);
    buf_release(&speeds);
    check_release(&c);
    return r;
}
