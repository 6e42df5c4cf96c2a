/* SPDX-License-Identifier: Apache-2.0 */
/* ebsp worker: started by ebsp train, never by people. */
#include "worker/worker.h"
#include "base/err.h"
#include "cmd/cmd.h"

#include <string.h>

static int
run(int argc, char **argv, struct err *err)
{
    if (argc != 2 || strcmp(argv[1], "--join-from-stdin") != 0)
        return err_set(err, ERR_USAGE,
                       "expected --join-from-stdin; a worker is started by "
                       "ebsp train");
    return worker_run(err);
}

const struct cmd cmd_worker = {
    .name = "worker",
    .args = "--join-from-stdin",
    .summary = "a worker process, started by ebsp train",
    .hidden = 1,
    .run = run,
};
