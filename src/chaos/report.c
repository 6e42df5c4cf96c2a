/* SPDX-License-Identifier: Apache-2.0 */
#include "base/clock.h"
#include "chaos/chaos.h"

#include <math.h>

const char *
chaos_check_name(int check)
{
    static const char *const names[CHAOS_CHECKS] = {
        [CHAOS_CHECK_END] = "end",
        [CHAOS_CHECK_FAULTS] = "faults",
        [CHAOS_CHECK_SAMPLES] = "samples",
        [CHAOS_CHECK_PROCESSES] = "processes",
        [CHAOS_CHECK_DESCRIPTORS] = "descriptors",
        [CHAOS_CHECK_MEMORY] = "memory",
        [CHAOS_CHECK_ACCURACY] = "accuracy",
    };

    return names[check];
}

const char *
chaos_verdict_name(enum chaos_verdict v)
{
    static const char *const names[] = {[CHAOS_OK] = "ok",
                                        [CHAOS_FAILED] = "failed",
                                        [CHAOS_SKIPPED] = "skipped"};

    return names[v];
}

bool
chaos_all_ok(const struct chaos_result *r)
{
    for (int i = 0; i < CHAOS_CHECKS; i++)
        if (r->check[i].verdict == CHAOS_FAILED)
            return false;
    return true;
}

static json_t *
seconds(int64_t ns)
{
    return json_real((double)ns / (double)NS_PER_S);
}

/* Members that are NULL make json_pack fail: they are put in one by one. */
static json_t *
report_strike(const struct chaos_result *r, const struct strike *s)
{
    const struct fault *f = &s->fault;
    bool coordinator = chaos_is_coordinator(f->state);
    json_t *v = json_object();

    json_object_set_new(v, "role",
                        json_string(coordinator ? "coordinator" : "worker"));
    json_object_set_new(v, "rank",
                        coordinator ? json_null() : json_integer(f->rank));
    json_object_set_new(v, "state", json_string(chaos_state_name(f->state)));
    json_object_set_new(v, "action", json_string(chaos_action_name(f->action)));
    json_object_set_new(v, "line",
                        f->line ? json_integer(f->line) : json_null());
    if (f->action == CHAOS_STOP)
        json_object_set_new(v, "stopped_seconds",
                            f->stop_s > 0 ? json_real(f->stop_s) : json_null());
    json_object_set_new(v, "at", seconds(s->at_ns - r->begin_ns));
    json_object_set_new(v, "late", json_boolean(s->late));
    json_object_set_new(v, "outcome",
                        json_string(strike_outcome_name(s->outcome)));
    json_object_set_new(v, "recovery_seconds",
                        s->outcome == STRIKE_RECOVERED
                            ? seconds(s->recovered_ns - s->at_ns)
                            : json_null());
    if (s->outcome == STRIKE_MISSED)
        json_object_set_new(v, "why", json_text(s->why));
    return v;
}

json_t *
chaos_report(const struct chaos_config *c, const struct chaos_result *r)
{
    json_t *v = json_object(), *faults = json_array(), *checks = json_object();

    for (size_t i = 0; i < r->n_strikes; i++)
        json_array_append_new(faults, report_strike(r, &r->strike[i]));
    for (int i = 0; i < CHAOS_CHECKS; i++) {
        const struct chaos_check *k = &r->check[i];
        json_t *one = json_object();

        json_object_set_new(one, "verdict",
                            json_string(chaos_verdict_name(k->verdict)));
        json_object_set_new(one, "text", json_text(k->text));
        json_object_set_new(checks, chaos_check_name(i), one);
    }
    json_object_set_new(v, "run", json_text(c->run));
    json_object_set_new(v, "ok", json_boolean(chaos_all_ok(r)));
    json_object_set_new(v, "exit_status", json_integer(r->status));
    json_object_set_new(v, "seed", json_integer((json_int_t)c->seed));
    json_object_set_new(v, "seconds", json_real(r->seconds));
    json_object_set_new(v, "test_accuracy",
                        isnan(r->accuracy) ? json_null()
                                           : json_real(r->accuracy));
    json_object_set_new(v, "checks", checks);
    json_object_set_new(v, "faults", faults);
    return v;
}
