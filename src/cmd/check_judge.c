/* SPDX-License-Identifier: Apache-2.0 */
/* What the facts mean.  An error is what would make the run fail, a warning
 * what would make it slow or what may fail later. */
#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"
#include "cmd/check.h"
#include "wire/join.h"

#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#define MAX_CLOCK_S   1.0
#define SLOW_FACTOR   1.3
#define MIN_TRANSFER  0.005 /* seconds; less is not worth a word */
#define NS_PER_SECOND 1e9

const char *const check_verdicts[] = {"ok", "warning", "error"};

/* ---- findings ------------------------------------------------------------ */

void
check_note(struct check_findings *f, enum check_verdict verdict,
           enum err_code code, const char *subject, const char *advice,
           const char *fmt, ...)
{
    struct check_finding *more = mem_resize(f->v, f->n, f->n + 1, sizeof *more);
    struct err text = ERR_INIT;
    va_list ap;

    if (!more) {
        f->incomplete = true;
        return;
    }
    f->v = more;
    va_start(ap, fmt);
    err_vset(&text, code, fmt, ap);
    va_end(ap);
    more[f->n] = (struct check_finding){.verdict = verdict,
                                        .code = code,
                                        .subject = subject,
                                        .advice = advice,
                                        .text = mem_strdup(text.text)};
    if (more[f->n].text)
        f->n++;
    else
        f->incomplete = true;
}

enum check_verdict
check_worst(const struct check_findings *f)
{
    enum check_verdict worst = CHECK_OK;

    for (size_t i = 0; i < f->n; i++)
        if (f->v[i].verdict > worst)
            worst = f->v[i].verdict;
    return worst;
}

void
check_findings_release(struct check_findings *f)
{
    for (size_t i = 0; i < f->n; i++)
        mem_free(f->v[i].text);
    mem_free(f->v);
    *f = (struct check_findings){.v = NULL};
}

#define warn(n, subject, advice, ...)                                          \
    check_note(&(n)->findings, CHECK_WARNING, ERR_OK, subject, advice,         \
               __VA_ARGS__)
#define fail(n, code, subject, advice, ...)                                    \
    check_note(&(n)->findings, CHECK_ERROR, code, subject, advice, __VA_ARGS__)

/* ---- statistics ---------------------------------------------------------- */

/* As NTP does it (RFC 5905): the answer was given in the middle of its way, or
 * at most half the way from it. */
void
check_clock(struct check_node *n, int64_t sent_ns, int64_t there_ns,
            int64_t received_ns)
{
    double way = (double)(received_ns - sent_ns) / NS_PER_SECOND;
    double offset =
        ((double)(there_ns - sent_ns) + (double)(there_ns - received_ns)) / 2 /
        NS_PER_SECOND;

    if (way < 0) /* our own clock was set meanwhile */
        return;
    if (!isnan(n->clock_s) && n->clock_error_s <= way / 2)
        return;
    n->clock_s = offset;
    n->clock_error_s = way / 2;
}

static int
compare(const void *a, const void *b)
{
    const double *x = a, *y = b;

    return (*x > *y) - (*x < *y);
}

double
check_median(const double *v, size_t n)
{
    double *sorted = mem_alloc(n, sizeof *sorted), median = NAN;
    size_t k = 0;

    for (size_t i = 0; sorted && i < n; i++)
        if (!isnan(v[i]))
            sorted[k++] = v[i];
    if (k > 0) {
        qsort(sorted, k, sizeof *sorted, compare);
        median = sorted[(k - 1) / 2];
    }
    mem_free(sorted);
    return median;
}

/* ---- one host ------------------------------------------------------------ */

static void
judge_program(struct check_node *n)
{
    if (*n->facts.version && strcmp(n->facts.version, join_version()) != 0)
        warn(n, "version", "install the same version everywhere",
             "ebsp %s, here it is %s (the protocol is the same)",
             n->facts.version, join_version());
}

static void
judge_clock(struct check_node *n)
{
    double off = fabs(n->clock_s);

    if (off - n->clock_error_s > MAX_CLOCK_S)
        warn(n, "clock",
             "training does not depend on it, but times in logs do: run an "
             "NTP client there",
             "%.1f s %s this machine's", off,
             n->clock_s > 0 ? "ahead of" : "behind");
}

static void
judge_processor(const struct check *c, struct check_node *n)
{
    double wanted = (double)n->workers * c->job.threads;
    double idle = n->facts.cpus - n->facts.load;

    if (wanted > n->facts.cpus)
        warn(n, "processors", "place fewer workers there, or lower --threads",
             "%u worker%s with %u thread%s each, but %.0f processor%s",
             n->workers, n->workers == 1 ? "" : "s", c->job.threads,
             c->job.threads == 1 ? "" : "s", n->facts.cpus,
             n->facts.cpus == 1 ? "" : "s");
    else if (n->workers == 0 && idle < 0)
        warn(n, "load", "see with top(1) what runs here",
             "load %.1f on %.0f processor%s", n->facts.load, n->facts.cpus,
             n->facts.cpus == 1 ? "" : "s");
    else if (idle < wanted && idle < n->facts.cpus - 0.5)
        warn(n, "load", "see with top(1) what runs there",
             "load %.1f on %.0f processor%s: the workers want %.0f for "
             "themselves",
             n->facts.load, n->facts.cpus, n->facts.cpus == 1 ? "" : "s",
             wanted);
}

/* The data set, parameters and gradient of each worker; layers need more. */
static void
judge_memory(const struct check *c, struct check_node *n)
{
    double wanted = n->workers * (c->data_bytes + 2 * c->model_bytes);
    char a[32], b[32];

    if (n->facts.memory_available < wanted)
        warn(n, "memory", "place fewer workers there",
             "%s available, the workers need more than %s",
             str_bytes(a, n->facts.memory_available), str_bytes(b, wanted));
}

static void
judge_disk(const struct check *c, struct check_node *n, bool is_coordinator)
{
    double wanted = c->checkpoint_bytes * (c->job.checkpoint_keep + 1.0);
    char a[32], b[32];

    if (is_coordinator && n->facts.disk_here < wanted)
        fail(n, ERR_SYS, "disk",
             "make room, keep fewer checkpoints (checkpoint_keep), or choose "
             "another --run-dir for the run",
             "%s free here, %u checkpoints and one being written need %s",
             str_bytes(a, n->facts.disk_here), c->job.checkpoint_keep,
             str_bytes(b, wanted));
    if (n->facts.data_cached == 0 && n->facts.disk_cache < c->data_bytes)
        fail(n, ERR_SYS, "disk", "make room, or set XDG_CACHE_HOME there",
             "%s free for the cache, the data set has %s",
             str_bytes(a, n->facts.disk_cache), str_bytes(b, c->data_bytes));
}

static void
judge_data(const struct check *c, struct check_node *n)
{
    char hash[17];

    snprintf(hash, sizeof hash, "%016" PRIx64, c->data_hash);
    if (*n->facts.data_hash && strcmp(n->facts.data_hash, hash) != 0)
        fail(n, ERR_CONFIG, "data",
             "copy the data set, name its folder by --remote-data-dir, or "
             "send it with --push-data",
             "has other data: hash %s, here it is %s", n->facts.data_hash,
             hash);
    if (*n->facts.no_speed)
        warn(n, "computing",
             "it will be known when the data set is there, after a first run",
             "its speed is not known: %s", n->facts.no_speed);
}

static void
judge_speed(const struct check *c, struct check_node *n)
{
    n->slowdown = n->facts.step_s / c->median_step_s;
    if (n->slowdown > SLOW_FACTOR)
        warn(n, "slow node",
             "with bsp all would wait for it; if it always is so slow, "
             "consider ssp or elasticbsp, or give it no worker",
             "computes a mini-batch in %.3g ms, %.1f times as long as the "
             "median host (%.3g ms)",
             n->facts.step_s * 1e3, n->slowdown, c->median_step_s * 1e3);
}

/* ---- links --------------------------------------------------------------- */

static void
judge_link_to_here(const struct check *c, const struct check_link *l)
{
    struct check_node *n = &c->node[l->from];
    double exchange = l->rtt_s + c->model_bytes / l->up_bytes_per_s +
                      c->model_bytes / l->down_bytes_per_s;

    if (!l->measured)
        fail(n, ERR_SYS, "network",
             "workers there could not connect to the coordinator: is the "
             "address right (--listen), does a firewall let the port through",
             "no connection to this machine: %s", l->error);
    else if (exchange > n->facts.step_s && exchange > MIN_TRANSFER)
        warn(n, "network",
             "larger mini-batches, or local steps, make exchanges rarer",
             "an exchange of parameters takes %.3g ms, computing %.3g ms: the "
             "network limits",
             exchange * 1e3, n->facts.step_s * 1e3);
}

static void
judge_link(const struct check *c, const struct check_link *l)
{
    if (l->absent)
        return;
    if (l->to == 0)
        judge_link_to_here(c, l);
    else if (!l->measured)
        warn(&c->node[l->from], "network",
             "today workers talk to the coordinator only",
             "no connection to %s: %s", c->node[l->to].name, l->error);
}

/* ---- all ----------------------------------------------------------------- */

static void
find_median(struct check *c)
{
    double *v = mem_alloc(c->n_nodes, sizeof *v);

    for (size_t i = 0; v && i < c->n_nodes; i++)
        v[i] = c->node[i].facts.step_s;
    c->median_step_s = v ? check_median(v, c->n_nodes) : NAN;
    mem_free(v);
}

void
check_judge(struct check *c)
{
    find_median(c);
    for (size_t i = 0; i < c->n_nodes; i++) {
        struct check_node *n = &c->node[i];

        judge_program(n);
        judge_clock(n);
        judge_processor(c, n);
        judge_memory(c, n);
        judge_disk(c, n, i == 0);
        judge_data(c, n);
        judge_speed(c, n);
    }
    for (size_t i = 0; i < c->n_links; i++)
        judge_link(c, &c->link[i]);
}

void
check_first_error(const struct check *c, struct err *err)
{
    for (size_t i = 0; i < c->n_nodes; i++) {
        const struct check_node *n = &c->node[i];

        for (size_t k = 0; k < n->findings.n; k++)
            if (n->findings.v[k].verdict == CHECK_ERROR)
                err_set(err, n->findings.v[k].code, "%s: %s: %s", n->name,
                        n->findings.v[k].subject, n->findings.v[k].text);
        if (n->findings.incomplete)
            err_nomem(err);
    }
}
