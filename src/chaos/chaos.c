/* SPDX-License-Identifier: Apache-2.0 */
#include "chaos/chaos.h"

#include "base/clock.h"
#include "base/mem.h"
#include "base/str.h"
#include "chaos/impl.h"
#include "chaos/proc.h"

#include <math.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define SAMPLE_NS (NS_PER_S / 4)
#define LOOK_MS   20 /* for a stream that is not there yet */

void
chaos_tell(const struct chaos *c, const char *fmt, ...)
{
    char text[512], line[600];
    va_list ap;

    va_start(ap, fmt);
    (void)vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    (void)str_printf(
        line, sizeof line, "%9.3f s  %s",
        (double)(clock_now_ns() - c->r->begin_ns) / (double)NS_PER_S, text);
    if (c->c->tell)
        c->c->tell(c->c->ctx, line);
}

/* ---- events -------------------------------------------------------------- */

static void
see_strikes(struct chaos *c, const char *event, const struct jcur *e)
{
    int64_t now = clock_now_ns();

    for (size_t i = 0; i < c->r->n_strikes; i++) {
        struct strike *s = &c->r->strike[i];

        if (s->outcome != STRIKE_OPEN)
            continue;
        strike_see(s, event, e, now);
        due_judge(c, s);
        if (s->outcome != STRIKE_RECOVERED)
            continue;
        if (chaos_is_coordinator(s->fault.state))
            chaos_tell(c, "coordinator: recovered after %.2f s%s",
                       (double)(now - s->at_ns) / (double)NS_PER_S,
                       s->late ? " (hit too late)" : "");
        else
            chaos_tell(c, "worker %u: recovered after %.2f s%s%s",
                       s->fault.rank,
                       (double)(now - s->at_ns) / (double)NS_PER_S,
                       s->dropped ? ", not replaced" : "",
                       s->late ? " (hit too late)" : "");
    }
}

/* All that there are, then what is due. */
static int
take_events(struct chaos *c, struct err *err)
{
    const char *event;
    struct jcur root;
    int r;

    while ((r = follow_next(&c->follow, &event, &root, err)) == 1) {
        c->r->begun = true;
        c->event_ns = clock_now_ns();
        see_strikes(c, event, &root);
        if (c->contradiction.code == ERR_OK)
            (void)once_take(c->once, event, &root, &c->contradiction);
        if (scene_take(&c->scene, event, &root, due_enter, c, err) != 0)
            return -1;
    }
    return r == 0 && !c->child.ended ? due_act(c, err) : r;
}

/* ---- the loop ------------------------------------------------------------ */

static int
take_sample(struct chaos *c, int64_t now, struct err *err)
{
    struct growth_sample s = {.session = c->scene.sessions,
                              .connected = scene_count_connected(&c->scene)};
    pid_t pid;

    if (now - c->sample_ns < SAMPLE_NS || !c->scene.training)
        return 0;
    c->sample_ns = now;
    pid = inject_find_coordinator(c);
    if (!pid || !proc_usage(pid, &s.memory, &s.files))
        return 0;
    return growth_add(&c->growth, &s, err);
}

static int
milliseconds_until(int64_t ns, int64_t now)
{
    return ns <= now ? 0 : (int)((ns - now + 999999) / 1000000);
}

static void
wait_for_something(struct chaos *c, int64_t now)
{
    struct pollfd p[2] = {{.fd = c->child.signals, .events = POLLIN},
                          {.fd = c->follow.watch, .events = POLLIN}};
    int64_t next = now + SAMPLE_NS, due[] = {due_next_ns(c), inject_next_ns(c)};

    for (size_t i = 0; i < ARRAY_LEN(due); i++)
        if (due[i] < next)
            next = due[i];
    if (c->follow.watch < 0)
        next = now + LOOK_MS * (NS_PER_S / 1000);
    (void)poll(p, 2, milliseconds_until(next, now));
}

static int
follow_run(struct chaos *c, struct err *err)
{
    while (!c->child.ended) {
        int64_t now = clock_now_ns();

        inject_go_on(c, now);
        if (take_events(c, err) != 0 || take_sample(c, now, err) != 0)
            return -1;
        if (now - c->event_ns > chaos_ns(c->c->patience_s)) {
            chaos_tell(c, "nothing has happened for %.0f s: the run hangs",
                       c->c->patience_s);
            c->hangs = true;
            child_destroy(&c->child);
            break;
        }
        wait_for_something(c, now);
        child_signals(&c->child);
    }
    return take_events(c, err);
}

/* ---- from begin to end --------------------------------------------------- */

static int
prepare(struct chaos *c, struct err *err)
{
    c->entry = mem_alloc(c->c->schedule->n, sizeof *c->entry);
    c->once = once_new(err);
    rng_init(&c->rng, c->c->seed);
    if (!c->entry)
        return err_nomem(err);
    if (!c->once || follow_init(&c->follow, c->c->run, err) != 0)
        return -1;
    return scene_init(&c->scene, err);
}

int
chaos_run(const struct chaos_config *config, struct chaos_result *to,
          struct err *err)
{
    struct chaos c = {.c = config,
                      .r = to,
                      .child = CHILD_RUN_INIT,
                      .follow = {.fd = -1, .watch = -1}};
    int r;

    *to = (struct chaos_result){.accuracy = NAN, .begin_ns = clock_now_ns()};
    c.event_ns = to->begin_ns;
    r = prepare(&c, err);
    if (r == 0)
        r = child_start(&c.child, config->argv, config->verbose, err);
    if (r == 0)
        r = follow_run(&c, err);
    to->seconds = (double)(clock_now_ns() - to->begin_ns) / (double)NS_PER_S;
    if (r == 0)
        r = chaos_checks(&c, err);
    else if (c.child.pid > 0)
        child_destroy(&c.child);
    child_get_output(&c.child, to->output, sizeof to->output);
    to->status = c.child.status;
    to->signum = c.child.signum;
    for (size_t i = 0; i < to->n_strikes; i++)
        if (to->strike[i].pidfd >= 0)
            close(to->strike[i].pidfd);
    child_release(&c.child);
    follow_release(&c.follow);
    scene_release(&c.scene);
    growth_release(&c.growth);
    once_free(c.once);
    mem_free(c.entry);
    return r;
}

void
chaos_result_release(struct chaos_result *r)
{
    mem_free(r->strike);
}
