/* SPDX-License-Identifier: Apache-2.0 */
/* ebsp policy check: the conformance suite in a process of its own, so that a
 * plugin that crashes or never returns is reported like any other fault. */
#include "base/err.h"
#include "base/json.h"
#include "base/str.h"
#include "cmd/policy.h"
#include "policy/conform.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

/* Shared by the two processes. */
struct outcome {
    struct conform_report report;
    struct err err;
    uint64_t schedule; /* that runs */
    unsigned limit_s;  /* for one schedule */
    bool is_complete;  /* conform_run has returned */
};

static void
begins(void *ctx, uint64_t schedule)
{
    struct outcome *o = ctx;

    o->schedule = schedule;
    alarm(o->limit_s);
}

static int
run_suite(const struct policy_args *args, struct outcome *o)
{
    struct conform_config config = {.spec = args->name,
                                    .seed = args->seed,
                                    .first = args->first,
                                    .n_schedules = args->n_schedules,
                                    .begins = begins,
                                    .ctx = o};

    int r;

    o->limit_s = args->limit_s;
    r = conform_run(&config, &o->report, &o->err);
    o->is_complete = true;
    return r;
}

/* What became of the child; its own words when it could say them. */
static int
judge(const struct policy_args *args, const struct outcome *o, int status,
      struct err *err)
{
    if (o->is_complete && o->err.code != ERR_OK)
        return err_set(err, o->err.code, "%s", o->err.text);
    if (o->is_complete && WIFEXITED(status) && WEXITSTATUS(status) == 0)
        return 0;
    if (WIFSIGNALED(status) && WTERMSIG(status) == SIGALRM)
        return err_set(err, ERR_POLICY,
                       "schedule %llu (seed %llu): \"%s\" does not return from "
                       "a callback within %u s",
                       (unsigned long long)o->schedule,
                       (unsigned long long)args->seed, args->name, o->limit_s);
    return err_set(err, ERR_POLICY, "schedule %llu (seed %llu): \"%s\" %s%s",
                   (unsigned long long)o->schedule,
                   (unsigned long long)args->seed, args->name,
                   WIFSIGNALED(status) ? "crashed: " : "ended the process",
                   WIFSIGNALED(status) ? strsignal(WTERMSIG(status)) : "");
}

static int
run_apart(const struct policy_args *args, struct outcome *o, struct err *err)
{
    int status;
    pid_t pid;

    fflush(NULL);
    pid = fork();
    if (pid < 0)
        return err_errno(err, "fork");
    if (pid == 0)
        _exit(run_suite(args, o) == 0 ? 0 : 1);
    while (waitpid(pid, &status, 0) < 0)
        if (errno != EINTR)
            return err_errno(err, "waitpid");
    return judge(args, o, status, err);
}

static int
print_report(const struct policy_args *args, const struct conform_report *r,
             struct err *err)
{
    char events[32];

    if (args->json) {
        json_t *v = json_pack(
            "{s:s, s:I, s:I, s:I, s:I, s:I, s:I}", "policy", args->name, "seed",
            (json_int_t)args->seed, "schedules", (json_int_t)r->n_schedules,
            "refused", (json_int_t)r->n_refused, "events",
            (json_int_t)r->n_events, "max_staleness",
            (json_int_t)r->max_staleness, "max_gap", (json_int_t)r->max_gap);
        int bad = !v || json_dumpf(v, stdout, JSON_INDENT(2)) != 0;

        json_decref(v);
        putchar('\n');
        return bad ? err_nomem(err) : 0;
    }
    printf("%s: no violation in %llu random schedules, %s events (seed %llu)\n",
           args->name, (unsigned long long)r->n_schedules,
           str_count(events, (double)r->n_events),
           (unsigned long long)args->seed);
    printf("greatest staleness %llu, greatest clock gap %llu\n",
           (unsigned long long)r->max_staleness,
           (unsigned long long)r->max_gap);
    if (r->n_refused > 0)
        printf("%llu combinations of options were refused by the policy\n",
               (unsigned long long)r->n_refused);
    return 0;
}

int
policy_check(const struct policy_args *args, struct err *err)
{
    const int prot = PROT_READ | PROT_WRITE, flags = MAP_SHARED | MAP_ANONYMOUS;
    struct outcome *o;
    int r;

    /* cppcheck-suppress invalidFunctionArg ; -1 is right for no file */
    o = mmap(NULL, sizeof *o, prot, flags, -1, 0);
    if (o == MAP_FAILED)
        return err_errno(err, "mmap");
    r = run_apart(args, o, err);
    if (r == 0)
        r = print_report(args, &o->report, err);
    munmap(o, sizeof *o);
    return r;
}
