/* SPDX-License-Identifier: Apache-2.0 */
/* A run in the text format of Prometheus, version 0.0.4. */
#ifndef EBSP_VIEW_PROM_H
#define EBSP_VIEW_PROM_H

struct buf;
struct tally;

#define PROM_CONTENT_TYPE "text/plain; version=0.0.4; charset=utf-8"

#define PROM_SURE_S 1 /* older events have reached the tally */

/* Appends all metrics.  start_s: seconds since 1970 when the program began;
 * now: seconds since then.  What is not known yet is left out. */
void prom_put(struct buf *to, const struct tally *t, double start_s,
              double now);

#endif
