#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Plugins that do what no policy should: timers without end, crashes, loops.
load ebsp
load jobs

# wild FLAG...: wild.so, an asynchronous policy that does AT_PUSH before it
# answers a push of worker 1, and with TIMERS asks for the next timer at each.
wild() {
    cat >wild.c <<'EOF'
#include <ebsp/policy.h>
#include <signal.h>
#include <stdlib.h>
#ifndef AT_PUSH
#define AT_PUSH
#endif
static volatile int zero;
struct wild { const struct ebsp_host *host; };
static void *create(const struct ebsp_host *host)
{
    struct wild *self = malloc(sizeof *self);
    self->host = host;
    return self;
}
static int32_t act(const struct wild *self, uint32_t kind, uint32_t worker,
                   double weight, int64_t at_ns)
{
    struct ebsp_action a = {.struct_size = sizeof a, .kind = kind,
                            .worker = worker, .weight = weight,
                            .at_ns = at_ns};
    return self->host->act(self->host->ctx, &a);
}
static int recurse(int n)
{
    volatile char page[4096] = {(char)n};
    return n == zero ? 0 : recurse(n + 1) + page[0];
}
static int32_t on_event(void *self, const struct ebsp_event *e)
{
    (void)recurse;
    if (e->kind == EBSP_EVENT_START) {
        for (uint32_t i = 0; i < 2; i++)
            if (act(self, EBSP_ACTION_RELEASE, i, 0, 0) != 0)
                return -1;
    }
    if (e->kind == EBSP_EVENT_PUSH && e->worker == 1) { AT_PUSH; }
    if (e->kind == EBSP_EVENT_PUSH)
        return act(self, EBSP_ACTION_ADD, e->worker, 1, 0) != 0 ||
               act(self, EBSP_ACTION_COMMIT, 0, 1, 0) != 0 ||
               act(self, EBSP_ACTION_RELEASE, e->worker, 0, 0) != 0 ? -1 : 0;
#ifdef TIMERS
    if (e->kind == EBSP_EVENT_START || e->kind == EBSP_EVENT_WAKE)
        return act(self, EBSP_ACTION_WAKE, 0, 0, e->now_ns + 1);
#endif
    return 0;
}
static const struct ebsp_policy wild_policy = {
    EBSP_POLICY_HEAD, .name = "wild", .version = "1.0",
    .summary = "does what no policy should", .create = create,
    .destroy = free, .on_event = on_event};
EBSP_POLICY_EXPORT(wild_policy);
EOF
    # CC may hold flags, too.
    # shellcheck disable=SC2086
    ${CC:-cc} -I"$EBSP_SRCDIR/include" -shared -fPIC -w -o wild.so "$@" wild.c
}

@test "timers without end leave the coordinator room for its workers" {
    wild -DTIMERS
    blobs_job j.json
    bg train.log ebsp train j.json -r run -q -n 2 -p ./wild.so
    finish $!
    cat train.log
    [ "$status" -eq 0 ]
    # virtual time does not pass by itself
    expect 7 simulate -n 2 --speeds 10 -p ./wild.so
    stderr_has "asks for 100000 timers between two other events"
}

@test "a plugin that crashes is named, with the event" {
    local fault
    for fault in 'abort()' '*(volatile int *)0 = 1' 'raise(SIGFPE)' \
        'zero = recurse(1)'; do
        wild "-DAT_PUSH=$fault"
        run_ebsp simulate -n 2 --speeds 10 -p ./wild.so
        [ "$status" -ne 0 ]
        stderr_has 'ebsp: policy "wild" crashed in PUSH of worker 1'
    done
    blobs_job j.json
    run_ebsp train j.json -r run -q -n 2 -p ./wild.so
    [ "$status" -ne 0 ]
    stderr_has 'ebsp: policy "wild" crashed in PUSH of worker 1'
    run_ebsp bench j.json --virtual --seeds 2 -n 2 -p ./wild.so,bsp \
        --epochs 1 -o out
    [ "$status" -eq 1 ]
    stderr_has 'ebsp: policy "wild" crashed in PUSH of worker 1'
    stderr_has 'its process ended ' # by a signal, or a sanitizer's exit
    # it takes nobody with it
    json_true out/bench.json '[.cells[].status] ==
        ["failed", "failed", "done", "done"]'
}

# What comes of it after a minute: tests/unit/test_policy_watchdog.c.
@test "a plugin that does not return is named after ten seconds" {
    wild '-DAT_PUSH=for (;;)'
    blobs_job j.json
    bg train.log ebsp train j.json -r run -q -n 2 -p ./wild.so
    wait_for train.log \
        '^ebsp: policy "wild" has not returned from PUSH of worker 1 for 10 s$' 40
    kill -KILL $!
}
