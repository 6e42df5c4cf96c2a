/* SPDX-License-Identifier: Apache-2.0 */
/* ebsp replay: a run again, bit for bit. */
#include "sim/replay.h"

#include "base/err.h"
#include "base/fs.h"
#include "base/mem.h"
#include "cmd/cmd.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>

enum { OPT_DATA_DIR = 0x100, OPT_JSON };

struct options {
    const char *run, *data_dir;
    bool json;
};

static const struct argp_option options[] = {
    {"data-dir", OPT_DATA_DIR, "DIR", 0,
     "folder with one folder or archive per data set", 0},
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
    .doc = "Execute the recorded order of updates of a run again, in one "
           "process, and compare the parameters bit by bit."
           "\vExit status 1 when they differ.  See ebsp-replay(1).",
};

static int
report(const struct options *o, const struct replay_result *r, struct err *err)
{
    bool same = r->has_recorded && r->hash == r->recorded_hash;

    if (o->json)
        printf("{\"samples\": %" PRIu64 ", \"updates\": %" PRIu64
               ", \"params_hash\": \"%016" PRIx64
               "\", \"identical\": %s, \"test_accuracy\": %.9g, "
               "\"test_loss\": %.9g}\n",
               r->samples, r->updates, r->hash,
               !r->has_recorded ? "null"
               : same           ? "true"
                                : "false",
               r->eval.accuracy, r->eval.loss);
    else
        printf("%" PRIu64 " samples, %" PRIu64
               " updates, parameters %016" PRIx64
               "%s\ntest accuracy %.2f%%, test loss %.4f\n",
               r->samples, r->updates, r->hash,
               !r->has_recorded ? " (the run did not come to its end)"
               : same           ? ", identical with the run"
                                : "",
               100 * r->eval.accuracy, r->eval.loss);
    if (r->has_recorded && !same)
        return err_set(err, ERR_FAIL,
                       "the parameters differ from the run's, which were "
                       "%016" PRIx64 " (another processor, thread count or "
                       "version of oneDNN?)",
                       r->recorded_hash);
    return 0;
}

static int
run(int argc, char **argv, struct err *err)
{
    struct options o = {0};
    struct replay_result result;
    struct job job;
    char *path;
    int r;

    if (cmd_parse(&argp, argc, argv, &o, err) != 0)
        return -1;
    path = fs_join(o.run, "job.json");
    r = path ? job_load(&job, path, NULL, 0, err) : err_nomem(err);
    mem_free(path);
    if (r != 0)
        return -1;
    r = job_set_data_dir(&job, o.data_dir, err);
    if (r == 0)
        r = replay_run(o.run, &job, &result, err);
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
