/* SPDX-License-Identifier: Apache-2.0 */
/* Callbacks that do not return and callbacks that crash, each in a process of
 * its own; all at once, for they take seconds. */
#include "policy/watchdog.h"
#include "script.h"
#include "tap.h"

#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static int32_t
release(struct script *s, const struct ebsp_event *e)
{
    if (e->kind == EBSP_EVENT_START)
        return ACT(s, RELEASE, .worker = 0) != 0 ||
                       ACT(s, RELEASE, .worker = 1) != 0
                   ? -1
                   : 0;
    return 0;
}

static int32_t
hang(struct script *s, const struct ebsp_event *e)
{
    while (e->kind == EBSP_EVENT_PUSH)
        ;
    return release(s, e);
}

/* Refused actions do not make the time of a loop any other's. */
static int32_t
hang_and_act(struct script *s, const struct ebsp_event *e)
{
    while (e->kind == EBSP_EVENT_START)
        (void)ACT(s, WAKE, .at_ns = INT64_MAX);
    return 0;
}

static int32_t
crash(struct script *s, const struct ebsp_event *e)
{
    if (e->kind == EBSP_EVENT_PUSH)
        raise(SIGSEGV);
    return release(s, e);
}

static int32_t
use(struct script *s, const struct ebsp_event *e)
{
    return e->kind == EBSP_EVENT_PUSH
               ? ACT(s, ADD, .worker = e->worker, .weight = 1)
               : release(s, e);
}

static int
slow_add(void *ctx, uint32_t worker, double weight, struct err *err)
{
    struct timespec left = {4, 0};

    (void)ctx, (void)worker, (void)weight, (void)err;
    while (nanosleep(&left, &left) != 0)
        ;
    return 0;
}

static int
crashing_add(void *ctx, uint32_t worker, double weight, struct err *err)
{
    (void)ctx, (void)worker, (void)weight, (void)err;
    raise(SIGSEGV);
    return 0;
}

static const struct scene {
    const char *what;
    script_fn *policy;
    int (*add)(void *ctx, uint32_t worker, double weight, struct err *err);
    int status; /* exit status; -1: by a signal or as a sanitizer likes it */
    const char *said;
} scenes[] = {
    {"a loop", hang, NULL, ERR_POLICY,
     "ebsp: policy \"script\" has not returned from PUSH of worker 1 for 1 s\n"
     "ebsp: policy \"script\" has not returned from PUSH of worker 1 for 2 s: "
     "the run ends here\n"},
    {"a loop of actions", hang_and_act, NULL, ERR_POLICY,
     "ebsp: policy \"script\" has not returned from START for 1 s\n"
     "ebsp: policy \"script\" has not returned from START for 2 s: "
     "the run ends here\n"},
    {"a crash", crash, NULL, -1,
     "ebsp: policy \"script\" crashed in PUSH of worker 1\n"},
    {"a driver that takes its time", use, slow_add, 0, ""},
    {"a driver that crashes", use, crashing_add, -1, ""},
};
#define N_SCENES (sizeof scenes / sizeof *scenes)

static void
play(const struct scene *scene)
{
    static const struct watchdog_limits limits = {.warn_s = 1, .end_s = 2};
    struct script s;

    if (watchdog_start(&limits, NULL) != 0)
        _exit(ERR_BUG);
    script_init(&s, 2, scene->policy);
    if (scene->add)
        s.driver.add = scene->add;
    script_start(&s, 2);
    script_push(&s, 5, 1);
    _exit(ERR_OK);
}

static pid_t
start(const struct scene *scene, FILE *err)
{
    pid_t pid = fork();

    if (pid == 0) {
        dup2(fileno(err), STDERR_FILENO);
        play(scene);
    }
    return pid;
}

int
main(void)
{
    FILE *err[N_SCENES];
    pid_t pid[N_SCENES];
    char text[1024];
    int status;

    for (size_t i = 0; i < N_SCENES; i++) {
        err[i] = tmpfile();
        if (!err[i])
            return 1;
        pid[i] = start(&scenes[i], err[i]);
    }
    for (size_t i = 0; i < N_SCENES; i++) {
        const struct scene *scene = &scenes[i];
        size_t n;

        ok(pid[i] > 0 && waitpid(pid[i], &status, 0) == pid[i], "%s ended",
           scene->what);
        if (scene->status >= 0)
            ok(WIFEXITED(status) && WEXITSTATUS(status) == scene->status,
               "%s: exit status", scene->what);
        else
            ok(status != 0, "%s: the action of before came after ours",
               scene->what);
        rewind(err[i]);
        n = fread(text, 1, sizeof text - 1, err[i]);
        text[n] = '\0';
        if (*scene->said) /* what sanitizers say comes behind */
            ok(!strncmp(text, scene->said, strlen(scene->said)),
               "%s: told as it is", scene->what);
        else
            ok(!strstr(text, "policy \""), "%s: not the policy's", scene->what);
        fclose(err[i]);
    }
    return done();
}
