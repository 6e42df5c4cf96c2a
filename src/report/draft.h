/* SPDX-License-Identifier: Apache-2.0 */
/* A file that is written as a stream and appears whole or not at all. */
#ifndef EBSP_REPORT_DRAFT_H
#define EBSP_REPORT_DRAFT_H

#include <stdio.h>

struct err;

struct draft {
    FILE *f;
    char *path, *temp;
};

/* A new file beside `path`; what is there stays until draft_keep. */
int draft_open(struct draft *d, const char *path, struct err *err);
/* It takes the name.  -1 when anything could not be written. */
int draft_keep(struct draft *d, struct err *err);
/* Removes what was not kept; fine after draft_keep, and on zeroes. */
void draft_drop(struct draft *d);

/* A cell of comma-separated values, quoted when it must be. */
void draft_put_cell(FILE *f, const char *s);

#endif
