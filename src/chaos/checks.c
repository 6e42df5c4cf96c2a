/* SPDX-License-Identifier: Apache-2.0 */
/* Whether a run that was disturbed is one like any other. */
#include "base/clock.h"
#include "base/str.h"
#include "chaos/impl.h"
#include "chaos/proc.h"

#include <math.h>
#include <poll.h>
#include <string.h>

#define MAX_LEFT 64
#define LEFT_NS  (10 * NS_PER_S) /* for orphans to notice that they are */

/* ---- the run and its faults ---------------------------------------------- */

static bool
check_end(struct chaos *c, struct chaos_summary *s)
{
    struct err why = ERR_INIT;
    int status = c->child.status;

    if (c->hangs)
        chaos_judge(c->r, CHAOS_CHECK_END, CHAOS_FAILED,
                    "it was killed: there was no event for %.0f s",
                    c->c->patience_s);
    else if (status != 0)
        chaos_judge(c->r, CHAOS_CHECK_END, CHAOS_FAILED,
                    status > 128 ? "it was ended by signal %d"
                                 : "exit status %d",
                    status > 128 ? status - 128 : status);
    else if (chaos_read_summary(c->c->run, s, &why) != 0)
        chaos_judge(c->r, CHAOS_CHECK_END, CHAOS_FAILED, "%s", why.text);
    else if (strcmp(s->status, "failed") == 0)
        chaos_judge(c->r, CHAOS_CHECK_END, CHAOS_FAILED,
                    "exit status 0, but summary.json says \"%s\"", s->status);
    else
        chaos_judge(c->r, CHAOS_CHECK_END, CHAOS_OK,
                    "status \"%s\" after %u session%s of the coordinator",
                    s->status, c->scene.sessions,
                    c->scene.sessions == 1 ? "" : "s");
    c->r->accuracy = s->accuracy;
    return c->r->check[CHAOS_CHECK_END].verdict == CHAOS_OK;
}

/* The lines of the schedule that never came to be done. */
static size_t
list_undone(const struct chaos *c, char *to, size_t cap)
{
    size_t n = 0, len = 0;

    *to = '\0';
    for (size_t i = 0; i < c->c->schedule->n; i++) {
        bool hit = false;

        for (size_t k = 0; k < c->r->n_strikes; k++)
            hit |= c->r->strike[k].entry == i &&
                   c->r->strike[k].outcome != STRIKE_MISSED;
        if (hit)
            continue;
        n++;
        (void)str_printf(to + len, cap - len, "%s%d", len > 0 ? ", " : "",
                         c->c->schedule->v[i].line);
        len = strlen(to);
    }
    return n;
}

static void
check_faults(struct chaos *c, bool ended_well)
{
    struct chaos_result *r = c->r;
    size_t lost = 0, late = 0, done = 0;
    char undone[200];

    for (size_t i = 0; i < r->n_strikes; i++) {
        struct strike *s = &r->strike[i];

        if (s->outcome == STRIKE_OPEN)
            s->outcome = ended_well ? STRIKE_OVERTAKEN : STRIKE_LOST;
        done += s->outcome != STRIKE_MISSED;
        lost += s->outcome == STRIKE_LOST;
        late += s->late;
    }
    if (lost > 0)
        chaos_judge(r, CHAOS_CHECK_FAULTS, CHAOS_FAILED,
                    "%zu of %zu were not recovered from", lost, done);
    else if (list_undone(c, undone, sizeof undone) > 0)
        chaos_judge(r, CHAOS_CHECK_FAULTS, CHAOS_FAILED,
                    "never carried out: line %s of the schedule", undone);
    else
        chaos_judge(r, CHAOS_CHECK_FAULTS, CHAOS_OK,
                    "%zu done, %zu of them late", done, late);
}

/* ---- what is left -------------------------------------------------------- */

static void
check_processes(struct chaos *c)
{
    int64_t end = clock_now_ns() + LEFT_NS;
    pid_t left[MAX_LEFT];
    char text[200] = "";
    size_t n, len = 0;

    while ((n = proc_marked(c->child.marker, left, MAX_LEFT)) > 0 &&
           clock_now_ns() < end)
        (void)poll(NULL, 0, 50);
    for (size_t i = 0; i < n; i++) {
        (void)str_printf(text + len, sizeof text - len, " %ld", (long)left[i]);
        len = strlen(text);
    }
    if (n > 0)
        chaos_judge(c->r, CHAOS_CHECK_PROCESSES, CHAOS_FAILED,
                    "still there after %.0f s, and killed now:%s",
                    (double)LEFT_NS / (double)NS_PER_S, text);
    else
        chaos_judge(c->r, CHAOS_CHECK_PROCESSES, CHAOS_OK, "none is left");
    if (n > 0)
        child_destroy(&c->child);
}

static enum chaos_verdict
verdict_of(enum growth_verdict v)
{
    return v == GROWTH_NONE    ? CHAOS_OK
           : v == GROWTH_FOUND ? CHAOS_FAILED
                               : CHAOS_SKIPPED;
}

static int
check_growth(struct chaos *c, struct err *err)
{
    struct chaos_check *d = &c->r->check[CHAOS_CHECK_DESCRIPTORS];
    struct chaos_check *m = &c->r->check[CHAOS_CHECK_MEMORY];

    d->verdict =
        verdict_of(growth_files(&c->growth, d->text, sizeof d->text, err));
    m->verdict =
        verdict_of(growth_memory(&c->growth, m->text, sizeof m->text, err));
    return err->code == ERR_OK ? 0 : -1;
}

int
chaos_checks(struct chaos *c, struct err *err)
{
    struct chaos_summary s = {.accuracy = NAN};
    bool well = check_end(c, &s);

    check_faults(c, well);
    if (c->r->begun)
        chaos_check_samples(c->r, c->c->run, c->once, &c->contradiction, &s);
    else
        chaos_judge(c->r, CHAOS_CHECK_SAMPLES, CHAOS_SKIPPED,
                    "nothing was trained");
    check_processes(c);
    chaos_judge(c->r, CHAOS_CHECK_ACCURACY, CHAOS_SKIPPED,
                "not compared (--compare)");
    return check_growth(c, err);
}
