/* SPDX-License-Identifier: Apache-2.0 */
/* The folder a run leaves behind; see ebsp-run(5).  Names only: what is in a
 * checkpoint is ps/checkpoint.h's business. */
#ifndef EBSP_JOB_RUNDIR_H
#define EBSP_JOB_RUNDIR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct err;
struct log;

/* The name of a job as part of a file name: what is not a letter, digit, '-',
 * '_' or '.' becomes '_'; cut to cap - 1 bytes. */
void rundir_safe_name(const char *job_name, char *to, size_t cap);

/* Creates the folder for a new run: `wanted`, or runs/NAME-DATE-TIME[-N] when
 * it is NULL.  A folder that exists must be empty.  The path is freed with
 * mem_free. */
char *rundir_new(const char *wanted, const char *job_name, struct err *err);
/* Is it the folder of a run that has begun? */
int rundir_check(const char *run, struct err *err);
/* A run has ended, well or not, when it has its summary. */
bool rundir_has_ended(const char *run);
/* Before a run goes on: the summary goes, and so does what processes that died
 * have left: drafts, checkpoints that were being removed, temporary files. Only
 * for the one that holds the run's lock (events_open).  Leftovers are told as
 * warnings; what cannot be removed, too. */
void rundir_reopen(const char *run, struct log *log);

/* ---- checkpoints: run/checkpoint-VERSION, twelve digits or more ----
 *
 * Whoever makes or removes one does so under a hidden name, so that what has
 * the name of a checkpoint was whole once; rundir_reopen removes what was left
 * under hidden names. */

/* "run/checkpoint-000000000042", "run/.checkpoint-000000000042.new"; freed with
 * mem_free. */
char *rundir_checkpoint(const char *run, uint64_t version);
char *rundir_checkpoint_draft(const char *run, uint64_t version);
/* The version in a name or path of a checkpoint; false: it is none. */
bool rundir_version_of(const char *name, uint64_t *version);
/* Versions for which there is a folder, oldest first; freed with mem_free. */
int rundir_list_checkpoints(const char *run, uint64_t **version, size_t *n,
                            struct err *err);
/* Absent is fine. */
int rundir_remove_checkpoint(const char *run, uint64_t version,
                             struct err *err);

#endif
