/* SPDX-License-Identifier: Apache-2.0 */
/* What the host keeps account of, and the order in which it tells things. */
#include "base/mem.h"
#include "script.h"
#include "tap.h"

/* Releases everybody at START; later each push is applied, its worker goes on;
 * with s->n set, the parameters that it has are kept. */
static int32_t
async(struct script *s, const struct ebsp_event *e)
{
    uint32_t keep = s->n ? EBSP_RELEASE_KEEP : 0;

    if (e->kind == EBSP_EVENT_START)
        for (uint32_t i = 0; i < s->config.max_workers; i++)
            if (host_get_state(s->host, i) == HOST_HELD &&
                ACT(s, RELEASE, .worker = i) != 0)
                return -1;
    if (e->kind == EBSP_EVENT_PUSH &&
        (ACT(s, ADD, .worker = e->worker, .weight = 1) != 0 ||
         ACT(s, COMMIT, .weight = 1) != 0 ||
         ACT(s, RELEASE, .worker = e->worker, .flags = keep) != 0))
        return -1;
    return 0;
}

static void
versions_and_staleness(void)
{
    struct script s;
    struct host_stats stats;

    script_init(&s, 2, async);
    s.config.version = 100;
    script_start(&s, 2);
    script_push(&s, 5, 0);
    is_int(s.last.interval_ns, 5, "the interval runs from release to arrival");
    s.log[0] = '\0';
    script_push(&s, 9, 0);
    is_int(s.last.interval_ns, 4, "also later");
    is_str(s.log, "P0 +0*1 C1(1,10) R0 ",
           "an update tells pushes and samples since the last");
    is_int(s.last.base_version, 101, "a release sends the newest version");
    script_push(&s, 10, 1);
    is_int(s.last.base_version, 100, "the other still has the first one");
    is_int(s.last.version, 102, "after two updates");
    is_int(host_get_histogram(s.host)[0], 2, "two fresh pushes");
    is_int(host_get_histogram(s.host)[2], 1, "one of staleness 2");
    s.n = 1;
    script_push(&s, 11, 1); /* keeps version 103 from here on */
    for (int64_t t = 12; t < 112; t++)
        script_push(&s, t, 1);
    is_int(s.last.base_version, 103, "KEEP leaves the version of the worker");
    host_get_stats(s.host, &stats);
    is_int(stats.max_staleness, 100, "and it grows stale");
    is_int(host_get_histogram(s.host)[HOST_HISTOGRAM - 1], 100 - 62,
           "the last bin holds this and more");
    is_int(stats.version, 204, "versions count updates");
    is_int(stats.pushes, 104, "pushes are counted");
    is_int(stats.events, 2 + 1 + 104, "events are counted");
    is_int(stats.max_gap, 100, "greatest clock gap");
    is_int(host_get_clock(s.host, 0), 2, "clock of worker 0");
    is_str(s.err.text, "", "no error");
    script_close(&s);
}

/* Joined workers wait until the test releases them by a WAKE. */
static int32_t
on_wake(struct script *s, const struct ebsp_event *e)
{
    if (e->kind == EBSP_EVENT_WAKE)
        return ACT(s, RELEASE, .worker = (uint32_t)e->cookie);
    if (e->kind == EBSP_EVENT_JOIN && s->n)
        return ACT(s, WAKE, .at_ns = s->n, .cookie = e->worker);
    return async(s, e);
}

static void
clock_of_a_newcomer(void)
{
    struct script s;
    struct host_stats stats;

    script_init(&s, 3, on_wake);
    s.bounds = (struct ebsp_bounds){.flags = EBSP_BOUND_GAP, .max_gap = 4};
    script_start(&s, 2);
    for (int64_t t = 1; t <= 4; t++) {
        script_push(&s, t, 0);
        script_push(&s, t, 1);
    }
    s.n = 100;
    host_join(s.host, 5, 2, &s.err);
    is_int(s.last.clock, 4, "JOIN tells the least clock of the others");
    for (int64_t t = 6; t < 16; t++) {
        script_push(&s, t, 0);
        script_push(&s, t, 1);
    }
    is_str(s.err.text, "", "a held newcomer does not make a gap");
    host_advance(s.host, 100, &s.err);
    is_int(host_get_clock(s.host, 2), 14,
           "its clock starts at the least one when it is released");
    script_push(&s, 101, 2);
    is_int(s.last.clock, 15, "and is the clock of its first push");
    host_get_stats(s.host, &stats);
    is_int(stats.max_gap, 1, "so there is no gap");
    for (int64_t t = 102; t < 106; t++)
        script_push(&s, t, 0);
    is_str(s.err.text, "", "the promised gap is reached");
    script_push(&s, 106, 0);
    is_str(s.err.text,
           "policy \"script\": promised a clock gap of at most 4, but worker 0 "
           "is at clock 19 and the slowest at 14",
           "and a promise broken is told");
    is_int(s.err.code, ERR_POLICY, "as the policy's fault");
    script_close(&s);
}

static void
promised_staleness(void)
{
    struct script s;

    script_init(&s, 2, async);
    s.bounds =
        (struct ebsp_bounds){.flags = EBSP_BOUND_STALENESS, .max_staleness = 1};
    script_start(&s, 2);
    script_push(&s, 1, 0);
    script_push(&s, 1, 1);
    is_str(s.err.text, "", "staleness 1 was promised");
    script_push(&s, 2, 0);
    script_push(&s, 2, 0);
    script_push(&s, 2, 1);
    is_str(s.err.text,
           "policy \"script\": on PUSH of worker 1: promised a staleness of at "
           "most 1, but the push of worker 1 is 2 updates old",
           "staleness 2 is told");
    script_close(&s);
}

/* Finished workers: 2 and 3 find no work. */
static void
leaves_come_after_the_callback(void)
{
    struct script s;
    struct host_stats stats;

    script_init(&s, 4, async);
    s.finish_from = 2;
    script_start(&s, 4);
    is_str(s.log, "J0 J1 J2 J3 S R0 R1 R2! R3! L2 L3 ",
           "LEAVE(FINISHED) comes after START, in order");
    is_int(s.last.reason, EBSP_LEAVE_FINISHED, "with its reason");
    host_get_stats(s.host, &stats);
    is_int(stats.running, 2, "they do not run any more");
    ok(host_get_state(s.host, 2) == HOST_ABSENT, "they are absent");
    s.log[0] = '\0';
    host_leave(s.host, 1, 0, &s.err);
    is_str(s.log, "L0 ", "a worker that runs is lost");
    is_int(s.last.reason, EBSP_LEAVE_LOST, "and that is the reason");
    ok(host_leave(s.host, 1, 0, &s.err) == 0 && !strcmp(s.log, "L0 "),
       "a second loss is ignored");
    ok(host_join(s.host, 2, 3, &s.err) == 0 &&
           host_get_state(s.host, 3) == HOST_HELD,
       "a finished worker may come back");
    script_close(&s);
}

static int32_t
hold(struct script *s, const struct ebsp_event *e)
{
    if (e->kind == EBSP_EVENT_START)
        return async(s, e);
    return 0;
}

static void
lost_pushes_are_dropped(void)
{
    struct script s;
    struct host_stats stats;

    script_init(&s, 3, hold);
    script_start(&s, 3);
    script_push(&s, 1, 1);
    s.log[0] = '\0';
    host_leave(s.host, 2, 1, &s.err);
    is_str(s.log, "-1 L1 ", "its push is dropped before LEAVE is told");
    host_get_stats(s.host, &stats);
    is_int(stats.dropped, 1, "and counted");
    is_int(stats.held, 0, "nobody is held");
    script_close(&s);
}

static int32_t
never(struct script *s, const struct ebsp_event *e)
{
    (void)e;
    return ACT(s, WAKE, .at_ns = INT64_MAX);
}

static int32_t
again(struct script *s, const struct ebsp_event *e)
{
    return e->kind == EBSP_EVENT_JOIN ? 0
                                      : ACT(s, WAKE, .at_ns = e->now_ns + 1);
}

static int32_t
hold_what_is_added(struct script *s, const struct ebsp_event *e)
{
    if (e->kind == EBSP_EVENT_PUSH)
        return ACT(s, ADD, .worker = e->worker, .weight = 1);
    return hold(s, e);
}

static void
uncommitted_pushes_are_told(void)
{
    struct script s;

    script_init(&s, 2, hold_what_is_added);
    script_start(&s, 2);
    ok(host_check_committed(s.host, &s.err) == 0, "nothing was added: fine");
    script_push(&s, 1, 0);
    host_leave(s.host, 2, 0, &s.err);
    host_leave(s.host, 3, 1, &s.err);
    is_str(s.err.text, "", "to add and not to commit is allowed");
    ok(host_check_committed(s.host, &s.err) != 0, "but not when all is over");
    is_str(s.err.text,
           "policy \"script\": 1 push added but not committed when the "
           "last worker left",
           "and told with the number");
    script_close(&s);
}

static void
deadlocks_are_reported(void)
{
    struct script s;
    int i;

    script_init(&s, 3, hold);
    script_start(&s, 2);
    ok(script_push(&s, 1, 0) == 0, "one is held, one runs: fine");
    ok(script_push(&s, 2, 1) != 0, "both are held: reported");
    is_str(s.err.text,
           "policy \"script\": deadlock after PUSH of worker 1: it holds "
           "workers 0, 1, none is running and no timer is pending",
           "with name and workers");
    script_close(&s);

    script_init(&s, 3, hold);
    script_start(&s, 2);
    script_push(&s, 1, 0);
    ok(host_leave(s.host, 2, 1, &s.err) != 0,
       "when the last that runs leaves: reported");
    script_close(&s);

    script_init(&s, 3, hold);
    script_start(&s, 1);
    ok(host_leave(s.host, 2, 0, &s.err) == 0, "everybody has left: fine");
    script_close(&s);

    script_init(&s, 1, NULL);
    ok(script_start(&s, 1) != 0 && strstr(s.err.text, "after START"),
       "nobody is released at the start: reported");
    script_close(&s);

    script_init(&s, 1, never);
    ok(script_start(&s, 1) != 0 && strstr(s.err.text, "no timer is pending"),
       "a timer at the end of time is none: reported");
    script_close(&s);

    script_init(&s, 1, again);
    ok(script_start(&s, 1) == 0, "a timer is pending: fine");
    for (i = 1; i < 200000; i++)
        if (host_advance(s.host, i, &s.err) != 0)
            break;
    is_int(i, 100000, "timers that only lead to timers: reported");
    ok(strstr(s.err.text, "while all workers are held"), "and told so");
    script_close(&s);

    script_init(&s, 3, on_wake);
    s.n = 50;
    script_start(&s, 0);
    ok(host_join(s.host, 2, 0, &s.err) == 0, "a timer is pending: fine");
    script_close(&s);
}

static int32_t
run_and_again(struct script *s, const struct ebsp_event *e)
{
    if (async(s, e) != 0)
        return -1;
    return e->kind == EBSP_EVENT_PUSH ? 0 : again(s, e);
}

/* The next one of each is asked for by the one before, so time goes on, but a
 * nanosecond at a time. */
static void
timers_must_let_others_happen(void)
{
    struct script s;
    int i;

    script_init(&s, 1, run_and_again);
    script_start(&s, 1);
    for (i = 1; i < 200000; i++)
        if (host_advance(s.host, i, &s.err) != 0)
            break;
    is_int(i, 100000, "timers without end while somebody is running: reported");
    is_str(
        s.err.text,
        "policy \"script\": asks for 100000 timers between two other events, "
        "while workers are running",
        "and told so");
    is_int(s.err.code, ERR_POLICY, "as the policy's fault");
    script_close(&s);

    script_init(&s, 1, run_and_again);
    script_start(&s, 1);
    for (i = 1; i < 200000; i++)
        if (host_advance(s.host, i, &s.err) != 0 ||
            (i == 90000 && script_push(&s, i, 0) != 0))
            break;
    is_int(i, 190000, "a push in between begins the count again");
    script_close(&s);
}

/* Timers: START asks for several, WAKE 7 for another one at once. */
static int32_t
timed(struct script *s, const struct ebsp_event *e)
{
    if (e->kind == EBSP_EVENT_START) {
        ACT(s, WAKE, .at_ns = 30, .cookie = 1);
        ACT(s, WAKE, .at_ns = 20, .cookie = 2);
        ACT(s, WAKE, .at_ns = 20, .cookie = 3);
        ACT(s, WAKE, .at_ns = -5, .cookie = 7);
    }
    if (e->kind == EBSP_EVENT_WAKE && e->cookie == 7)
        return ACT(s, WAKE, .at_ns = 1, .cookie = 8);
    return 0;
}

static void
timers_come_in_order(void)
{
    struct script s;

    script_init(&s, 1, timed);
    script_start(&s, 0);
    is_str(s.log, "S T0 ", "the driver is told the earliest, not before now");
    s.log[0] = '\0';
    host_advance(s.host, 10, &s.err);
    is_str(s.log, "W7 T10 ", "what WAKE asks for waits for the next call");
    is_int(s.last.now_ns, 10, "the time is that of the call");
    s.log[0] = '\0';
    host_advance(s.host, 40, &s.err);
    is_str(s.log, "W8 W2 W3 W1 T- ", "by time, then as asked");
    is_str(s.err.text, "", "no error");
    script_close(&s);
}

static int32_t
spin(struct script *s, const struct ebsp_event *e)
{
    if (e->kind == EBSP_EVENT_PUSH || e->kind == EBSP_EVENT_JOIN)
        return 0;
    return ACT(s, WAKE, .at_ns = 0);
}

static int32_t
hoard(struct script *s, const struct ebsp_event *e)
{
    if (e->kind == EBSP_EVENT_START)
        for (int i = 0; i < 2000; i++)
            if (ACT(s, WAKE, .at_ns = INT64_MAX) != 0)
                return -1;
    return 0;
}

static void
timers_cannot_be_abused(void)
{
    struct script s;
    int i;

    script_init(&s, 1, spin);
    script_start(&s, 0);
    for (i = 0; i < 20000; i++)
        if (host_advance(s.host, 5, &s.err) != 0)
            break;
    is_int(i, 10000, "a policy that wakes itself for ever is stopped");
    ok(strstr(s.err.text, "woken at once for ever"), "and told so");
    script_close(&s);

    script_init(&s, 1, spin);
    script_start(&s, 0);
    for (i = 0; i < 20000; i++)
        if (host_advance(s.host, i, &s.err) != 0)
            break;
    is_int(i, 20000, "not as long as time goes on");
    script_close(&s);

    script_init(&s, 1, hoard);
    ok(script_start(&s, 0) != 0 && strstr(s.err.text, "timers pending"),
       "a policy that hoards timers is stopped");
    script_close(&s);
}

/* Takes everybody back to work and drops what comes, but for each s->n-th. */
static int32_t
waste(struct script *s, const struct ebsp_event *e)
{
    if (e->kind != EBSP_EVENT_PUSH)
        return async(s, e);
    s->log[0] = '\0';
    if (e->clock % (uint64_t)s->n == 0)
        return ACT(s, ADD, .worker = e->worker, .weight = 1) != 0 ||
                       ACT(s, COMMIT, .weight = 1) != 0 ||
                       ACT(s, RELEASE, .worker = e->worker) != 0
                   ? -1
                   : 0;
    return ACT(s, DROP, .worker = e->worker) != 0 ||
                   ACT(s, RELEASE, .worker = e->worker) != 0
               ? -1
               : 0;
}

static void
drops_must_lead_somewhere(void)
{
    struct script s;
    int i;

    script_init(&s, 500, waste); /* of which three are there */
    s.n = 1 << 20;
    script_start(&s, 3);
    for (i = 1; i < 10000; i++)
        if (script_push(&s, i, (uint32_t)i % 3) != 0)
            break;
    is_int(i, 1000 + 3 * 100 + 1, "a policy that only drops is stopped");
    is_str(s.err.text,
           "policy \"script\": on PUSH of worker 2: has dropped 1301 pushes in "
           "a row and committed nothing",
           "and told so");
    is_int(s.err.code, ERR_POLICY, "as the policy's fault");
    script_close(&s);

    script_init(&s, 3, waste);
    s.n = 400;
    script_start(&s, 3);
    for (i = 1; i < 10000; i++)
        if (script_push(&s, i, (uint32_t)i % 3) != 0)
            break;
    is_int(i, 10000, "not when it commits now and then");
    script_close(&s);
}

/* Promises a gap of ten for each worker that is there. */
static int32_t
count(struct script *s, const struct ebsp_event *e)
{
    s->n += (e->kind == EBSP_EVENT_JOIN) - (e->kind == EBSP_EVENT_LEAVE);
    if (e->kind == EBSP_EVENT_START)
        for (uint32_t i = 0; i < (uint32_t)s->n; i++)
            if (ACT(s, RELEASE, .worker = i) != 0)
                return -1;
    return 0;
}

static void
promise_to_so_many(void *self, struct ebsp_bounds *b)
{
    struct script *s = self;

    script_log(s, "B%d ", s->n);
    b->flags = EBSP_BOUND_GAP;
    b->max_gap = (uint64_t)s->n * 10;
}

static void
bounds_follow_the_most_workers(void)
{
    struct script s;

    script_init(&s, 100, count);
    s.lib.p.bounds = promise_to_so_many;
    script_start(&s, 2);
    is_str(s.log, "B0 J0 B1 J1 B2 S R0 R1 ", "those of the start");
    is_int((int64_t)host_get_bounds(s.host)->max_gap, 20,
           "the promise is to them and not to max_workers");
    s.log[0] = '\0';
    host_join(s.host, 1, 7, &s.err);
    host_leave(s.host, 2, 0, &s.err);
    host_leave(s.host, 3, 7, &s.err);
    host_join(s.host, 4, 8, &s.err);
    host_join(s.host, 5, 9, &s.err);
    is_str(s.log, "J7 B3 L0 L7 J8 J9 ",
           "asked again when they are more than ever, and only then");
    is_int((int64_t)host_get_bounds(s.host)->max_gap, 30, "the peak stays");
    host_join(s.host, 6, 10, &s.err);
    is_int((int64_t)host_get_bounds(s.host)->max_gap, 40, "and may rise");
    is_str(s.err.text, "", "no error");
    script_close(&s);
}

static int
call_back(void *ctx, uint32_t worker, double weight, struct err *err)
{
    struct script *s = ctx;

    (void)weight;
    return host_leave(s->host, 1, worker, err);
}

static void
misuse_by_the_driver(void)
{
    struct script s;

    script_init(&s, 2, async);
    s.driver.add = call_back;
    script_start(&s, 2);
    ok(script_push(&s, 1, 0) != 0 && s.err.code == ERR_BUG,
       "the driver must not call the host from inside");
    script_close(&s);

    script_init(&s, 2, async);
    script_start(&s, 2);
    ok(host_join(s.host, 1, 1, &s.err) != 0 && s.err.code == ERR_BUG,
       "nobody joins twice");
    script_close(&s);

    script_init(&s, 2, async);
    script_start(&s, 1);
    ok(script_push(&s, 1, 1) != 0 && s.err.code == ERR_BUG,
       "who does not run cannot push");
    script_close(&s);

    script_init(&s, 2, async);
    script_start(&s, 1);
    ok(host_join(s.host, 1, 2, &s.err) != 0 && s.err.code == ERR_BUG,
       "numbers are below max_workers");
    script_close(&s);

    script_init(&s, 2, async);
    script_start(&s, 2);
    script_push(&s, 10, 0);
    ok(script_push(&s, 9, 1) != 0 && s.err.code == ERR_BUG,
       "time does not run backwards");
    err_clear(&s.err);
    ok(host_start(s.host, 11, &s.err) != 0 && s.err.code == ERR_BUG,
       "there is one start");
    script_close(&s);

    script_init(&s, 0, async);
    ok(script_open(&s) != 0 && s.err.code == ERR_BUG, "no host for 0 workers");

    script_init(&s, 2, async);
    s.config.lacks = EBSP_CAN_ELASTIC;
    script_start(&s, 1);
    ok(!(s.lent->can & EBSP_CAN_ELASTIC), "the policy is told what is lacking");
    ok(host_join(s.host, 1, 1, &s.err) != 0 && s.err.code == ERR_BUG,
       "a driver that is not elastic lets nobody join later");
    script_close(&s);

    script_init(&s, 2, async);
    s.config.lacks = EBSP_CAN_LOCAL_STEPS;
    s.lib.p.needs = EBSP_CAN_LOCAL_STEPS;
    ok(script_open(&s) != 0 && s.err.code == ERR_POLICY,
       "a policy that needs what the driver lacks is refused");
}

static void
driver_errors_pass_through(void)
{
    struct script s;
    struct err again = ERR_INIT;

    script_init(&s, 2, async);
    script_start(&s, 2);
    s.driver_fails = true;
    script_push(&s, 1, 0);
    is_str(s.err.text, "disk full", "the driver's words");
    is_int(s.err.code, ERR_SYS, "and its code");
    s.driver_fails = false;
    ok(host_push(s.host, 2, 1, &(struct host_push){.samples = 1, .steps = 1},
                 &again) != 0 &&
           !strcmp(again.text, "disk full"),
       "the host is dead after an error");
    script_close(&s);
}

static void
memory_runs_out(void)
{
    struct script s;
    int failures = 0;

    for (long i = 0;; i++) {
        script_init(&s, 4, async);
        mem_fail_after(i);
        if (script_open(&s) == 0)
            break;
        failures += s.err.code == ERR_NOMEM;
        ok(i < 100, "allocation %ld fails", i);
    }
    mem_fail_after(-1);
    script_close(&s);
    ok(failures >= 5, "each failing allocation is ERR_NOMEM");

    script_init(&s, 4, async);
    script_start(&s, 4);
    mem_fail_after(0);
    for (int64_t t = 1; t < 1000; t++)
        script_push(&s, t, (uint32_t)(t % 3));
    mem_fail_after(-1);
    is_str(s.err.text, "", "no allocation while events flow");
    script_close(&s);
}

int
main(void)
{
    versions_and_staleness();
    clock_of_a_newcomer();
    promised_staleness();
    leaves_come_after_the_callback();
    lost_pushes_are_dropped();
    deadlocks_are_reported();
    timers_must_let_others_happen();
    uncommitted_pushes_are_told();
    timers_come_in_order();
    timers_cannot_be_abused();
    drops_must_lead_somewhere();
    bounds_follow_the_most_workers();
    misuse_by_the_driver();
    driver_errors_pass_through();
    memory_runs_out();
    return done();
}
