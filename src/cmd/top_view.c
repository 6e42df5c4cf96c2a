/* SPDX-License-Identifier: Apache-2.0 */
#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"
#include "cmd/top.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- history ------------------------------------------------------------- */

int
top_history_take(struct top_history *h, const struct tally *t, double now,
                 struct err *err)
{
    struct top_past *p;

    if (h->n > 0 && now < h->past[(h->n - 1) % TOP_PASTS].t)
        h->n = 0; /* the run was continued: its clock begins anew */
    p = &h->past[h->n % TOP_PASTS];
    if (t->n > p->n) {
        struct top_past_worker *grown =
            mem_resize(p->worker, p->n, t->n, sizeof *grown);

        if (!grown)
            return err_nomem(err);
        p->worker = grown;
        p->n = t->n;
    }
    for (uint32_t i = 0; i < p->n; i++) {
        struct top_past_worker *w = &p->worker[i];

        *w = (struct top_past_worker){.iterations = 0};
        if (i >= t->n)
            continue;
        w->iterations = t->worker[i].iterations;
        for (int k = 0; k < TALLY_PARTS; k++)
            w->part[k] = tally_part(&t->worker[i], (enum tally_part)k, now);
    }
    p->t = now;
    p->samples = t->samples;
    h->n++;
    return 0;
}

const struct top_past *
top_history_get(const struct top_history *h, double now)
{
    const struct top_past *p = NULL;

    for (unsigned k = 1; k <= h->n && k <= TOP_PASTS; k++) {
        p = &h->past[(h->n - k) % TOP_PASTS];
        if (now - p->t >= TOP_WINDOW_S)
            break;
    }
    return p && now > p->t ? p : NULL;
}

void
top_history_release(struct top_history *h)
{
    for (size_t i = 0; i < TOP_PASTS; i++)
        mem_free(h->past[i].worker);
    *h = (struct top_history){.n = 0};
}

/* ---- the run ------------------------------------------------------------- */

static void
make_title(struct top_view *v, const struct top_source *s)
{
    const struct tally *t = &s->tally;
    const char *ended = *t->failure ? t->failure : t->stopped;
    char run[160], policy[256], why[256], up[32];

    str_escape(run, sizeof run, s->run, strlen(s->run));
    str_escape(policy, sizeof policy, *t->policy ? t->policy : "-",
               *t->policy ? strlen(t->policy) : 1);
    str_escape(why, sizeof why, ended, strlen(ended));
    v->look = TOP_HEAD;
    switch (s->life) {
    case TOP_ALIVE:
        (void)str_printf(v->title, sizeof v->title, "%s: %s, policy %s, up %s",
                         run, tally_phase_name(t->phase), policy,
                         str_duration(up, s->now));
        return;
    case TOP_DENIED:
        (void)str_printf(
            v->title, sizeof v->title,
            "%s: %s, policy %s (another user's: only its events are read)", run,
            tally_phase_name(t->phase), policy);
        return;
    case TOP_ENDED:
        if (*t->failure)
            v->look = TOP_BAD;
        (void)str_printf(v->title, sizeof v->title,
                         "%s: this run has ended: %s%s", run,
                         *t->failure   ? "failed: "
                         : *t->stopped ? "stopped: "
                                       : "done",
                         why);
        return;
    case TOP_MUTE:
        v->look = TOP_BAD;
        (void)str_printf(v->title, sizeof v->title,
                         "%s: its coordinator does not answer", run);
        return;
    case TOP_KILLED:
        v->look = TOP_BAD;
        (void)str_printf(v->title, sizeof v->title,
                         "%s: its coordinator was killed; continue it with "
                         "\"ebsp train --resume %s\"",
                         run, run);
        return;
    case TOP_AWAY:
        v->look = TOP_WARN;
        (void)str_printf(v->title, sizeof v->title,
                         "%s: this run is not at work, or cannot be asked: it "
                         "has no socket \"ctl\"",
                         run);
        return;
    }
}

/* "%.*f" of factor times the number, or "-" */
static const char *
decimal(char to[32], double x, int digits, double factor, const char *unit)
{
    if (isnan(x))
        return "-";
    (void)str_printf(to, 32, "%.*f%s", digits, x * factor, unit);
    return to;
}

/* Samples a second in the window. */
static double
get_rate(const struct top_source *s, const struct top_past *past)
{
    const struct tally *t = &s->tally;
    double since = past ? past->t : t->started;
    uint64_t before = past ? past->samples : t->samples_before;
    double until = isnan(t->ended) ? s->now : t->ended;

    return until > since && t->samples >= before
               ? (double)(t->samples - before) / (until - since)
               : NAN;
}

/* Share of waiting in all that is known of the workers' time. */
static double
get_waiting(const struct top_source *s)
{
    double wait = 0, all = 0;

    for (uint32_t i = 0; i < s->tally.n; i++)
        for (int k = 0; k < TALLY_PARTS; k++) {
            double x =
                tally_part(&s->tally.worker[i], (enum tally_part)k, s->now);

            all += x;
            wait += k == TALLY_WAIT ? x : 0;
        }
    return all > 0 ? wait / all : NAN;
}

static void
make_head(struct top_view *v, const struct top_source *s,
          const struct top_past *past)
{
    const struct tally *t = &s->tally;
    double rate = get_rate(s, past), mean = NAN;
    char a[32], b[32], c[32], d[32], steps[80] = "";

    if (t->stale_count > 0)
        mean = (double)t->stale_sum / (double)t->stale_count;
    (void)str_printf(
        v->progress, sizeof v->progress,
        "epoch %s of %llu, %llu of %llu samples, %s samples/s, "
        "%llu updates%s",
        decimal(a, tally_epoch(t), 2, 1, ""), (unsigned long long)t->epochs,
        (unsigned long long)t->samples, (unsigned long long)t->total,
        isnan(rate) ? "-" : str_count(b, rate), (unsigned long long)t->updates,
        s->behind ? " (events are still being read)" : "");
    (void)str_printf(v->training, sizeof v->training,
                     "loss %s, test accuracy %s, best %s, test loss %s",
                     decimal(a, tally_loss(t), 4, 1, ""),
                     decimal(b, t->accuracy, 2, 100, "%"),
                     decimal(c, t->best_accuracy, 2, 100, "%"),
                     decimal(d, t->test_loss, 4, 1, ""));
    if (t->supersteps)
        (void)str_printf(steps, sizeof steps,
                         "; %llu supersteps, the last %s ms",
                         (unsigned long long)t->supersteps,
                         decimal(c, t->superstep_s, 1, 1000, ""));
    (void)str_printf(
        v->workers, sizeof v->workers,
        "%u workers, %llu lost; waiting %s, staleness %s on "
        "average, %llu at most%s",
        s->life == TOP_ENDED ? t->n : tally_present(t),
        (unsigned long long)t->lost, decimal(a, get_waiting(s), 1, 100, "%"),
        decimal(b, mean, 2, 1, ""), (unsigned long long)t->stale_max, steps);
}

/* ---- its workers --------------------------------------------------------- */

static const char *const state_names[] = {
    [TALLY_ABSENT] = "absent", [TALLY_STARTS] = "starting",
    [TALLY_HELD] = "held",     [TALLY_RUNNING] = "running",
    [TALLY_IDLE] = "idle",
};

static double
get_number(const json_t *v, const char *key)
{
    const json_t *x = json_object_get(v, key);

    return json_is_number(x) ? json_number_value(x) : NAN;
}

/* What the run says of a rank, or NULL. */
static const json_t *
find_status(const struct top_source *s, uint32_t rank)
{
    const json_t *all = json_object_get(s->status.root, "workers");

    for (size_t i = 0; i < json_array_size(all); i++) {
        const json_t *w = json_array_get(all, i);
        const json_t *r = json_object_get(w, "rank");

        if (json_is_integer(r) && json_integer_value(r) == (json_int_t)rank)
            return w;
    }
    return NULL;
}

static enum top_look
get_look(const struct top_row *r, bool lives)
{
    if (!lives)
        return TOP_PLAIN;
    if (!strcmp(r->state, "cut") || !strcmp(r->state, "absent") ||
        r->heard > r->limit)
        return TOP_BAD;
    return r->heard > r->limit / 2 ? TOP_WARN : TOP_PLAIN;
}

static void
make_state(struct top_row *r, const struct tally_worker *w,
           const struct top_source *s)
{
    const json_t *status = find_status(s, r->rank);
    const char *state = json_string_value(json_object_get(status, "state"));

    if (!state)
        state = s->life <= TOP_DENIED ? state_names[w->state] : "-";
    str_escape(r->state, sizeof r->state, state, strlen(state));
    r->heard = get_number(status, "last_heard");
    r->limit = get_number(status, "silence_limit");
}

static void
make_row(struct top_row *r, uint32_t rank, const struct top_source *s,
         const struct top_past *past)
{
    static const struct top_past_worker none = {.iterations = 0};
    const struct tally_worker *w = &s->tally.worker[rank];
    const struct top_past_worker *then =
        past && rank < past->n && past->worker[rank].iterations <= w->iterations
            ? &past->worker[rank]
            : &none;
    double since = past ? past->t : s->tally.started;
    double until = isnan(s->tally.ended) ? s->now : s->tally.ended;
    double all = 0;

    *r = (struct top_row){.rank = rank,
                          .iterations = w->iterations,
                          .rate = NAN,
                          .staleness = w->staleness};
    str_escape(r->host, sizeof r->host, *w->host ? w->host : "-",
               *w->host ? strlen(w->host) : 1);
    if (until > since)
        r->rate = (double)(w->iterations - then->iterations) / (until - since);
    for (int k = 0; k < TALLY_PARTS; k++) {
        r->share[k] = tally_part(w, (enum tally_part)k, s->now) - then->part[k];
        r->share[k] = r->share[k] > 0 ? r->share[k] : 0;
        all += r->share[k];
    }
    for (int k = 0; k < TALLY_PARTS; k++)
        r->share[k] = all > 0 ? r->share[k] / all : NAN;
    make_state(r, w, s);
    r->look =
        get_look(r, s->life == TOP_ALIVE && s->tally.phase <= TALLY_TRAINING);
}

int
top_view_make(struct top_view *v, const struct top_source *s,
              const struct top_past *past, struct err *err)
{
    *v = (struct top_view){.n = 0};
    make_title(v, s);
    make_head(v, s, past);
    v->row = mem_alloc(s->tally.n, sizeof *v->row);
    if (!v->row)
        return err_nomem(err);
    for (uint32_t i = 0; i < s->tally.n; i++)
        if (s->tally.worker[i].known)
            make_row(&v->row[v->n++], i, s, past);
    return 0;
}

void
top_view_release(struct top_view *v)
{
    mem_free(v->row);
    *v = (struct top_view){.n = 0};
}
