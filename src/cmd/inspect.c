/* SPDX-License-Identifier: Apache-2.0 */
/* ebsp inspect: the layers of a job, a model file, a checkpoint or a run. */
#include "base/err.h"
#include "base/mem.h"
#include "cmd/cmd.h"
#include "cmd/model.h"
#include "cmd/plan.h"

static error_t
parse(int key, char *arg, struct argp_state *state)
{
    return cmd_argument(key, arg, state, state->input,
                        "a job, model, checkpoint or run");
}

static const struct argp argp = {
    .parser = parse,
    .args_doc = "JOB_OR_CHECKPOINT",
    .doc = "Print the layers of a job (JSON), a model (safetensors), a "
           "checkpoint or the newest checkpoint of a run."
           "\vSee ebsp-inspect(1).",
};

static int
run(int argc, char **argv, struct err *err)
{
    const char *path = NULL;
    struct model m;

    if (cmd_parse(&argp, argc, argv, &path, err) != 0 ||
        model_open(&m, path, err) != 0)
        return -1;
    printf("job    %s (%s)\n", m.job.name, m.job.doc.name);
    if (m.file)
        printf("model  %s\n", m.file);
    putchar('\n');
    plan_print_layers(stdout, m.job.graph);
    if (m.file)
        model_print_tensors(stdout, &m);
    model_release(&m);
    return 0;
}

const struct cmd cmd_inspect = {
    .name = "inspect",
    .args = "JOB_OR_CHECKPOINT",
    .summary = "print the layers of a job or a checkpoint",
    .run = run,
};
