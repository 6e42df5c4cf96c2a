/* SPDX-License-Identifier: Apache-2.0 */
/* How a run ends, well or not, and its evaluations. */
#include "base/clock.h"
#include "base/mem.h"
#include "ps/server_impl.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>

#define SNAPSHOT_BYTES ((size_t)1 << 30) /* waiting for evaluation, at most */

void
server_tell_news(struct server *s)
{
    if (s->news)
        s->news(s->news_ctx);
}

static void
over(struct server *s)
{
    if (s->phase == SERVER_OVER)
        return;
    s->phase = SERVER_OVER;
    uv_timer_stop(&s->tick);
    uv_timer_stop(&s->timer);
    server_tell_news(s);
    uv_stop(s->loop);
}

/* The first one is what the run ends with. */
static void
remember_failure(struct server *s, const struct err *why)
{
    if (s->failure.code != ERR_OK)
        return;
    s->failure = *why;
    log_line(s->c.log, LOG_DEBUG, "server", "failed: %s", why->text);
    events_begin(s->c.events, clock_now_ns(), "failure");
    events_int(s->c.events, "code", why->code);
    events_str(s->c.events, "text", why->text);
    events_end(s->c.events);
}

void
server_give_up(struct server *s, const struct err *why)
{
    fleet_settle(s->fleet);
    if (s->phase != SERVER_TRAINING) {
        server_fail(s, why);
        return;
    }
    remember_failure(s, why);
    s->hasty = true;
    server_begin_ending(s, why->text);
}

void
server_fail(struct server *s, const struct err *why)
{
    fleet_settle(s->fleet);
    /* The policy is at fault, not what was learned under it. */
    if (why->code == ERR_POLICY && s->phase == SERVER_TRAINING) {
        server_give_up(s, why);
        return;
    }
    remember_failure(s, why);
    if (s->phase == SERVER_TRAINING)
        s->end_ns = clock_now_ns();
    for (uint32_t i = 0; i < s->n_sessions; i++)
        if (s->session[i].conn)
            conn_close(s->session[i].conn, false);
    over(s);
}

int
server_failf(struct server *s, enum err_code code, const char *fmt, ...)
{
    struct err err = ERR_INIT;
    va_list ap;

    va_start(ap, fmt);
    err_vset(&err, code, fmt, ap);
    va_end(ap);
    server_fail(s, &err);
    return -1;
}

/* All said goodbye, the last checkpoint is written and, unless somebody waits
 * impatiently, every snapshot is evaluated. */
void
server_check_over(struct server *s)
{
    if (s->phase != SERVER_ENDING || !s->concluded ||
        keeper_is_busy(s->keeper) ||
        (!s->hasty && watcher_get_pending(s->watcher) > 0))
        return;
    for (uint32_t i = 0; i < s->n_sessions; i++)
        if (s->session[i].state != SESSION_ABSENT)
            return;
    over(s);
}

void
server_submit_snapshot(struct server *s, bool final)
{
    struct err err = ERR_INIT;
    size_t bytes = s->t->n_floats * sizeof(float);
    struct params *p;

    if (!final && watcher_get_pending(s->watcher) * bytes > SNAPSHOT_BYTES) {
        log_warn(s->c.log, "evaluation",
                 "falls behind, the snapshot after %.2f epochs is left out",
                 ledger_epochs(&s->ledger));
        return;
    }
    events_begin(s->c.events, clock_now_ns(), "snapshot");
    events_str(s->c.events, "of", "evaluation");
    events_uint(s->c.events, "version", store_get_version(s->ledger.store));
    events_end(s->c.events);
    if (store_is_hollow(s->ledger.store)) {
        if (served_evaluate(s, clock_now_ns(), &err) != 0)
            server_fail(s, &err);
        return;
    }
    p = store_ref(s->ledger.store);
    if (watcher_submit(s->watcher, p, assign_get_done(s->ledger.assign),
                       clock_now_ns(), &err) != 0) {
        store_unref(p);
        server_fail(s, &err);
    }
}

/* `at_ns`: when the numbers were known. */
static void
tell_end(struct server *s, int64_t at_ns)
{
    events_begin(s->c.events, at_ns, "end");
    if (*s->stopped || s->failure.code)
        events_str(s->c.events, "why",
                   *s->stopped ? s->stopped : s->failure.text);
    events_uint(s->c.events, "samples", assign_get_done(s->ledger.assign));
    events_uint(s->c.events, "updates", store_get_version(s->ledger.store));
    events_hex(s->c.events, "params_hash", ledger_params_hash(&s->ledger));
    events_end(s->c.events);
}

static void
conclude(struct server *s)
{
    s->concluded = true;
    store_discard(s->ledger.store);
    if (!s->hasty)
        server_submit_snapshot(s, true);
    server_tell_news(s);
    if (s->phase == SERVER_ENDING)
        server_save_checkpoint(s, true);
    server_check_over(s);
}

void
server_filled(struct server *s)
{
    tell_end(s, clock_now_ns());
    conclude(s);
}

void
server_begin_ending(struct server *s, const char *why)
{
    struct err err = ERR_INIT;

    if (s->phase != SERVER_TRAINING && s->phase != SERVER_STARTING)
        return;
    s->end_ns = s->ending_since_ns = clock_now_ns();
    if (why && s->failure.code == ERR_OK)
        snprintf(s->stopped, sizeof s->stopped, "%s", why);
    if (s->phase == SERVER_STARTING) /* nothing was trained */
        s->start_ns = s->end_ns;
    s->phase = SERVER_ENDING;
    if (!fleet_is_ready(s->fleet)) { /* nothing was trained elsewhere */
        store_fill(s->ledger.store);
        tell_end(s, s->end_ns);
    }
    log_info(s->c.log, "server", "ending: %s", why ? why : "all epochs done");
    for (uint32_t i = 0; i < s->n_sessions; i++)
        session_stop(&s->session[i]);
    server_close_listeners(s);
    if (!store_is_hollow(s->ledger.store))
        conclude(s);
    else if (served_end(s, &err) != 0)
        server_fail(s, &err);
}

void
server_stop(struct server *s, const char *why)
{
    s->hasty = true;
    server_begin_ending(s, why);
}

void
server_on_evaluated(void *ctx, const struct watcher_result *r)
{
    struct server *s = ctx;

    store_unref(r->params);
    if (s->phase == SERVER_OVER) /* delivered by server_close: too late */
        return;
    if (r->err.code != ERR_OK) {
        server_fail(s, &r->err);
        return;
    }
    s->accuracy = r->eval.accuracy;
    s->test_loss = r->eval.loss;
    s->eval_samples = r->samples;
    s->eval_ns += r->cost_ns;
    if (!(s->best_accuracy >= s->accuracy))
        s->best_accuracy = s->accuracy;
    events_begin(s->c.events, clock_now_ns(), "eval");
    events_uint(s->c.events, "samples", r->samples);
    events_seconds(s->c.events, "at", r->taken_ns - s->start_ns);
    events_num(s->c.events, "loss", r->eval.loss);
    events_num(s->c.events, "accuracy", r->eval.accuracy);
    events_seconds(s->c.events, "took", r->cost_ns);
    events_end(s->c.events);
    log_info(s->c.log, "evaluation",
             "samples=%llu accuracy=%.4f loss=%.4f took=%.3fs",
             (unsigned long long)r->samples, r->eval.accuracy, r->eval.loss,
             (double)r->cost_ns / (double)NS_PER_S);
    server_tell_news(s);
    if (s->phase == SERVER_TRAINING && s->c.job->target_accuracy > 0 &&
        s->accuracy >= s->c.job->target_accuracy)
        server_begin_ending(s, "target accuracy reached");
    server_check_over(s);
}
