/* SPDX-License-Identifier: Apache-2.0 */
/* One probe on each host, and what they are asked.
 *
 * Three phases, so that one does not disturb the next: facts and data of all
 * hosts at the same time, then computing, then links. */
#include "base/clock.h"
#include "base/mem.h"
#include "base/rng.h"
#include "base/str.h"
#include "cmd/check_impl.h"

#include <signal.h>
#include <string.h>

#define TICK_MS       100
#define CLOCK_ROUNDS  8
#define NS(seconds)   ((seconds)*NS_PER_S)
#define READY_LIMIT_S 10 /* after its greeting */
#define END_LIMIT_NS  NS(1)

/* ---- asking -------------------------------------------------------------- */

void
running_give_up(struct running *r, struct check_node *n, enum err_code code,
                const char *subject, const char *why)
{
    if (n->state != CHECK_GONE && r->phase != END)
        check_note(&n->findings, CHECK_ERROR, code, subject, "", "%s", why);
    n->state = CHECK_GONE;
    launcher_kill_rank(r->launcher, (uint32_t)(n - r->c->node), SIGKILL);
}

void
running_ask(struct running *r, struct check_node *n, const char *question,
            int limit_s)
{
    char line[192];
    struct err err = ERR_INIT;

    (void)str_printf(n->question, sizeof n->question, "%.*s",
                     (int)strcspn(question, " "), question);
    (void)str_printf(line, sizeof line, "%s\n", question);
    n->state = CHECK_ASKED;
    n->deadline_ns = clock_now_ns() + NS(limit_s);
    n->asked_ns = clock_real_ns();
    if (launcher_tell(r->launcher, (uint32_t)(n - r->c->node), line, &err) != 0)
        running_give_up(r, n, err.code, n->question, err.text);
}

/* ---- facts --------------------------------------------------------------- */

static void
ask_clock(struct running *r, struct check_node *n)
{
    n->n_clocks++;
    running_ask(r, n, "clock", 10);
}

static void
after_clock(struct running *r, struct check_node *n, int64_t now)
{
    check_clock(n, n->asked_ns, (int64_t)n->facts.clock_ns, now);
    if (n->n_clocks < CLOCK_ROUNDS)
        ask_clock(r, n);
    else
        running_ask(r, n, "machine", 20);
}

static void
after_machine(struct running *r, struct check_node *n)
{
    if (n->slots > 0)
        running_ask(r, n, "data", 120);
    else
        n->state = CHECK_IDLE;
}

/* ---- phases -------------------------------------------------------------- */

static bool
is_gathering(const struct check *c)
{
    for (size_t i = 0; i < c->n_nodes; i++)
        if (c->node[i].state == CHECK_STARTING ||
            c->node[i].state == CHECK_ASKED)
            return true;
    return false;
}

static void
stop_if_over(struct running *r)
{
    if (r->phase == END && launcher_get_running(r->launcher) == 0)
        uv_stop(&r->loop);
}

static void
begin_end(struct running *r)
{
    r->phase = END;
    r->end_ns = clock_now_ns();
    launcher_let_go(r->launcher);
    stop_if_over(r);
}

static void
go_on(struct running *r)
{
    if (r->phase == FACTS && !is_gathering(r->c))
        r->phase = COMPUTING;
    if (r->phase == COMPUTING && !drive_computing(r))
        r->phase = LINKS;
    if (r->phase == LINKS && !drive_links(r))
        begin_end(r);
}

/* ---- answers ------------------------------------------------------------- */

static void
on_done(struct running *r, struct check_node *n, int64_t now)
{
    if (strcmp(n->question, "clock") == 0)
        after_clock(r, n, now);
    else if (strcmp(n->question, "machine") == 0)
        after_machine(r, n);
    else if (r->phase == LINKS)
        drive_after_link(r, n, NULL);
    else
        n->state = CHECK_IDLE;
}

static void
on_failed(struct running *r, struct check_node *n, const struct err *why)
{
    n->state = CHECK_IDLE;
    if (r->phase == LINKS)
        drive_after_link(r, n, why->text);
    else if (strcmp(n->question, "data") == 0)
        check_note(&n->findings, CHECK_ERROR, why->code, "data",
                   n == r->c->node || r->c->cluster.options->push_data
                       ? ""
                       : "copy it there, name its folder by "
                         "--remote-data-dir, or send it with --push-data",
                   "%s", why->text);
    else
        check_note(&n->findings, CHECK_ERROR, why->code, "computing", "", "%s",
                   why->text);
}

static void
on_line(void *ctx, uint32_t rank, const char *line)
{
    struct running *r = ctx;
    struct check_node *n = &r->c->node[rank];
    int64_t now = clock_real_ns();
    struct err err = ERR_INIT;
    enum check_answer a;
    struct check_end end;

    if (strncmp(line, JOIN_ANSWER, strlen(JOIN_ANSWER)) != 0) {
        if (r->c->options->verbose)
            fprintf(stderr, "%s: %s\n", n->name, line);
        return;
    }
    if (n->state == CHECK_GONE || r->phase == END)
        return;
    a = check_read(&n->facts, line + strlen(JOIN_ANSWER), &end, &err);
    if (a == CHECK_READY && n->state == CHECK_STARTING) {
        ask_clock(r, n);
    } else if ((a == CHECK_DONE || a == CHECK_FAILED) &&
               n->state == CHECK_ASKED &&
               strcmp(n->question, end.question) == 0) {
        if (a == CHECK_DONE)
            on_done(r, n, now);
        else
            on_failed(r, n, &end.why);
    } else if (a != CHECK_FACT || n->state != CHECK_ASKED) {
        err_set(&err, ERR_PROTO, "a probe says \"%.80s\", which was not asked",
                line);
        running_give_up(r, n, err.code, "probe", err.text);
    }
    go_on(r);
}

static void
on_exit_of(void *ctx, uint32_t rank, uint32_t life, enum err_code code,
           const char *how)
{
    struct running *r = ctx;
    struct check_node *n = &r->c->node[rank];
    size_t len = strlen(n->name);

    (void)life;
    if (strncmp(how, n->name, len) == 0 && strncmp(how + len, ": ", 2) == 0)
        how += len + 2; /* a finding says which host it is about */
    if (n->state != CHECK_GONE && r->phase != END) {
        check_note(
            &n->findings, CHECK_ERROR, code == ERR_WORKERS ? ERR_SYS : code,
            n->state == CHECK_STARTING ? "start" : n->question, "", "%s", how);
        n->state = CHECK_GONE;
    }
    go_on(r);
    stop_if_over(r);
}

/* ---- time and signals ---------------------------------------------------- */

static void
on_tick(uv_timer_t *t)
{
    struct running *r = t->data;
    int64_t now = clock_now_ns();
    char why[80];

    if (r->phase == END) {
        if (now - r->end_ns > END_LIMIT_NS)
            launcher_kill(r->launcher, SIGKILL);
        return;
    }
    for (size_t i = 0; i < r->c->n_nodes; i++) {
        struct check_node *n = &r->c->node[i];

        if (n->state == CHECK_STARTING && n->deadline_ns == 0 &&
            launcher_has_joined(r->launcher, (uint32_t)i))
            n->deadline_ns = now + NS(READY_LIMIT_S);
        if ((n->state != CHECK_ASKED && n->state != CHECK_STARTING) ||
            n->deadline_ns == 0 || now < n->deadline_ns)
            continue;
        if (n->state == CHECK_ASKED)
            (void)str_printf(why, sizeof why, "no answer to \"%s\" in time",
                             n->question);
        else
            (void)str_printf(why, sizeof why, "not ready within %d s",
                             READY_LIMIT_S);
        running_give_up(r, n, ERR_SYS,
                        n->state == CHECK_ASKED ? n->question : "start", why);
    }
    go_on(r);
}

static void
on_signal(uv_signal_t *h, int signum)
{
    struct running *r = h->data;

    if (r->c->signal) { /* the second one forces */
        launcher_kill(r->launcher, SIGKILL);
        return;
    }
    r->c->signal = signum;
    begin_end(r);
}

/* ---- life ---------------------------------------------------------------- */

static void
start(struct running *r, size_t i)
{
    const struct check *c = r->c;
    const struct cluster_options *o = c->cluster.options;
    struct check_node *n = &r->c->node[i];
    bool here = host_is_local(n->name);
    static char nobody[] = "-"; /* it connects to whom it is told to */
    struct join j = {.task = JOIN_PROBE,
                     .host = nobody,
                     .rank = (uint32_t)i,
                     .threads = c->job.threads,
                     .data_dir = here ? NULL : r->data_dir,
                     .push_data = !here && o->push_data,
                     .data_hash = c->data_hash,
                     .job_dir = c->job.dir,
                     .job = r->job.data,
                     .slow = n->slow_text};
    struct err err = ERR_INIT;

    (void)str_printf(n->slow_text, sizeof n->slow_text, "%.9g", n->slow);
    memcpy(j.key, r->key, sizeof j.key);
    if (launch_start(r->launcher, n->name, &j, NULL, &err) != 0) {
        check_note(&n->findings, CHECK_ERROR, err.code, "start", "", "%s",
                   err.text);
        n->state = CHECK_GONE;
    }
    explicit_bzero(j.key, sizeof j.key);
}

static void
on_closing(uv_handle_t *h, void *arg)
{
    (void)arg;
    if (!uv_is_closing(h))
        uv_close(h, NULL);
}

static void
talk(struct running *r)
{
    static const int signals[] = {SIGINT, SIGTERM, SIGHUP};

    r->tick.data = r;
    uv_timer_init(&r->loop, &r->tick);
    uv_timer_start(&r->tick, on_tick, TICK_MS, TICK_MS);
    for (size_t i = 0; i < ARRAY_LEN(signals); i++) {
        struct sigaction now;

        r->signal[i].data = r;
        uv_signal_init(&r->loop, &r->signal[i]);
        /* What the caller ignores stays ignored. */
        if (sigaction(signals[i], NULL, &now) == 0 && now.sa_handler != SIG_IGN)
            uv_signal_start(&r->signal[i], on_signal, signals[i]);
    }
    for (size_t i = 0; i < r->c->n_nodes; i++)
        start(r, i);
    go_on(r);
    if (launcher_get_running(r->launcher) > 0)
        uv_run(&r->loop, UV_RUN_DEFAULT);
    uv_walk(&r->loop, on_closing, NULL);
    while (uv_run(&r->loop, UV_RUN_DEFAULT) != 0)
        ; /* uv_stop may be left over */
}

int
check_run(struct check *c, struct err *err)
{
    static const struct launch_handlers h = {.on_line = on_line,
                                             .on_exit = on_exit_of};
    const char *dir = c->cluster.options->remote_data_dir;
    struct running *r = mem_alloc(1, sizeof *r);
    int x = -1;

    if (!r)
        return err_nomem(err);
    r->c = c;
    r->job.max = JSON_MAX_BYTES;
    r->data_dir = dir ? mem_strdup(dir) : NULL;
    if (uv_loop_init(&r->loop) != 0) {
        mem_free(r->data_dir);
        mem_free(r);
        return err_set(err, ERR_SYS, "no event loop");
    }
    if (rng_secret(r->key, sizeof r->key) != 0)
        err_errno(err, "random key");
    else if (dir && !r->data_dir)
        err_nomem(err);
    else if (job_dump(&c->job, &r->job, err) == 0)
        r->launcher = launcher_new(&r->loop, &c->cluster.launch, &h, r, err);
    if (r->launcher) {
        talk(r);
        x = 0;
    }
    uv_loop_close(&r->loop);
    launcher_free(r->launcher);
    buf_release(&r->job);
    mem_free(r->data_dir);
    explicit_bzero(r->key, sizeof r->key);
    mem_free(r);
    return x;
}
