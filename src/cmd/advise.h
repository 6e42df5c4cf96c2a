/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of ebsp advise share. */
#ifndef EBSP_CMD_ADVISE_H
#define EBSP_CMD_ADVISE_H

#include "cmd/check.h"
#include "study/advice.h"

#include <stdbool.h>

struct err;

struct advise {
    struct job job;
    struct profile profile;
    struct advice advice;
    const char *source; /* of the profile: a run, or NULL: it was measured */
    bool crowded;       /* hosts have more threads to run than processors */
    bool foreign;       /* the run computed something else than the job does */
    int signal;         /* interrupted by, or 0 */
};

/* advise_probe.c: has the hosts compute a few mini-batches, as ebsp check does.
 * Fills profile, crowded, signal. */
int advise_probe(struct advise *a, const struct check_options *o,
                 struct err *err);

/* advise_print.c */
void advise_print(FILE *to, const struct advise *a);
int advise_print_json(FILE *to, const struct advise *a, struct err *err);

#endif
