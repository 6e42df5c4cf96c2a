/* SPDX-License-Identifier: Apache-2.0 */
/* gnuplot as a child process: a script goes to its standard input, what it
 * draws comes from its standard output.  No shell, no files. */
#ifndef EBSP_REPORT_GNUPLOT_H
#define EBSP_REPORT_GNUPLOT_H

#include <stdbool.h>
#include <stddef.h>

struct buf;
struct err;

#define GNUPLOT_MAX_SECONDS 30

/* There is one in PATH. */
bool gnuplot_is_there(void);
/* Appends its output to `to`.  ERR_FAIL with the first line of its complaint
 * when it fails, and when it takes longer than max_seconds; it is dead then. */
int gnuplot_draw(const char *script, size_t n, int max_seconds, struct buf *to,
                 struct err *err);

#endif
