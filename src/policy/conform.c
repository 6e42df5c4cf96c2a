/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/conform.h"

#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/rng.h"
#include "policy/lib.h"
#include "policy/schedule.h"
#include "policy/spec.h"

#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#define MAX_SPEC 8192
/* Numbers are drawn from the low end of their range: large look-aheads and the
 * like would only make the suite slow. */
#define MAX_SPAN 8

/* One policy with one choice of options and one schedule. */
struct run {
    struct policy_lib lib;
    struct schedule_config config;
    uint64_t digest; /* of the plain run */
};

static void
run_release(struct run *r)
{
    policy_lib_close(&r->lib);
}

static void
add_word(struct buf *b, const char *words, struct rng *rng)
{
    uint64_t n = 1, pick;

    for (const char *w = words; *w; w++)
        n += *w == '|';
    for (pick = rng_below(rng, n); pick > 0; pick--)
        words = strchr(words, '|') + 1;
    buf_add(b, words, strcspn(words, "|"));
}

/* The option's value is left alone half of the time. */
static void
add_option(struct buf *b, const struct ebsp_option *o, bool is_given,
           char *separator, struct rng *rng)
{
    double low = o->minimum, span = fmin(o->maximum - low, MAX_SPAN), v;

    if (is_given || rng_below(rng, 2))
        return;
    buf_addf(b, "%c%s=", *separator, o->name);
    *separator = ',';
    if (o->type == EBSP_OPTION_WORD) {
        add_word(b, o->words, rng);
        return;
    }
    v = rng_below(rng, 4) ? low + span * rng_unit(rng) : low;
    if (o->type == EBSP_OPTION_INTEGER)
        v = fmin(ceil(v), floor(o->maximum));
    buf_addf(b, "%.17g", v);
}

/* Was the option given in the user's spec?  lib->spec holds just those. */
static bool
has_option(const struct policy_lib *lib, const char *name)
{
    size_t n = strlen(name);

    for (const char *s = strpbrk(lib->spec, ":,"); s; s = strpbrk(s, ":,")) {
        s++;
        if (!strncmp(s, name, n) && s[n] == '=')
            return true;
    }
    return false;
}

/* The plugin by its path, with the options given and some that are drawn. */
static int
draw_lib(const struct policy_lib *given, uint64_t seed, struct policy_lib *to,
         struct err *err)
{
    struct buf b = BUF_INIT(MAX_SPEC);
    const char *options = strchr(given->spec, ':');
    char separator = options ? ',' : ':';
    struct rng rng;
    int r = -1;

    rng_init_key(&rng, seed, RNG_TEST, 3, 0);
    buf_addf(&b, "%s%s", given->path, options ? options : "");
    for (size_t i = 0; i < given->p.n_options; i++)
        add_option(&b, &given->options[i],
                   has_option(given, given->options[i].name), &separator, &rng);
    if (buf_ok(&b, err) == 0)
        r = policy_lib_open(to, b.data, err);
    buf_release(&b);
    return r;
}

/* Runs s to its end while other is stepped in between. */
static int
step_both(struct schedule *s, struct schedule *other, struct err *err)
{
    while (!s->is_done || !other->is_done) {
        if (!s->is_done && schedule_step(s, err) != 0)
            return err_wrap(err, "with structs from the future and unknown "
                                 "events");
        if (!other->is_done && schedule_step(other, err) != 0)
            return err_wrap(err, "beside another object");
    }
    return 0;
}

static void
account(struct conform_report *to, const struct schedule *s)
{
    struct host_stats stats;

    host_get_stats(s->host, &stats);
    to->n_events += stats.events;
    if (stats.max_staleness > to->max_staleness)
        to->max_staleness = stats.max_staleness;
    if (stats.max_gap > to->max_gap)
        to->max_gap = stats.max_gap;
}

/* Run alone and plainly; 1: the policy refused its options. */
static int
run_alone(struct run *r, struct conform_report *report, struct err *err)
{
    struct schedule s;
    int result;

    if (schedule_init(&s, &r->config, err) != 0)
        return err->code == ERR_POLICY ? 1 : -1;
    result = schedule_run(&s, err);
    r->digest = s.digest;
    account(report, &s);
    schedule_release(&s);
    return result;
}

/* The same once more: all must be the same. */
static int
run_twice(struct run *r, struct conform_report *report, struct err *err)
{
    uint64_t first;
    int result = run_alone(r, report, err);

    if (result != 0)
        return result;
    first = r->digest;
    if (run_alone(r, report, err) != 0)
        return -1;
    if (r->digest != first)
        return err_set(err, ERR_POLICY,
                       "policy \"%s\": the same events give other actions the "
                       "second time",
                       r->lib.p.name);
    return 0;
}

/* r again, as a later host would drive it, while `other` lives beside it. */
static int
run_beside(const struct run *r, const struct run *other,
           struct conform_report *report, struct err *err)
{
    struct schedule_config config = r->config;
    struct schedule a, b;
    int result = -1;

    config.future = true;
    config.probe = true;
    if (schedule_init(&a, &config, err) != 0)
        return -1;
    if (schedule_init(&b, &other->config, err) == 0) {
        result = step_both(&a, &b, err);
        account(report, &a);
        account(report, &b);
        if (result == 0 && a.digest != r->digest)
            result = err_set(err, ERR_POLICY,
                             "policy \"%s\": other actions for the same "
                             "events, with longer structs and with events of "
                             "unknown kinds in between",
                             r->lib.p.name);
        if (result == 0 && b.digest != other->digest)
            result = err_set(err, ERR_POLICY,
                             "policy \"%s\": other actions for the same "
                             "events while another object is there",
                             r->lib.p.name);
        schedule_release(&b);
    }
    schedule_release(&a);
    return result;
}

/* Schedule number i; r is to be released also after an error. */
static int
prepare(const struct conform_config *c, const struct policy_lib *given,
        uint64_t i, struct run *r, struct err *err)
{
    uint64_t seed = rng_hash(c->seed, i, 0);

    *r = (struct run){0};
    /* number 0: exactly what was asked for */
    if (i == 0 ? policy_lib_open(&r->lib, c->spec, err)
               : draw_lib(given, seed, &r->lib, err))
        return -1;
    schedule_draw(&r->config, seed);
    r->config.lib = &r->lib;
    return 0;
}

static int
run_all(const struct conform_config *c, const struct policy_lib *given,
        struct conform_report *report, struct err *err)
{
    struct run runs[2];
    bool has_last = false;
    int r = 0;

    memset(runs, 0, sizeof runs);
    for (uint64_t k = 0; k < c->n_schedules && r >= 0; k++) {
        struct run *now = &runs[k % 2], *last = &runs[(k + 1) % 2];
        struct err why = ERR_INIT;

        run_release(now);
        report->failed = c->first + k;
        if (c->begins)
            c->begins(c->ctx, report->failed);
        r = prepare(c, given, c->first + k, now, &why);
        if (r == 0)
            r = run_twice(now, report, &why);
        if (r == 1 && report->failed == 0)
            r = -1; /* the policy must work as the user wants it */
        if (r == 0)
            r = run_beside(now, has_last ? last : now, report, &why);
        has_last = r == 0;
        report->n_schedules += r == 0;
        report->n_refused += r == 1;
        if (r < 0)
            err_set(err, why.code, "schedule %llu (seed %llu, %s): %s",
                    (unsigned long long)report->failed,
                    (unsigned long long)c->seed,
                    now->lib.spec ? now->lib.spec : c->spec, why.text);
    }
    run_release(&runs[0]);
    run_release(&runs[1]);
    return r < 0 ? -1 : 0;
}

int
conform_run(const struct conform_config *c, struct conform_report *report,
            struct err *err)
{
    struct policy_lib given;
    int r;

    *report = (struct conform_report){0};
    if (policy_lib_open(&given, c->spec, err) != 0)
        return -1;
    r = run_all(c, &given, report, err);
    policy_lib_close(&given);
    return r;
}
