/* SPDX-License-Identifier: Apache-2.0 */
/* A report: one page that needs nothing else. */
#ifndef EBSP_REPORT_REPORT_H
#define EBSP_REPORT_REPORT_H

#include "report/account.h"

#include <stdio.h>

struct err;

#define REPORT_MAX_RUNS 64

/* Writes the page about n labelled runs.  Errors of f are left to the caller
 * (ferror).  *why is set when figures could not be drawn, and says why: the
 * page has their tables then. */
void report_write(const struct account *a, size_t n, FILE *f, struct err *why);

/* The same in words, for a terminal. */
void report_write_text(const struct account *a, size_t n, FILE *f);

#endif
