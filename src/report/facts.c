/* SPDX-License-Identifier: Apache-2.0 */
#include "report/account_impl.h"

#include "base/err.h"
#include "base/mem.h"

#include <math.h>
#include <string.h>

/* A number of the summary, else what it was. */
static void
take(const struct account *a, const char *key, double *v)
{
    const json_t *at =
        a->has_summary ? json_object_get(a->summary.root, key) : NULL;

    if (json_is_number(at))
        *v = json_number_value(at);
    else if (json_is_null(at))
        *v = NAN;
}

static const char *
text_of(const struct json_doc *d, const char *key, const char *fallback)
{
    const char *s =
        d->root ? json_string_value(json_object_get(d->root, key)) : NULL;

    return s ? s : fallback;
}

static void
sum_waiting(struct account *a)
{
    double wait_s = 0, all_s = 0;

    for (size_t i = 0; i < a->n_workers; i++)
        for (int k = 0; k < N_PARTS; k++) {
            all_s += a->worker[i].part_s[k];
            if (k == PART_WAIT)
                wait_s += a->worker[i].part_s[k];
        }
    a->facts.waiting_share = all_s > 0 ? wait_s / all_s : NAN;
}

static void
take_curves(struct account *a)
{
    struct account_facts *f = &a->facts;

    for (size_t i = 0; i < a->accuracy.n; i++)
        f->best_accuracy = fmax(f->best_accuracy, a->accuracy.point[i].max);
    if (a->accuracy.n)
        f->accuracy = curve_mean(&a->accuracy.point[a->accuracy.n - 1]);
    if (a->test_loss.n)
        f->test_loss = curve_mean(&a->test_loss.point[a->test_loss.n - 1]);
    if (a->train_loss.n)
        f->train_loss = curve_mean(&a->train_loss.point[a->train_loss.n - 1]);
}

static const char *
status_of(const struct account *a)
{
    static const char *const known[] = {"done", "stopped", "failed"};
    const char *status = text_of(&a->summary, "status", "");

    for (size_t i = 0; i < ARRAY_LEN(known); i++)
        if (!strcmp(status, known[i]))
            return known[i];
    return a->has_summary ? "unknown" : "unfinished";
}

static const char *
why_of(const struct account *a)
{
    const json_t *failure = json_object_get(a->summary.root, "failure");
    const char *text = json_string_value(json_object_get(failure, "text"));

    return text ? text : text_of(&a->summary, "stopped", NULL);
}

static void
take_facts(struct account *a)
{
    struct account_facts *f = &a->facts;

    *f = (struct account_facts){
        .status = status_of(a),
        .why = why_of(a),
        .policy = text_of(&a->job, "policy", "?"),
        .name = text_of(&a->job, "name", "?"),
        .workers = a->n_used,
        .seconds = fmax(0, a->end_s - a->zero_s),
        .epochs = NAN,
        .samples = (double)a->samples,
        .accuracy = NAN,
        .best_accuracy = NAN,
        .test_loss = NAN,
        .train_loss = NAN,
        .mean_staleness = NAN,
        .max_staleness = NAN,
        .updates = (double)a->updates,
        .pushes = (double)a->n_pushes,
        .dropped = NAN,
        .lost = NAN,
        .bytes_pushed = NAN,
        .bytes_pulled = NAN,
    };
    f->rate = f->seconds > 0 ? f->samples / f->seconds : NAN;
    f->policy = text_of(&a->summary, "policy", f->policy);
    if (a->n_staleness) {
        f->mean_staleness = a->sum_staleness / (double)a->n_staleness;
        f->max_staleness = (double)a->max_staleness;
    }
    sum_waiting(a);
    take_curves(a);
    take(a, "workers", &f->workers);
    take(a, "wall_seconds", &f->seconds);
    take(a, "epochs", &f->epochs);
    take(a, "samples", &f->samples);
    take(a, "samples_per_second", &f->rate);
    take(a, "test_accuracy", &f->accuracy);
    take(a, "best_accuracy", &f->best_accuracy);
    take(a, "test_loss", &f->test_loss);
    take(a, "train_loss", &f->train_loss);
    take(a, "updates", &f->updates);
    take(a, "pushes", &f->pushes);
    take(a, "dropped_pushes", &f->dropped);
    take(a, "workers_lost", &f->lost);
    take(a, "waiting_share", &f->waiting_share);
    take(a, "mean_staleness", &f->mean_staleness);
    take(a, "max_staleness", &f->max_staleness);
    take(a, "bytes_pushed", &f->bytes_pushed);
    take(a, "bytes_pulled", &f->bytes_pulled);
}

static double
seconds_of(const json_t *parts, const char *key)
{
    return fmax(0, json_number_value(json_object_get(parts, key)));
}

/* What a worker has measured itself sums up to its wall time. */
static void
take_parts(struct account *a)
{
    const json_t *v, *all = json_object_get(a->summary.root, "per_worker");
    size_t i;

    json_array_foreach(all, i, v)
    {
        const json_t *seconds = json_object_get(v, "seconds");
        json_int_t rank = json_integer_value(json_object_get(v, "rank"));
        struct account_worker *w;

        if (rank < 0 || (size_t)rank >= a->n_workers ||
            !json_is_object(seconds))
            continue;
        w = &a->worker[rank];
        for (int k = 0; k < N_PARTS; k++)
            w->part_s[k] = seconds_of(seconds, part_names[k]);
        w->hidden_s = seconds_of(seconds, "push_hidden") +
                      seconds_of(seconds, "pull_hidden");
    }
}

static void
take_histogram(struct account *a)
{
    const json_t *v,
        *bins = json_object_get(a->summary.root, "staleness_histogram");
    size_t i;

    if (!json_is_array(bins))
        return;
    memset(a->staleness, 0, sizeof a->staleness);
    json_array_foreach(bins, i, v)
    {
        if (i < ACCOUNT_BINS && json_integer_value(v) > 0)
            a->staleness[i] = (uint64_t)json_integer_value(v);
    }
}

int
account_conclude(struct account *a, struct err *err)
{
    if (!json_is_object(a->job.root))
        return err_set(err, ERR_CONFIG, "%s: expected an object", a->job.name);
    take_facts(a);
    gauge_reach(&a->waiting, a->end_s - a->zero_s);
    if (a->has_summary) {
        take_parts(a);
        take_histogram(a);
    }
    return 0;
}

double
account_transfer(const struct account *a, double *hidden_s)
{
    double seen_s = 0;

    *hidden_s = 0;
    for (size_t i = 0; i < a->n_workers; i++) {
        const struct account_worker *w = &a->worker[i];

        seen_s += w->part_s[PART_PULL] + w->part_s[PART_PUSH];
        *hidden_s += w->hidden_s;
    }
    return seen_s + *hidden_s;
}

static const char *
base_name(const char *run)
{
    const char *slash = strrchr(run, '/');

    return slash && slash[1] ? slash + 1 : run;
}

static const char *
by_policy(const struct account *a)
{
    return a->facts.policy;
}

static const char *
by_name(const struct account *a)
{
    return base_name(a->run);
}

static const char *
by_path(const struct account *a)
{
    return a->run;
}

static bool
tells_apart(const struct account *a, size_t n,
            const char *(*get)(const struct account *a))
{
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < i; k++)
            if (!strcmp(get(&a[i]), get(&a[k])))
                return false;
    return true;
}

int
account_label(struct account *a, size_t n, struct err *err)
{
    const char *(*get)(const struct account *a) =
        tells_apart(a, n, by_policy) ? by_policy
        : tells_apart(a, n, by_name) ? by_name
                                     : by_path;

    for (size_t i = 0; i < n; i++) {
        mem_free(a[i].label);
        a[i].label = mem_strdup(get(&a[i]));
        if (!a[i].label)
            return err_nomem(err);
    }
    return 0;
}
