/* SPDX-License-Identifier: Apache-2.0 */
/* What a live run emulates: slow workers and slow links.  "emulate" of a job
 * (ebsp-job(5)), and the same three keys elsewhere: options, scenario files,
 * requests to a running job. */
#ifndef EBSP_JOB_EMULATION_H
#define EBSP_JOB_EMULATION_H

#include <stdbool.h>
#include <stdint.h>

struct buf;
struct err;
struct jcur;

enum emulation_key { EMULATE_SLOW, EMULATE_PACE, EMULATE_NET };

/* Zeroed: nothing is emulated. */
struct emulation {
    char *slow;     /* "WHO:SPEED;..." as in job/speed.h, with numbers that are
                     * factors of an iteration's time; NULL: none */
    double pace_ms; /* an iteration takes at least that times its factor */
    char *net;      /* "WHO:LINK;..." with links as in io/link.h; NULL: none */
};

#define EMULATION_MAX_PACE_MS 1e6
#define EMULATION_MAX_FACTOR  1e6 /* of constant(FACTOR), at least 1 */

void emulation_release(struct emulation *e);

/* Checks one value and puts it in the place of what is there; "" is nothing.
 * trace(FILE) is looked for in `dir` and becomes steps(...), so that *e says
 * everything itself; NULL: no file is read.  ERR_USAGE, which tells the
 * offending text; ERR_SYS or ERR_CONFIG for a trace. */
int emulation_set(struct emulation *e, enum emulation_key key, const char *text,
                  const char *dir, struct err *err);
/* The same, but slow and net are put behind what is there, so that they hold
 * for the workers that they name. */
int emulation_change(struct emulation *e, enum emulation_key key,
                     const char *text, const char *dir, struct err *err);
/* The keys "slow", "pace" and "net" of an object that may have other keys, too;
 * an absent object is nothing.  ERR_CONFIG with the position. */
int emulation_parse(struct emulation *e, const struct jcur *object,
                    const char *dir, struct err *err);

/* ERR_USAGE when slow or net names a worker that is not among n. */
int emulation_check_ranks(const struct emulation *e, uint32_t n,
                          struct err *err);
/* What one worker is told, without WHO: new strings (mem_free) or NULL. */
int emulation_get(const struct emulation *e, uint32_t rank, char **slow,
                  char **net, struct err *err);
/* The mean factor of a worker's first thousand iterations, of 100 ms each: what
 * can be said of it in one number.  1: it is not slow. */
int emulation_mean_factor(const struct emulation *e, uint32_t rank,
                          uint64_t seed, double *factor, struct err *err);

#endif
