/* SPDX-License-Identifier: Apache-2.0 */
/* The parts of "ebsp zipline". */
#ifndef EBSP_CMD_ZIPLINE_H
#define EBSP_CMD_ZIPLINE_H

#include "zipline/zipline.h"

#include <stdbool.h>

struct err;

/* ---- input: lines of worker,previous_push,last_push ---- */

__extension__ typedef __int128 wide_time;

/* What a file says, with its times as integers: a time t of `workers` stands
 * for (t + origin) / 10^digits in the file.  Decimals are thus exact, and
 * numbers near the limits of 64 bits leave room for predictions. */
struct pushes {
    char *name; /* of the file, for messages */
    size_t n;
    struct zipline_worker *workers; /* indices: see pushes_look_ahead */
    int64_t *ids;
    uint32_t *lines; /* where each worker stands */
    int digits;      /* after the point, 0 to 9 */
    wide_time origin;
};

#define PUSHES_MAX_BYTES  ((size_t)256 << 20)
#define PUSHES_TIME_CHARS 48

/* `path` "-" is the standard input.  Malformed lines are ERR_CONFIG. */
int pushes_load(struct pushes *p, const char *path, struct err *err);
int pushes_parse(struct pushes *p, const char *name, const char *text,
                 size_t len, struct err *err);
void pushes_release(struct pushes *p);
/* Gives every worker `count` points from index `first` on; a point that 64 bits
 * cannot hold in the file's unit is an error. */
int pushes_look_ahead(struct pushes *p, uint32_t first, uint32_t count,
                      struct err *err);
/* A time, or with `relative` a difference of times, in the file's unit. */
const char *pushes_time(const struct pushes *p, int64_t t, bool relative,
                        char to[PUSHES_TIME_CHARS]);

/* ---- algorithms ---- */

struct zipline_algorithm {
    const char *name;
    bool exact;
    enum zipline_status (*decide)(struct zipline *z,
                                  const struct zipline_worker *workers,
                                  size_t n, struct zipline_point *points,
                                  struct zipline_plan *plan);
    /* Steps for n workers with r points each, roughly, at worst. */
    double (*steps)(double n, double r);
};

/* Ended by a NULL name; the first one is zipline_decide. */
extern const struct zipline_algorithm zipline_algorithms[];

/* ---- benchmark ---- */

struct bench_options {
    const struct zipline_algorithm *only; /* NULL: all */
    uint32_t lookahead;                   /* 0: 15 and 150 */
    uint32_t first;
    bool json;
};

/* Prints a table, or JSON. */
int zipline_benchmark(const struct bench_options *o, struct err *err);

#endif
