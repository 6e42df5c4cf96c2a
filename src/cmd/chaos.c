/* SPDX-License-Identifier: Apache-2.0 */
/* ebsp chaos: a run whose processes are disturbed on purpose. */
#include "cmd/chaos.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"
#include "cmd/cmd.h"

#include <stdio.h>
#include <string.h>

enum {
    OPT_SCHEDULE = 0x100,
    OPT_MTBF,
    OPT_ACTIONS,
    OPT_DURATION,
    OPT_PATIENCE,
    OPT_CHECK,
    OPT_COMPARE,
    OPT_TOLERANCE,
    OPT_JSON
};

#define MAX_SECONDS 1e7

static const struct argp_option options[] = {
    {"schedule", OPT_SCHEDULE, "FILE", 0, "faults, one a line", 1},
    {"mtbf", OPT_MTBF, "SECONDS", 0,
     "faults at random, so far apart on average", 1},
    {"actions", OPT_ACTIONS, "LIST", 0,
     "of random faults: some of kill,stop,cut; default all", 1},
    {"seed", 's', "S", 0, "of random faults; default 1", 1},
    {"duration", OPT_DURATION, "SECONDS", 0,
     "no random faults after that; default: until the run ends", 1},
    {"run-dir", 'r', "DIR", 0, "of the run; default runs/chaos-DATE-TIME", 2},
    {"patience", OPT_PATIENCE, "SECONDS", 0,
     "a run without any event for so long hangs and is ended; default 120", 2},
    {"compare", OPT_COMPARE, NULL, 0,
     "run the job without faults, too, and compare the accuracies", 2},
    {"tolerance", OPT_TOLERANCE, "T", 0,
     "by which the accuracy with faults may be worse; default 0.02", 2},
    {"check", OPT_CHECK, "RUN", 0,
     "disturb nothing, only check the samples of a run that has ended", 2},
    {"json", OPT_JSON, NULL, 0, "print a report as JSON", 3},
    {"quiet", 'q', NULL, 0, "tell nothing while the run lasts", 3},
    {"verbose", 'v', NULL, 0, "let the run print what it has to say", 3},
    {NULL, 0, NULL, 0, NULL, 0},
};

static void
number(struct argp_state *state, const char *flag, const char *arg, double min,
       double max, double *to)
{
    if (!str_f64(arg, to) || !(*to >= min && *to <= max))
        argp_error(state, "--%s: expected %g to %g, got \"%s\"", flag, min, max,
                   arg);
}

static void
parse_actions(struct chaos_options *o, char *arg, struct argp_state *state)
{
    char word[16];
    const char *at = arg;

    for (o->actions = 0;;) {
        size_t n = strcspn(at, ",");
        enum chaos_action a;

        (void)str_printf(word, sizeof word, "%.*s", (int)n, at);
        a = chaos_action_find(word);
        if (a == CHAOS_ACTIONS)
            argp_error(state,
                       "--actions: expected some of kill,stop,cut, got \"%s\"",
                       arg);
        o->actions |= 1U << a;
        if (!at[n])
            return;
        at += n + 1;
    }
}

static error_t
parse(int key, char *arg, struct argp_state *state)
{
    struct chaos_options *o = state->input;

    switch (key) {
    case OPT_SCHEDULE:
        o->schedule = arg;
        return 0;
    case OPT_MTBF:
        number(state, "mtbf", arg, 0.01, MAX_SECONDS, &o->mtbf_s);
        return 0;
    case OPT_ACTIONS:
        parse_actions(o, arg, state);
        return 0;
    case 's':
        if (!str_u64(arg, &o->seed) || o->seed > INT64_MAX)
            argp_error(state, "--seed: expected an integer, got \"%s\"", arg);
        return 0;
    case OPT_DURATION:
        number(state, "duration", arg, 0.01, MAX_SECONDS, &o->duration_s);
        return 0;
    case 'r':
        o->run = arg;
        return 0;
    case OPT_PATIENCE:
        number(state, "patience", arg, 1, MAX_SECONDS, &o->patience_s);
        return 0;
    case OPT_COMPARE:
        o->compare = true;
        return 0;
    case OPT_TOLERANCE:
        number(state, "tolerance", arg, 0, 1, &o->tolerance);
        return 0;
    case OPT_CHECK:
        o->check = arg;
        return 0;
    case OPT_JSON:
        o->json = true;
        return 0;
    case 'q':
        o->quiet = true;
        return 0;
    case 'v':
        o->verbose = true;
        return 0;
    case ARGP_KEY_END:
        if (o->check)
            return 0;
        __attribute__((fallthrough));
    default:
        return cmd_argument(key, arg, state, &o->job, "a job file");
    }
}

static const struct argp argp = {
    .options = options,
    .parser = parse,
    .args_doc = "JOB.json [-- TRAIN-OPTION...]\n--check RUN",
    .doc = "Train a job while its processes are killed, stopped and cut off, "
           "and check that nothing is lost by it."
           "\vWhat is behind -- is given to ebsp train.  Exit status: 0 all "
           "checks hold; 1 one does not.  See ebsp-chaos(1).",
};

static int
run(int argc, char **argv, struct err *err)
{
    struct chaos_options o = {.actions = (1U << CHAOS_ACTIONS) - 1,
                              .patience_s = 120,
                              .tolerance = 0.02,
                              .seed = 1};
    struct script schedule = {0};
    char stamp[32], *run_dir = NULL;
    int mine = 0, r;

    while (mine < argc && strcmp(argv[mine], "--") != 0)
        mine++;
    if (mine < argc) {
        o.train = argv + mine + 1;
        o.n_train = argc - mine - 1;
        argv[mine] = NULL;
    }
    if (cmd_parse(&argp, mine, argv, &o, err) != 0)
        return -1;
    if (o.check)
        return chaos_cmd_check(&o, err);
    if (!o.schedule && o.mtbf_s <= 0)
        return err_set(err, ERR_USAGE,
                       "expected faults: --schedule FILE, --mtbf SECONDS or "
                       "both");
    if (o.schedule && script_load(&schedule, o.schedule, err) != 0)
        return -1;
    clock_stamp(stamp);
    run_dir = o.run ? mem_strdup(o.run) : mem_printf("runs/chaos-%s", stamp);
    r = run_dir ? chaos_cmd_disturb(&o, run_dir, &schedule, err)
                : err_nomem(err);
    mem_free(run_dir);
    script_release(&schedule);
    return r;
}

const struct cmd cmd_chaos = {
    .name = "chaos",
    .args = "[options] JOB.json [-- ...]",
    .summary = "train while processes are killed, stopped and cut off",
    .run = run,
};
