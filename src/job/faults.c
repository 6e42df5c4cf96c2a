/* SPDX-License-Identifier: Apache-2.0 */
#include "job/faults.h"

#include "base/clock.h"
#include "base/err.h"
#include "base/json.h"
#include "job/job.h"

#include <math.h>

#define MAX_SECONDS 1e6

static const char *const fault_keys[] = {
    "on_worker_loss",
    "min_workers",
    "max_workers",
    "max_restarts",
    "max_bad_pushes",
    "outlier_norm",
    "rejoin",
    "suspicion",
    "min_silence",
    "max_silence",
    "min_iteration",
    "max_iteration",
    NULL,
};

static int
read_seconds(const struct jcur *c, const char *key, double least, int64_t *ns,
             struct err *err)
{
    double v = (double)*ns / (double)NS_PER_S;

    if (jcur_num_or(c, key, least, MAX_SECONDS, &v, err) != 0)
        return -1;
    *ns = (int64_t)(v * (double)NS_PER_S);
    return 0;
}

static int
read_count(const struct jcur *c, const char *key, int64_t least, int64_t most,
           uint32_t *to, struct err *err)
{
    int64_t v = *to;

    if (jcur_int_or(c, key, least, most, &v, err) != 0)
        return -1;
    *to = (uint32_t)v;
    return 0;
}

static int
read_bounds(const struct jcur *c, const char *min_key, const char *max_key,
            struct habit_bounds *b, struct err *err)
{
    struct jcur at = jcur_key(c, max_key);

    if (read_seconds(c, min_key, 0.1, &b->least_ns, err) != 0 ||
        read_seconds(c, max_key, 0.1, &b->most_ns, err) != 0)
        return -1;
    if (b->most_ns >= b->least_ns)
        return 0;
    if (!at.v) { /* the default makes room */
        b->most_ns = b->least_ns;
        return 0;
    }
    if (!jcur_has(c, min_key)) {
        b->least_ns = b->most_ns;
        return 0;
    }
    return jcur_fail(&at, err, "%s (%g s) is above %s (%g s)", min_key,
                     (double)b->least_ns / (double)NS_PER_S, max_key,
                     (double)b->most_ns / (double)NS_PER_S);
}

int
faults_parse(struct faults *f, const struct jcur *faults, struct err *err)
{
    static const char *const actions[] = {"replace", "drop", "abort", NULL};
    int on_loss = ON_LOSS_REPLACE;
    double k = 10;

    *f = (struct faults){
        .min_workers = 1,
        .max_restarts = 3,
        .max_bad_pushes = 3,
        .outlier_norm = 100,
        .rejoin_ns = 15 * NS_PER_S,
        .silence = {.least_ns = 5 * NS_PER_S, .most_ns = 30 * NS_PER_S},
        .iteration = {.least_ns = 60 * NS_PER_S, .most_ns = 3600 * NS_PER_S},
    };
    if (faults->v &&
        (jcur_object(faults, fault_keys, err) != 0 ||
         jcur_enum_or(faults, "on_worker_loss", actions, &on_loss, err) != 0 ||
         read_count(faults, "min_workers", 1, JOB_MAX_WORKERS, &f->min_workers,
                    err) != 0 ||
         read_count(faults, "max_workers", 1, JOB_MAX_WORKERS, &f->max_workers,
                    err) != 0 ||
         read_count(faults, "max_restarts", 0, 1 << 20, &f->max_restarts,
                    err) != 0 ||
         read_count(faults, "max_bad_pushes", 0, 1 << 20, &f->max_bad_pushes,
                    err) != 0 ||
         jcur_num_or(faults, "outlier_norm", 0, INFINITY, &f->outlier_norm,
                     err) != 0 ||
         jcur_num_or(faults, "suspicion", 0, MAX_SECONDS, &k, err) != 0 ||
         read_seconds(faults, "rejoin", 0, &f->rejoin_ns, err) != 0 ||
         read_bounds(faults, "min_silence", "max_silence", &f->silence, err) !=
             0 ||
         read_bounds(faults, "min_iteration", "max_iteration", &f->iteration,
                     err) != 0))
        return -1;
    f->on_loss = (enum on_worker_loss)on_loss;
    f->silence.k = f->iteration.k = k;
    return 0;
}

uint32_t
faults_max_workers(const struct faults *f, uint32_t n)
{
    uint32_t room = n < 8 ? 8 : n;

    if (f->max_workers)
        return f->max_workers > n ? f->max_workers : n;
    return n > JOB_MAX_WORKERS - room ? JOB_MAX_WORKERS : n + room;
}
