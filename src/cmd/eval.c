/* SPDX-License-Identifier: Apache-2.0 */
/* ebsp eval: loss and accuracy of a trained model on its test data. */
#include "base/buf.h"
#include "base/err.h"
#include "base/json.h"
#include "base/str.h"
#include "cmd/cmd.h"
#include "cmd/model.h"
#include "job/evaluate.h"

#include <math.h>
#include <stdbool.h>

enum { OPT_DATA_DIR = 0x100, OPT_JSON, OPT_THREADS };

struct options {
    const char *path, *data_dir;
    uint64_t threads;
    bool json;
};

static const struct argp_option options[] = {
    {"data-dir", OPT_DATA_DIR, "DIR", 0,
     "folder with one folder or archive per data set", 0},
    {"threads", OPT_THREADS, "T", 0, "threads to compute with, default 1", 0},
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
    case OPT_THREADS:
        if (!str_u64(arg, &o->threads) || o->threads < 1 || o->threads > 1024)
            argp_error(state, "--threads: expected 1 to 1024, got \"%s\"", arg);
        return 0;
    case OPT_JSON:
        o->json = true;
        return 0;
    default:
        return cmd_argument(key, arg, state, &o->path,
                            "a run, checkpoint or model file");
    }
}

static const struct argp argp = {
    .options = options,
    .parser = parse,
    .args_doc = "RUN_OR_MODEL",
    .doc = "Evaluate a model on the test split of its data: the newest "
           "checkpoint of a run directory, a checkpoint, or a safetensors file "
           "written by ebsp train.\vSee ebsp-eval(1).",
};

/* The name is the user's, and the loss of a bad model no number. */
static int
print_json(const char *name, const struct evaluation *e, struct err *err)
{
    struct buf text = BUF_INIT(1 << 20);
    json_t *v = json_pack("{s:s, s:I, s:o, s:f}", "model", name, "samples",
                          (json_int_t)e->samples, "test_loss",
                          isfinite(e->loss) ? json_real(e->loss) : json_null(),
                          "test_accuracy", e->accuracy);
    int r = v ? json_dump(v, 0, &text, err) : err_nomem(err);

    if (r == 0)
        printf("%s\n", text.data);
    json_decref(v);
    buf_release(&text);
    return r;
}

static int
evaluate(const struct options *o, struct model *m, struct err *err)
{
    struct augment_config augment;
    struct evaluation result;
    struct dataset *d = NULL;
    struct evaluator *e = NULL;
    int r;

    if (!m->params)
        return err_set(err, ERR_CONFIG,
                       "%s: a job has no parameters; expected "
                       "a run, checkpoint or model file",
                       o->path);
    r = job_open_data(&m->job, o->data_dir, &d, &augment, err);
    if (r == 0) {
        e = evaluator_new(m->job.graph, d, &augment, (int)o->threads, err);
        r = e ? evaluator_run(e, m->params, NULL, &result, err) : -1;
    }
    if (r == 0 && o->json)
        r = print_json(m->job.name, &result, err);
    else if (r == 0)
        printf("%s: test accuracy %.2f%%, test loss %.4f, %llu samples\n",
               m->file, 100 * result.accuracy, result.loss,
               (unsigned long long)result.samples);
    evaluator_free(e);
    dataset_free(d);
    return r;
}

static int
run(int argc, char **argv, struct err *err)
{
    struct options o = {.threads = 1};
    struct model m;
    int r;

    if (cmd_parse(&argp, argc, argv, &o, err) != 0 ||
        model_open(&m, o.path, err) != 0)
        return -1;
    r = evaluate(&o, &m, err);
    model_release(&m);
    return r;
}

const struct cmd cmd_eval = {
    .name = "eval",
    .args = "RUN_OR_MODEL",
    .summary = "test accuracy of a run, a checkpoint or a model file",
    .run = run,
};
