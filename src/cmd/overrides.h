/* SPDX-License-Identifier: Apache-2.0 */
/* Options that override values of a job, collected while argp runs.  All
 * functions for argp return 0 or an errno value. */
#ifndef EBSP_CMD_OVERRIDES_H
#define EBSP_CMD_OVERRIDES_H

#include "job/job.h"

#include <argp.h>
#include <stddef.h>

struct overrides {
    struct job_override *v;
    size_t n;
};

/* --FLAG=VALUE stands for a key; its value is checked with the job. */
int overrides_flag(struct overrides *o, const char *key, const char *flag,
                   const char *value);
/* The same with the words of the origin; all are copied. */
int overrides_add(struct overrides *o, const char *key, const char *value,
                  const char *origin);
/* --set KEY.PATH=VALUE */
int overrides_set(struct overrides *o, const char *arg,
                  struct argp_state *state);
void overrides_release(struct overrides *o);

#endif
