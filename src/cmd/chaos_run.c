/* SPDX-License-Identifier: Apache-2.0 */
#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"
#include "cmd/chaos.h"
#include "ps/control.h"

#include <signal.h>
#include <stdio.h>

/* Lines go where the results do, but not between lines of JSON. */
static void
tell(void *ctx, const char *line)
{
    const struct chaos_options *o = ctx;
    FILE *to = o->json ? stderr : stdout;

    if (o->quiet)
        return;
    fprintf(to, "%s\n", line);
    fflush(to);
}

/* "ebsp train ..." into `run`; to be freed with mem_free, like the words that
 * are not literals are the caller's. */
static const char **
train_argv(const struct chaos_options *o, const char *run, bool disturbed)
{
    /* Ours come first: those of the user win. */
    static const char *const ours[] = {"--supervise",
                                       "--max-coordinator-restarts=1000000",
                                       "--max-restarts=1000000"};
    static const size_t others = 8; /* words below, and the NULL behind them */
    size_t n = 0, cap = (size_t)o->n_train + ARRAY_LEN(ours) + others;
    const char **v = mem_alloc(cap, sizeof *v);

    if (!v)
        return NULL;
    v[n++] = "ebsp";
    v[n++] = "train";
    v[n++] = "-q";
    for (size_t i = 0; disturbed && i < ARRAY_LEN(ours); i++)
        v[n++] = ours[i];
    for (int i = 0; i < o->n_train; i++)
        v[n++] = o->train[i];
    v[n++] = "-r";
    v[n++] = run;
    v[n++] = "--";
    v[n] = o->job;
    return v;
}

static void
print_result(const struct chaos_result *r)
{
    for (int i = 0; i < CHAOS_CHECKS; i++)
        printf("%-7s %-11s %s\n", chaos_verdict_name(r->check[i].verdict),
               chaos_check_name(i), r->check[i].text);
}

static int
print_json(const struct chaos_config *c, const struct chaos_result *r,
           struct err *err)
{
    struct buf text = BUF_INIT(JSON_MAX_BYTES);
    json_t *report = chaos_report(c, r);
    int x = report ? json_dump(report, 2, &text, err) : err_nomem(err);

    if (x == 0)
        puts(text.data);
    json_decref(report);
    buf_release(&text);
    return x;
}

static int
compare(const struct chaos_options *o, const char *run, struct chaos_result *r,
        struct err *err)
{
    char *other = mem_printf("%s.whole", run);
    const char **argv = other ? train_argv(o, other, false) : NULL;
    int x = argv ? chaos_compare(r, argv, other, o->tolerance, err)
                 : err_nomem(err);

    mem_free(argv);
    mem_free(other);
    return x;
}

/* A run that could not even begin tells why itself. */
static int
judge(const struct chaos_result *r, struct err *err)
{
    if (!r->begun)
        return err_set(err,
                       r->status > 0 && r->status < 128
                           ? (enum err_code)r->status
                           : ERR_FAIL,
                       "the run did not begin:\n%s", r->output);
    if (chaos_all_ok(r))
        return 0;
    for (int i = 0; i < CHAOS_CHECKS; i++)
        if (r->check[i].verdict == CHAOS_FAILED)
            err_set(err, ERR_FAIL, "%s: %s%s%s", chaos_check_name(i),
                    r->check[i].text,
                    i == CHAOS_CHECK_END && *r->output ? "\n" : "",
                    i == CHAOS_CHECK_END ? r->output : "");
    return -1;
}

int
chaos_cmd_disturb(const struct chaos_options *o, const char *run,
                  const struct script *schedule, struct err *err)
{
    const char **argv = train_argv(o, run, true);
    struct chaos_config c = {.run = run,
                             .argv = argv,
                             .socket = CONTROL_SOCKET,
                             .schedule = schedule,
                             .mtbf_s = o->mtbf_s,
                             .actions = o->actions,
                             .duration_s = o->duration_s,
                             .patience_s = o->patience_s,
                             .seed = o->seed,
                             .verbose = o->verbose,
                             .tell = tell,
                             .ctx = (void *)(uintptr_t)o};
    struct chaos_result r = {0};
    int x = argv ? chaos_run(&c, &r, err) : err_nomem(err);

    if (x == 0 && o->compare && r.begun && !r.signum)
        x = compare(o, run, &r, err);
    if (x == 0 && o->json)
        x = print_json(&c, &r, err);
    else if (x == 0 && r.begun)
        print_result(&r);
    if (x == 0)
        x = judge(&r, err);
    if (r.signum) { /* a caller wants to know what ended us */
        fflush(stdout);
        signal(r.signum, SIG_DFL);
        raise(r.signum);
    }
    chaos_result_release(&r);
    mem_free(argv);
    return x;
}

int
chaos_cmd_check(const struct chaos_options *o, struct err *err)
{
    struct chaos_config c = {.run = o->check, .seed = o->seed};
    struct chaos_result r;
    int x;

    if (o->job || o->schedule || o->mtbf_s > 0)
        return err_set(err, ERR_USAGE,
                       "--check takes a run that has ended, nothing else");
    x = chaos_check(o->check, &r, err);
    if (x == 0 && o->json)
        x = print_json(&c, &r, err);
    else if (x == 0)
        print_result(&r);
    return x == 0 ? judge(&r, err) : -1;
}
