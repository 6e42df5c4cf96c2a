/* SPDX-License-Identifier: Apache-2.0 */
#include "base/mem.h"
#include "view/tally_impl.h"

#include <math.h>
#include <string.h>

void
tally_clear(struct tally *t)
{
    struct tally_worker *worker = t->worker;
    uint32_t n = t->n;

    *t = (struct tally){.started = NAN,
                        .ended = NAN,
                        .lr = NAN,
                        .accuracy = NAN,
                        .best_accuracy = NAN,
                        .test_loss = NAN,
                        .superstep_s = NAN,
                        .worker = worker,
                        .n = n};
    for (uint32_t i = 0; i < n; i++)
        tally_forget_worker(&worker[i]);
}

static int
on_run(struct tally *t, const struct jcur *e, struct err *err)
{
    double now = t->t;

    tally_clear(t);
    t->t = now;
    return tally_get_text(e, "name", t->name, sizeof t->name, err);
}

static int
on_start(struct tally *t, const struct jcur *e, struct err *err)
{
    t->phase = TALLY_TRAINING;
    t->started = t->t;
    if (tally_get_text(e, "policy", t->policy, sizeof t->policy, err) != 0 ||
        tally_get_count(e, "version", &t->version, err) != 0 ||
        tally_get_count(e, "samples", &t->samples, err) != 0 ||
        tally_get_count(e, "total", &t->total, err) != 0 ||
        tally_get_count(e, "epochs", &t->epochs, err) != 0)
        return -1;
    t->samples_before = t->samples;
    return 0;
}

static int
on_commit(struct tally *t, const struct jcur *e, struct err *err)
{
    uint64_t samples;

    if (tally_get_count(e, "version", &t->version, err) != 0 ||
        tally_get_count(e, "samples", &samples, err) != 0 ||
        tally_get_number(e, "lr", &t->lr, err) != 0)
        return -1;
    t->samples += samples;
    t->updates++;
    return 0;
}

static int
on_eval(struct tally *t, const struct jcur *e, struct err *err)
{
    if (tally_get_count(e, "samples", &t->eval_samples, err) != 0 ||
        tally_get_number(e, "loss", &t->test_loss, err) != 0 ||
        tally_get_number(e, "accuracy", &t->accuracy, err) != 0)
        return -1;
    if (!(t->best_accuracy >= t->accuracy))
        t->best_accuracy = t->accuracy;
    return 0;
}

/* Notes belong to their policies; this one is known by its name. */
static int
on_note(struct tally *t, const struct jcur *e, struct err *err)
{
    const char *name = "";
    double ms;

    if (jcur_str_or(e, "name", &name, err) != 0)
        return -1;
    if (strcmp(name, "superstep") != 0)
        return 0;
    if (tally_get_number(e, "length_ms", &ms, err) != 0)
        return -1;
    t->supersteps++;
    t->superstep_s = ms / 1000;
    return 0;
}

static int
on_failure(struct tally *t, const struct jcur *e, struct err *err)
{
    return tally_get_text(e, "text", t->failure, sizeof t->failure, err);
}

static int
on_checkpoint(struct tally *t, const struct jcur *e, struct err *err)
{
    (void)e;
    (void)err;
    t->checkpoints++;
    return 0;
}

static int
on_checkpoint_failed(struct tally *t, const struct jcur *e, struct err *err)
{
    (void)e;
    (void)err;
    t->failed_checkpoints++;
    return 0;
}

static int
on_end(struct tally *t, const struct jcur *e, struct err *err)
{
    t->phase = TALLY_ENDING;
    t->ended = t->t;
    for (uint32_t i = 0; i < t->n; i++)
        if (t->worker[i].state != TALLY_ABSENT)
            tally_enter(t, &t->worker[i], TALLY_IDLE);
    return tally_get_text(e, "why", t->stopped, sizeof t->stopped, err);
}

static int
on_over(struct tally *t, const struct jcur *e, struct err *err)
{
    (void)e;
    (void)err;
    t->phase = TALLY_OVER;
    for (uint32_t i = 0; i < t->n; i++)
        tally_enter(t, &t->worker[i], TALLY_ABSENT);
    return 0;
}

/* ---- all of them ----------------------------------------------------------
 */

tally_run_fn *
tally_find_run(const char *event)
{
    static const struct {
        const char *event;
        tally_run_fn *fn;
    } kinds[] = {
        {"commit", on_commit},
        {"note", on_note},
        {"eval", on_eval},
        {"checkpoint", on_checkpoint},
        {"checkpoint_failed", on_checkpoint_failed},
        {"run", on_run},
        {"start", on_start},
        {"failure", on_failure},
        {"end", on_end},
        {"over", on_over},
    };

    for (size_t i = 0; i < ARRAY_LEN(kinds); i++)
        if (strcmp(kinds[i].event, event) == 0)
            return kinds[i].fn;
    return NULL;
}
