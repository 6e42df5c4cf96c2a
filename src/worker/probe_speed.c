/* SPDX-License-Identifier: Apache-2.0 */
/* Data and computing of a probe: through the same calls as a worker's, so that
 * what is found is what a worker would find. */
#include "base/buf.h"
#include "base/clock.h"
#include "base/fs.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/str.h"
#include "worker/compute.h"
#include "worker/fetch.h"
#include "worker/probe_impl.h"

#include <ebsp/policy.h>

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define MEASURE_NS (NS_PER_S / 2) /* for so long, ... */
#define MIN_STEPS  5              /* ... but so many, ... */
#define LIMIT_NS   (2 * NS_PER_S) /* ... unless it takes too long */
#define MAX_STEPS  4096

struct speed {
    const struct join *join;
    struct compute compute;
    bool opened; /* compute_release is due */
    bool ready;
    double factor; /* emulated: the mean is all that is told */
    int64_t step_ns[MAX_STEPS];
};

struct speed *
speed_new(const struct join *j, struct err *err)
{
    struct speed *s = mem_alloc(1, sizeof *s);

    if (!s) {
        err_nomem(err);
        return NULL;
    }
    s->join = j;
    if (!j->slow || !str_f64(j->slow, &s->factor))
        s->factor = 1;
    return s;
}

void
speed_free(struct speed *s)
{
    if (s && s->opened)
        compute_release(&s->compute);
    mem_free(s);
}

/* ---- data ---------------------------------------------------------------- */

static int
set_up(struct speed *s, const char *job, const char *blob, struct err *err)
{
    const struct join *j = s->join;
    struct compute_setup setup = {.job = job,
                                  .job_dir = j->job_dir,
                                  .data_dir = j->data_dir,
                                  .blob = blob,
                                  .data_hash = j->data_hash,
                                  .threads = (int)j->threads};
    int64_t start = clock_now_ns();

    s->opened = true;
    if (compute_init(&s->compute, &setup, err) != 0)
        return -1;
    s->ready = true;
    probe_say("setup_s", "%.6f", (double)(clock_now_ns() - start) / NS_PER_S);
    return 0;
}

/* The job with made-up samples of the right shape in place of its data: enough
 * to compute on. */
static int
make_up_data(const struct job *job, struct json_doc *d, struct err *err)
{
    unsigned n = job->batch * 4 > job->workers ? job->batch * 4 : job->workers;
    char data[160];

    snprintf(data, sizeof data,
             "{\"type\": \"blobs\", \"features\": %zu, \"classes\": %lld, "
             "\"train\": %u, \"test\": 1}",
             shape_count(graph_get_input(job->graph)),
             (long long)graph_get_outputs(job->graph), n);
    return json_doc_set(d, "data", data, "probe", err);
}

static int
set_up_without_data(struct speed *s, struct err *err)
{
    const struct join *j = s->join;
    struct buf text = BUF_INIT(JSON_MAX_BYTES);
    struct json_doc d;
    struct job job;
    int r;

    if (json_doc_parse(&d, "job.json", j->job, strlen(j->job), err) != 0)
        return -1;
    r = job_parse(&job, "job.json", j->job_dir, j->job, strlen(j->job), err);
    if (r == 0) {
        r = make_up_data(&job, &d, err);
        job_release(&job);
    }
    if (r == 0)
        r = json_dump(d.root, 0, &text, err);
    json_doc_release(&d);
    if (r == 0)
        r = set_up(s, text.data, NULL, err);
    buf_release(&text);
    return r;
}

/* With --push-data: from the cache, if it is there. */
static int
open_cached(struct speed *s, struct err *err)
{
    char *dir = fetch_cache_dir(err), *path = NULL;
    struct err why = ERR_INIT;
    int r = -1;

    if (dir)
        path = mem_printf("%s/%016" PRIx64, dir, s->join->data_hash);
    if (dir && !path)
        err_nomem(err);
    if (path && fs_exists(path)) {
        r = set_up(s, s->join->job, path, err);
        if (r == 0)
            probe_say("data_hash", "%016" PRIx64, s->compute.data->hash);
    } else if (path) {
        probe_say("data_cached", "0");
        r = 0;
        /* Data with targets cannot be made up: then the speed stays unknown. */
        if (set_up_without_data(s, &why) != 0)
            probe_say("no_speed", "%.200s", why.text);
    }
    mem_free(path);
    mem_free(dir);
    return r;
}

int
speed_open_data(struct speed *s, struct err *err)
{
    if (s->opened)
        return err_set(err, ERR_PROTO, "asked twice");
    if (s->join->push_data)
        return open_cached(s, err);
    if (set_up(s, s->join->job, NULL, err) != 0)
        return -1;
    probe_say("data_hash", "%016" PRIx64, s->compute.data->hash);
    return 0;
}

/* ---- computing ----------------------------------------------------------- */

static int
compare(const void *a, const void *b)
{
    const int64_t *x = a, *y = b;

    return (*x > *y) - (*x < *y);
}

/* One step on the i-th mini-batch of the first epoch, over and over again. */
static int
step(struct speed *s, uint64_t i, int64_t *ns, struct err *err)
{
    struct compute *c = &s->compute;
    uint32_t n = c->shards.start[1], batch = c->job.batch;
    struct msg_cursor at = {.count = batch < n ? batch : n};
    struct msg_order o = {.iteration = i + 1,
                          .contribution = EBSP_PUSH_GRADIENT,
                          .lr = c->job.optim.lr,
                          .n_steps = 1,
                          .step = &at};
    struct msg_push told;
    const float *push;

    at.first = i % (n / at.count) * at.count;
    if (compute_order(c, &o, NULL, &told, &push, err) != 0)
        return -1;
    *ns = (int64_t)((double)(told.data_ns + told.compute_ns) * s->factor);
    return 0;
}

int
speed_measure(struct speed *s, struct err *err)
{
    int64_t start, spent = 0, first, median;
    size_t n = 0;
    float *params;

    if (!s->ready)
        return err_set(err, ERR_PROTO, "there is nothing to compute on");
    params = compute_own(&s->compute, err);
    if (!params)
        return -1;
    graph_init_params(s->compute.job.graph, s->compute.job.seed, params);
    if (step(s, 0, &first, err) != 0) /* warms up */
        return -1;
    start = clock_now_ns();
    while (n < MAX_STEPS && spent < LIMIT_NS &&
           (spent < MEASURE_NS || n < MIN_STEPS)) {
        if (step(s, n, &s->step_ns[n], err) != 0)
            return -1;
        n++;
        spent = clock_now_ns() - start;
    }
    qsort(s->step_ns, n, sizeof *s->step_ns, compare);
    probe_say("steps", "%zu", n);
    median = s->step_ns[n / 2];
    probe_say("step_s", "%.9f", (double)median / NS_PER_S);
    return 0;
}
