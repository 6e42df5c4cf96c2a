/* SPDX-License-Identifier: Apache-2.0 */
/* The timeline of a run in the trace event format that Perfetto and Chromium's
 * chrome://tracing read. */
#ifndef EBSP_REPORT_CHROME_H
#define EBSP_REPORT_CHROME_H

#include <stdint.h>
#include <stdio.h>

struct err;

/* Reads RUN/events.jsonl and writes JSON to f as it goes.  Errors of f itself
 * are left to the caller (ferror).  *n_events (may be NULL): written. */
int chrome_write(const char *run, FILE *f, uint64_t *n_events, struct err *err);

#endif
