/* SPDX-License-Identifier: Apache-2.0 */
/* --slow, --pace and --net: what a run emulates, instead of what its job says.
 * See job/emulation.h. */
#ifndef EBSP_CMD_EMULATE_H
#define EBSP_CMD_EMULATE_H

#include "cmd/overrides.h"
#include "job/emulation.h"

#include <argp.h>
#include <stdint.h>

struct emulate_options {
    struct emulation e; /* of all options so far */
    char *said[3];      /* "0:3 1:2": values of an option, by emulation_key */
};

/* For a parser of argp: 0 or an errno value.  Traces are read now. */
int emulate_add(struct emulate_options *o, enum emulation_key key,
                const char *arg, struct argp_state *state);
/* After argp: as overrides of the job. */
int emulate_override(const struct emulate_options *o, struct overrides *to,
                     struct err *err);
/* ERR_USAGE when an option is about a worker that is not there. */
int emulate_check(const struct emulate_options *o, uint32_t n_workers,
                  struct err *err);
void emulate_release(struct emulate_options *o);

#endif
