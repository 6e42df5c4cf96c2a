/* SPDX-License-Identifier: Apache-2.0 */
/* What another policy would have cost: the recorded iteration times of a run
 * through the simulator. */
#ifndef EBSP_CMD_WHATIF_H
#define EBSP_CMD_WHATIF_H

#include "sim/sim.h"

struct err;

/* run: run directory; spec: the policy to ask about; iterations: mini-batches
 * that were computed, of `batch` samples. */
int whatif(const char *run, const char *spec, uint32_t workers,
           uint64_t iterations, uint32_t batch, struct sim_result *result,
           struct err *err);

#endif
