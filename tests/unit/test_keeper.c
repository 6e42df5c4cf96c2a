/* SPDX-License-Identifier: Apache-2.0 */
/* Checkpoints that are written beside something else. */
#include "run_fixture.h"

#include "base/clock.h"
#include "ps/keeper.h"

#define MAX_RESULTS 16

struct rig {
    struct run_fixture f;
    uv_loop_t loop;
    struct keeper *keeper;
    struct keeper_result result[MAX_RESULTS];
    char text[MAX_RESULTS][640], last[MAX_RESULTS][64];
    int n, due;
};

static void
on_result(void *ctx, const struct keeper_result *r)
{
    struct rig *g = ctx;

    g->result[g->n] = *r;
    snprintf(g->last[g->n], sizeof g->last[0], "%s",
             r->last_path ? r->last_path : "");
    g->n++;
}

static void
on_due(void *ctx)
{
    struct rig *g = ctx;

    g->due++;
}

static const struct keeper_handlers handlers = {.on_result = on_result,
                                                .on_due = on_due};

static void
rig_init(struct rig *g)
{
    struct err e = ERR_INIT;

    memset(g, 0, sizeof *g);
    run_init(&g->f, run_job);
    uv_loop_init(&g->loop);
    g->keeper =
        keeper_new(&g->loop, g->f.dir, &g->f.job, NULL, &handlers, g, &e);
    if (!g->keeper) {
        printf("Bail out! %s\n", e.text);
        exit(1);
    }
}

static void
rig_release(struct rig *g)
{
    keeper_close(g->keeper);
    uv_run(&g->loop, UV_RUN_DEFAULT);
    is_int(uv_loop_close(&g->loop), 0, "nothing is left on the loop");
    run_release(&g->f);
}

static void
submit(struct rig *g, bool final)
{
    struct snapshot *s =
        snapshot_new(&g->f.job, g->f.store, g->f.assign, &g->f.state, NULL);

    keeper_submit(g->keeper, s, final);
}

/* Until there are n results or, with due, on_due was called; 20 s at most. */
static bool
wait_until(struct rig *g, int n, int due)
{
    int64_t end = clock_now_ns() + 20 * NS_PER_S;

    while ((g->n < n || g->due < due) && clock_now_ns() < end) {
        uv_run(&g->loop, UV_RUN_NOWAIT);
        usleep(500);
    }
    return g->n == n && g->due == due;
}

static void
the_newest_that_waits_wins(void)
{
    struct rig g;
    uint64_t *v;
    size_t n;

    rig_init(&g);
    ok(!keeper_is_busy(g.keeper), "nothing to do");
    for (int i = 0; i < 5; i++) {
        run_train(&g.f, 1);
        submit(&g, i == 4);
    }
    ok(keeper_is_busy(g.keeper), "busy");
    ok(wait_until(&g, 2, 0), "two of five are written");
    ok(g.result[0].version == 1 && !g.result[0].final &&
           g.result[0].err.code == ERR_OK && g.result[1].version == 5 &&
           g.result[1].final && g.result[1].err.code == ERR_OK,
       "the first and the last");
    ok(!keeper_is_busy(g.keeper), "nothing more to do");
    rundir_list_checkpoints(g.f.dir, &v, &n, NULL);
    ok(n == 2 && v[0] == 1 && v[1] == 5 && run_newest(&g.f, NULL, NULL) == 5,
       "both are there");
    mem_free(v);
    rig_release(&g);
}

/* A snapshot is of its moment, whatever happens until it is written. */
static void
what_is_written_is_what_was_submitted(void)
{
    struct rig g;
    struct run_fixture again;
    struct err e = ERR_INIT;
    char *path;

    rig_init(&g);
    run_train(&g.f, 2);
    submit(&g, false);
    run_train(&g.f, 3);
    ok(wait_until(&g, 1, 0), "written");
    run_init(&again, run_job);
    again.state.data_hash = 42;
    path = rundir_checkpoint(g.f.dir, 2);
    ok(checkpoint_load(path, &again.job, again.store, again.assign,
                       &again.state, &e) == 0,
       "it is whole %s", e.text);
    ok(assign_get_done(again.assign) == 20 && again.state.pushes == 2,
       "state of two updates");
    run_train(&again, 3);
    ok(!memcmp(store_peek(again.store), store_peek(g.f.store),
               g.f.place.t->n_floats * sizeof(float)),
       "and parameters");
    mem_free(path);
    run_release(&again);
    rig_release(&g);
}

/* A run directory that is away is as good as a full disk. */
static void
failures_are_tried_again_later(void)
{
    struct rig g;
    char *away;

    rig_init(&g);
    run_train(&g.f, 1);
    submit(&g, false);
    wait_until(&g, 1, 0);
    away = mem_printf("%s.away", g.f.dir);
    rename(g.f.dir, away);
    run_train(&g.f, 1);
    submit(&g, false);
    ok(wait_until(&g, 2, 0) && g.result[1].err.code == ERR_SYS &&
           g.result[1].failures == 1 && g.result[1].retry_ns == NS_PER_S &&
           strstr(g.last[1], "checkpoint-000000000001"),
       "a failure: %s", g.result[1].err.text);
    ok(keeper_is_holding_off(g.keeper) && !keeper_is_busy(g.keeper),
       "the next try is not due");
    ok(wait_until(&g, 2, 1) && !keeper_is_holding_off(g.keeper), "now it is");
    submit(&g, false);
    ok(wait_until(&g, 3, 1) && g.result[2].failures == 2 &&
           g.result[2].retry_ns == 2 * NS_PER_S,
       "a second failure waits twice as long");
    submit(&g, true);
    ok(wait_until(&g, 4, 1) && g.result[3].final && g.result[3].failures == 3 &&
           g.result[3].retry_ns == 0 && !keeper_is_holding_off(g.keeper),
       "the last one has no other try");
    rename(away, g.f.dir);
    is_int(run_newest(&g.f, NULL, NULL), 1, "the old one is whole");
    submit(&g, false);
    ok(wait_until(&g, 5, 1) && g.result[4].err.code == ERR_OK &&
           g.result[4].failures == 0,
       "room again: written");
    mem_free(away);
    rig_release(&g);
}

static void
the_limit_of_waiting(void)
{
    struct rig g;
    int64_t longest = 0;

    rig_init(&g);
    fs_remove(g.f.dir, NULL);
    for (int i = 0; i < 10; i++) {
        g.n = 0;
        submit(&g, false);
        wait_until(&g, 1, 0);
        longest = g.result[0].retry_ns;
    }
    is_int(longest, 60 * NS_PER_S, "never longer than a minute");
    rig_release(&g);
}

static void
closed_at_work(void)
{
    struct rig g;

    rig_init(&g);
    run_train(&g.f, 1);
    submit(&g, false);
    run_train(&g.f, 1);
    submit(&g, false);
    rig_release(&g);
    is_int(g.n, 0, "nobody is told after the end");
}

int
main(void)
{
    the_newest_that_waits_wins();
    what_is_written_is_what_was_submitted();
    failures_are_tried_again_later();
    the_limit_of_waiting();
    closed_at_work();
    return done();
}
