/* SPDX-License-Identifier: Apache-2.0 */
/* A run again, from its event stream, on freshly computed contributions.
 *
 * The policy plugin takes part: it is told what it was told, at the same times,
 * through the same host as in the live server.  Every action is carried out and
 * compared with the recorded one; the first difference ends the replay.  Where
 * the plugin is not to be had, the recorded actions are carried out alone.  A
 * recording is a file as any other: whatever it drives the host to is its fault
 * (ERR_CONFIG), with file:line. */
#ifndef EBSP_SIM_REPLAY_H
#define EBSP_SIM_REPLAY_H

#include "job/evaluate.h"
#include "job/job.h"

#include <stdbool.h>

struct err;

struct replay_config {
    const char *run;       /* run directory */
    const struct job *job; /* its job.json, loaded */
    /* The policy that is to take part whatever the recording says, or NULL: the
     * recorded one, if it is a short name and its plugin has the version of
     * then.  (A path could be anybody's program, so it must be given here.) */
    const char *policy;
    bool follow; /* no policy takes part */
};

struct replay_result {
    uint64_t samples, updates;
    uint64_t hash;          /* of the parameters reached */
    uint64_t recorded_hash; /* of the run, when it came to its end */
    bool has_recorded;
    uint64_t actions;    /* of the policy, all as recorded; 0: followed */
    char why_alone[512]; /* why no policy took part; "" if one did */
    bool misses_policy;  /* one was to take part and is not to be had */
    int strange_line;    /* of the first push whose loss or norm is another
                          * than recorded; 0: none */
    struct evaluation eval;
};

/* ERR_FAIL with file:line at the first action that is not as recorded. */
int replay_run(const struct replay_config *c, struct replay_result *result,
               struct err *err);

#endif
