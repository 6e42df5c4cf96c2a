/* SPDX-License-Identifier: Apache-2.0 */
#include "ps/server.h"

#include "base/clock.h"
#include "base/mem.h"
#include "base/str.h"
#include "job/rundir.h"
#include "ps/feeder.h"
#include "ps/server_impl.h"

#include <math.h>
#include <string.h>

/* Published vectors besides one for each worker: the newest one, those that are
 * evaluated or saved. */
#define SPARE_SLOTS   4
#define TICK_MS       250
#define REFUSED_SHOWN 10              /* strangers told one by one ... */
#define REFUSED_NS    (10 * NS_PER_S) /* ... in such a time */

/* ---- parameter servers --------------------------------------------------- */

/* "10.0.0.2" of "10.0.0.2:4711", "::1" of "[::1]:4711". */
static void
peer_host(const struct conn *c, char *to, size_t cap)
{
    const char *peer = conn_get_peer(c), *colon = strrchr(peer, ':');
    size_t n = colon ? (size_t)(colon - peer) : strlen(peer);

    if (n > 1 && *peer == '[' && peer[n - 1] == ']') {
        peer++;
        n -= 2;
    }
    str_printf(to, cap, "%.*s", (int)n, peer);
}

/* One on another machine listens where we see it, one on this machine where
 * all workers can reach this one. */
static int
meet_server(struct server *s, struct conn *c, const struct msg_hello *hello,
            struct err *err)
{
    char host[WIRE_HOST_CAP];
    bool is_here, is_remote;

    peer_host(c, host, sizeof host);
    is_here = !strcmp(host, s->c.host);
    is_remote = !is_here || s->c.remote_host;
    return fleet_attach(s->fleet, c, hello,
                        !is_here           ? host
                        : s->c.remote_host ? s->c.remote_host
                                           : s->c.host,
                        is_remote ? !s->c.remote_insecure : s->c.tls_always,
                        err);
}

/* ---- life ---------------------------------------------------------------- */

/* A process that is still to be started cannot be who it says it is. */
static bool
is_awaited(const struct session *w, uint32_t life)
{
    return life == w->life && w->start_at_ns == 0 &&
           w->state != SESSION_ABSENT && w->state != SESSION_STOPPING;
}

static int
on_peer(void *ctx, struct conn *c, const struct msg_hello *hello,
        struct err *err)
{
    struct server *s = ctx;

    struct session *w;

    if (hello->rank >= WIRE_SERVER_RANK)
        return meet_server(s, c, hello, err);
    if (hello->rank >= s->n_sessions)
        return err_set(err, ERR_PROTO, "rank %u of %u workers", hello->rank,
                       s->n_sessions);
    w = &s->session[hello->rank];
    if (s->phase >= SERVER_ENDING)
        return err_set(err, ERR_FAIL, "the run is ending");
    if (is_awaited(w, hello->life) && w->conn) {
        /* it knows of a cut that we have not noticed */
        server_session_cut(s, w, "it connected again");
        server_settle(s);
    }
    if (s->phase >= SERVER_ENDING)
        return err_set(err, ERR_FAIL, "the run is ending");
    if (!is_awaited(w, hello->life))
        return err_set(err, ERR_FAIL, "worker %u is not waited for any more",
                       w->rank);
    w->rejoins += w->state == SESSION_CUT;
    session_attach(w, c, hello);
    events_begin(s->c.events, clock_now_ns(), "hello");
    events_uint(s->c.events, "rank", w->rank);
    events_uint(s->c.events, "life", w->life);
    events_str(s->c.events, "host", w->host);
    events_uint(s->c.events, "pid", w->pid);
    events_end(s->c.events);
    server_tell_emulation(w);
    return 0;
}

/* Anybody on the network can cause this, as often as he likes: he must not fill
 * the disk with it. */
static void
on_refused(void *ctx, const char *peer, const struct err *why)
{
    struct server *s = ctx;

    str_printf(s->refused.last, sizeof s->refused.last, "%s: %s", peer,
               why->text);
    if (s->refused.shown == 0)
        s->refused.told_ns = clock_now_ns();
    if (s->refused.shown++ < REFUSED_SHOWN)
        log_warn(s->c.log, "server", "refused %s", s->refused.last);
    else
        s->refused.hidden++;
}

void
server_tell_refused(struct server *s, int64_t now)
{
    if (s->refused.shown == 0 || now - s->refused.told_ns < REFUSED_NS)
        return;
    if (s->refused.hidden)
        log_warn(s->c.log, "server", "refused %llu more, the last one %s",
                 (unsigned long long)s->refused.hidden, s->refused.last);
    /* As long as they keep coming they are only counted. */
    s->refused.shown = s->refused.hidden ? REFUSED_SHOWN : 0;
    s->refused.hidden = 0;
    s->refused.told_ns = now;
}

/* Parameters, cursors and sums: from the seed or from a checkpoint. */
static int
load_state(struct server *s, struct err *err)
{
    const struct job *job = s->c.job;
    struct store_options store = {
        .n_slots = s->c.share ? s->n_sessions + SPARE_SLOTS : 0,
        .threads = s->c.threads,
        .is_hollow = s->c.servers > 0,
    };

    if (ledger_init(&s->ledger, job, s->c.data, &store, err) != 0)
        return -1;
    if (s->c.share && store_get_fd(s->ledger.store) < 0) {
        s->c.share = false;
        log_warn(s->c.log, "server",
                 "no shared memory for the parameters, see \"ulimit -f\"; "
                 "workers here use connections");
    }
    s->before.data_hash = s->c.data->hash;
    if (!s->c.resume)
        return 0;
    if (checkpoint_load(s->c.resume, job, s->ledger.store, s->ledger.assign,
                        &s->before, err) != 0)
        return err_wrap(err, "resume");
    s->best_accuracy = s->before.best_accuracy;
    s->samples_before = assign_get_done(s->ledger.assign);
    /* One that was cut off after its last update still has to tell its end. */
    if (s->samples_before == assign_get_total(s->ledger.assign) &&
        rundir_has_ended(s->c.run))
        return err_set(err, ERR_USAGE,
                       "resume: all %u epochs are done; ask for more with "
                       "--epochs",
                       job->epochs);
    return 0;
}

static double
next_after(double every, double now)
{
    return every > 0 ? every * (floor(now / every + 1e-9) + 1) : INFINITY;
}

struct server *
server_new(uv_loop_t *loop, const struct server_config *c, struct err *err)
{
    static const struct listener_handlers handlers = {.on_peer = on_peer,
                                                      .on_refused = on_refused};
    struct server *s = mem_alloc(1, sizeof *s);
    struct host_config hc;

    if (!s) {
        err_nomem(err);
        return NULL;
    }
    s->c = *c;
    s->loop = loop;
    s->t = graph_get_segments(c->job->graph);
    s->n_sessions = faults_max_workers(&c->job->faults, c->job->workers);
    s->accuracy = s->best_accuracy = s->test_loss = NAN;
    s->made_ns = clock_now_ns();
    s->timer_at_ns = INT64_MAX;
    s->session = mem_alloc(s->n_sessions, sizeof *s->session);
    if (!s->session) {
        err_nomem(err);
        goto fail;
    }
    for (uint32_t i = 0; i < s->n_sessions; i++) {
        s->session[i].server = s;
        s->session[i].rank = i;
        s->session[i].shared = SHM_NONE;
    }
    if (load_state(s, err) != 0 || job_codec(c->job, &s->codec, err) != 0)
        goto fail;
    if (c->servers > 0) {
        s->fleet = fleet_new(s->ledger.store, s->t, c->servers,
                             &server_fleet_handlers, s, err);
        if (!s->fleet)
            goto fail;
    }
    hc = (struct host_config){.lib = c->policy,
                              .driver = &server_driver,
                              .ctx = s,
                              .max_workers = s->n_sessions,
                              .seed = c->job->seed,
                              .version = store_get_version(s->ledger.store),
                              .log = c->log};
    s->host = host_new(&hc, err);
    if (!s->host)
        goto fail;
    s->next_eval = next_after(c->job->eval_every, ledger_epochs(&s->ledger));
    s->next_checkpoint =
        next_after(c->job->checkpoint_every, ledger_epochs(&s->ledger));
    s->listener = listener_new(loop, c->host, 0, c->key,
                               (struct io_security){.tls = c->tls_always},
                               &handlers, s, err);
    if (!s->listener)
        goto fail;
    if (c->remote_host) {
        s->remote =
            listener_new(loop, c->remote_host, c->remote_port, c->key,
                         (struct io_security){.tls = !c->remote_insecure,
                                              .insecure = c->remote_insecure},
                         &handlers, s, err);
        if (!s->remote)
            goto fail;
    }
    s->keeper = keeper_new(loop, c->run, c->job, c->resume,
                           &server_keeper_handlers, s, err);
    if (!s->keeper)
        goto fail;
    s->feeder = feeder_new(c->data, err);
    if (!s->feeder)
        goto fail;
    s->watcher = watcher_new(loop, c->job->graph, c->data, c->augment,
                             (int)c->job->threads, server_on_evaluated, s, err);
    if (!s->watcher)
        goto fail;
    s->tick.data = s->timer.data = s;
    uv_timer_init(loop, &s->tick);
    uv_timer_init(loop, &s->timer);
    uv_timer_start(&s->tick, server_on_tick, TICK_MS, TICK_MS);
    return s;
fail:
    keeper_close(s->keeper);
    server_close_listeners(s);
    server_free(s);
    return NULL;
}

uint16_t
server_get_port(const struct server *s)
{
    return listener_get_port(s->listener);
}

uint16_t
server_get_remote_port(const struct server *s)
{
    return s->remote ? listener_get_port(s->remote) : 0;
}

void
server_close_listeners(struct server *s)
{
    if (s->listener)
        listener_close(s->listener);
    if (s->remote)
        listener_close(s->remote);
    s->listener = s->remote = NULL;
}

bool
server_is_over(const struct server *s)
{
    return s->phase == SERVER_OVER && !keeper_is_busy(s->keeper);
}

const struct err *
server_get_failure(const struct server *s)
{
    return &s->failure;
}

const char *
server_get_checkpoint(const struct server *s)
{
    return s->checkpoint;
}

void
server_set_news(struct server *s, server_news_fn *fn, void *ctx)
{
    s->news = fn;
    s->news_ctx = ctx;
}

void
server_close(struct server *s)
{
    s->phase = SERVER_OVER;
    server_close_listeners(s);
    for (uint32_t i = 0; i < s->n_sessions; i++)
        if (s->session[i].conn)
            conn_close(s->session[i].conn, false);
    fleet_close(s->fleet);
    watcher_close(s->watcher);
    s->watcher = NULL;
    keeper_close(s->keeper);
    uv_close((uv_handle_t *)&s->tick, NULL);
    uv_close((uv_handle_t *)&s->timer, NULL);
}

void
server_free(struct server *s)
{
    if (!s)
        return;
    host_free(s->host);
    fleet_free(s->fleet);
    for (uint32_t i = 0; s->session && i < s->n_sessions; i++)
        session_release(&s->session[i]);
    ledger_release(&s->ledger);
    feeder_free(s->feeder);
    codec_free(s->codec);
    mem_free(s->session);
    mem_free(s->checkpoint);
    mem_free(s);
}
