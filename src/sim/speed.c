/* SPDX-License-Identifier: Apache-2.0 */
#include "sim/speed.h"

#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"

#include <assert.h>
#include <ctype.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NS_PER_MS 1e6
#define MOST      1e12

struct form {
    const char *name;
    int n_args;
    double least[4]; /* of each argument */
    double most[4];  /* 0: MOST */
};

static const struct form forms[] = {
    [SPEED_CONSTANT] = {"constant", 1, {0}, {0}},
    [SPEED_UNIFORM] = {"uniform", 2, {0, 0}, {0}},
    [SPEED_LOGNORMAL] = {"lognormal", 2, {1e-6, 0}, {0}},
    [SPEED_EXPONENTIAL] = {"exponential", 2, {0, 0}, {0}},
    [SPEED_TWOCLASS] = {"twoclass", 3, {0, 0, 0}, {0, 0, 1}},
    [SPEED_PERIODIC] = {"periodic", 4, {0, 1e-6, 1e-6, 0}, {0, 0, 0, 1}},
    [SPEED_PAUSE] = {"pause", 3, {0, 1e-6, 0}, {0}},
};

static int
bad(struct err *err, const char *spec, const char *at, const char *what)
{
    return err_set(err, ERR_USAGE, "speeds \"%s\": at \"%.40s\": %s", spec, at,
                   what);
}

/* "all", "3" or "2-5" before a colon; a spec without one means all. */
static const char *
parse_who(const char *spec, const char *p, uint32_t n, uint32_t *from,
          uint32_t *to, struct err *err)
{
    size_t len = strcspn(p, ":;");
    char who[32], *dash;
    uint64_t a, b;

    *from = 0;
    *to = n - 1;
    if (p[len] != ':')
        return p;
    snprintf(who, sizeof who, "%.*s", (int)len, p);
    if (!strcmp(who, "all"))
        return p + len + 1;
    dash = strchr(who, '-');
    if (dash)
        *dash = '\0';
    if (!str_u64(who, &a) || (dash && !str_u64(dash + 1, &b))) {
        bad(err, spec, p, "expected \"all\", a worker or a range of workers");
        return NULL;
    }
    b = dash ? b : a;
    if (a > b || b >= n) {
        bad(err, spec, p, "no such worker");
        return NULL;
    }
    *from = (uint32_t)a;
    *to = (uint32_t)b;
    return p + len + 1;
}

static const char *
parse_args(const char *spec, const char *p, const struct form *f, double *arg,
           struct err *err)
{
    for (int i = 0; i < f->n_args; i++) {
        double most = f->most[i] > 0 ? f->most[i] : MOST;
        char *end;

        arg[i] = strtod(p, &end);
        if (end == p || !isfinite(arg[i]) || arg[i] < f->least[i] ||
            arg[i] > most) {
            bad(err, spec, p, "expected a number in range");
            return NULL;
        }
        p = end;
        if (*p != (i + 1 < f->n_args ? ',' : ')')) {
            bad(err, spec, p, "wrong number of arguments");
            return NULL;
        }
        p++;
    }
    return p;
}

static const char *
parse_speed(const char *spec, const char *p, struct speed *s, struct err *err)
{
    size_t len = strcspn(p, "(;");
    const char *names[ARRAY_LEN(forms) + 1] = {NULL}, *near;
    char word[32];

    memset(s, 0, sizeof *s);
    if (p[len] != '(') { /* a plain number */
        char *end;

        s->arg[0] = strtod(p, &end);
        if (end == p || end != p + len || !isfinite(s->arg[0]) ||
            s->arg[0] < 0 || s->arg[0] > MOST) {
            bad(err, spec, p, "expected a number or a distribution");
            return NULL;
        }
        return end;
    }
    snprintf(word, sizeof word, "%.*s", (int)len, p);
    for (size_t i = 0; i < ARRAY_LEN(forms); i++) {
        names[i] = forms[i].name;
        if (strcmp(word, forms[i].name) != 0)
            continue;
        s->kind = (enum speed_kind)i;
        p = parse_args(spec, p + len + 1, &forms[i], s->arg, err);
        if (p && s->kind == SPEED_UNIFORM && s->arg[0] > s->arg[1]) {
            bad(err, spec, p, "uniform(LOW,HIGH) wants LOW <= HIGH");
            return NULL;
        }
        return p;
    }
    near = str_nearest(word, names);
    err_set(err, ERR_USAGE, "speeds \"%s\": unknown distribution \"%s\"%s%s%s",
            spec, word, near ? ", did you mean \"" : "", near ? near : "",
            near ? "\"?" : "");
    return NULL;
}

static int
parse_entries(struct speeds *s, const char *spec, bool *set, struct err *err)
{
    const char *p = spec;

    while (*p) {
        uint32_t from, to;
        struct speed one;

        p = parse_who(spec, p, s->n, &from, &to, err);
        if (!p || !(p = parse_speed(spec, p, &one, err)))
            return -1;
        for (uint32_t i = from; i <= to; i++) {
            s->worker[i] = one;
            set[i] = true;
        }
        if (*p == ';')
            p++;
        else if (*p)
            return bad(err, spec, p, "expected ';' or the end");
    }
    for (uint32_t i = 0; i < s->n; i++)
        if (!set[i])
            return err_set(err, ERR_USAGE, "speeds \"%s\": none for worker %u",
                           spec, i);
    return 0;
}

int
speeds_parse(struct speeds *s, uint32_t n, const char *spec, uint64_t seed,
             struct err *err)
{
    bool *set = mem_alloc(n, sizeof *set);
    int r;

    memset(s, 0, sizeof *s);
    s->n = n;
    s->worker = mem_alloc(n, sizeof *s->worker);
    r = set && s->worker ? parse_entries(s, spec, set, err) : err_nomem(err);
    mem_free(set);
    if (r != 0) {
        speeds_release(s);
        return -1;
    }
    speeds_rewind(s, seed);
    return 0;
}

void
speeds_rewind(struct speeds *s, uint64_t seed)
{
    for (uint32_t i = 0; i < s->n; i++) {
        struct speed *w = &s->worker[i];

        rng_init_key(&w->rng, seed, RNG_SPEED, i, 0);
        w->at = 0;
        w->next_pause_ns = speed_clamp(w->arg[1] * NS_PER_MS);
        if (w->kind == SPEED_TWOCLASS) /* drawn once, for good */
            w->arg[3] = rng_unit(&w->rng) < w->arg[2] ? w->arg[1] : w->arg[0];
    }
}

void
speeds_release(struct speeds *s)
{
    mem_free(s->worker);
    mem_free(s->trace);
    memset(s, 0, sizeof *s);
}

int64_t
speed_clamp(double ns)
{
    if (!(ns < (double)SPEED_MAX_NS))
        return SPEED_MAX_NS;
    return ns > 0 ? (int64_t)ns : 0;
}

/* Time that `work` takes with a stop of LENGTH after every EVERY. */
static double
with_pauses(struct speed *s, int64_t now_ns, double work_ns)
{
    int64_t every = speed_clamp(s->arg[1] * NS_PER_MS);
    int64_t length = speed_clamp(s->arg[2] * NS_PER_MS);
    double n = 0, rest = 0, ahead;

    assert(every > 0); /* at least a nanosecond, see forms[] */
    /* pauses that passed while the worker was waiting are gone */
    if (s->next_pause_ns <= now_ns - length) {
        int64_t gone = (now_ns - length - s->next_pause_ns) / (every + length);

        s->next_pause_ns += (gone + 1) * (every + length);
    }
    if (s->next_pause_ns <= now_ns) { /* it is in one */
        rest = (double)(s->next_pause_ns + length - now_ns);
        ahead = (double)every;
        s->next_pause_ns += length + every;
    } else {
        ahead = (double)(s->next_pause_ns - now_ns);
    }
    if (work_ns > ahead)
        n = ceil((work_ns - ahead) / (double)every);
    s->next_pause_ns =
        speed_clamp((double)s->next_pause_ns + n * (double)(every + length));
    return rest + work_ns + n * (double)length;
}

int64_t
speed_next(struct speed *s, int64_t now_ns)
{
    const double *a = s->arg;
    double ms = a[0];

    switch (s->kind) {
    case SPEED_CONSTANT:
        break;
    case SPEED_UNIFORM:
        ms = a[0] + (a[1] - a[0]) * rng_unit(&s->rng);
        break;
    case SPEED_LOGNORMAL:
        ms = a[0] * exp(a[1] * rng_normal(&s->rng));
        break;
    case SPEED_EXPONENTIAL:
        ms = a[0] - a[1] * log(1.0 - rng_unit(&s->rng));
        break;
    case SPEED_TWOCLASS:
        ms = a[3];
        break;
    case SPEED_PERIODIC:
        if (fmod((double)now_ns / NS_PER_MS, a[2]) < a[3] * a[2])
            ms *= a[1];
        break;
    case SPEED_PAUSE:
        ms = with_pauses(s, now_ns, ms * NS_PER_MS) / NS_PER_MS;
        break;
    case SPEED_TRACE:
        ms = (double)s->trace[s->at] / NS_PER_MS;
        s->at = s->at + 1 < s->n_trace ? s->at + 1 : 0;
        break;
    }
    /* time moves on, so that an order of events exists */
    return ms * NS_PER_MS < 1 ? 1 : speed_clamp(ms * NS_PER_MS);
}
