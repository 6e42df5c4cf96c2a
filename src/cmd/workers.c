/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/workers.h"

#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"
#include "cmd/cluster.h"
#include "cmd/servers.h"
#include "job/emulation.h"
#include "wire/msg_servers.h"

#include <signal.h>
#include <string.h>

/* What a worker emulates: the launcher reads it when the process has greeted,
 * so it stays until all have ended. */
struct told {
    char *slow, *net; /* may be NULL */
    struct told *next;
};

struct place {
    char *host; /* NULL: none */
    bool is_remote;
    struct told *told; /* the newest first */
};

struct workers {
    struct workers_config c;
    struct launcher *launcher;
    struct buf job;                  /* its text, as all are told it */
    char *local, *remote, *data_dir; /* as struct join wants them */
    struct place *place;
    size_t n;
};

/* ---- places -------------------------------------------------------------- */

static int
set_place(struct workers *w, uint32_t rank, const char *host, bool is_remote,
          struct err *err)
{
    struct place *more;
    char *name;

    if (rank >= w->n) {
        more = mem_resize(w->place, w->n, (size_t)rank + 1, sizeof *more);
        if (!more)
            return err_nomem(err);
        w->place = more;
        w->n = (size_t)rank + 1;
    }
    name = mem_strdup(host);
    if (!name)
        return err_nomem(err);
    mem_free(w->place[rank].host);
    w->place[rank].host = name;
    w->place[rank].is_remote = is_remote;
    return 0;
}

static int
place_worker(void *ctx, uint32_t rank, const char *host, struct err *err)
{
    struct workers *w = *(struct workers **)ctx;
    bool is_remote;

    if (hosts_check_name(host, err) != 0 ||
        cluster_find(w->c.cluster, host, &is_remote, err) != 0)
        return -1;
    return set_place(w, rank, host, is_remote, err);
}

static int
place_all(struct workers *w, struct err *err)
{
    const struct cluster *c = w->c.cluster;
    uint32_t n = w->c.job->workers, *at = mem_alloc(n, sizeof *at);
    int r = 0;

    if (!at)
        return err_nomem(err);
    if (c->hosts.n > 0)
        r = hosts_deal(&c->hosts, n, at, err);
    for (uint32_t i = n; r == 0 && i-- > 0;) /* the array grows once */
        r = c->hosts.n ? set_place(w, i, c->hosts.v[at[i]].name,
                                   c->is_remote[at[i]], err)
                       : set_place(w, i, HOST_LOCAL, false, err);
    mem_free(at);
    return r;
}

const char *
workers_describe_host(const struct workers *w, uint32_t rank)
{
    return rank < w->n && w->place[rank].host ? w->place[rank].host : "";
}

/* ---- processes ----------------------------------------------------------- */

static bool
is_same(const char *a, const char *b)
{
    return a && b ? !strcmp(a, b) : a == b;
}

static const struct told *
find_told(struct workers *w, uint32_t rank, struct err *err)
{
    struct place *p = &w->place[rank];
    struct told *t = mem_alloc(1, sizeof *t);

    if (!t) {
        err_nomem(err);
        return NULL;
    }
    if (emulation_get(w->c.emulation, rank, &t->slow, &t->net, err) != 0) {
        mem_free(t);
        return NULL;
    }
    if (p->told && is_same(p->told->slow, t->slow) &&
        is_same(p->told->net, t->net)) {
        mem_free(t->slow);
        mem_free(t->net);
        mem_free(t);
    } else {
        t->next = p->told;
        p->told = t;
    }
    return p->told;
}

static void
forget_told(struct told *t)
{
    struct told *next;

    for (; t; t = next) {
        next = t->next;
        mem_free(t->slow);
        mem_free(t->net);
        mem_free(t);
    }
}

static int
start_worker(void *ctx, uint32_t rank, uint32_t life,
             const int shared[JOIN_FDS], struct err *err)
{
    struct workers *w = *(struct workers **)ctx;
    const struct cluster_options *o = w->c.cluster->options;
    const struct place *p = &w->place[rank];
    bool is_here = host_is_local(p->host);
    const struct told *told = find_told(w, rank, err);
    struct join j = {.host = p->is_remote ? w->remote : w->local,
                     .port = p->is_remote ? w->c.remote_port : w->c.local_port,
                     .rank = rank,
                     .life = life,
                     .tls = p->is_remote ? !o->insecure : o->tls_always,
                     .threads = w->c.job->threads,
                     .data_dir = is_here ? NULL : w->data_dir,
                     .push_data = !is_here && o->push_data,
                     .data_hash = w->c.data_hash,
                     .job_dir = w->c.job->dir,
                     .job = w->job.data,
                     .shared = shared != NULL,
                     .served = w->c.served,
                     .echo = w->c.echo,
                     .pace_ms = w->c.emulation->pace_ms,
                     .seed = w->c.job->seed};
    int r;

    if (!told)
        return -1;
    j.slow = told->slow;
    j.net = told->net;
    j.age_ms = (double)(clock_now_ns() - w->c.zero_ns) / 1e6;
    memcpy(j.key, w->c.key, sizeof j.key);
    r = launch_start(w->launcher, p->host, &j, shared, err);
    explicit_bzero(j.key, sizeof j.key);
    return r;
}

static int
start_server(void *ctx, uint32_t k, struct err *err)
{
    struct workers *w = *(struct workers **)ctx;
    const struct cluster *c = w->c.cluster;
    bool is_remote = c->hosts.n > 0 && c->is_remote[k % c->hosts.n];
    struct join j = {.task = JOIN_SERVE,
                     .host = is_remote ? w->remote : w->local,
                     .port = is_remote ? w->c.remote_port : w->c.local_port,
                     .rank = WIRE_SERVER_RANK + k,
                     .tls = is_remote ? !c->options->insecure
                                      : c->options->tls_always,
                     .threads = w->c.job->threads,
                     .job_dir = w->c.job->dir,
                     .job = w->job.data};
    int r;

    memcpy(j.key, w->c.key, sizeof j.key);
    r = launch_start(w->launcher, servers_get_host(c, k), &j, NULL, err);
    explicit_bzero(j.key, sizeof j.key);
    return r;
}

static bool
is_here(void *ctx, uint32_t rank)
{
    struct workers *w = *(struct workers **)ctx;

    return host_is_local(w->place[rank].host);
}

static void
kill_worker(void *ctx, uint32_t rank)
{
    struct workers *w = *(struct workers **)ctx;

    launcher_kill_rank(w->launcher, rank, SIGKILL);
}

static void
describe_worker(void *ctx, uint32_t rank, char *to, size_t cap)
{
    struct workers *w = *(struct workers **)ctx;

    (void)str_printf(to, cap, "(%s): %s", workers_describe_host(w, rank),
                     launcher_describe(w->launcher, rank));
}

const struct server_starter workers_starter = {.start = start_worker,
                                               .serve = start_server,
                                               .is_here = is_here,
                                               .place = place_worker,
                                               .kill = kill_worker,
                                               .describe = describe_worker};

struct launcher *
workers_get_launcher(const struct workers *w)
{
    return w->launcher;
}

/* ---- life ---------------------------------------------------------------- */

struct workers *
workers_new(uv_loop_t *loop, const struct workers_config *c,
            const struct launch_handlers *h, void *ctx, struct err *err)
{
    const struct cluster_options *o = c->cluster->options;
    struct workers *w = mem_alloc(1, sizeof *w);

    if (!w) {
        err_nomem(err);
        return NULL;
    }
    w->c = *c;
    w->job.max = JSON_MAX_BYTES;
    w->local = mem_strdup(c->local);
    w->remote = mem_strdup(c->cluster->remote);
    w->data_dir = o->remote_data_dir ? mem_strdup(o->remote_data_dir) : NULL;
    if (!w->local || !w->remote || (o->remote_data_dir && !w->data_dir))
        err_nomem(err);
    else if (job_dump(c->job, &w->job, err) == 0)
        w->launcher = launcher_new(loop, &c->cluster->launch, h, ctx, err);
    if (w->launcher && place_all(w, err) == 0)
        return w;
    workers_free(w);
    return NULL;
}

void
workers_free(struct workers *w)
{
    if (!w)
        return;
    for (size_t i = 0; i < w->n; i++) {
        mem_free(w->place[i].host);
        forget_told(w->place[i].told);
    }
    mem_free(w->place);
    launcher_free(w->launcher);
    buf_release(&w->job);
    mem_free(w->local);
    mem_free(w->remote);
    mem_free(w->data_dir);
    mem_free(w);
}
