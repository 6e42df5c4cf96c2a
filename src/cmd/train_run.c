/* SPDX-License-Identifier: Apache-2.0 */
/* One run from the first process to summary.json. */
#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/fs.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/rng.h"
#include "base/str.h"
#include "cmd/progress.h"
#include "cmd/train.h"
#include "cmd/whatif.h"
#include "cmd/workers.h"
#include "data/blob.h"
#include "job/events.h"
#include "job/rundir.h"
#include "ps/checkpoint.h"
#include "ps/control.h"
#include "ps/server.h"
#include "ps/store.h"
#include "wire/msg_servers.h"

#include <errno.h>
#include <limits.h>
#include <math.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FLUSH_MS       5 /* of events, at most so often */
#define TICK_MS        200
#define START_LIMIT_MS 120000
#define EXIT_LIMIT_NS  (5 * NS_PER_S) /* for processes to end by themselves */

struct running {
    struct train *t;
    char *run;        /* run directory */
    char *checkpoint; /* to go on from, or NULL */
    bool told;        /* our parent knows that training has begun */
    uv_loop_t loop;
    uv_timer_t tick;
    uv_prepare_t flush; /* events, before the loop sleeps ... */
    uv_timer_t later;   /* ... or soon after */
    uint64_t flushed_ms;
    uv_signal_t signal[3];
    struct server *server;
    struct workers *workers;
    struct launcher *launcher; /* of workers */
    struct control *control;   /* NULL: nobody can ask */
    struct events *events;
    struct log log;
    FILE *log_file;
    struct progress progress;
    uint8_t key[IO_KEY_BYTES];
    int64_t let_go_ns; /* when processes were told to end; 0: not yet */
};

static void
on_line(void *ctx, uint32_t rank, const char *line)
{
    struct running *r = ctx;

    if (rank >= WIRE_SERVER_RANK)
        log_info(&r->log, "servers", "server=%u %s", rank - WIRE_SERVER_RANK,
                 line);
    else
        log_info(&r->log, "worker", "rank=%u %s", rank, line);
}

static void
on_exit_of(void *ctx, uint32_t rank, uint32_t life, enum err_code code,
           const char *how)
{
    struct running *r = ctx;

    log_debug(&r->log, "launch", "rank=%u life=%u %s", rank, life, how);
    server_worker_exited(r->server, rank, life, code, how);
    if (server_is_over(r->server) && launcher_get_running(r->launcher) == 0)
        uv_stop(&r->loop);
}

static void
on_news(void *ctx)
{
    struct running *r = ctx;
    struct server_status st;

    server_get_status(r->server, &st);
    if (st.phase == SERVER_TRAINING && !r->told) {
        supervised_tell(&r->t->options->supervised, r->run);
        r->told = true;
    }
    progress_news(&r->progress, &st);
}

static void
on_tick(uv_timer_t *t)
{
    struct running *r = t->data;
    struct server_status st;

    if (server_is_over(r->server)) {
        if (r->let_go_ns && clock_now_ns() - r->let_go_ns > EXIT_LIMIT_NS) {
            log_warn(&r->log, "launch", "%u workers do not end: killed",
                     launcher_get_running(r->launcher));
            launcher_kill(r->launcher, SIGKILL);
            r->let_go_ns = clock_now_ns();
        }
        return;
    }
    server_get_status(r->server, &st);
    progress_tick(&r->progress, &st);
}

/* Only to wake the loop up: on_flush comes before it sleeps again. */
static void
on_later(uv_timer_t *t)
{
    (void)t;
}

/* Whoever follows the stream is up to date within a moment of our waiting for
 * something, and a crash loses no more of it; but where pushes take
 * microseconds not each of them costs a system call. */
static void
on_flush(uv_prepare_t *h)
{
    struct running *r = h->data;
    uint64_t now = uv_now(&r->loop);

    if (now - r->flushed_ms >= FLUSH_MS) {
        r->flushed_ms = now;
        events_flush(r->events);
    } else if (!uv_is_active((uv_handle_t *)&r->later)) {
        uv_timer_start(&r->later, on_later, FLUSH_MS, 0);
    }
}

static void
on_signal(uv_signal_t *h, int signum)
{
    struct running *r = h->data;

    progress_clear(&r->progress);
    if (r->t->signal) { /* the second one forces */
        launcher_kill(r->launcher, SIGKILL);
        signal(signum, SIG_DFL);
        raise(signum);
        return;
    }
    r->t->signal = signum;
    fprintf(stderr, "ebsp train: %s: saving a checkpoint; once more to force\n",
            strsignal(signum));
    server_stop(r->server, "interrupted");
}

/* What the caller ignores (nohup, a background job) stays ignored. */
static void
watch_signals(struct running *r)
{
    static const int signals[] = {SIGINT, SIGTERM, SIGHUP};

    for (size_t i = 0; i < ARRAY_LEN(signals); i++) {
        struct sigaction now;

        if (sigaction(signals[i], NULL, &now) == 0 && now.sa_handler != SIG_IGN)
            uv_signal_start(&r->signal[i], on_signal, signals[i]);
    }
}

static int
write_in_run(const struct running *r, const char *name, const struct buf *b,
             struct err *err)
{
    char *path = fs_join(r->run, name);
    int x = path ? fs_write(path, b->data, b->len, err) : err_nomem(err);

    mem_free(path);
    return x;
}

/* log and events.jsonl, which also is the lock of the directory. */
static int
open_run(struct running *r, bool resumed, struct err *err)
{
    char *log = fs_join(r->run, "log");
    char *events = fs_join(r->run, "events.jsonl");
    int64_t now = clock_now_ns();

    if (!log || !events)
        err_nomem(err);
    else
        r->events = events_open(events, resumed, now, err);
    if (r->events) {
        r->log_file = fopen(log, "ae");
        if (!r->log_file)
            err_errno(err, "%s", log);
    }
    r->log.file = r->log_file;
    r->log.start_ns = now;
    mem_free(log);
    mem_free(events);
    return r->log_file ? 0 : -1;
}

/* The checkpoint that a run goes on from.  One that was cut off before its
 * first one begins again: the seed makes the same of it. */
static int
find_checkpoint(struct running *r, struct err *err)
{
    if (!r->t->options->resume)
        return 0;
    if (checkpoint_find(r->run, &r->log, &r->checkpoint, err) != 0)
        return err_wrap(err, "resume");
    if (!r->checkpoint)
        log_warn(&r->log, "run",
                 "%s: there is no checkpoint yet: begins from the start",
                 r->run);
    return 0;
}

/* job.json and the first event; a resumed run is left as it was until its
 * checkpoint is known to fit. */
static int
begin_run(struct running *r, bool resumed, struct err *err)
{
    struct buf text = BUF_INIT(JSON_MAX_BYTES);
    int x = job_dump(&r->t->job, &text, err);

    if (resumed)
        rundir_reopen(r->run, &r->log);
    if (x == 0)
        x = write_in_run(r, "job.json", &text, err);
    buf_release(&text);
    events_begin(r->events, r->log.start_ns, "run");
    events_str(r->events, "name", r->t->job.name);
    events_uint(r->events, "seed", r->t->job.seed);
    events_int(r->events, "resumed", resumed);
    events_end(r->events);
    return x;
}

static const char loopback[] = "127.0.0.1";

static int
make_workers(struct running *r, struct err *err)
{
    static const struct launch_handlers handlers = {.on_line = on_line,
                                                    .on_exit = on_exit_of};
    struct workers_config c = {.job = &r->t->job,
                               .cluster = &r->t->cluster,
                               .key = r->key,
                               .local = loopback,
                               .local_port = server_get_port(r->server),
                               .remote_port = server_get_remote_port(r->server),
                               .data_hash = r->t->data->hash,
                               .emulation = &r->t->job.emulation,
                               .zero_ns = r->log.start_ns,
                               .served = r->t->servers > 0,
                               .echo = r->t->options->echo};

    r->workers = workers_new(&r->loop, &c, &handlers, r, err);
    if (!r->workers)
        return -1;
    r->launcher = workers_get_launcher(r->workers);
    return 0;
}

/* For people who wonder what their policy is good for.  Only a hint: when it
 * cannot be told, nothing is, nor when times of computing do not explain the
 * run, as links were slow or workers lost. */
static void
print_bsp_cost(const struct running *r, const struct server_status *st)
{
    struct sim_result mine, bsp;
    uint64_t n = st->samples_session / r->t->job.batch;
    uint32_t workers = r->t->job.workers;
    char a[32], b[32];

    if (workers < 2 || n < 2 * workers || !strcmp(r->t->policy.p.name, "bsp") ||
        whatif(r->run, st->policy, workers, n, r->t->job.batch, &mine, NULL) !=
            0 ||
        mine.seconds < 0.75 * st->seconds ||
        whatif(r->run, "bsp", workers, n, r->t->job.batch, &bsp, NULL) != 0)
        return;
    printf("bsp would have waited %.1f%% of the time and needed %s instead of "
           "%s (simulated on the recorded times)\n",
           100 * bsp.waiting_share, str_duration(a, bsp.seconds),
           str_duration(b, mine.seconds));
}

static void
print_result(const struct running *r)
{
    struct server_status st;
    char wall[32], rate[32];

    server_get_status(r->server, &st);
    if (st.stopped)
        printf("stopped: %s\n", st.stopped);
    printf("%llu samples in %s (%s samples/s), %llu updates, policy %s, "
           "waiting %.1f%%, max staleness %llu\n",
           (unsigned long long)st.samples, str_duration(wall, st.seconds),
           str_count(rate, st.rate), (unsigned long long)st.updates, st.policy,
           100 * st.waiting_share, (unsigned long long)st.max_staleness);
    if (st.workers_lost)
        printf("%u worker%s lost on the way, see %s/log\n", st.workers_lost,
               st.workers_lost == 1 ? " was" : "s were", r->run);
    print_bsp_cost(r, &st);
    if (isfinite(st.accuracy))
        printf("test accuracy %.2f%%, test loss %.4f\n", 100 * st.accuracy,
               st.test_loss);
    else if (isfinite(st.test_loss))
        printf("test loss %.4f\n", st.test_loss);
    else
        printf("not evaluated\n");
    printf("run directory %s\n", r->run);
}

/* summary.json, and what the caller asked for on standard output. */
static int
finish(struct running *r, struct err *err)
{
    const struct train_options *o = r->t->options;
    const struct err *failure = server_get_failure(r->server);
    struct buf text = BUF_INIT((size_t)64 << 20);
    struct err lost = ERR_INIT;
    struct server_status st;
    int x = 0;

    server_get_status(r->server, &st);
    events_begin(r->events, clock_now_ns(), "over");
    events_end(r->events);
    if (events_sync(r->events, &lost) != 0)
        log_warn(&r->log, "events", "%s", lost.text);
    views_stop(&r->t->views, &r->log);
    if (server_summary(r->server, &text, &lost) != 0 ||
        write_in_run(r, "summary.json", &text, &lost) != 0 ||
        lost.code != ERR_OK)
        x = -1;
    if (failure->code != ERR_OK) {
        bool goes_on = server_get_checkpoint(r->server) || r->checkpoint;

        x = err_set(err, failure->code, "%s\nsee %s/log%s%s", failure->text,
                    r->run, goes_on ? "; to go on: ebsp train --resume " : "",
                    goes_on ? r->run : "");
    } else if (x != 0) {
        err_set(err, lost.code, "%s", lost.text);
    } else if (x == 0) {
        if (o->json)
            fwrite(text.data, 1, text.len, stdout);
        else if (!o->quiet)
            print_result(r);
        if (!r->t->signal && r->t->job.target_accuracy > 0 &&
            !(st.best_accuracy >= r->t->job.target_accuracy))
            x = err_set(err, ERR_TARGET,
                        "target accuracy %g was not reached, best was %.4f",
                        r->t->job.target_accuracy, st.best_accuracy);
    }
    buf_release(&text);
    return x;
}

/* A run goes on where sockets are not possible. */
static void
open_control(struct running *r)
{
    struct err why = ERR_INIT;

    r->control = control_new(&r->loop, r->server, r->run, &r->log, &why);
    if (!r->control)
        log_warn(&r->log, "control", "%s; ebsp ctl cannot reach this run",
                 why.text);
}

static void
close_all(struct running *r, int exit_status)
{
    control_close(r->control, exit_status);
    uv_close((uv_handle_t *)&r->tick, NULL);
    uv_close((uv_handle_t *)&r->flush, NULL);
    uv_close((uv_handle_t *)&r->later, NULL);
    for (size_t i = 0; i < ARRAY_LEN(r->signal); i++)
        uv_close((uv_handle_t *)&r->signal[i], NULL);
    if (r->server)
        server_close(r->server);
    uv_run(&r->loop, UV_RUN_DEFAULT);
}

/* Runs the loop until the training is over and no process is left. */
static void
run_loop(struct running *r)
{
    while (!server_is_over(r->server))
        uv_run(&r->loop, UV_RUN_DEFAULT);
    launcher_let_go(r->launcher);
    r->let_go_ns = clock_now_ns();
    while (launcher_get_running(r->launcher) > 0)
        uv_run(&r->loop, UV_RUN_ONCE);
}

/* What workers on this machine share begins with the data set, which they need
 * not read then.  True: it is possible. */
static bool
share_data(struct running *r)
{
    struct err err = ERR_INIT;

    if (r->t->servers > 0 || r->t->options->no_sharing ||
        r->t->cluster.options->tls_always)
        return false;
    if (blob_share(r->t->data, &err) == 0)
        return true;
    log_warn(&r->log, "server", "%s; workers here use connections", err.text);
    return false;
}

static int
run_all(struct running *r, struct err *err)
{
    const struct cluster *cluster = &r->t->cluster;
    struct server_config c = {
        .job = &r->t->job,
        .data = r->t->data,
        .augment = &r->t->augment,
        .policy = &r->t->policy,
        .run = r->run,
        .resume = r->checkpoint,
        .host = loopback,
        .key = r->key,
        .tls_always = cluster->options->tls_always,
        .remote_host = *cluster->remote ? cluster->remote : NULL,
        .remote_port = cluster->remote_port,
        .remote_insecure = cluster->options->insecure,
        .starter = &workers_starter,
        .starter_ctx = &r->workers,
        .emulation = &r->t->job.emulation,
        .events = r->events,
        .log = &r->log,
        .share = share_data(r),
        .servers = r->t->servers,
        .threads =
            store_choose_threads(graph_get_segments(r->t->job.graph)->n_floats),
        .start_timeout_ms = START_LIMIT_MS,
    };

    r->server = server_new(&r->loop, &c, err);
    if (!r->server ||
        views_start(&r->t->views, &r->t->options->views, r->run,
                    r->log.start_ns, r->t->options->quiet, &r->log, err) != 0 ||
        begin_run(r, r->t->options->resume != NULL, err) != 0)
        return -1;
    if (make_workers(r, err) != 0)
        return -1;
    server_set_news(r->server, on_news, r);
    uv_timer_start(&r->tick, on_tick, TICK_MS, TICK_MS);
    watch_signals(r);
    if (c.remote_host && c.remote_insecure)
        log_warn(&r->log, "server",
                 "--insecure: everybody between here and the workers can read "
                 "and change data and model");
    on_news(r);
    open_control(r);
    server_start_workers(r->server);
    run_loop(r);
    progress_clear(&r->progress);
    return finish(r, err);
}

int
train_run(struct train *t, struct err *err)
{
    const struct train_options *o = t->options;
    struct running *r = mem_alloc(1, sizeof *r);
    int x = -1;

    if (!r)
        return err_nomem(err);
    r->t = t;
    r->log = (struct log){.file_level = LOG_DEBUG,
                          .role = "coordinator",
                          .console = stderr,
                          .console_level = o->verbose > 1   ? LOG_DEBUG
                                           : o->verbose > 0 ? LOG_INFO
                                                            : LOG_WARN,
                          .before_console = progress_clear,
                          .before_ctx = &r->progress};
    progress_init(&r->progress, o->quiet || o->verbose ? NULL : stderr);
    r->run = o->resume ? mem_strdup(o->resume)
                       : rundir_new(o->run_dir, t->job.name, err);
    if (!r->run) {
        mem_free(r);
        return err_set(err, ERR_NOMEM, "out of memory");
    }
    if (rng_secret(r->key, sizeof r->key) != 0) {
        err_errno(err, "random numbers for the run key");
    } else if (uv_loop_init(&r->loop) != 0) {
        err_set(err, ERR_SYS, "no event loop");
    } else {
        r->tick.data = r->flush.data = r;
        uv_timer_init(&r->loop, &r->tick);
        uv_timer_init(&r->loop, &r->later);
        uv_prepare_init(&r->loop, &r->flush);
        uv_prepare_start(&r->flush, on_flush);
        for (size_t i = 0; i < ARRAY_LEN(r->signal); i++) {
            uv_signal_init(&r->loop, &r->signal[i]);
            r->signal[i].data = r;
        }
        if (open_run(r, o->resume != NULL, err) == 0 &&
            find_checkpoint(r, err) == 0)
            x = run_all(r, err);
        close_all(r, r->t->signal ? 128 + r->t->signal
                     : x == 0     ? 0
                                  : (int)err->code);
        uv_loop_close(&r->loop);
    }
    server_free(r->server);
    workers_free(r->workers);
    views_stop(&r->t->views, &r->log);
    if (r->log_file)
        fclose(r->log_file);
    (void)events_close(r->events, NULL); /* the last: the directory is free */
    explicit_bzero(r->key, sizeof r->key);
    mem_free(r->checkpoint);
    mem_free(r->run);
    mem_free(r);
    return x;
}
