/* SPDX-License-Identifier: Apache-2.0 */
/* ebsp worker: started by ebsp train, never by people. */
#include "worker/worker.h"
#include "base/err.h"
#include "cmd/cmd.h"
#include "worker/greet.h"

#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* Becomes another program (ssh) that dies with our parent, too. */
static int
exec_bound(char **argv, struct err *err)
{
    if (worker_die_with_parent(err) != 0)
        return -1;
    signal(SIGPIPE, SIG_DFL); /* what is ignored would stay so */
    execvp(argv[0], argv);
    return err_errno(err, "start \"%s\"", argv[0]);
}

static int
run(int argc, char **argv, struct err *err)
{
    bool computing;
    int r;

    if (argc > 2 && strcmp(argv[1], "--exec") == 0)
        return exec_bound(argv + 2, err);
    if (argc != 2 || strcmp(argv[1], "--join-from-stdin") != 0)
        return err_set(err, ERR_USAGE,
                       "expected --join-from-stdin; a worker is started by "
                       "ebsp train");
    r = worker_run(&computing, err);
    if (computing) { /* exit() would take away what the thread uses */
        if (r != 0)
            fprintf(stderr, "%s: %s\n", argv[0], err->text);
        _exit(r == 0 ? 0 : (int)err->code);
    }
    return r;
}

const struct cmd cmd_worker = {
    .name = "worker",
    .args = "--join-from-stdin",
    .summary = "a worker process, started by ebsp train",
    .hidden = 1,
    .run = run,
};
