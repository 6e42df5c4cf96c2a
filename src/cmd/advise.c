/* SPDX-License-Identifier: Apache-2.0 */
/* ebsp advise: which policy for these machines?  See ebsp-advise(1). */
#include "cmd/advise.h"

#include "base/err.h"
#include "base/fs.h"
#include "base/mem.h"
#include "base/str.h"
#include "cmd/cmd.h"
#include "policy/watchdog.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#define MAX_WORKERS 10000

enum { OPT_TRACE = 0x100, OPT_SET, OPT_DATA_DIR, OPT_JSON, OPT_THREADS };

struct options {
    struct check_options check;
    const char *trace;
    uint64_t workers;
};

static const struct argp_option options[] = {
    {"workers", 'n', "N", 0,
     "workers; default those of the hosts, the run, or "
     "the job",
     1},
    {"trace", OPT_TRACE, "RUN", 0,
     "times of this run (or its events.jsonl) instead of measuring", 1},
    {"threads", OPT_THREADS, "T", 0, "threads per worker (job: threads)", 1},
    {"set", OPT_SET, "KEY.PATH=VALUE", 0,
     "override any value of the job; may be repeated", 1},
    {"data-dir", OPT_DATA_DIR, "DIR", 0,
     "folder with the data sets; default beside the job", 1},
    {"json", OPT_JSON, NULL, 0, "everything, for programs", 4},
    {NULL, 0, NULL, 0, NULL, 0},
};

static error_t
parse(int key, char *arg, struct argp_state *state)
{
    struct options *o = state->input;
    struct check_options *c = &o->check;

    switch (key) {
    case ARGP_KEY_INIT:
        state->child_inputs[0] = &c->cluster;
        return 0;
    case 'n':
        if (!str_u64(arg, &o->workers) || o->workers < 1 ||
            o->workers > MAX_WORKERS)
            argp_error(state, "--workers: expected 1 to %d, got \"%s\"",
                       MAX_WORKERS, arg);
        return overrides_flag(&c->overrides, "workers", "workers", arg);
    case OPT_TRACE:
        o->trace = arg;
        return 0;
    case OPT_THREADS:
        return overrides_flag(&c->overrides, "threads", "threads", arg);
    case OPT_SET:
        return overrides_set(&c->overrides, arg, state);
    case OPT_DATA_DIR:
        c->data_dir = arg;
        return 0;
    case OPT_JSON:
        c->json = true;
        return 0;
    case ARGP_KEY_END:
        if (o->trace && c->cluster.hosts)
            argp_error(state, "expected --hosts or --trace, not both");
        break;
    default:
        break;
    }
    return cmd_argument(key, arg, state, &c->job, "a job file");
}

static const struct argp_child children[] = {
    {&cluster_argp, 0, "Other machines:", 3}, {NULL, 0, NULL, 0}};

static const struct argp argp = {
    .options = options,
    .parser = parse,
    .children = children,
    .args_doc = "JOB.json",
    .doc = "Measure the machines, or read the times of a run, simulate a "
           "ladder of policies with them, and recommend one."
           "\vWhat accuracy a policy reaches is not predicted.  See "
           "ebsp-advise(1), ebsp-bench(1).",
};

/* What an iteration costs depends on these. */
static int
compare_jobs(struct advise *a, const char *run, struct err *err)
{
    static const char *const keys[] = {"input", "layers", "batch", "threads"};
    const char *slash = strrchr(run, '/');
    char *path = fs_is_dir(run)
                     ? fs_join(run, "job.json")
                     : mem_printf("%.*sjob.json",
                                  slash ? (int)(slash - run) + 1 : 0, run);
    struct json_doc theirs = {0};
    int r = 0;

    if (path && fs_exists(path)) {
        r = json_doc_load(&theirs, path, err);
        for (size_t i = 0; r == 0 && i < ARRAY_LEN(keys); i++)
            if (!json_equal(json_object_get(theirs.root, keys[i]),
                            json_object_get(a->job.doc.root, keys[i])))
                a->foreign = true;
    }
    json_doc_release(&theirs);
    mem_free(path);
    return r;
}

static int
get_profile(struct advise *a, const struct options *o, struct err *err)
{
    a->source = o->trace;
    if (!o->trace)
        return advise_probe(a, &o->check, err);
    if (compare_jobs(a, o->trace, err) != 0)
        return -1;
    return profile_load(&a->profile, (uint32_t)o->workers, o->trace, err);
}

static int
advise(struct advise *a, const struct options *o, struct err *err)
{
    if (job_load(&a->job, o->check.job, o->check.overrides.v,
                 o->check.overrides.n, err) != 0 ||
        get_profile(a, o, err) != 0)
        return -1;
    a->job.workers = a->profile.n;
    if (advice_make(&a->advice, &a->job, &a->profile, err) != 0)
        return -1;
    if (o->check.json)
        return advise_print_json(stdout, a, err);
    advise_print(stdout, a);
    return 0;
}

static int
run(int argc, char **argv, struct err *err)
{
    static const struct watchdog_limits limits = WATCHDOG_LIMITS;
    struct options o = {.check = {.cluster = CLUSTER_OPTIONS_INIT}};
    struct advise a = {.source = NULL};
    int r = cmd_parse(&argp, argc, argv, &o, err);

    if (r == 0)
        r = cluster_override(&o.check.cluster, &o.check.overrides, err);
    if (r == 0)
        r = watchdog_start(&limits, err);
    if (r == 0)
        r = advise(&a, &o, err);
    advice_release(&a.advice);
    profile_release(&a.profile);
    job_release(&a.job);
    overrides_release(&o.check.overrides);
    if (a.signal) { /* a caller wants to know what ended us */
        signal(a.signal, SIG_DFL);
        raise(a.signal);
    }
    return r;
}

const struct cmd cmd_advise = {
    .name = "advise",
    .args = "[options] JOB.json",
    .summary = "recommend a policy for these machines",
    .run = run,
};
