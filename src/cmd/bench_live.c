/* SPDX-License-Identifier: Apache-2.0 */
/* A cell as a live run: `ebsp train` as a child process, whose event stream is
 * followed. */
#include "base/clock.h"
#include "base/err.h"
#include "base/fs.h"
#include "base/mem.h"
#include "chaos/child.h"
#include "cmd/bench.h"
#include "job/events.h"
#include "job/follow.h"

#include <inttypes.h>
#include <math.h>
#include <poll.h>
#include <signal.h>
#include <string.h>

#define LOOK_MS   200             /* for the event stream to appear */
#define ENDING_NS (15 * NS_PER_S) /* for a run that we left behind */

struct live {
    struct bench *b;
    const struct scenario *scenario;
    const char *run;
    struct child_run child;
    struct follow follow;
    json_t *curve;
    uint64_t samples; /* done so far */
    pid_t *pid;       /* of the workers; 0: not known */
    uint32_t n;
    bool *killed; /* [scenario->n_kills] */
};

/* ---- the command line ---------------------------------------------------- */

struct args {
    char *v[4096];
    size_t n;
    bool bad;
};

static void
add(struct args *a, char *text)
{
    if (!text || a->n + 1 >= ARRAY_LEN(a->v)) {
        a->bad = true;
        mem_free(text);
        return;
    }
    a->v[a->n++] = text;
}

static void
add_overrides(struct args *a, const struct job_override *o, size_t n)
{
    for (size_t i = 0; i < n; i++)
        add(a, mem_printf("--set=%s=%s", o[i].path, o[i].value));
}

static int
make_args(struct args *a, const struct live *l, const struct cell *c,
          struct err *err)
{
    const struct study *s = &l->b->study;
    const struct emulation *e = &l->scenario->emulation;
    double pace = s->pace_ms > 0 ? s->pace_ms : e->pace_ms;
    struct job_override own[STUDY_OVERRIDES];
    size_t n;

    if (study_get_overrides(s, c, own, &n, err) != 0)
        return -1;
    add(a, mem_strdup("ebsp"));
    add(a, mem_strdup("train"));
    add(a, mem_strdup("--quiet"));
    add(a, mem_printf("--run-dir=%s", l->run));
    add_overrides(a, s->override, s->n_overrides);
    add_overrides(a, own, n);
    study_free_overrides(own, n);
    if (s->data_dir)
        add(a, mem_printf("--data-dir=%s", s->data_dir));
    if (pace > 0)
        add(a, mem_printf("--pace=%.17g", pace));
    if (e->slow)
        add(a, mem_printf("--slow=%s", e->slow));
    if (e->net)
        add(a, mem_printf("--net=%s", e->net));
    add(a, mem_strdup("--"));
    add(a, mem_strdup(s->job_path));
    return a->bad ? err_nomem(err) : 0;
}

/* ---- the run directory --------------------------------------------------- */

/* What a run that was interrupted has left.  It may still be about to end. */
static int
make_room(const char *run, struct err *err)
{
    char *path = fs_join(run, "events.jsonl");
    int64_t until = clock_now_ns() + ENDING_NS;
    struct err why = ERR_INIT;
    struct events *e = NULL;
    int r = 0;

    if (!path)
        return err_nomem(err);
    while (fs_exists(path) && !(e = events_open(path, true, 0, &why))) {
        if (clock_now_ns() > until) {
            r = err_set(err, ERR_SYS, "%s", why.text);
            break;
        }
        err_clear(&why);
        (void)poll(NULL, 0, LOOK_MS);
    }
    if (e)
        (void)events_close(e, NULL);
    mem_free(path);
    return r == 0 ? fs_remove(run, err) : -1;
}

/* ---- following ----------------------------------------------------------- */

static int
see_worker(struct live *l, const struct jcur *root, struct err *err)
{
    int64_t rank = 0, pid = 0;

    if (jcur_int(root, "rank", 0, UINT32_MAX, &rank, err) != 0 ||
        jcur_int(root, "pid", 2, INT32_MAX, &pid, err) != 0)
        return -1;
    if (rank < l->n)
        l->pid[rank] = (pid_t)pid;
    return 0;
}

static int
see_evaluation(struct live *l, const struct jcur *root, struct err *err)
{
    int64_t samples = 0;
    double at = 0;

    if (jcur_int(root, "samples", 0, INT64_MAX, &samples, err) != 0 ||
        jcur_num(root, "at", 0, INFINITY, &at, err) != 0)
        return -1;
    return json_array_append_new(
               l->curve,
               result_point(at, (uint64_t)samples, result_get(root->v, "loss"),
                            result_get(root->v, "accuracy"))) == 0
               ? 0
               : err_nomem(err);
}

static int
see_update(struct live *l, const struct jcur *root, struct err *err)
{
    const struct scenario *s = l->scenario;
    int64_t samples = 0;

    if (jcur_int(root, "samples", 0, INT64_MAX, &samples, err) != 0)
        return -1;
    l->samples += (uint64_t)samples;
    for (size_t i = 0; i < s->n_kills; i++) {
        pid_t pid = l->pid[s->kill[i].rank];

        if (l->killed[i] || pid == 0 ||
            (double)l->samples < s->kill[i].at * (double)l->b->samples)
            continue;
        l->killed[i] = true;
        kill(pid, SIGKILL);
    }
    return 0;
}

static int
see_events(struct live *l, struct err *err)
{
    struct jcur root;
    const char *event;
    int r;

    while ((r = follow_next(&l->follow, &event, &root, err)) == 1) {
        if (!strcmp(event, "hello"))
            r = see_worker(l, &root, err);
        else if (!strcmp(event, "commit"))
            r = see_update(l, &root, err);
        else if (!strcmp(event, "eval"))
            r = see_evaluation(l, &root, err);
        if (r < 0)
            break;
    }
    return r < 0 ? -1 : 0;
}

static int
follow_run(struct live *l, struct err *err)
{
    while (!l->child.ended) {
        struct pollfd p[2] = {{.fd = l->child.signals, .events = POLLIN}};

        if (see_events(l, err) != 0)
            return -1;
        p[1] = (struct pollfd){.fd = l->follow.watch, .events = POLLIN};
        (void)poll(p, 2, l->follow.watch < 0 ? LOOK_MS : 1000);
        child_signals(&l->child);
    }
    return see_events(l, err);
}

/* ---- the result ---------------------------------------------------------- */

/* The result of a run that came to its end. */
static json_t *
take_summary(struct live *l, const struct cell *c, const json_t *summary)
{
    static const char *const same[] = {"samples",
                                       "updates",
                                       "samples_per_second",
                                       "waiting_share",
                                       "bytes_pushed",
                                       "bytes_pulled",
                                       "mean_staleness",
                                       "max_staleness",
                                       "workers_lost",
                                       "eval_seconds",
                                       NULL};
    char *run = mem_printf("runs/%s", c->id);
    json_t *v = json_pack("{s:s, s:n, s:s, s:o}", "status", "done", "failure",
                          "run", run ? run : "", "seconds",
                          result_number(result_get(summary, "wall_seconds")));
    int r = 0;

    for (int i = 0; v && same[i]; i++) {
        json_t *one = json_object_get(summary, same[i]);

        r |= json_object_set(v, same[i],
                             json_is_number(one) ? one : json_null());
    }
    if (!run || !v || r != 0 ||
        result_take_curve(v, json_incref(l->curve)) != 0) {
        json_decref(v);
        v = NULL;
    }
    mem_free(run);
    return v;
}

static json_t *
take_failure(struct live *l, const struct cell *c, const struct err *why)
{
    json_t *v = result_failed(why, json_incref(l->curve));
    char *run = mem_printf("runs/%s", c->id);

    if (!v || !run || json_object_set_new(v, "run", json_string(run)) != 0) {
        json_decref(v);
        v = NULL;
    }
    mem_free(run);
    return v;
}

/* Status 0, but a run that somebody has stopped (ebsp ctl) ends like that,
 * too. */
static int
read_summary(struct live *l, const struct cell *c, json_t **result,
             struct err *err)
{
    char *path = fs_join(l->run, "summary.json");
    struct err why = ERR_INIT;
    struct json_doc doc = {0};

    if (!path)
        return err_nomem(err);
    if (json_doc_load(&doc, path, err) != 0) {
        mem_free(path);
        return -1;
    }
    if (result_is(doc.root, "done")) {
        *result = take_summary(l, c, doc.root);
    } else {
        const char *text =
            json_string_value(json_object_get(doc.root, "stopped"));

        err_set(&why, ERR_FAIL, "%s, before the end", text ? text : "stopped");
        *result = take_failure(l, c, &why);
    }
    json_doc_release(&doc);
    mem_free(path);
    return *result ? 0 : err_nomem(err);
}

static int
conclude(struct live *l, const struct cell *c, json_t **result, struct err *err)
{
    struct err why = ERR_INIT;
    char text[400];

    if (l->child.signum) { /* we were told to end, and told it */
        l->b->stopped = true;
        l->b->signal = l->child.signum;
        return 0;
    }
    if (l->child.status == 0)
        return read_summary(l, c, result, err);
    child_get_output(&l->child, text, sizeof text);
    err_set(&why, l->child.status == ERR_DIVERGED ? ERR_DIVERGED : ERR_FAIL,
            "exit status %d: %s", l->child.status, text);
    *result = take_failure(l, c, &why);
    return *result ? 0 : err_nomem(err);
}

static int
check(const struct bench *b, const struct scenario *s, struct err *err)
{
    const json_t *root = b->study.job.doc.root;

    if (s->n_kills > 0 && json_object_get(root, "hosts"))
        return err_set(err, ERR_USAGE,
                       "scenario %s kills processes, which works on this "
                       "machine only: the job has hosts",
                       s->name);
    return 0;
}

int
bench_live(struct bench *b, const struct cell *c, json_t **result,
           struct err *err)
{
    struct live l = {.b = b,
                     .scenario = &b->study.scenario[c->scenario],
                     .child = CHILD_RUN_INIT,
                     .follow = {.fd = -1, .watch = -1}};
    struct args *a = mem_alloc(1, sizeof *a);
    char *run = folder_run(&b->folder, c);
    int r = -1;

    *result = NULL;
    l.run = run;
    l.n = study_get_workers(&b->study, l.scenario);
    l.curve = json_array();
    l.pid = mem_alloc(l.n, sizeof *l.pid);
    l.killed = mem_alloc(l.scenario->n_kills, sizeof *l.killed);
    if (!a || !run || !l.curve || !l.pid || !l.killed) {
        err_nomem(err);
        goto out;
    }
    if (check(b, l.scenario, err) != 0 || make_room(run, err) != 0 ||
        make_args(a, &l, c, err) != 0 || follow_init(&l.follow, run, err) != 0)
        goto out;
    r = child_start(&l.child, (const char *const *)a->v, false, err);
    if (r == 0)
        r = follow_run(&l, err);
    if (r == 0)
        r = conclude(&l, c, result, err);
    child_destroy(&l.child);
    child_release(&l.child);
out:
    follow_release(&l.follow);
    for (size_t i = 0; a && i < a->n; i++)
        mem_free(a->v[i]);
    json_decref(l.curve);
    mem_free(l.killed);
    mem_free(l.pid);
    mem_free(run);
    mem_free(a);
    return r;
}
