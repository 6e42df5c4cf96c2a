/* SPDX-License-Identifier: Apache-2.0 */
/* ebsp bench: a matrix of runs.  See ebsp-bench(1). */
#include "cmd/bench.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"
#include "cmd/bench_sync.h"
#include "cmd/cmd.h"
#include "job/rundir.h"
#include "study/pool.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#define MAX_SEEDS   10000
#define MAX_PACE_MS 1e6

enum {
    OPT_BASELINE = 0x100,
    OPT_SEEDS,
    OPT_SCENARIO,
    OPT_CONVENTION,
    OPT_TARGET,
    OPT_VIRTUAL,
    OPT_EPOCHS,
    OPT_PACE,
    OPT_DATA_DIR,
    OPT_SET,
    OPT_JSON
};

static const struct argp_option options[] = {
    {"policies", 'p', "SPEC,SPEC...", 0,
     "policies to compare; may be repeated; default the job's", 1},
    {"baseline", OPT_BASELINE, "SPEC", 0,
     "what the others are compared with; default the first policy", 1},
    {"seeds", OPT_SEEDS, "N", 0, "runs of each, with as many seeds; default 3",
     1},
    {"seed", 's', "S", 0, "the first seed; default the job's", 1},
    {"scenario", OPT_SCENARIO, "FILE", 0,
     "unequal machines, a file or the name of an installed scenario; may be "
     "repeated",
     1},
    {"convention", OPT_CONVENTION, "HOW,...", 0,
     "learning rate: job (default), samples (the same for each sample) or "
     "updates (per update of the server, as often published)",
     1},
    {"target-accuracy", OPT_TARGET, "A", 0,
     "measure the time until test accuracy A (0..1) (job: target_accuracy)", 1},
    {"virtual", OPT_VIRTUAL, NULL, 0, "train in virtual time", 1},
    {"jobs", 'j', "N", 0,
     "with --virtual, N runs at a time; default one per processor", 1},
    {"workers", 'n', "N", 0,
     "workers; default those of the scenario, else of the job", 2},
    {"epochs", OPT_EPOCHS, "E", 0,
     "passes over the training data (job: epochs)", 2},
    {"pace", OPT_PACE, "MS", 0,
     "milliseconds of an iteration of factor 1; default the scenario's", 2},
    {"data-dir", OPT_DATA_DIR, "DIR", 0,
     "folder with the data sets; default beside the job", 2},
    {"set", OPT_SET, "KEY.PATH=VALUE", 0,
     "override any value of the job; may be repeated", 2},
    {"out", 'o', "DIR", 0, "keep everything here; default bench-NAME", 3},
    {"json", OPT_JSON, NULL, 0, "print bench.json instead of tables", 3},
    {"quiet", 'q', NULL, 0, "nothing on standard error", 3},
    {NULL, 0, NULL, 0, NULL, 0},
};

static int
add_scenario(struct bench_options *o, const char *path)
{
    const char **more = mem_resize(o->scenario, o->n_scenarios,
                                   o->n_scenarios + 1, sizeof *more);

    if (!more)
        return ENOMEM;
    o->scenario = more;
    more[o->n_scenarios++] = path;
    return 0;
}

static void
split_policies(struct bench_options *o, const char *arg,
               struct argp_state *state)
{
    struct err why = ERR_INIT;

    if (study_split_policies(arg, &o->policy, &o->n_policies, &why) != 0)
        argp_error(state, "--%s", why.text);
}

static void
count(struct argp_state *state, const char *flag, const char *arg,
      uint64_t least, uint64_t most, uint64_t *to)
{
    if (!str_u64(arg, to) || *to < least || *to > most)
        argp_error(state,
                   "--%s: expected %" PRIu64 " to %" PRIu64 ", got \"%s\"",
                   flag, least, most, arg);
}

static void
number(struct argp_state *state, const char *flag, const char *arg, double most,
       double *to)
{
    if (!str_f64(arg, to) || !(*to > 0 && *to <= most))
        argp_error(state,
                   "--%s: expected a number above 0, at most %g, got "
                   "\"%s\"",
                   flag, most, arg);
}

static error_t
parse(int key, char *arg, struct argp_state *state)
{
    struct bench_options *o = state->input;

    switch (key) {
    case 'p':
        split_policies(o, arg, state);
        return 0;
    case OPT_BASELINE:
        o->baseline = arg;
        return 0;
    case OPT_SEEDS:
        count(state, "seeds", arg, 1, MAX_SEEDS, &o->seeds);
        return 0;
    case 's':
        count(state, "seed", arg, 0, INT64_MAX - MAX_SEEDS, &o->seed);
        o->has_seed = true;
        return 0;
    case OPT_SCENARIO:
        return add_scenario(o, arg);
    case OPT_CONVENTION:
        o->conventions = arg;
        return 0;
    case OPT_TARGET:
        number(state, "target-accuracy", arg, 1, &o->target);
        return 0;
    case OPT_VIRTUAL:
        o->is_virtual = true;
        return 0;
    case 'j':
        count(state, "jobs", arg, 1, POOL_MAX, &o->jobs);
        return 0;
    case 'n':
        count(state, "workers", arg, 1, JOB_MAX_WORKERS, &o->workers);
        return 0;
    case OPT_EPOCHS:
        return overrides_flag(&o->overrides, "epochs", "epochs", arg);
    case OPT_PACE:
        number(state, "pace", arg, MAX_PACE_MS, &o->pace_ms);
        return 0;
    case OPT_DATA_DIR:
        o->data_dir = arg;
        return 0;
    case OPT_SET:
        return overrides_set(&o->overrides, arg, state);
    case 'o':
        o->out = arg;
        return 0;
    case OPT_JSON:
        o->json = true;
        return 0;
    case 'q':
        o->quiet = true;
        return 0;
    default:
        return cmd_argument(key, arg, state, &o->job, "a job file");
    }
}

static const struct argp argp = {
    .options = options,
    .parser = parse,
    .args_doc = "JOB.json",
    .doc = "Compare policies over seeds and scenarios, in live runs or in "
           "virtual time."
           "\vInterrupt it at any time: the same command goes on.\n\n"
           "`ebsp bench sync' is another benchmark: what push, apply and pull "
           "cost when nothing is computed (ebsp bench sync --help).  A job "
           "file of that name is ./sync.\n\nSee ebsp-bench(1).",
};

/* ---- from options to a study --------------------------------------------- */

static int
find_baseline(struct study *s, const char *spec, struct err *err)
{
    struct study one = {.n_policies = 0}; /* for its canonical spec */
    int r;

    if (!spec)
        return 0;
    r = study_add_policy(&one, spec, err);
    for (s->baseline = 0; r == 0 && s->baseline < s->n_policies; s->baseline++)
        if (!strcmp(s->policy[s->baseline].spec, one.policy[0].spec))
            break;
    if (r == 0 && s->baseline == s->n_policies)
        r = err_set(err, ERR_USAGE,
                    "--baseline %s: it is not among the policies", spec);
    study_release(&one);
    return r;
}

static int
make_study(struct study *s, const struct bench_options *o, struct err *err)
{
    s->is_virtual = o->is_virtual;
    s->job_path = o->job;
    s->override = o->overrides.v;
    s->n_overrides = o->overrides.n;
    s->data_dir = o->data_dir;
    s->workers = (uint32_t)o->workers;
    s->pace_ms = o->pace_ms;
    s->n_seeds = (uint32_t)o->seeds;
    if (job_load(&s->job, o->job, o->overrides.v, o->overrides.n, err) != 0)
        return -1;
    if (s->job.max_seconds > 0)
        return err_set(err, ERR_USAGE,
                       "%s: max_seconds: a bench trains to the end; with "
                       "--set max_seconds=0 this job does",
                       o->job);
    if (json_object_get(s->job.doc.root, "emulate") && !o->quiet)
        fprintf(stderr,
                "ebsp bench: note: what %s emulates itself is left out; "
                "scenarios say what is emulated\n",
                o->job);
    s->target = isnan(o->target) ? s->job.target_accuracy : o->target;
    s->first_seed = o->has_seed ? o->seed : s->job.seed;
    for (size_t i = 0; i < o->n_policies; i++)
        if (study_add_policy(s, o->policy[i], err) != 0)
            return -1;
    if (o->n_policies == 0 && study_add_policy(s, s->job.policy, err) != 0)
        return -1;
    for (size_t i = 0; i < o->n_scenarios; i++)
        if (study_add_scenario(s, o->scenario[i], err) != 0)
            return -1;
    if (o->n_scenarios == 0 && study_add_scenario(s, NULL, err) != 0)
        return -1;
    if (study_read_conventions(s, o->conventions ? o->conventions : "job",
                               err) != 0)
        return -1;
    return find_baseline(s, o->baseline, err) == 0 ? study_make_cells(s, err)
                                                   : -1;
}

static int
bench(const struct bench_options *o, struct err *err)
{
    struct bench b = {.options = o, .folder = {.lock = -1}};
    char *out = NULL, name[64];
    int r = make_study(&b.study, o, err);

    if (r == 0)
        r = study_count_samples(&b.study, &b.samples, err);
    if (r == 0) {
        rundir_safe_name(b.study.job.name, name, sizeof name);
        out = o->out ? mem_strdup(o->out) : mem_printf("bench-%s", name);
        r = out ? folder_open(&b.folder, out, &b.study, err) : err_nomem(err);
    }
    if (r == 0)
        r = bench_run(&b, err);
    folder_close(&b.folder);
    study_release(&b.study);
    mem_free(out);
    if (b.signal) { /* a caller wants to know what ended us */
        signal(b.signal, SIG_DFL);
        raise(b.signal);
    }
    return r;
}

/* ---- other benchmarks ---------------------------------------------------- */

/* `ebsp bench NAME`: a job of that name is ./NAME. */
static const struct {
    const char *name;
    int (*run)(int argc, char **argv, struct err *err);
} parts[] = {
    {"sync", bench_sync},
};

static int
run_part(size_t i, int argc, char **argv, struct err *err)
{
    char name[64];

    (void)str_printf(name, sizeof name, "%s %s", argv[0], parts[i].name);
    argv[1] = name;
    return parts[i].run(argc - 1, argv + 1, err);
}

static int
set_jobs(struct bench_options *o, struct err *err)
{
    long cpus = sysconf(_SC_NPROCESSORS_ONLN);

    if (o->jobs && !o->is_virtual)
        return err_set(err, ERR_USAGE,
                       "--jobs is for --virtual: live runs at the same time "
                       "would slow each other down");
    if (o->jobs == 0)
        o->jobs = cpus < 1 ? 1 : cpus > POOL_MAX ? POOL_MAX : (uint64_t)cpus;
    return 0;
}

static int
run(int argc, char **argv, struct err *err)
{
    struct bench_options o = {.seeds = 3, .target = NAN};
    int r;

    for (size_t i = 0; argc > 1 && i < ARRAY_LEN(parts); i++)
        if (!strcmp(argv[1], parts[i].name))
            return run_part(i, argc, argv, err);
    r = cmd_parse(&argp, argc, argv, &o, err);
    if (r == 0)
        r = set_jobs(&o, err);
    if (r == 0)
        r = bench(&o, err);
    for (size_t i = 0; i < o.n_policies; i++)
        mem_free(o.policy[i]);
    mem_free(o.policy);
    mem_free(o.scenario);
    overrides_release(&o.overrides);
    return r;
}

const struct cmd cmd_bench = {
    .name = "bench",
    .args = "[options] JOB.json -p SPEC,...",
    .summary = "compare policies over seeds and scenarios",
    .run = run,
};
