/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/whatif.h"

#include "base/err.h"
#include "base/fs.h"
#include "base/mem.h"
#include "policy/lib.h"
#include "sim/trace.h"

int
whatif(const char *run, const char *spec, uint32_t workers, uint64_t iterations,
       uint32_t batch, struct sim_result *result, struct err *err)
{
    char *path = fs_join(run, "events.jsonl");
    struct speeds speeds;
    struct policy_lib lib;
    struct sim_config c = {.n = workers,
                           .policy = &lib,
                           .speeds = &speeds,
                           .iterations = iterations,
                           .batch = batch,
                           .seed = 1};
    int r =
        path ? speeds_load_trace(&speeds, workers, path, err) : err_nomem(err);

    mem_free(path);
    if (r != 0)
        return -1;
    r = policy_lib_open(&lib, spec, err);
    if (r == 0) {
        r = sim_run(&c, result, err);
        policy_lib_close(&lib);
    }
    speeds_release(&speeds);
    return r;
}
