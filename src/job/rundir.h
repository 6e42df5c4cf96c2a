/* SPDX-License-Identifier: Apache-2.0 */
/* The folder a run leaves behind; see ebsp-run(5). */
#ifndef EBSP_JOB_RUNDIR_H
#define EBSP_JOB_RUNDIR_H

#include <stddef.h>

struct err;

/* Creates the folder for a new run: `wanted`, or runs/NAME-DATE-TIME[-N] when
 * it is NULL.  A folder that exists must be empty.  The path is freed with
 * mem_free. */
char *rundir_new(const char *wanted, const char *job_name, struct err *err);
/* "run/checkpoint-00000042" of the newest whole checkpoint; leftovers are
 * skipped.  An error when there is none. */
char *rundir_find_checkpoint(const char *run, struct err *err);
/* Names of whole checkpoints (checkpoint-N), oldest first; fs_names_free. */
int rundir_list_checkpoints(const char *run, char ***names, size_t *n,
                            struct err *err);

#endif
