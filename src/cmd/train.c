/* SPDX-License-Identifier: Apache-2.0 */
/* ebsp train: the coordinator.  See ebsp-train(1). */
#include "cmd/train.h"
#include "base/err.h"
#include "base/fs.h"
#include "base/mem.h"
#include "base/str.h"
#include "cmd/cmd.h"
#include "cmd/plan.h"
#include "cmd/servers.h"
#include "job/rundir.h"
#include "policy/watchdog.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    OPT_EPOCHS = 0x100,
    OPT_MAX_SECONDS,
    OPT_TARGET,
    OPT_SET,
    OPT_THREADS,
    OPT_DATA_DIR,
    OPT_SERVERS,
    OPT_TUNE,
    OPT_EXACT,
    OPT_JSON,
    OPT_DRY_RUN,
    OPT_SUPERVISE,
    OPT_MAX_COORDINATOR_RESTARTS,
    OPT_RESUME,
    OPT_LR_SCALING,
    OPT_TRANSPORT,
    OPT_ECHO,
    OPT_SLOW,
    OPT_PACE,
    OPT_NET,
    OPT_ON_LOSS,
    OPT_MIN_WORKERS,
    OPT_MAX_WORKERS,
    OPT_MAX_RESTARTS,
    OPT_MAX_BAD
};

static const struct argp_option options[] = {
    {"workers", 'n', "N", 0, "worker processes to start (job: workers)", 1},
    {"policy", 'p', "SPEC", 0,
     "synchronization policy, for example bsp or ssp:staleness=3 (job: policy)",
     1},
    {"seed", 's', "S", 0, "of everything random (job: seed)", 1},
    {"epochs", OPT_EPOCHS, "E", 0,
     "passes over the training data (job: epochs)", 1},
    {"max-seconds", OPT_MAX_SECONDS, "T", 0, "stop training after T seconds",
     1},
    {"target-accuracy", OPT_TARGET, "A", 0,
     "stop when test accuracy A (0..1) is reached; exit status 10 when it is "
     "not",
     1},
    {"threads", OPT_THREADS, "T", 0, "threads per worker (job: threads)", 1},
    {"servers", OPT_SERVERS, "K", 0,
     "processes that hold the parameters, a part each: a number, or auto (one "
     "per host when there are other hosts and it is worth it); default auto "
     "(job: servers)",
     1},
    {"tune", OPT_TUNE, "HOW", 0,
     "measure how convolutions are fastest: off, quick or full; default quick",
     1},
    {"exact", OPT_EXACT, NULL, 0,
     "only direct convolutions, whose rounding errors are the smallest", 1},
    {"lr-scaling", OPT_LR_SCALING, "HOW", 0,
     "how an update that averages k pushes scales the learning rate: none, "
     "linear or sqrt",
     1},
    {"set", OPT_SET, "KEY.PATH=VALUE", 0,
     "override any value of the job, for example optimizer.lr=0.1; may be "
     "repeated",
     1},
    {"run-dir", 'r', "DIR", 0,
     "what the run leaves behind goes here; default "
     "runs/NAME-DATE-TIME",
     2},
    {"data-dir", OPT_DATA_DIR, "DIR", 0,
     "folder with one folder or archive per data set; default beside the job",
     2},
    {"supervise", OPT_SUPERVISE, NULL, 0,
     "continue by itself when the coordinator crashes", 2},
    {"max-coordinator-restarts", OPT_MAX_COORDINATOR_RESTARTS, "N", 0,
     "with --supervise: so often at most, default 3", 2},
    {"resume", OPT_RESUME, "RUN", 0,
     "continue the run in this directory from its newest checkpoint", 2},
    {"transport", OPT_TRANSPORT, "HOW", 0,
     "auto (workers on this machine share memory with the coordinator) or tcp; "
     "default auto, but tcp with --tls=always",
     1},
    {"on-worker-loss", OPT_ON_LOSS, "HOW", 0,
     "what happens when a worker is lost: replace, drop or abort", 2},
    {"min-workers", OPT_MIN_WORKERS, "N", 0,
     "with fewer workers the run ends, exit status 8", 2},
    {"max-workers", OPT_MAX_WORKERS, "N", 0,
     "how many there can ever be, with those added while it runs", 2},
    {"max-restarts", OPT_MAX_RESTARTS, "N", 0,
     "how often each worker is replaced", 2},
    {"max-bad-pushes", OPT_MAX_BAD, "N", 0,
     "pushes with NaN, infinity or an outlying norm that are rejected before "
     "their worker is removed",
     2},
    {"slow", OPT_SLOW, "RANK:FACTOR", 0,
     "emulate: this worker (or all, or 2-5) computes FACTOR times slower, or "
     "as "
     "a distribution says, for example all:lognormal(1,0.3); may be repeated "
     "(job: emulate.slow)",
     3},
    {"pace", OPT_PACE, "MS", 0,
     "emulate: an iteration takes at least MS milliseconds times the factor "
     "(job: emulate.pace)",
     3},
    {"net", OPT_NET, "RANK:LINK", 0,
     "emulate: what this worker's connection is like, for example "
     "all:delay=20,rate=100mbit,loss=1; may be repeated (job: emulate.net)",
     3},
    {"echo", OPT_ECHO, NULL, 0,
     "measure: workers answer at once with a fraction of the parameters "
     "instead of a gradient",
     3},
    {"dry-run", OPT_DRY_RUN, NULL, 0, "print the plan, start nothing", 4},
    {"json", OPT_JSON, NULL, 0, "print summary.json on standard output", 4},
    {"quiet", 'q', NULL, 0, "no progress, no result", 4},
    {"verbose", 'v', NULL, 0, "log on standard error; twice: more", 4},
    {NULL, 0, NULL, 0, NULL, 0},
};

#define MAX_RESTARTS 1000000

static error_t
read_tune(struct tuning *t, const char *arg, struct argp_state *state)
{
    static const char *const efforts[] = {"off", "quick", "full"};

    for (size_t i = 0; i < ARRAY_LEN(efforts); i++)
        if (!strcmp(arg, efforts[i])) {
            t->effort = (enum tuning_effort)i;
            return 0;
        }
    argp_error(state, "--tune: expected off, quick or full, got \"%s\"", arg);
    return EINVAL;
}

static error_t
parse(int key, char *arg, struct argp_state *state)
{
    struct train_options *o = state->input;

    switch (key) {
    case ARGP_KEY_INIT:
        state->child_inputs[0] = &o->cluster;
        state->child_inputs[1] = &o->views;
        return 0;
    case 'n':
        return overrides_flag(&o->overrides, "workers", "workers", arg);
    case 'p':
        return overrides_flag(&o->overrides, "policy", "policy", arg);
    case 's':
        return overrides_flag(&o->overrides, "seed", "seed", arg);
    case OPT_EPOCHS:
        return overrides_flag(&o->overrides, "epochs", "epochs", arg);
    case OPT_MAX_SECONDS:
        return overrides_flag(&o->overrides, "max_seconds", "max-seconds", arg);
    case OPT_TARGET:
        return overrides_flag(&o->overrides, "target_accuracy",
                              "target-accuracy", arg);
    case OPT_THREADS:
        return overrides_flag(&o->overrides, "threads", "threads", arg);
    case OPT_SERVERS:
        return overrides_flag(&o->overrides, "servers", "servers", arg);
    case OPT_TUNE:
        o->retune = true;
        return read_tune(&o->tuning, arg, state);
    case OPT_EXACT:
        o->retune = true;
        o->tuning.exact = true;
        return 0;
    case OPT_LR_SCALING:
        return overrides_flag(&o->overrides, "lr_scaling", "lr-scaling", arg);
    case OPT_ON_LOSS:
        return overrides_flag(&o->overrides, "faults.on_worker_loss",
                              "on-worker-loss", arg);
    case OPT_MIN_WORKERS:
        return overrides_flag(&o->overrides, "faults.min_workers",
                              "min-workers", arg);
    case OPT_MAX_WORKERS:
        return overrides_flag(&o->overrides, "faults.max_workers",
                              "max-workers", arg);
    case OPT_MAX_RESTARTS:
        return overrides_flag(&o->overrides, "faults.max_restarts",
                              "max-restarts", arg);
    case OPT_MAX_BAD:
        return overrides_flag(&o->overrides, "faults.max_bad_pushes",
                              "max-bad-pushes", arg);
    case OPT_SET:
        return overrides_set(&o->overrides, arg, state);
    case OPT_TRANSPORT:
        o->no_sharing = strcmp(arg, "tcp") == 0;
        if (!o->no_sharing && strcmp(arg, "auto") != 0)
            argp_error(state, "--transport: expected auto or tcp, got \"%s\"",
                       arg);
        return 0;
    case OPT_ECHO:
        o->echo = true;
        return 0;
    case OPT_SLOW:
        return emulate_add(&o->emulate, EMULATE_SLOW, arg, state);
    case OPT_PACE:
        return emulate_add(&o->emulate, EMULATE_PACE, arg, state);
    case OPT_NET:
        return emulate_add(&o->emulate, EMULATE_NET, arg, state);
    case 'r':
        o->run_dir = arg;
        return 0;
    case OPT_DATA_DIR:
        o->data_dir = arg;
        return 0;
    case OPT_RESUME:
        o->resume = arg;
        return 0;
    case OPT_SUPERVISE:
        o->supervise = true;
        return 0;
    case OPT_MAX_COORDINATOR_RESTARTS:
        if (!str_u64(arg, &o->max_coordinator_restarts) ||
            o->max_coordinator_restarts > MAX_RESTARTS)
            argp_error(state,
                       "--max-coordinator-restarts: expected 0 to %d, got "
                       "\"%s\"",
                       MAX_RESTARTS, arg);
        return 0;
    case OPT_DRY_RUN:
        o->dry_run = true;
        return 0;
    case OPT_JSON:
        o->json = true;
        return 0;
    case 'q':
        o->quiet = true;
        return 0;
    case 'v':
        o->verbose++;
        return 0;
    case ARGP_KEY_ARG:
        if (state->arg_num > 0)
            argp_error(state, "expected one job, got \"%s\" too", arg);
        o->job = arg;
        return 0;
    case ARGP_KEY_END:
        if (!o->job && !o->resume)
            argp_error(state, "expected a job file");
        if (o->job && o->resume)
            argp_error(state,
                       "--resume RUN takes the job of the run; "
                       "\"%s\" is too much",
                       o->job);
        if (o->resume && o->retune)
            argp_error(state, "--resume RUN keeps how the run is computed; "
                              "--tune and --exact are too much");
        if (o->resume && !*o->resume)
            argp_error(state, "--resume: expected a run directory, got \"\"");
        if (o->resume && o->run_dir)
            argp_error(state, "--resume goes on in its own run directory");
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp_child children[] = {
    {&cluster_argp, 0, "Other machines:", 3},
    {&views_argp, 0, "Watching:", 4},
    {NULL, 0, NULL, 0}};

static const struct argp argp = {
    .options = options,
    .parser = parse,
    .children = children,
    .args_doc = "JOB.json\n--resume RUN",
    .doc = "Train the network of a job with several worker processes."
           "\vExit status: 0 done; 2 usage; 3 job, model or data invalid; 5 "
           "system or network; 6 protocol or authentication; 7 plugin or "
           "policy; 8 workers lost; 9 diverged; 10 target accuracy not "
           "reached.  See ebsp-train(1), ebsp-job(5), ebsp-run(5).",
};

/* A policy in the job is as wrong as its spec: say where it stands. */
static int
open_policy(const struct job *j, struct policy_lib *lib, struct err *err)
{
    struct jcur root = jcur_root(&j->doc), at = jcur_key(&root, "policy");
    struct err why = ERR_INIT;

    if (policy_lib_open(lib, j->policy, &why) == 0)
        return 0;
    if (why.code == ERR_USAGE && !json_doc_origin(&j->doc, "policy"))
        return jcur_fail(&at, err, "%s", why.text);
    return err_set(err, why.code, "%s", why.text);
}

static int
check_enough(const struct job *j, struct err *err)
{
    if (j->faults.min_workers <= j->workers)
        return 0;
    return err_set(err, ERR_CONFIG,
                   "at least %u workers are wanted (faults.min_workers), "
                   "but only %u are started",
                   j->faults.min_workers, j->workers);
}

static int
load_job(const struct train_options *o, struct job *j, struct err *err)
{
    char *path;
    int r;

    if (!o->resume)
        return job_load(j, o->job, o->overrides.v, o->overrides.n, err);
    if (rundir_check(o->resume, err) != 0)
        return err_wrap(err, "resume");
    path = fs_join(o->resume, "job.json");
    r = path ? job_load(j, path, o->overrides.v, o->overrides.n, err)
             : err_nomem(err);
    mem_free(path);
    return r;
}

static void
say_slow(void *ctx)
{
    (void)ctx;
    fflush(stdout); /* the plan, where both go to the same file */
    fprintf(stderr, "ebsp train: measuring which convolutions are fastest "
                    "(--tune off: do not)\n");
}

/* A run that goes on is computed as before, even where nothing was measured.
 * What is asked for now comes before what a saved job says. */
static int
choose_ways(const struct train_options *o, struct job *j,
            enum tuning_source *source, struct err *err)
{
    const struct tuning off = {.effort = TUNING_OFF};
    struct tuning tuning = o->tuning;

    tuning.slow = o->quiet ? NULL : say_slow;
    if (o->resume) /* perhaps by --supervise, with the options of the start */
        return tuning_choose(j, &off, source, err);
    if (o->retune && tuning_forget(j, err) != 0)
        return -1;
    return tuning_choose(j, &tuning, source, err);
}

static int
dry_run(const struct train_options *o, struct train *t, struct err *err)
{
    enum tuning_source source;

    plan_print(stdout, &t->job, t->data);
    if (!o->verbose)
        return 0;
    servers_print(stdout, &t->cluster, &t->job, t->servers);
    if (choose_ways(o, &t->job, &source, err) != 0)
        return -1;
    return plan_print_ways(stdout, &t->job, source, err);
}

/* What this machine has to have for the run. */
static int
check_system(struct train *t, struct err *err)
{
    const struct job *j = &t->job;

    if (cluster_try_listen(&t->cluster, err) != 0 ||
        views_listen(&t->views, &t->options->views, err) != 0)
        return -1;
    return cluster_make_room(
        j->workers + t->servers,
        faults_max_workers(&j->faults, j->workers) + t->servers, err);
}

/* Nobody else is let in later, either. */
static void
warn_of_no_use(const struct train *t)
{
    if (t->options->cluster.insecure && !*t->cluster.remote)
        fprintf(stderr, "ebsp train: note: --insecure changes nothing: no "
                        "worker is on another machine\n");
}

/* What one would not think of: the network's time is that of one machine. */
static void
warn_of_obstacle(const struct train *t)
{
    if (!t->options->quiet)
        (void)servers_print_obstacle(
            stderr, "ebsp train: note: parameter servers: ", &t->cluster,
            &t->job);
}

/* Somebody who wants a run to survive will want to know that. */
static void
warn_of_loss(const struct train_options *o, const struct job *j)
{
    if (o->supervise && !*o->supervised.run && !(j->checkpoint_every > 0))
        fprintf(stderr, "ebsp train: warning: checkpoint_every is 0: after a "
                        "crash the run begins from the start\n");
}

/* Everything is checked before anything is started. */
static int
run_job(const struct train_options *o, struct err *err)
{
    static const struct watchdog_limits limits = WATCHDOG_LIMITS;
    struct train t = {.options = o, .views = VIEWS_INIT};
    struct err missing = ERR_INIT;
    enum tuning_source source;
    int r = -1;

    if (load_job(o, &t.job, err) != 0)
        return -1;
    if (job_set_data_dir(&t.job, o->data_dir, err) != 0 ||
        cluster_init(&t.cluster, &o->cluster, &t.job, err) != 0 ||
        emulate_check(&o->emulate, t.job.workers, err) != 0 ||
        check_enough(&t.job, err) != 0 ||
        servers_choose(&t.cluster, &t.job, &t.servers, err) != 0 ||
        (!o->dry_run && check_system(&t, err) != 0) ||
        open_policy(&t.job, &t.policy, err) != 0)
        goto out;
    r = job_open_data(&t.job, NULL, &t.data, &t.augment,
                      o->dry_run ? &missing : err);
    if (o->dry_run) {
        if (r != 0)
            fprintf(stderr, "ebsp train: warning: %s\n", missing.text);
        r = dry_run(o, &t, err);
        goto out;
    }
    if (r == 0) {
        warn_of_loss(o, &t.job);
        warn_of_no_use(&t);
        warn_of_obstacle(&t);
        r = watchdog_start(&limits, err);
    }
    if (r == 0)
        r = choose_ways(o, &t.job, &source, err);
    if (r == 0)
        r = train_run(&t, err);
out:
    dataset_free(t.data);
    policy_lib_close(&t.policy);
    cluster_release(&t.cluster);
    views_stop(&t.views, NULL);
    job_release(&t.job);
    if (t.signal) { /* a caller wants to know what ended us */
        signal(t.signal, SIG_DFL);
        raise(t.signal);
    }
    return r;
}

static int
run(int argc, char **argv, struct err *err)
{
    struct train_options o = {.cluster = CLUSTER_OPTIONS_INIT,
                              .max_coordinator_restarts = 3,
                              .tuning = {.effort = TUNING_QUICK},
                              .supervised = SUPERVISED_INIT};
    int r = cmd_parse(&argp, argc, argv, &o, err);

    if (r == 0)
        r = cluster_override(&o.cluster, &o.overrides, err);
    if (r == 0)
        r = emulate_override(&o.emulate, &o.overrides, err);
    if (r == 0 && o.supervise && !o.dry_run)
        r = supervise((uint32_t)o.max_coordinator_restarts, &o.supervised, err);
    if (r == 0 && *o.supervised.run) { /* started again */
        o.resume = o.supervised.run;
        o.run_dir = NULL;
    }
    if (r == 0)
        r = run_job(&o, err);
    overrides_release(&o.overrides);
    emulate_release(&o.emulate);
    return r;
}

const struct cmd cmd_train = {
    .name = "train",
    .args = "[options] JOB.json",
    .summary = "train a network with several worker processes",
    .run = run,
};
