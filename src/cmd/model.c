/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/model.h"

#include "base/err.h"
#include "base/fs.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/vec.h"
#include "nn/tensors.h"
#include "ps/checkpoint.h"

#include <math.h>
#include <string.h>

static bool
ends_with(const char *s, const char *end)
{
    size_t n = strlen(s), m = strlen(end);

    return n >= m && !strcmp(s + n - m, end);
}

/* A folder with a model is a checkpoint, another one is taken for a run, and
 * its newest whole checkpoint is meant.  NULL: an error. */
static char *
find_checkpoint(const char *path, struct err *err)
{
    struct log log = {.console = stderr, .console_level = LOG_WARN};
    char *file = fs_join(path, "model.safetensors"), *found = NULL;
    bool is_checkpoint = file && fs_exists(file);

    mem_free(file);
    if (!file) {
        err_nomem(err);
    } else if (is_checkpoint) {
        if (checkpoint_check(path, err) == 0 && !(found = mem_strdup(path)))
            err_nomem(err);
    } else if (checkpoint_find(path, &log, &found, err) == 0 && !found) {
        err_set(err, ERR_SYS, "%s: there is no checkpoint in this folder",
                path);
    }
    return found;
}

/* The safetensors file that a folder means. */
static char *
find_file(const char *path, struct err *err)
{
    char *dir = find_checkpoint(path, err), *file;

    if (!dir)
        return NULL;
    file = fs_join(dir, "model.safetensors");
    mem_free(dir);
    if (!file)
        err_nomem(err);
    return file;
}

static int
open_file(struct model *m, struct err *err)
{
    char *text = tensors_load_meta(m->file, "ebsp_job", err);
    const struct segtab *t;
    int r;

    if (!text)
        return -1;
    r = job_parse(&m->job, m->file, ".", text, strlen(text), err);
    mem_free(text);
    if (r != 0)
        return -1;
    t = graph_get_segments(m->job.graph);
    m->params = mem_alloc_aligned(t->n_floats * sizeof(float));
    if (!m->params)
        return err_nomem(err);
    return tensors_load(m->file, t, m->params, err);
}

int
model_open(struct model *m, const char *path, struct err *err)
{
    int r;

    memset(m, 0, sizeof *m);
    if (!fs_exists(path))
        return err_errno(err, "%s", path);
    if (!fs_is_dir(path) && !ends_with(path, ".safetensors"))
        return job_load(&m->job, path, NULL, 0, err);
    m->file = fs_is_dir(path) ? find_file(path, err) : mem_strdup(path);
    r = m->file ? open_file(m, err) : -1;
    if (r != 0)
        model_release(m);
    return r;
}

void
model_release(struct model *m)
{
    job_release(&m->job);
    mem_free(m->file);
    mem_free(m->params);
    memset(m, 0, sizeof *m);
}

void
model_print_tensors(FILE *to, const struct model *m)
{
    static const char *const kinds[] = {"weight", "bias", "statistic"};
    const struct segtab *t = graph_get_segments(m->job.graph);

    fprintf(to, "\n%-32s %-10s %-18s %12s %12s %12s\n", "tensor", "kind",
            "shape", "norm", "least", "greatest");
    for (size_t i = 0; i < t->n; i++) {
        const struct segment *s = &t->seg[i];
        const float *v = m->params + s->offset;
        float low = INFINITY, high = -INFINITY;
        char shape[64] = "";
        size_t len = 0;

        for (int d = 0; d < s->n_dims; d++)
            len += (size_t)snprintf(shape + len, sizeof shape - len, "%s%lld",
                                    d ? "x" : "", (long long)s->dim[d]);
        for (size_t k = 0; k < s->count; k++) {
            low = v[k] < low ? v[k] : low;
            high = v[k] > high ? v[k] : high;
        }
        fprintf(to, "%-32s %-10s %-18s %12.5g %12.5g %12.5g\n", s->name,
                kinds[s->kind], shape, sqrt(vec_sumsq(v, s->count)),
                (double)low, (double)high);
    }
}
