/* SPDX-License-Identifier: Apache-2.0 */
/* ebsp trace: the timeline of a run for Perfetto. */
#include "base/err.h"
#include "base/fs.h"
#include "base/mem.h"
#include "base/str.h"
#include "cmd/cmd.h"
#include "job/rundir.h"
#include "report/chrome.h"
#include "report/draft.h"

#include <stdio.h>
#include <string.h>

struct options {
    const char *run, *output;
};

static const struct argp_option options[] = {
    {"output", 'o', "FILE", 0,
     "write to this file, - for standard output; default RUN/trace.json", 0},
    {NULL, 0, NULL, 0, NULL, 0},
};

static error_t
parse(int key, char *arg, struct argp_state *state)
{
    struct options *o = state->input;

    if (key == 'o') {
        o->output = arg;
        return 0;
    }
    return cmd_argument(key, arg, state, &o->run, "a run directory");
}

static const struct argp argp = {
    .options = options,
    .parser = parse,
    .args_doc = "RUN",
    .doc = "Write the timeline of a run for https://ui.perfetto.dev or "
           "chrome://tracing: one track per worker and one for the server."
           "\vSee ebsp-trace(1).",
};

static int
write_stdout(const char *run, struct err *err)
{
    if (chrome_write(run, stdout, NULL, err) != 0)
        return -1;
    if (fflush(stdout) != 0 || ferror(stdout))
        return err_errno(err, "standard output");
    return 0;
}

static int
write_file(const char *run, const char *path, struct err *err)
{
    struct draft d;
    uint64_t n = 0;
    char count[32];

    if (draft_open(&d, path, err) != 0)
        return -1;
    if (chrome_write(run, d.f, &n, err) != 0) {
        draft_drop(&d);
        return -1;
    }
    if (draft_keep(&d, err) != 0)
        return -1;
    printf("%s: %s events; open it at https://ui.perfetto.dev\n", path,
           str_count(count, (double)n));
    return 0;
}

static int
run(int argc, char **argv, struct err *err)
{
    struct options o = {0};
    char *path;
    int r;

    if (cmd_parse(&argp, argc, argv, &o, err) != 0)
        return -1;
    if (rundir_check(o.run, err) != 0)
        return -1;
    if (o.output && !strcmp(o.output, "-"))
        return write_stdout(o.run, err);
    path = o.output ? mem_strdup(o.output) : fs_join(o.run, "trace.json");
    r = path ? write_file(o.run, path, err) : err_nomem(err);
    mem_free(path);
    return r;
}

const struct cmd cmd_trace = {
    .name = "trace",
    .args = "RUN",
    .summary = "write the timeline of a run for Perfetto",
    .run = run,
};
