/* SPDX-License-Identifier: Apache-2.0 */
/* ebsp replay: a run again, bit for bit. */
#include "sim/replay.h"

#include "base/buf.h"
#include "base/err.h"
#include "base/fs.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/str.h"
#include "cmd/cmd.h"
#include "policy/watchdog.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

enum { OPT_DATA_DIR = 0x100, OPT_FOLLOW, OPT_JSON };

struct options {
    const char *run, *data_dir, *policy;
    bool follow, json;
};

static const struct argp_option options[] = {
    {"data-dir", OPT_DATA_DIR, "DIR", 0,
     "folder with one folder or archive per data set", 0},
    {"policy", 'p', "SPEC", 0,
     "let this policy take part, whatever the recording says", 0},
    {"follow", OPT_FOLLOW, NULL, 0, "follow the recording, without a policy",
     0},
    {"json", OPT_JSON, NULL, 0, "print JSON", 0},
    {NULL, 0, NULL, 0, NULL, 0},
};

static error_t
parse(int key, char *arg, struct argp_state *state)
{
    struct options *o = state->input;

    switch (key) {
    case OPT_DATA_DIR:
        o->data_dir = arg;
        return 0;
    case 'p':
        o->policy = arg;
        return 0;
    case OPT_FOLLOW:
        o->follow = true;
        return 0;
    case OPT_JSON:
        o->json = true;
        return 0;
    default:
        return cmd_argument(key, arg, state, &o->run, "a run directory");
    }
}

static const struct argp argp = {
    .options = options,
    .parser = parse,
    .args_doc = "RUN",
    .doc = "Execute a run again in one process, with the same policy told the "
           "same at the same times, and compare its actions, and the "
           "parameters bit by bit."
           "\vExit status 1 when they differ, 7 when the policy could not take "
           "part.  See ebsp-replay(1).",
};

static void
print_json(const struct replay_result *r, bool same)
{
    json_t *alone = *r->why_alone ? json_text(r->why_alone) : NULL;
    struct buf b = BUF_INIT(4096);
    char line[16] = "null";

    if (r->strange_line)
        str_printf(line, sizeof line, "%d", r->strange_line);
    if (!alone || json_dump(alone, 0, &b, NULL) != 0)
        buf_adds(&b, "null");
    json_decref(alone);
    printf("{\"samples\": %" PRIu64 ", \"updates\": %" PRIu64
           ", \"params_hash\": \"%016" PRIx64
           "\", \"identical\": %s, \"actions\": %" PRIu64 ", \"alone\": %s, "
           "\"strange_line\": %s, \"test_accuracy\": %.9g, "
           "\"test_loss\": %.9g}\n",
           r->samples, r->updates, r->hash,
           !r->has_recorded ? "null"
           : same           ? "true"
                            : "false",
           r->actions, b.data, line, r->eval.accuracy, r->eval.loss);
    buf_release(&b);
}

static void
print_text(const struct replay_result *r, bool same)
{
    char why[sizeof r->why_alone];

    str_escape(why, sizeof why, r->why_alone, strlen(r->why_alone));
    if (*why)
        printf("no policy took part: %s\n", why);
    else
        printf("%" PRIu64 " actions of the policy, all as recorded\n",
               r->actions);
    printf("%" PRIu64 " samples, %" PRIu64 " updates, parameters %016" PRIx64
           "%s\ntest accuracy %.2f%%, test loss %.4f\n",
           r->samples, r->updates, r->hash,
           !r->has_recorded ? " (the run did not come to its end)"
           : same           ? ", identical with the run"
                            : "",
           100 * r->eval.accuracy, r->eval.loss);
}

static const char cause[] =
    "(another processor, thread count or version of oneDNN?)";

/* What is wrong; the most telling of it is the error. */
static int
judge(const struct replay_result *r, bool same, struct err *err)
{
    char since[80] = "";

    if (r->strange_line)
        str_printf(since, sizeof since,
                   ", since the push in line %d of events.jsonl",
                   r->strange_line);
    if (r->has_recorded && !same)
        return err_set(err, ERR_FAIL,
                       "the parameters differ from the run's, which were "
                       "%016" PRIx64 "%s %s",
                       r->recorded_hash, since, cause);
    if (r->strange_line)
        return err_set(err, ERR_FAIL,
                       "the push in line %d of events.jsonl has another loss "
                       "or gradient norm than it has now %s",
                       r->strange_line,
                       r->has_recorded ? "(was the recording changed?)"
                                       : cause);
    return 0;
}

static int
report(const struct options *o, const struct replay_result *r, struct err *err)
{
    bool same = r->has_recorded && r->hash == r->recorded_hash;
    char why[sizeof r->why_alone];

    (o->json ? print_json : print_text)(r, same);
    if (r->misses_policy) {
        str_escape(why, sizeof why, r->why_alone, strlen(r->why_alone));
        fprintf(stderr, "ebsp replay: warning: no policy took part: %s\n", why);
    }
    if (judge(r, same, err) != 0)
        return -1;
    if (r->misses_policy)
        return err_set(err, ERR_POLICY,
                       "the recorded actions were followed, nobody knows "
                       "whether the policy would do the same (--follow: do "
                       "not ask it)");
    return 0;
}

static int
run(int argc, char **argv, struct err *err)
{
    static const struct watchdog_limits limits = WATCHDOG_LIMITS;
    struct options o = {0};
    struct replay_config config;
    struct replay_result result;
    struct job job;
    char *path;
    int r;

    if (cmd_parse(&argp, argc, argv, &o, err) != 0)
        return -1;
    if (o.follow && o.policy)
        return err_set(err, ERR_USAGE,
                       "--follow and --policy exclude each other");
    path = fs_join(o.run, "job.json");
    r = path ? job_load(&job, path, NULL, 0, err) : err_nomem(err);
    mem_free(path);
    if (r != 0)
        return -1;
    config = (struct replay_config){
        .run = o.run, .job = &job, .policy = o.policy, .follow = o.follow};
    r = job_set_data_dir(&job, o.data_dir, err);
    if (r == 0)
        r = watchdog_start(&limits, err);
    if (r == 0)
        r = replay_run(&config, &result, err);
    if (r == 0)
        r = report(&o, &result, err);
    job_release(&job);
    return r;
}

const struct cmd cmd_replay = {
    .name = "replay",
    .args = "RUN",
    .summary = "execute a run again from its event stream, bit for bit",
    .run = run,
};
