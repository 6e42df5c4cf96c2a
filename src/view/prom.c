/* SPDX-License-Identifier: Apache-2.0 */
#include "view/prom.h"

#include "base/buf.h"
#include "base/mem.h"
#include "base/str.h"
#include "view/tally.h"

#include <inttypes.h>
#include <math.h>

#ifdef HAVE_CONFIG_H
#    include "config.h"
#endif

/* ---- the format ---------------------------------------------------------- */

static void
head(struct buf *to, const char *name, const char *type, const char *help)
{
    buf_addf(to, "# HELP ebsp_%s %s\n# TYPE ebsp_%s %s\n", name, help, name,
             type);
}

/* Bytes of the UTF-8 character that s begins with; 0: it is none.  Neither
 * overlong forms nor surrogates are. */
static size_t
utf8_length(const char *s)
{
    const unsigned char *c = (const unsigned char *)s;
    size_t n = c[0] < 0x80                  ? 1
               : c[0] < 0xc2 || c[0] > 0xf4 ? 0
               : c[0] < 0xe0                ? 2
               : c[0] < 0xf0                ? 3
                                            : 4;

    for (size_t i = 1; i < n; i++)
        if ((c[i] & 0xc0) != 0x80) /* also the end */
            return 0;
    if ((c[0] == 0xe0 && c[1] < 0xa0) || (c[0] == 0xed && c[1] > 0x9f) ||
        (c[0] == 0xf0 && c[1] < 0x90) || (c[0] == 0xf4 && c[1] > 0x8f))
        return 0;
    return n;
}

/* The value of a label, UTF-8: what the format gives a meaning to is escaped,
 * a byte of no character becomes U+FFFD. */
static void
put_label(struct buf *to, const char *name, const char *value)
{
    buf_addf(to, "%s=\"", name);
    for (const char *c = value; *c;) {
        size_t n = utf8_length(c);

        if (n == 0)
            buf_adds(to, "\xef\xbf\xbd");
        else if (*c == '\n')
            buf_adds(to, "\\n");
        else if (*c == '"' || *c == '\\')
            buf_addf(to, "\\%c", *c);
        else
            buf_add(to, c, n);
        c += n ? n : 1;
    }
    buf_adds(to, "\"");
}

static void
put_number(struct buf *to, double v)
{
    if (isnan(v))
        buf_adds(to, "NaN");
    else if (isinf(v))
        buf_adds(to, v > 0 ? "+Inf" : "-Inf");
    else
        buf_addf(to, "%.15g", v);
    buf_adds(to, "\n");
}

static void
gauge(struct buf *to, const char *name, const char *help, double v)
{
    if (isnan(v))
        return;
    head(to, name, "gauge", help);
    buf_addf(to, "ebsp_%s ", name);
    put_number(to, v);
}

static void
counter(struct buf *to, const char *name, const char *help, uint64_t v)
{
    head(to, name, "counter", help);
    buf_addf(to, "ebsp_%s %" PRIu64 "\n", name, v);
}

/* ---- the run ------------------------------------------------------------- */

static void
put_info(struct buf *to, const struct tally *t)
{
    head(to, "build_info", "gauge", "The program; always 1.");
    buf_adds(to, "ebsp_build_info{");
    put_label(to, "version", PACKAGE_VERSION);
    buf_adds(to, "} 1\n");
    head(to, "run_info", "gauge", "The run; always 1.");
    buf_adds(to, "ebsp_run_info{");
    put_label(to, "name", t->name);
    buf_adds(to, ",");
    put_label(to, "policy", t->policy);
    buf_adds(to, "} 1\n");
    head(to, "phase", "gauge", "1 for the phase that the run is in.");
    for (int p = TALLY_STARTING; p <= TALLY_OVER; p++) {
        buf_adds(to, "ebsp_phase{");
        put_label(to, "phase", tally_phase_name((enum tally_phase)p));
        buf_addf(to, "} %d\n", p == (int)t->phase);
    }
}

static void
put_staleness(struct buf *to, const struct tally *t)
{
    uint64_t sum = 0;

    head(to, "staleness", "histogram",
         "Updates between the parameters that a push was computed on and those "
         "it was applied to.");
    for (unsigned i = 0, le = 0; le < TALLY_STALENESS - 1;
         le = le ? 2 * le : 1) {
        for (; i <= le; i++)
            sum += t->stale[i];
        buf_addf(to, "ebsp_staleness_bucket{le=\"%u\"} %" PRIu64 "\n", le, sum);
    }
    buf_addf(to,
             "ebsp_staleness_bucket{le=\"+Inf\"} %" PRIu64 "\n"
             "ebsp_staleness_sum %" PRIu64 "\nebsp_staleness_count %" PRIu64
             "\n",
             t->stale_count, t->stale_sum, t->stale_count);
}

static void
put_run(struct buf *to, const struct tally *t, double start_s, double now)
{
    put_info(to, t);
    gauge(to, "start_time_seconds", "When this coordinator began, Unix time.",
          start_s);
    gauge(to, "up_seconds", "Since this coordinator began.", now);
    gauge(to, "workers", "Workers that take part.", tally_present(t));
    counter(to, "samples_total", "Samples of applied contributions.",
            t->samples);
    gauge(to, "epoch", "Passes over the training data done.", tally_epoch(t));
    gauge(to, "epochs", "Passes over the training data to be done.",
          t->epochs ? (double)t->epochs : NAN);
    counter(to, "updates_total", "Updates of the parameters.", t->updates);
    counter(to, "pushes_total", "Contributions that were accepted.", t->pushes);
    counter(to, "dropped_pushes_total",
            "Contributions that the policy dropped.", t->dropped);
    counter(to, "rejected_pushes_total",
            "Contributions that were not accepted: not finite, or outliers.",
            t->rejected);
    counter(to, "workers_lost_total", "Workers that were lost.", t->lost);
    counter(to, "supersteps_total", "Supersteps that the policy has ended.",
            t->supersteps);
    gauge(to, "superstep_seconds", "Length of the last superstep.",
          t->superstep_s);
    counter(to, "checkpoints_total", "Checkpoints written.", t->checkpoints);
    counter(to, "failed_checkpoints_total",
            "Checkpoints that could not be written.", t->failed_checkpoints);
    gauge(to, "loss", "Fading mean of the training loss.", tally_loss(t));
    gauge(to, "learning_rate", "Of the last update.", t->lr);
    gauge(to, "test_accuracy", "Of the last evaluation, 0 to 1.", t->accuracy);
    gauge(to, "best_test_accuracy", "Best of this session, 0 to 1.",
          t->best_accuracy);
    gauge(to, "test_loss", "Of the last evaluation.", t->test_loss);
    put_staleness(to, t);
}

/* ---- its workers --------------------------------------------------------- */

static double
get_up(const struct tally_worker *w)
{
    return w->state >= TALLY_HELD;
}

static double
get_starts(const struct tally_worker *w)
{
    return (double)w->starts;
}

static double
get_iterations(const struct tally_worker *w)
{
    return (double)w->iterations;
}

static double
get_rejected(const struct tally_worker *w)
{
    return (double)w->rejected;
}

static double
get_staleness(const struct tally_worker *w)
{
    return w->staleness;
}

static const struct {
    const char *name, *type, *help;
    double (*get)(const struct tally_worker *w);
} families[] = {
    {"worker_up", "gauge", "1: it takes part.", get_up},
    {"worker_starts_total", "counter", "Processes that the rank has had.",
     get_starts},
    {"worker_iterations_total", "counter", "Contributions accepted.",
     get_iterations},
    {"worker_rejected_pushes_total", "counter", "Contributions not accepted.",
     get_rejected},
    {"worker_staleness", "gauge", "Of what was applied last.", get_staleness},
};

static const char *const part_help[TALLY_PARTS] = {
    [TALLY_COMPUTE] = "Computing.",
    [TALLY_DATA] = "Building mini-batches.",
    [TALLY_PUSH] = "Sending, and what queues on the way.",
    [TALLY_WAIT] = "Held by the policy.",
    [TALLY_PULL] = "Receiving parameters.",
};

/* What is not known of a worker is left out. */
static void
put_value(struct buf *to, const char *name, uint32_t rank, double v)
{
    if (isnan(v))
        return;
    buf_addf(to, "ebsp_%s{rank=\"%u\"} ", name, rank);
    put_number(to, v);
}

static void
put_hosts(struct buf *to, const struct tally *t)
{
    head(to, "worker_info", "gauge", "Where a worker is; always 1.");
    for (uint32_t i = 0; i < t->n; i++) {
        if (!t->worker[i].known)
            continue;
        buf_addf(to, "ebsp_worker_info{rank=\"%u\",", i);
        put_label(to, "host", t->worker[i].host);
        buf_adds(to, "} 1\n");
    }
}

static void
put_last_pushes(struct buf *to, const struct tally *t, double start_s)
{
    static const char name[] = "worker_last_push_timestamp_seconds";

    head(to, name, "gauge", "When its last contribution came, Unix time.");
    for (uint32_t i = 0; i < t->n; i++)
        put_value(to, name, i, start_s + t->worker[i].last_push);
}

/* A wait that goes on counts until a time of which all events have been read:
 * it may have ended since, and a counter must not go back. */
static void
put_parts(struct buf *to, const struct tally *t, double now)
{
    double until = fmax(t->t, now - PROM_SURE_S);
    char name[64];

    for (int p = 0; p < TALLY_PARTS; p++) {
        (void)str_printf(name, sizeof name, "worker_%s_seconds_total",
                         tally_part_name((enum tally_part)p));
        head(to, name, "counter", part_help[p]);
        for (uint32_t i = 0; i < t->n; i++)
            if (t->worker[i].known)
                put_value(to, name, i,
                          tally_part(&t->worker[i], (enum tally_part)p, until));
    }
}

static void
put_workers(struct buf *to, const struct tally *t)
{
    for (size_t f = 0; f < ARRAY_LEN(families); f++) {
        head(to, families[f].name, families[f].type, families[f].help);
        for (uint32_t i = 0; i < t->n; i++)
            if (t->worker[i].known)
                put_value(to, families[f].name, i,
                          families[f].get(&t->worker[i]));
    }
}

void
prom_put(struct buf *to, const struct tally *t, double start_s, double now)
{
    put_run(to, t, start_s, now);
    put_hosts(to, t);
    put_workers(to, t);
    put_last_pushes(to, t, start_s);
    put_parts(to, t, now);
}
