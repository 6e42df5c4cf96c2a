/* SPDX-License-Identifier: Apache-2.0 */
/* The parts of ebsp chaos that need no run: schedules, what events tell, and
 * whether the checks can fail. */
#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"
#include "chaos/growth.h"
#include "chaos/once.h"
#include "chaos/proc.h"
#include "chaos/scene.h"
#include "chaos/script.h"
#include "chaos/strike.h"
#include "tap.h"

#include <unistd.h>

/* ---- schedules ----------------------------------------------------------- */

static void
test_script(void)
{
    static const char text[] = "# comment\n"
                               "worker:1 computing 5 kill\n"
                               "\n"
                               "  worker:* starting 1 stop 3s # behind\n"
                               "coordinator training 20 stop 200ms\n"
                               "worker pushing cut";
    struct err err = ERR_INIT;
    struct script s;

    ok(script_parse(&s, "s", text, strlen(text), &err) == 0, "a schedule");
    is_int(s.n, 4, "faults");
    ok(s.v[0].rank == 1 && s.v[0].state == CHAOS_COMPUTING &&
           s.v[0].step == 5 && s.v[0].action == CHAOS_KILL && s.v[0].line == 2,
       "rank, state, step, action");
    ok(s.v[1].rank == CHAOS_ANY_RANK && s.v[1].stop_s > 2.9 && s.v[1].line == 4,
       "any rank, a time");
    ok(s.v[2].state == CHAOS_TRAINING && s.v[2].stop_s < 0.3, "coordinator");
    ok(s.v[3].step == 1 && s.v[3].action == CHAOS_CUT, "no step is the first");
    script_release(&s);
}

static void
test_bad_scripts(void)
{
    static const struct {
        const char *text, *says;
    } bad[] = {
        {"wroker computing kill", "s:1:1: expected coordinator, worker"},
        {"worker:x computing kill", "s:1:1: expected a rank"},
        {"worker:4294967295 computing kill", "expected a rank"},
        {"\n worker training kill", "s:2:9: expected a state of a worker"},
        {"coordinator held kill", "s:1:13: expected a state of the coord"},
        {"worker held 0 kill", "s:1:13: expected a number from 1, got \"0\""},
        {"worker held 1", "s:1:14: expected kill, stop or cut, got the end"},
        {"worker held 1 kick", "s:1:15: expected kill, stop or cut"},
        {"worker starting cut", "s:1:17: expected kill or stop, got \"cut\""},
        {"coordinator ending cut", "s:1:20: expected kill or stop"},
        {"coordinator ending stop", "s:1:24: expected a time"},
        {"worker held stop 3", "s:1:18: expected a time"},
        {"worker held stop 0s", "expected a time"},
        {"worker held stop 3601s", "expected a time"},
        {"worker held kill 3s", "s:1:18: expected the end of the line"},
        {"worker held stop 3s now", "s:1:21: expected the end of the line"},
    };

    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct err err = ERR_INIT;
        struct script s;
        int r = script_parse(&s, "s", bad[i].text, strlen(bad[i].text), &err);

        ok(r == -1 && err.code == ERR_CONFIG && strstr(err.text, bad[i].says),
           "%s", bad[i].says);
        if (!strstr(err.text, bad[i].says))
            printf("# %s\n", err.text);
        script_release(&s);
    }
}

/* ---- events -------------------------------------------------------------- */

/* Lines of events to whoever takes them; ended by NULL. */
typedef int taker(void *ctx, const char *event, const struct jcur *e,
                  struct err *err);

static int
feed(taker *take, void *ctx, const char *const *lines, struct err *err)
{
    int r = 0;

    for (; *lines && r == 0; lines++) {
        const char *event;
        struct json_doc doc;
        struct jcur root;

        if (json_doc_parse(&doc, "event", *lines, strlen(*lines), err) != 0)
            return -1;
        root = jcur_root(&doc);
        r = jcur_str(&root, "event", &event, err);
        if (r == 0)
            r = take(ctx, event, &root, err);
        json_doc_release(&doc);
    }
    return r;
}

static int
take_once(void *ctx, const char *event, const struct jcur *e, struct err *err)
{
    return once_take(ctx, event, e, err);
}

#define RUN      "{\"event\":\"run\"}"
#define START(v) "{\"event\":\"start\",\"version\":" #v "}"
#define GIVE(r, f)                                                             \
    "{\"event\":\"release\",\"rank\":" #r ",\"epoch\":0,\"first\":" #f         \
    ",\"count\":10}"
#define ADD(r)   "{\"event\":\"add\",\"rank\":" #r "}"
#define LEAVE(r) "{\"event\":\"leave\",\"rank\":" #r "}"
#define COMMIT(v, n)                                                           \
    "{\"event\":\"commit\",\"version\":" #v ",\"samples\":" #n "}"

/* An epoch of 20 samples: what says the account of these events? */
static const char *
account(const char *const *lines, bool complete)
{
    static struct err err;
    struct once *o = once_new(NULL);
    size_t applied;

    err_clear(&err);
    if (feed(take_once, o, lines, &err) == 0)
        (void)once_check(o, 20, 1, complete, &applied, &err);
    once_free(o);
    return err.text;
}

static void
test_once(void)
{
    is_str(account((const char *const[]){RUN, START(0), GIVE(0, 0), GIVE(1, 10),
                                         ADD(1), ADD(0), COMMIT(1, 20), NULL},
                   true),
           "", "each sample once");
    ok(strstr(
           account((const char *const[]){RUN, START(0), GIVE(0, 0), GIVE(1, 0),
                                         ADD(1), ADD(0), COMMIT(1, 20), NULL},
                   true),
           "update 1 and in update 1"),
       "twice in one update");
    ok(strstr(account((const char *const[]){RUN, START(0), GIVE(0, 0), ADD(0),
                                            COMMIT(1, 10), GIVE(0, 5), ADD(0),
                                            COMMIT(2, 10), NULL},
                      false),
              "applied in update 1 and in update 2"),
       "half of it twice, in a run that is not complete");
    ok(strstr(account((const char *const[]){RUN, START(0), GIVE(0, 0), ADD(0),
                                            COMMIT(1, 10), NULL},
                      true),
              "10 of 20 samples"),
       "one is missing");
    is_str(account((const char *const[]){RUN, START(0), GIVE(0, 0), ADD(0),
                                         COMMIT(1, 10), NULL},
                   false),
           "", "which is fine when the run was stopped");
    ok(strstr(account((const char *const[]){RUN, START(0), NULL}, true),
              "0 of 1 epochs"),
       "all are missing");
    ok(strstr(account((const char *const[]){RUN, START(0), GIVE(0, 0), ADD(0),
                                            ADD(0), NULL},
                      true),
              "added twice"),
       "a push is added twice");
    ok(strstr(account((const char *const[]){RUN, START(0), GIVE(0, 0), LEAVE(0),
                                            ADD(0), NULL},
                      true),
              "added twice, or never"),
       "a worker that left is added");
    ok(strstr(account((const char *const[]){RUN, START(0), GIVE(0, 0), ADD(0),
                                            COMMIT(1, 20), NULL},
                      true),
              "20 samples, but 10"),
       "an update tells another number");
    ok(strstr(account((const char *const[]){RUN, START(0), GIVE(0, 0), ADD(0),
                                            COMMIT(2, 10), NULL},
                      true),
              "update 2 follows update 0"),
       "an update is missing");
    ok(strstr(account((const char *const[]){RUN, START(0), GIVE(0, 20), ADD(0),
                                            COMMIT(1, 10), NULL},
                      false),
              "there are 1 epochs of 20 samples"),
       "more samples than there are");
}

static void
test_once_resumed(void)
{
    static const char *const again[] = {
        RUN,         START(0),    GIVE(0, 0),    ADD(0),        COMMIT(1, 10),
        GIVE(0, 10), ADD(0),      COMMIT(2, 10), GIVE(0, 10),   RUN,
        START(1),    GIVE(1, 10), ADD(1),        COMMIT(2, 10), NULL};
    static const char *const kept[] = {
        RUN,         START(0), GIVE(0, 0),    ADD(0), COMMIT(1, 10),
        GIVE(0, 10), ADD(0),   COMMIT(2, 10), RUN,    START(2),
        GIVE(1, 10), ADD(1),   COMMIT(3, 10), NULL};
    static const char *const steps[] = {
        RUN,
        START(0),
        "{\"event\":\"release\",\"rank\":0,\"epoch\":0,\"first\":0,\"count\":5,"
        "\"rest\":[[0,5,5,0],[0,10,10,0]]}",
        ADD(0),
        COMMIT(1, 20),
        NULL};
    static const char *const ahead[] = {RUN, START(0), RUN, START(1), NULL};

    is_str(account(again, true), "",
           "what came after the checkpoint is undone");
    ok(strstr(account(kept, true), "update 2 and in update 3"),
       "what came before it is not");
    is_str(account(steps, true), "", "orders of several steps");
    ok(strstr(account(ahead, true), "goes on from update 1"),
       "a checkpoint of what nobody told");
}

/* ---- where everybody is -------------------------------------------------- */

struct watching {
    struct scene scene;
    char seen[512]; /* "0 starting, ..." */
};

static void
on_enter(void *ctx, enum chaos_state s, uint32_t rank)
{
    struct watching *w = ctx;
    size_t n = strlen(w->seen);

    if (chaos_is_coordinator(s))
        (void)str_printf(w->seen + n, sizeof w->seen - n, "%s ",
                         chaos_state_name(s));
    else
        (void)str_printf(w->seen + n, sizeof w->seen - n, "%u:%s ", rank,
                         chaos_state_name(s));
}

static int
take_scene(void *ctx, const char *event, const struct jcur *e, struct err *err)
{
    struct watching *w = ctx;

    return scene_take(&w->scene, event, e, on_enter, w, err);
}

static void
test_scene(void)
{
    static const char *const lines[] = {
        RUN,
        "{\"event\":\"spawn\",\"rank\":1,\"life\":0}",
        "{\"event\":\"hello\",\"rank\":1,\"life\":0,\"host\":\"h\",\"pid\":7}",
        "{\"event\":\"ready\",\"rank\":1}",
        START(0),
        GIVE(1, 0),
        "{\"event\":\"snapshot\",\"of\":\"checkpoint\"}",
        "{\"event\":\"push\",\"rank\":1}",
        COMMIT(1, 10),
        "{\"event\":\"idle\",\"rank\":1}",
        "{\"event\":\"join\",\"rank\":1}",
        "{\"event\":\"end\"}",
        NULL};
    struct watching w = {0};
    struct err err = ERR_INIT;

    ok(scene_init(&w.scene, &err) == 0 &&
           feed(take_scene, &w, lines, &err) == 0,
       "events are taken");
    is_str(w.seen,
           "starting 1:starting 1:reading 1:held 1:computing 1:pushing "
           "checkpointing 1:held training committing 1:idle 1:held ending "
           "1:stopping ",
           "states in order");
    ok(scene_is_in(&w.scene, CHAOS_STOPPING, 1) &&
           !scene_is_in(&w.scene, CHAOS_HELD, 1) &&
           scene_is_in(&w.scene, CHAOS_CHECKPOINTING, 0) &&
           !scene_is_in(&w.scene, CHAOS_TRAINING, 0),
       "and now");
    ok(scene_get(&w.scene, 1)->is_remote && scene_get(&w.scene, 1)->pid == 7 &&
           !scene_get(&w.scene, 2),
       "processes");
    feed(take_scene, &w, (const char *const[]){RUN, NULL}, &err);
    ok(!scene_is_in(&w.scene, CHAOS_STOPPING, 1) && w.scene.sessions == 2,
       "a new session begins from nothing");
    scene_release(&w.scene);
}

/* ---- what comes of faults ------------------------------------------------ */

static int
take_strike(void *ctx, const char *event, const struct jcur *e, struct err *err)
{
    (void)err;
    strike_see(ctx, event, e, 5);
    return 0;
}

static struct strike
follow(enum chaos_state state, enum chaos_action action,
       const char *const *lines)
{
    struct strike s = {.fault = {.state = state, .rank = 1, .action = action}};
    struct err err = ERR_INIT;

    ok(feed(take_strike, &s, lines, &err) == 0, "%s", chaos_state_name(state));
    return s;
}

#define PUSH(r)    "{\"event\":\"push\",\"rank\":" #r "}"
#define LOST(r, t) "{\"event\":\"lost\",\"rank\":" #r ",\"then\":\"" #t "\"}"

static void
test_strikes(void)
{
    struct strike s;

    s = follow(CHAOS_COMPUTING, CHAOS_KILL,
               (const char *const[]){PUSH(0), LEAVE(1), LOST(1, replace),
                                     COMMIT(1, 1), PUSH(0), PUSH(1), NULL});
    ok(!s.late && s.outcome == STRIKE_RECOVERED && s.recovered_ns == 5,
       "recovered when its rank pushes");
    s = follow(CHAOS_COMPUTING, CHAOS_KILL,
               (const char *const[]){PUSH(1), LEAVE(1), NULL});
    ok(s.late && s.outcome == STRIKE_OPEN, "it had pushed: too late");
    s = follow(CHAOS_PUSHING, CHAOS_KILL,
               (const char *const[]){PUSH(1), LEAVE(1), PUSH(1), NULL});
    ok(!s.late && s.outcome == STRIKE_RECOVERED, "a push may arrive after all");
    s = follow(CHAOS_HELD, CHAOS_CUT,
               (const char *const[]){GIVE(1, 0), LEAVE(1), NULL});
    ok(s.late, "it was held no more");
    s = follow(CHAOS_HELD, CHAOS_STOP,
               (const char *const[]){GIVE(1, 0), LEAVE(1), NULL});
    ok(!s.late, "who is stopped may be released");
    s = follow(CHAOS_COMPUTING, CHAOS_KILL,
               (const char *const[]){LEAVE(1), LOST(1, drop), PUSH(0),
                                     COMMIT(1, 1), NULL});
    ok(s.dropped && s.outcome == STRIKE_RECOVERED, "not replaced: any commit");
    s = follow(CHAOS_CHECKPOINTING, CHAOS_KILL,
               (const char *const[]){RUN, START(1), COMMIT(1, 1), NULL});
    ok(!s.late && s.outcome == STRIKE_RECOVERED, "the coordinator commits");
    s = follow(CHAOS_CHECKPOINTING, CHAOS_KILL,
               (const char *const[]){"{\"event\":\"checkpoint\"}", RUN, NULL});
    ok(s.late && s.outcome == STRIKE_OPEN, "the checkpoint was written");
}

/* ---- growth -------------------------------------------------------------- */

/* 40 samples: base, more from sample `from` on, and `slope` with each. */
static enum growth_verdict
grow(uint64_t base, uint64_t step, size_t from, double slope, bool memory)
{
    struct growth g = {0};
    struct err err = ERR_INIT;
    enum growth_verdict v;
    char text[200];

    for (size_t i = 0; i < 40; i++) {
        uint64_t x =
            base + (i >= from ? step : 0) + (uint64_t)(slope * (double)i);
        struct growth_sample s = {.session = 1,
                                  .connected = i % 5 ? 3 : 2,
                                  .memory = memory ? x : base,
                                  .files = memory ? 30 : x};

        if (i % 5 == 0) /* one worker is away */
            s.files -= 4;
        (void)growth_add(&g, &s, &err);
    }
    v = memory ? growth_memory(&g, text, sizeof text, &err)
               : growth_files(&g, text, sizeof text, &err);
    growth_release(&g);
    return v;
}

static void
test_growth(void)
{
    static const uint64_t mb = (uint64_t)1 << 20;
    struct growth_sample one = {.session = 1, .files = 1, .memory = 1};
    struct growth g = {0};
    char text[200];

    is_int(grow(30, 0, 0, 0, false), GROWTH_NONE, "files: constant");
    is_int(grow(30, 0, 0, 0.5, false), GROWTH_FOUND, "files: a leak");
    is_int(grow(30, 5, 25, 0, false), GROWTH_NONE, "files: more once");
    is_int(grow(20 * mb, 0, 0, 0, true), GROWTH_NONE, "memory: constant");
    is_int(grow(20 * mb, 9 * mb, 20, 0, true), GROWTH_NONE, "memory: once");
    is_int(grow(20 * mb, 0, 0, 0.5 * (double)mb, true), GROWTH_FOUND,
           "memory: a leak");
    (void)growth_add(&g, &one, NULL);
    is_int(growth_files(&g, text, sizeof text, NULL), GROWTH_UNKNOWN,
           "too few samples");
    growth_release(&g);
}

/* ---- processes ----------------------------------------------------------- */

static void
test_proc(void)
{
    const char *word[3] = {NULL};
    uint64_t memory, files;
    int fd = proc_open(getpid());

    is_int(proc_words("  a  bc\td\n", word, 3), 3, "words");
    ok(*word[0] == 'a' && *word[1] == 'b' && *word[2] == 'd', "their begins");
    is_int(proc_words(" a \n", word, 3), 1, "fewer words");
    ok(proc_usage(getpid(), &memory, &files) && memory > 4096 && files >= 3,
       "memory and descriptors");
    ok(fd >= 0 && proc_signal(fd, 0, NULL) == 0, "a process of ours");
    ok(proc_open(1) < 0 && proc_open(0) < 0, "not one that runs another file");
    close(fd);
}

int
main(void)
{
    test_script();
    test_bad_scripts();
    test_once();
    test_once_resumed();
    test_scene();
    test_strikes();
    test_growth();
    test_proc();
    return done();
}
