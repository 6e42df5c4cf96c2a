/* SPDX-License-Identifier: Apache-2.0 */
/* From a path that a user gives to a job with parameters: a job file, a
 * safetensors file, a checkpoint folder, or a run (its newest checkpoint). */
#ifndef EBSP_CMD_MODEL_H
#define EBSP_CMD_MODEL_H

#include "job/job.h"

#include <stdio.h>

struct err;

struct model {
    struct job job;
    char *file;    /* the safetensors file, NULL for a job */
    float *params; /* NULL for a job */
};

int model_open(struct model *m, const char *path, struct err *err);
void model_release(struct model *m);
/* Name, kind, shape, norm and range of each tensor. */
void model_print_tensors(FILE *to, const struct model *m);

#endif
