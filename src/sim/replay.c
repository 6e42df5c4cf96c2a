/* SPDX-License-Identifier: Apache-2.0 */
#include "sim/replay.h"

#include "base/err.h"
#include "base/fs.h"
#include "base/mem.h"
#include "base/str.h"
#include "sim/replay_impl.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

int
replay_get_rank(const struct replay *p, uint32_t *rank, struct err *err)
{
    int64_t v = 0;

    if (jcur_int(&p->at, "rank", 0, learner_get_workers(p->l) - 1, &v, err) !=
        0)
        return -1;
    *rank = (uint32_t)v;
    return 0;
}

int
replay_get_shard(const struct replay *p, uint32_t *shard, struct err *err)
{
    int64_t v = 0;

    if (jcur_int_or(&p->at, "shard", 0, p->c->job->workers - 1, &v, err) != 0)
        return -1;
    *shard = (uint32_t)v;
    return 0;
}

int
replay_check_rest(const struct replay *p, const struct share *s,
                  struct err *err)
{
    struct jcur rest = jcur_key(&p->at, "rest");
    size_t n;

    if (s->n == 1)
        return 0;
    if (jcur_array(&rest, s->n - 1, &n, err) != 0)
        return -1;
    for (uint32_t i = 1; i < s->n; i++) {
        const struct data_cursor *c = &s->cursor[i];
        const int64_t want[] = {c->epoch, (int64_t)c->first, c->count,
                                c->shard};
        struct jcur at = jcur_at(&rest, i - 1);

        for (size_t k = 0; k < ARRAY_LEN(want); k++)
            if (json_integer_value(json_array_get(at.v, k)) != want[k])
                return jcur_fail(&at, err, REPLAY_OTHER_JOB);
    }
    return 0;
}

const char *
replay_describe(const struct replay *p, char *to, size_t cap)
{
    int64_t rank = -1;

    if (jcur_int_or(&p->at, "rank", 0, UINT32_MAX, &rank, NULL) != 0 ||
        rank < 0)
        str_printf(to, cap, "%s", p->event);
    else
        str_printf(to, cap, "%s of worker %" PRId64, p->event, rank);
    return to;
}

/* ---- the policy ---------------------------------------------------------- */

/* Are these the same policy with the same options?  Without its plugin only
 * the names are known. */
static bool
is_same_policy(const struct policy_lib *recorded, const char *spec,
               const char *of_job)
{
    size_t n = strcspn(spec, ":");
    struct policy_lib lib;
    bool same;

    if (strcspn(of_job, ":") != n || strncmp(spec, of_job, n) != 0)
        return false;
    if (!recorded || policy_lib_open(&lib, of_job, NULL) != 0)
        return true;
    same = !strcmp(lib.spec, recorded->spec);
    policy_lib_close(&lib);
    return same;
}

/* Opens the plugin that is to take part; *why is filled where none does. */
static int
open_policy(struct replay *p, struct err *why, struct err *err)
{
    const char *spec = "", *version = "", *of_job = p->c->job->policy;
    struct jcur at;
    bool is_open;

    if (jcur_str(&p->at, "spec", &spec, err) != 0 ||
        jcur_str(&p->at, "plugin_version", &version, err) != 0)
        return -1;
    if (p->c->policy)
        return policy_lib_open(&p->lib, p->c->policy, err);
    if (p->c->follow) {
        err_set(why, ERR_POLICY, "as asked for");
        return 0;
    }
    p->result->misses_policy = true;
    if (policy_lib_is_path(spec) || policy_lib_is_path(of_job)) {
        err_set(
            why, ERR_POLICY,
            "a plugin that is a file (\"%.200s\") is loaded only when asked "
            "for with --policy",
            policy_lib_is_path(spec) ? spec : of_job);
        return 0;
    }
    is_open = policy_lib_open(&p->lib, spec, why) == 0;
    if (!is_same_policy(is_open ? &p->lib : NULL, spec, of_job)) {
        at = jcur_key(&p->at, "spec");
        return jcur_fail(&at, err,
                         "the run was made with the policy \"%.100s\", but "
                         "job.json has \"%.100s\"",
                         spec, of_job);
    }
    if (!is_open)
        return 0;
    if (strcmp(p->lib.p.version, version) != 0) {
        err_set(why, ERR_POLICY,
                "plugin \"%s\" has version %.60s, recorded is %.60s (use it "
                "anyway: --policy)",
                p->lib.p.name, p->lib.p.version, version);
        policy_lib_close(&p->lib);
        return 0;
    }
    p->result->misses_policy = false;
    return 0;
}

static int
on_policy(struct replay *p, struct err *err)
{
    struct host_config hc = {.lib = &p->lib,
                             .driver = &replay_driver,
                             .ctx = p,
                             .seed = p->c->job->seed};
    int64_t max_workers = 0, clock = 0;
    struct err why = ERR_INIT;

    if (p->has_policy)
        return jcur_fail(&p->at, err,
                         "the continuation of a run begins here, only whole "
                         "runs can be replayed");
    if (jcur_int(&p->at, "max_workers", 1, JOB_MAX_WORKERS, &max_workers,
                 err) != 0 ||
        jcur_int(&p->at, "clock", INT64_MIN / 4, INT64_MAX / 4, &clock, err) !=
            0 ||
        learner_reserve(p->l, (uint32_t)max_workers, err) != 0)
        return -1;
    p->has_policy = true;
    p->now_ns = INT64_MIN;
    if (replay_take_time(p, err) != 0)
        return -1;
    p->zero_ns = clock - p->now_ns;
    p->now_ns = clock;
    if (open_policy(p, &why, err) != 0)
        return -1;
    str_printf(p->result->why_alone, sizeof p->result->why_alone, "%s",
               why.text);
    if (why.code != ERR_OK)
        return 0;
    hc.max_workers = (uint32_t)max_workers;
    p->host = host_new(&hc, err);
    return p->host ? 0 : -1;
}

/* ---- the recording ------------------------------------------------------- */

#define HEX_DIGITS "0123456789abcdef"

static int
on_end(struct replay *p, struct err *err)
{
    struct jcur at = jcur_key(&p->at, "params_hash");
    const char *hash = "";

    if (jcur_str(&p->at, "params_hash", &hash, err) != 0)
        return -1;
    if (strlen(hash) != 16 || strspn(hash, HEX_DIGITS) != 16)
        return jcur_fail(&at, err, "expected 16 digits of " HEX_DIGITS);
    p->result->recorded_hash = strtoull(hash, NULL, 16);
    p->result->has_recorded = true;
    p->over = true;
    return 0;
}

static int
on_action(struct replay *p, struct err *err)
{
    char then[64];

    if (!p->host)
        return replay_follow(p, err);
    return err_set(err, ERR_FAIL,
                   "%s:%d: the recording has \"%s\", the policy now does "
                   "nothing more",
                   p->trace.path, p->trace.number,
                   replay_describe(p, then, sizeof then));
}

static int
on_idle(struct replay *p, struct err *err)
{
    return p->host ? on_action(p, err) : 0;
}

/* The events that matter; the rest is for people. */
static const struct kind {
    const char *event;
    int (*handle)(struct replay *p, struct err *err);
} kinds[] = {
    {"policy", on_policy},
    {"ready", replay_on_ready},
    {"join", replay_on_join},
    {"start", replay_on_start},
    {"push", replay_on_push},
    {"retry", replay_on_retry},
    {"leave", replay_on_leave},
    {"wake", replay_on_wake},
    {"add", on_action},
    {"commit", on_action},
    {"drop", on_action},
    {"release", on_action},
    {"idle", on_idle},
    {"failure", NULL},
    {"end", on_end},
};

static const struct kind *
find_kind(const char *event)
{
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++)
        if (!strcmp(kinds[i].event, event))
            return &kinds[i];
    return NULL;
}

int
replay_next(struct replay *p, struct err *err)
{
    int r;

    if (p->peeked || p->over) {
        p->peeked = false;
        return 0;
    }
    do
        r = events_reader_next(&p->trace, &p->event, &p->at, err);
    while (r == 1 && !find_kind(p->event));
    if (r == 0)
        p->over = true;
    return r < 0 ? -1 : 0;
}

int
replay_peek(struct replay *p, struct err *err)
{
    if (replay_next(p, err) != 0)
        return -1;
    p->peeked = !p->over;
    return 0;
}

static int
replay_events(struct replay *p, const char *path, struct err *err)
{
    int r = 0;

    if (events_reader_open(&p->trace, path, err) != 0)
        return -1;
    while (!p->over && (r = replay_next(p, err)) == 0 && !p->over) {
        const struct kind *k = find_kind(p->event);
        int line = p->trace.number;

        if (k->handle && (r = k->handle(p, err)) != 0) {
            /* those tell the place */
            if (err->code != ERR_CONFIG && err->code != ERR_FAIL)
                err_wrap(err, "%s:%d", path, line);
            /* It has led to what cannot be, or where it is followed to
             * what no policy may do. */
            if (err->code == ERR_BUG ||
                (err->code == ERR_POLICY && !p->host && k->handle == on_action))
                err->code = ERR_CONFIG;
            break;
        }
    }
    events_reader_close(&p->trace);
    return r;
}

int
replay_run(const struct replay_config *c, struct replay_result *result,
           struct err *err)
{
    struct replay p = {.c = c, .result = result, .left = UINT32_MAX};
    char *path = fs_join(c->run, "events.jsonl");
    struct ledger *ledger;
    int r = path ? 0 : err_nomem(err);

    memset(result, 0, sizeof *result);
    if (r == 0) {
        p.l = learner_new(c->job, err);
        r = p.l ? replay_events(&p, path, err) : -1;
    }
    if (r == 0)
        r = learner_evaluate(p.l, &result->eval, err);
    if (r == 0) {
        ledger = learner_get_ledger(p.l);
        result->samples = assign_get_done(ledger->assign);
        result->updates = store_get_version(ledger->store);
        result->hash = ledger_params_hash(ledger);
    }
    host_free(p.host);
    policy_lib_close(&p.lib);
    learner_free(p.l);
    mem_free(path);
    return r;
}
