/* SPDX-License-Identifier: Apache-2.0 */
/* How a fault is done to a process. */
#include "base/buf.h"
#include "base/clock.h"
#include "base/fs.h"
#include "base/mem.h"
#include "base/str.h"
#include "chaos/impl.h"
#include "chaos/proc.h"
#include "io/local.h"

#include <poll.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#define MAX_CHILDREN 4096
#define CUT_NS       (5 * NS_PER_S) /* for an answer */
#define PUSH_NS      (3 * NS_PER_S) /* for a push to be on its way */
#define HOLD_NS      (NS_PER_S / 2) /* at a time */
#define GO_ON_MS     10             /* between two of these */
#define HOLD_POLL_MS 1
/* Bytes: signs of life of that time have at most 80, a push 136 or more. */
#define LEAST_UNREAD 100
#define ANSWER_BYTES ((size_t)64 << 10)

/* ---- whom ---------------------------------------------------------------- */

/* The supervisor has one child at a time; one that was killed is gone. */
pid_t
inject_find_coordinator(const struct chaos *c)
{
    pid_t pid[MAX_CHILDREN];
    size_t n =
        c->child.ended ? 0 : proc_children(c->child.pid, pid, MAX_CHILDREN);

    return n > 0 ? pid[n - 1] : 0;
}

static bool
is_known(const struct chaos *c, pid_t pid)
{
    for (uint32_t i = 0; i < c->scene.n; i++)
        if (c->scene.rank[i].pid == pid)
            return true;
    return false;
}

/* How many that have not said who they are were started before this one? */
static size_t
count_older(const struct chaos *c, const struct actor *a)
{
    size_t n = 0;

    for (uint32_t i = 0; i < c->scene.n; i++) {
        const struct actor *b = &c->scene.rank[i];

        n += b->exists && b->pid == 0 && b->spawned < a->spawned;
    }
    return n;
}

/* Processes begin in the order in which they were told of. */
static pid_t
find_starting(const struct chaos *c, const struct actor *a)
{
    pid_t pid[MAX_CHILDREN], coordinator = inject_find_coordinator(c);
    size_t n = coordinator ? proc_children(coordinator, pid, MAX_CHILDREN) : 0;
    size_t older = count_older(c, a);

    for (size_t i = 0; i < n; i++)
        if (!is_known(c, pid[i]) && older-- == 0)
            return pid[i];
    return 0;
}

static pid_t
find_target(const struct chaos *c, const struct strike *s, const char **why)
{
    const struct actor *a = scene_get(&c->scene, s->fault.rank);
    pid_t pid;

    *why = "its process has ended";
    if (chaos_is_coordinator(s->fault.state))
        return inject_find_coordinator(c);
    if (!a)
        return 0;
    if (a->is_remote)
        *why = "it is on another host";
    pid = a->is_remote ? 0 : a->pid;
    return pid || a->is_remote ? pid : find_starting(c, a);
}

/* ---- how ----------------------------------------------------------------- */

static void
let_go(int held)
{
    if (held < 0)
        return;
    (void)proc_signal(held, SIGCONT, NULL);
    close(held);
}

static bool
comes_a_push(pid_t worker, int64_t until_ns)
{
    while (proc_unread(worker) < LEAST_UNREAD) {
        if (clock_now_ns() > until_ns)
            return false;
        (void)poll(NULL, 0, HOLD_POLL_MS);
    }
    return true;
}

/* The push of a small network takes microseconds.  So the coordinator is held
 * until bytes of it wait to be read: the worker is pushing then, however long
 * we look at it.  Parameters of a large one may not have left the coordinator
 * yet: it goes on for a moment in between.  False: no push came. */
static bool
hold_until_pushing(const struct chaos *c, pid_t worker, int *held)
{
    int64_t end = clock_now_ns() + PUSH_NS;

    *held = proc_open(inject_find_coordinator(c));
    while (*held >= 0 && proc_signal(*held, SIGSTOP, NULL) == 0) {
        int64_t now = clock_now_ns();

        if (comes_a_push(worker, now + HOLD_NS))
            return true;
        if (now > end || proc_signal(*held, SIGCONT, NULL) != 0)
            return false;
        (void)poll(NULL, 0, GO_ON_MS);
    }
    return false;
}

/* Asks the coordinator to drop the connection, as if the network had. */
static int
cut(const struct chaos *c, uint32_t rank, struct err *err)
{
    int64_t deadline = clock_now_ns() + CUT_NS;
    struct buf answer = BUF_INIT(ANSWER_BYTES);
    char *path = fs_join(c->c->run, c->c->socket), request[64];
    int fd = path ? local_connect(path, deadline, err) : err_nomem(err), r = -1;

    (void)str_printf(request, sizeof request, "{\"do\":\"cut\",\"rank\":%u}",
                     rank);
    if (fd >= 0) {
        r = local_ask(fd, request, strlen(request), deadline, &answer, err);
        close(fd);
    }
    if (r == 0 && !strstr(answer.data, "\"ok\":true") &&
        !strstr(answer.data, "\"ok\": true"))
        r = err_set(err, ERR_FAIL, "%.120s", answer.data);
    buf_release(&answer);
    mem_free(path);
    return r;
}

/* -1: it could not be done. */
static int
carry_out(struct chaos *c, struct strike *s, struct err *err)
{
    const struct fault *f = &s->fault;
    int held = -1, r = -1;
    const char *why;

    if (f->action == CHAOS_CUT && f->state != CHAOS_PUSHING)
        return cut(c, f->rank, err);
    s->pid = find_target(c, s, &why);
    s->pidfd = proc_open(s->pid);
    if (s->pidfd < 0)
        return err_set(err, ERR_FAIL, "%s", why);
    if (f->state == CHAOS_PUSHING && !hold_until_pushing(c, s->pid, &held)) {
        let_go(held);
        return err_set(err, ERR_FAIL, "no push came");
    }
    if (f->action != CHAOS_CUT)
        r = proc_signal(s->pidfd, f->action == CHAOS_KILL ? SIGKILL : SIGSTOP,
                        err);
    let_go(held);
    if (f->action == CHAOS_CUT)
        r = cut(c, f->rank, err);
    return r;
}

static void
tell_strike(const struct chaos *c, const struct strike *s)
{
    const struct fault *f = &s->fault;
    char who[32] = "coordinator", how[48];

    if (!chaos_is_coordinator(f->state))
        (void)str_printf(who, sizeof who, "worker %u", f->rank);
    if (f->action == CHAOS_STOP && f->stop_s > 0)
        (void)str_printf(how, sizeof how, "stop for %.3g s", f->stop_s);
    else
        (void)str_printf(how, sizeof how, "%s", chaos_action_name(f->action));
    if (s->outcome == STRIKE_MISSED)
        chaos_tell(c, "%s, %s: no %s: %s", who, chaos_state_name(f->state), how,
                   s->why);
    else
        chaos_tell(c, "%s, %s: %s", who, chaos_state_name(f->state), how);
}

int
inject(struct chaos *c, const struct fault *f, uint32_t rank, size_t entry,
       struct err *err)
{
    struct chaos_result *r = c->r;
    struct err why = ERR_INIT;
    struct strike *s;

    if (r->n_strikes == c->cap_strikes) {
        size_t cap = c->cap_strikes ? c->cap_strikes * 2 : 64;
        struct strike *more =
            mem_resize(r->strike, c->cap_strikes, cap, sizeof *more);

        if (!more)
            return err_nomem(err);
        r->strike = more;
        c->cap_strikes = cap;
    }
    s = &r->strike[r->n_strikes++];
    *s = (struct strike){.fault = *f,
                         .entry = entry,
                         .pidfd = -1,
                         .again = true,
                         .at_ns = clock_now_ns()};
    s->fault.rank = rank;
    if (carry_out(c, s, &why) != 0) {
        s->outcome = STRIKE_MISSED;
        (void)str_printf(s->why, sizeof s->why, "%s", why.text);
        due_judge(c, s);
    }
    s->at_ns = clock_now_ns(); /* of a push, when it came */
    tell_strike(c, s);
    if (f->action == CHAOS_KILL && chaos_is_coordinator(f->state))
        scene_die(&c->scene);
    if (f->action == CHAOS_STOP && f->stop_s > 0 && s->outcome == STRIKE_OPEN) {
        s->go_on_ns = s->at_ns + chaos_ns(f->stop_s);
    } else if (s->pidfd >= 0) {
        close(s->pidfd);
        s->pidfd = -1;
    }
    return 0;
}

void
inject_go_on(struct chaos *c, int64_t now_ns)
{
    for (size_t i = 0; i < c->r->n_strikes; i++) {
        struct strike *s = &c->r->strike[i];

        if (s->go_on_ns == 0 || s->go_on_ns > now_ns)
            continue;
        (void)proc_signal(s->pidfd, SIGCONT, NULL); /* or it was replaced */
        close(s->pidfd);
        s->pidfd = -1;
        strike_went_on(s);
        due_judge(c, s);
    }
}

int64_t
inject_next_ns(const struct chaos *c)
{
    int64_t next = INT64_MAX;

    for (size_t i = 0; i < c->r->n_strikes; i++)
        if (c->r->strike[i].go_on_ns && c->r->strike[i].go_on_ns < next)
            next = c->r->strike[i].go_on_ns;
    return next;
}
