/* SPDX-License-Identifier: Apache-2.0 */
/* Text that says something of some workers: "WHO:WHAT;WHO:WHAT;...", where WHO
 * is "all", a rank or a range of ranks "2-5".  Of several entries about a
 * worker the last one holds. */
#ifndef EBSP_JOB_RANKED_H
#define EBSP_JOB_RANKED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct err;

struct ranked {
    bool has_who;         /* "WHAT" alone is about all */
    uint32_t first, last; /* of all: UINT32_MAX is the last */
    const char *what;     /* not ended by a zero */
    size_t len;
};

/* 1: the next entry, and *at is behind it; 0: there is none; -1: ERR_USAGE. ':'
 * and ';' within parentheses belong to WHAT. */
int ranked_next(const char **at, struct ranked *entry, struct err *err);

/* WHAT of the last entry about a rank, as a new string (mem_free); NULL: there
 * is none, or, when err is set, no memory.  spec: well-formed, or NULL. */
char *ranked_find(const char *spec, uint32_t rank, struct err *err);

#endif
