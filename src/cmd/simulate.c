/* SPDX-License-Identifier: Apache-2.0 */
/* ebsp simulate: policies in virtual time. */
#include "cmd/simulate.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"
#include "cmd/cmd.h"
#include "policy/watchdog.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

enum {
    OPT_SPEEDS = 0x100,
    OPT_TRACE,
    OPT_ITERATIONS,
    OPT_TRAIN,
    OPT_BATCH,
    OPT_LATENCY,
    OPT_BANDWIDTH,
    OPT_BYTES,
    OPT_APPLY,
    OPT_DATA_DIR,
    OPT_SET,
    OPT_EPOCHS,
    OPT_JSON
};

static const struct argp_option options[] = {
    {"workers", 'n', "N", 0, "workers; default 4, or the job's", 1},
    {"policy", 'p', "SPEC", 0, "policy to simulate; may be repeated", 1},
    {"speeds", OPT_SPEEDS, "SPEC", 0,
     "milliseconds per iteration, for example "
     "'all:lognormal(100,0.3);2:constant(300)'",
     1},
    {"trace", OPT_TRACE, "FILE", 0,
     "measured times of a run's events.jsonl instead of speeds", 1},
    {"iterations", OPT_ITERATIONS, "I", 0,
     "mini-batches per worker on average; default 1000", 1},
    {"seed", 's', "S", 0, "of everything random; default 1", 1},
    {"batch", OPT_BATCH, "B", 0, "samples of a mini-batch; default 1", 1},
    {"latency", OPT_LATENCY, "MS", 0, "of one message", 2},
    {"bandwidth", OPT_BANDWIDTH, "GBIT/S", 0,
     "of the server's link, shared by all workers, each direction; default: "
     "unlimited",
     2},
    {"bytes", OPT_BYTES, "N", 0,
     "of a push and of a pull; default the job's parameters, else 1000000", 2},
    {"apply", OPT_APPLY, "MS", 0, "what an update costs the server", 2},
    {"train", OPT_TRAIN, "JOB.json", 0,
     "compute real gradients of this job while time is simulated", 3},
    {"data-dir", OPT_DATA_DIR, "DIR", 0,
     "folder with one folder or archive per data set", 3},
    {"epochs", OPT_EPOCHS, "E", 0,
     "passes over the training data (job: epochs)", 3},
    {"set", OPT_SET, "KEY.PATH=VALUE", 0,
     "override any value of the job; may be repeated", 3},
    {"json", OPT_JSON, NULL, 0, "print JSON", 4},
    {"quiet", 'q', NULL, 0, "no progress", 4},
    {NULL, 0, NULL, 0, NULL, 0},
};

static void
number(struct argp_state *state, const char *flag, const char *arg,
       double least, double *to)
{
    if (!str_f64(arg, to) || *to < least)
        argp_error(state, "--%s: expected a number of at least %g, got \"%s\"",
                   flag, least, arg);
}

static void
count(struct argp_state *state, const char *flag, const char *arg,
      uint64_t most, uint64_t *to)
{
    if (!str_u64(arg, to) || *to < 1 || *to > most)
        argp_error(state, "--%s: expected 1 to %" PRIu64 ", got \"%s\"", flag,
                   most, arg);
}

static int
add_policy(struct simulate_options *o, const char *spec)
{
    const char **more =
        mem_resize(o->policy, o->n_policies, o->n_policies + 1, sizeof *more);

    if (!more)
        return ENOMEM;
    o->policy = more;
    more[o->n_policies++] = spec;
    return 0;
}

static error_t
parse(int key, char *arg, struct argp_state *state)
{
    struct simulate_options *o = state->input;
    uint64_t v;

    switch (key) {
    case 'n':
        count(state, "workers", arg, SIMULATE_MAX_WORKERS, &v);
        o->n = (uint32_t)v;
        return 0;
    case 'p':
        return add_policy(o, arg);
    case OPT_SPEEDS:
        o->speeds = arg;
        return 0;
    case OPT_TRACE:
        o->trace = arg;
        return 0;
    case OPT_ITERATIONS:
        count(state, "iterations", arg, UINT32_MAX, &o->iterations);
        return 0;
    case 's':
        if (!str_u64(arg, &o->seed) || o->seed > INT64_MAX)
            argp_error(state, "--seed: expected an integer, got \"%s\"", arg);
        o->has_seed = true;
        return 0;
    case OPT_BATCH:
        count(state, "batch", arg, 1 << 24, &v);
        o->batch = (uint32_t)v;
        return 0;
    case OPT_LATENCY:
        number(state, "latency", arg, 0, &o->latency_ms);
        return 0;
    case OPT_BANDWIDTH:
        number(state, "bandwidth", arg, 1e-9, &o->gbit_per_s);
        return 0;
    case OPT_BYTES:
        count(state, "bytes", arg, INT64_MAX, &o->bytes);
        return 0;
    case OPT_APPLY:
        number(state, "apply", arg, 0, &o->apply_ms);
        return 0;
    case OPT_TRAIN:
        o->train = arg;
        return 0;
    case OPT_DATA_DIR:
        o->data_dir = arg;
        return 0;
    case OPT_EPOCHS:
        return overrides_flag(&o->overrides, "epochs", "epochs", arg);
    case OPT_SET:
        return overrides_set(&o->overrides, arg, state);
    case OPT_JSON:
        o->json = true;
        return 0;
    case 'q':
        o->quiet = true;
        return 0;
    case ARGP_KEY_ARG:
        argp_error(state, "unexpected \"%s\"", arg);
        return EINVAL;
    case ARGP_KEY_END:
        if (!o->speeds == !o->trace)
            argp_error(state, "expected either --speeds or --trace");
        if (o->n_policies == 0 && !o->train)
            argp_error(state, "expected a policy (-p)");
        if ((o->data_dir || o->overrides.n) && !o->train)
            argp_error(state, "--data-dir, --epochs and --set go with --train");
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp argp = {
    .options = options,
    .parser = parse,
    .doc = "Simulate policies in virtual time with the plugins and the host "
           "code of a real run, or train with real gradients under simulated "
           "time (--train)."
           "\vThe same seed gives the same output, byte for byte.  See "
           "ebsp-simulate(1).",
};

static int
run(int argc, char **argv, struct err *err)
{
    static const struct watchdog_limits limits = WATCHDOG_LIMITS;
    struct simulate_options o = {.iterations = 1000, .batch = 1, .seed = 1};
    int r = cmd_parse(&argp, argc, argv, &o, err);

    if (r == 0)
        r = watchdog_start(&limits, err);
    if (r == 0)
        r = simulate(&o, err);
    overrides_release(&o.overrides);
    mem_free(o.policy);
    return r;
}

const struct cmd cmd_simulate = {
    .name = "simulate",
    .args = "[options] -p SPEC ...",
    .summary = "compare policies in virtual time",
    .run = run,
};
