/* SPDX-License-Identifier: Apache-2.0 */
/* Every action that a policy may not do is refused, by name; and what the host
 * lends besides act(). */
#include "base/mem.h"
#include "script.h"
#include "tap.h"

#include <math.h>

/* Each is done on PUSH of worker 1 of 3, all of which run. */
static int32_t
unknown_kind(struct script *s, const struct ebsp_event *e)
{
    (void)e;
    return script_act(s, (struct ebsp_action){.kind = 99});
}

static int32_t
kind_zero(struct script *s, const struct ebsp_event *e)
{
    (void)e;
    return script_act(s, (struct ebsp_action){.kind = 0});
}

static int32_t
null_action(struct script *s, const struct ebsp_event *e)
{
    (void)e;
    return s->lent->act(s->lent->ctx, NULL);
}

static int32_t
short_action(struct script *s, const struct ebsp_event *e)
{
    struct ebsp_action a = {.struct_size = 48,
                            .kind = EBSP_ACTION_ADD,
                            .worker = e->worker,
                            .weight = 1};

    return s->lent->act(s->lent->ctx, &a);
}

struct long_action {
    struct ebsp_action a;
    uint64_t later;
};

static int32_t
act_long(struct script *s, uint64_t later)
{
    struct long_action l = {{.struct_size = sizeof l,
                             .kind = EBSP_ACTION_ADD,
                             .worker = 1,
                             .weight = 1},
                            later};

    return s->lent->act(s->lent->ctx, &l.a);
}

static int32_t
later_field(struct script *s, const struct ebsp_event *e)
{
    (void)e;
    return act_long(s, 1);
}

static int32_t
reserved(struct script *s, const struct ebsp_event *e)
{
    return ACT(s, ADD, .worker = e->worker, .weight = 1, .reserved = 1);
}

static int32_t
stray_worker(struct script *s, const struct ebsp_event *e)
{
    ACT(s, ADD, .worker = e->worker, .weight = 1);
    return ACT(s, COMMIT, .worker = e->worker, .weight = 1);
}

static int32_t
stray_weight(struct script *s, const struct ebsp_event *e)
{
    return ACT(s, DROP, .worker = e->worker, .weight = 1);
}

static int32_t
stray_time(struct script *s, const struct ebsp_event *e)
{
    return ACT(s, ADD, .worker = e->worker, .weight = 1, .at_ns = 1);
}

static int32_t
stray_steps(struct script *s, const struct ebsp_event *e)
{
    return ACT(s, ADD, .worker = e->worker, .weight = 1, .steps = 1);
}

static int32_t
nan_weight(struct script *s, const struct ebsp_event *e)
{
    return ACT(s, ADD, .worker = e->worker, .weight = NAN);
}

static int32_t
infinite_commit(struct script *s, const struct ebsp_event *e)
{
    ACT(s, ADD, .worker = e->worker, .weight = 1);
    return ACT(s, COMMIT, .weight = INFINITY);
}

static int32_t
add_running(struct script *s, const struct ebsp_event *e)
{
    (void)e;
    return ACT(s, ADD, .worker = 0, .weight = 1);
}

static int32_t
add_beyond(struct script *s, const struct ebsp_event *e)
{
    (void)e;
    return ACT(s, ADD, .worker = 4, .weight = 1);
}

static int32_t
add_absent(struct script *s, const struct ebsp_event *e)
{
    (void)e;
    return ACT(s, ADD, .worker = 3, .weight = 1);
}

static int32_t
add_twice(struct script *s, const struct ebsp_event *e)
{
    ACT(s, ADD, .worker = e->worker, .weight = 1);
    return ACT(s, ADD, .worker = e->worker, .weight = 1);
}

static int32_t
drop_added(struct script *s, const struct ebsp_event *e)
{
    ACT(s, ADD, .worker = e->worker, .weight = 1);
    return ACT(s, DROP, .worker = e->worker);
}

static int32_t
commit_nothing(struct script *s, const struct ebsp_event *e)
{
    (void)e;
    return ACT(s, COMMIT, .weight = 1);
}

static int32_t
commit_twice(struct script *s, const struct ebsp_event *e)
{
    ACT(s, ADD, .worker = e->worker, .weight = 1);
    ACT(s, COMMIT, .weight = 1);
    return ACT(s, COMMIT, .weight = 1);
}

static int32_t
release_unused(struct script *s, const struct ebsp_event *e)
{
    return ACT(s, RELEASE, .worker = e->worker);
}

static int32_t
release_running(struct script *s, const struct ebsp_event *e)
{
    (void)e;
    return ACT(s, RELEASE, .worker = 2);
}

static int32_t
release_twice(struct script *s, const struct ebsp_event *e)
{
    ACT(s, DROP, .worker = e->worker);
    ACT(s, RELEASE, .worker = e->worker);
    return ACT(s, RELEASE, .worker = e->worker);
}

static int32_t
release_flags(struct script *s, const struct ebsp_event *e)
{
    ACT(s, DROP, .worker = e->worker);
    return ACT(s, RELEASE, .worker = e->worker, .flags = 2);
}

static int32_t
release_what(struct script *s, const struct ebsp_event *e)
{
    ACT(s, DROP, .worker = e->worker);
    return ACT(s, RELEASE, .worker = e->worker, .contribution = 3);
}

static int32_t
release_factor(struct script *s, const struct ebsp_event *e)
{
    ACT(s, DROP, .worker = e->worker);
    return ACT(s, RELEASE, .worker = e->worker, .lr_factor = -1);
}

static int32_t
says_why(struct script *s, const struct ebsp_event *e)
{
    (void)e;
    s->lent->fail(s->lent->ctx, "no idea\n");
    return -1;
}

static int32_t
says_nothing(struct script *s, const struct ebsp_event *e)
{
    (void)s;
    (void)e;
    return -1;
}

static int32_t
goes_on(struct script *s, const struct ebsp_event *e)
{
    ACT(s, COMMIT, .weight = 1);
    ACT(s, ADD, .worker = e->worker, .weight = 1);
    return 0;
}

static const struct wrong {
    script_fn *fn;
    const char *text; /* behind: policy "script": on PUSH of worker 1: */
} wrongs[] = {
    {unknown_kind, "unknown action kind 99"},
    {kind_zero, "unknown action kind 0"},
    {null_action, "act(NULL)"},
    {short_action, "action with struct_size 48, expected 64"},
    {later_field, "action 1 uses a field that this ebsp does not know"},
    {reserved, "ADD with a value in \"reserved\", expected 0"},
    {stray_worker, "COMMIT with a value in \"worker\", expected 0"},
    {stray_weight, "DROP with a value in \"weight\", expected 0"},
    {stray_time, "ADD with a value in \"at_ns\", expected 0"},
    {stray_steps, "ADD with a value in \"steps\", expected 0"},
    {nan_weight, "ADD with a weight that is not finite"},
    {infinite_commit, "COMMIT with a weight that is not finite"},
    {add_running, "ADD of worker 0: it is running"},
    {add_beyond, "ADD of worker 4: the highest number is 3"},
    {add_absent, "ADD of worker 3: it is not there"},
    {add_twice, "ADD of worker 1: it has no push, or it was added or dropped "
                "already"},
    {drop_added, "DROP of worker 1: it has no push, or it was added or "
                 "dropped already"},
    {commit_nothing, "COMMIT of nothing: no push was added"},
    {commit_twice, "COMMIT of nothing: no push was added"},
    {release_unused, "RELEASE of worker 1: its push was neither added nor "
                     "dropped"},
    {release_running, "RELEASE of worker 2: it is running"},
    {release_twice, "RELEASE of worker 1: it is running"},
    {release_flags, "RELEASE of worker 1: unknown flags"},
    {release_what, "RELEASE of worker 1: unknown contribution"},
    {release_factor, "RELEASE of worker 1: lr_factor is not a number from 0"},
    {says_why, "no idea\\x0a"},
    {says_nothing, "failed without giving a reason"},
    {goes_on, "COMMIT of nothing: no push was added"},
};

static int32_t
release_all(struct script *s, const struct ebsp_event *e)
{
    if (e->kind == EBSP_EVENT_START)
        for (uint32_t i = 0; i < 3; i++)
            ACT(s, RELEASE, .worker = i);
    return 0;
}

static void
wrong_actions_are_refused(void)
{
    for (size_t i = 0; i < ARRAY_LEN(wrongs); i++) {
        struct script s;
        char want[640];
        size_t n;

        script_init(&s, 4, release_all);
        script_start(&s, 3);
        s.on_event = wrongs[i].fn;
        n = strlen(s.log);
        ok(script_push(&s, 1, 1) != 0 && s.err.code == ERR_POLICY,
           "refused: %s", wrongs[i].text);
        snprintf(want, sizeof want,
                 "policy \"script\": on PUSH of worker 1: %s", wrongs[i].text);
        is_str(s.err.text, want, "names event and worker");
        if (wrongs[i].fn == goes_on)
            is_str(s.log + n, "P1 ", "nothing is done after a refusal");
        script_close(&s);
    }
}

static int32_t
release_early(struct script *s, const struct ebsp_event *e)
{
    return e->kind == EBSP_EVENT_JOIN ? ACT(s, RELEASE, .worker = e->worker)
                                      : 0;
}

static int32_t
keep_nothing(struct script *s, const struct ebsp_event *e)
{
    if (e->kind != EBSP_EVENT_START)
        return 0;
    return ACT(s, RELEASE, .worker = 0, .flags = EBSP_RELEASE_KEEP);
}

static void *
acts_in_create(const struct ebsp_host *host)
{
    struct ebsp_action a = {.struct_size = sizeof a, .kind = EBSP_ACTION_WAKE};

    host->act(host->ctx, &a);
    script_now->lent = host;
    return script_now;
}

static void *
fails_in_create(const struct ebsp_host *host)
{
    host->fail(host->ctx, "low > high");
    return NULL;
}

static void *
returns_null(const struct ebsp_host *host)
{
    (void)host;
    return NULL;
}

static void
wrong_moments(void)
{
    struct script s;

    script_init(&s, 1, release_early);
    script_start(&s, 1);
    is_str(s.err.text,
           "policy \"script\": on JOIN of worker 0: RELEASE of worker 0: START "
           "has not come yet",
           "no release before START");
    script_close(&s);

    script_init(&s, 1, keep_nothing);
    script_start(&s, 1);
    is_str(s.err.text,
           "policy \"script\": on START: RELEASE of worker 0: "
           "EBSP_RELEASE_KEEP, but it has no parameters yet",
           "nothing to keep at the start");
    script_close(&s);

    script_init(&s, 1, NULL);
    s.lib.p.create = acts_in_create;
    ok(script_open(&s) != 0, "no action in create");
    is_str(s.err.text, "policy \"script\": acts outside of on_event", "told");
    ok(!s.lent, "the object is destroyed");

    script_init(&s, 1, NULL);
    s.lib.p.create = fails_in_create;
    script_open(&s);
    is_str(s.err.text, "policy \"script\": low > high", "create says why");

    script_init(&s, 1, NULL);
    s.lib.p.create = returns_null;
    script_open(&s);
    is_str(s.err.text,
           "policy \"script\": could not be created and gave no reason",
           "or does not");

    script_init(&s, 1, release_early);
    script_open(&s);
    ok(host_probe(s.host, 0, 77, &s.err) == 0, "unknown events are ignored");
    s.on_event = unknown_kind;
    host_probe(s.host, 0, 77, &s.err);
    is_str(s.err.text,
           "policy \"script\": on event of unknown kind 77: acts; a kind that "
           "it does not know is to be ignored",
           "or else");
    script_close(&s);
}

static int32_t
long_but_empty(struct script *s, const struct ebsp_event *e)
{
    if (e->kind == EBSP_EVENT_PUSH &&
        (act_long(s, 0) != 0 || ACT(s, COMMIT, .weight = 0.5) != 0))
        return -1;
    return release_all(s, e);
}

static void
later_plugins_are_served(void)
{
    struct script s;

    script_init(&s, 3, long_but_empty);
    script_start(&s, 3);
    s.log[0] = '\0';
    ok(script_push(&s, 1, 1) == 0, "a longer action is taken when what is "
                                   "unknown is zero");
    is_str(s.log, "P1 +1*1 C0.5(1,10) ", "and done");
    script_close(&s);
}

/* ---- release fields, note, log, random, options ------------------------- */

static struct host_release released;

static int
keep_release(void *ctx, uint32_t worker, const struct host_release *how,
             bool *finished, struct err *err)
{
    (void)ctx;
    (void)worker;
    (void)finished;
    (void)err;
    released = *how;
    return 0;
}

static int32_t
release_with(struct script *s, const struct ebsp_event *e)
{
    if (e->kind != EBSP_EVENT_START)
        return 0;
    if (s->n == 0)
        return ACT(s, RELEASE, .worker = 0);
    return ACT(s, RELEASE, .worker = 0, .steps = 7, .lr_factor = 0.5,
               .batch = 64, .contribution = EBSP_PUSH_DELTA);
}

static void
release_fields(void)
{
    struct script s;

    for (int n = 0; n < 2; n++) {
        script_init(&s, 1, release_with);
        s.n = n;
        s.driver.release = keep_release;
        script_start(&s, 1);
        if (n == 0)
            ok(released.steps == 1 && released.lr_factor == 1 &&
                   released.batch == 0 && !released.keep &&
                   released.contribution == EBSP_PUSH_GRADIENT,
               "zeros mean one step as the job says");
        else
            ok(released.steps == 7 && released.lr_factor == 0.5 &&
                   released.batch == 64 &&
                   released.contribution == EBSP_PUSH_DELTA,
               "what the policy says is handed on");
        script_close(&s);
    }
    script_init(&s, 1, release_with);
    s.n = 1;
    s.config.lacks = EBSP_CAN_LOCAL_STEPS;
    ok(script_start(&s, 1) != 0 && strstr(s.err.text, "local steps"),
       "local steps are refused where the driver lacks them");
    script_close(&s);
}

struct wide_value {
    struct ebsp_value v;
    double later;
};

static int32_t
notes(struct script *s, const struct ebsp_event *e)
{
    const struct wide_value v[] = {{{"length", 1.5}, 7}, {{"wait", -2}, 7}};
    struct ebsp_note note = {.struct_size = sizeof note,
                             .value_stride = sizeof *v,
                             .name = "superstep",
                             .values = &v[0].v,
                             .n_values = 2};

    (void)e;
    if (s->n == 1)
        note.name = "super step";
    if (s->n == 2)
        note.value_stride = 12;
    if (s->n == 3)
        note.struct_size = 8;
    if (s->n == 4)
        note.n_values = UINT64_MAX;
    s->lent->note(s->lent->ctx, &note);
    return 0;
}

static void
notes_reach_the_driver(void)
{
    struct script s;

    for (int n = 0; n < 5; n++) {
        script_init(&s, 1, notes);
        s.n = n;
        script_start(&s, 0);
        if (n == 0)
            is_str(s.log, "S superstep(length=1.5,wait=-2) ",
                   "a note with wider values");
        else
            ok(s.err.code == ERR_POLICY && strstr(s.err.text, "note"),
               "bad note %d: %s", n, s.err.text);
        script_close(&s);
    }
}

static void
options_and_randomness(void)
{
    struct script s;
    struct ebsp_option table[] = {{.name = "rate"}, {.name = "mode"}};
    char rate[] = "0.50", mode[] = "last";
    char *texts[] = {rate, mode};
    double numbers[] = {0.5, 0};
    uint64_t first, second;

    script_init(&s, 1, NULL);
    s.lib.options = table;
    s.lib.texts = texts;
    s.lib.numbers = numbers;
    s.lib.p.n_options = 2;
    s.config.seed = 3;
    script_open(&s);
    is_str(s.lent->option_text(s.lent->ctx, "mode"), "last", "a word");
    ok(s.lent->option_number(s.lent->ctx, "rate") == 0.5, "a number");
    is_str(s.lent->option_text(s.lent->ctx, "rate"), "0.50", "as text");
    ok(!s.lent->option_text(s.lent->ctx, "nix") &&
           s.lent->option_number(s.lent->ctx, "nix") == 0 &&
           !s.lent->option_text(s.lent->ctx, NULL),
       "names that are not in the table");
    first = s.lent->random(s.lent->ctx);
    script_close(&s);
    script_open(&s);
    second = s.lent->random(s.lent->ctx);
    ok(first == second, "the same seed, the same numbers");
    script_close(&s);
    s.config.seed = 4;
    script_open(&s);
    ok(first != s.lent->random(s.lent->ctx), "another seed, other numbers");
    script_close(&s);
}

int
main(void)
{
    wrong_actions_are_refused();
    wrong_moments();
    later_plugins_are_served();
    release_fields();
    notes_reach_the_driver();
    options_and_randomness();
    return done();
}
