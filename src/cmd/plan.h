/* SPDX-License-Identifier: Apache-2.0 */
/* The layer table and the plan of a run, for people. */
#ifndef EBSP_CMD_PLAN_H
#define EBSP_CMD_PLAN_H

#include "job/job.h"
#include "job/tuning.h"

#include <stdio.h>

void plan_print_layers(FILE *to, const struct graph *g);
/* How the convolutions are computed here, and who says so. */
int plan_print_ways(FILE *to, const struct job *j, enum tuning_source source,
                    struct err *err);
/* d may be NULL: the data is not here. */
void plan_print(FILE *to, const struct job *j, const struct dataset *d);

#endif
