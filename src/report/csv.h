/* SPDX-License-Identifier: Apache-2.0 */
/* The data of runs for other tools: comma-separated, a line of names first, the
 * column "run" in front of each table, nothing thinned out. */
#ifndef EBSP_REPORT_CSV_H
#define EBSP_REPORT_CSV_H

#include "report/account.h"

struct err;

/* runs.csv, workers.csv, staleness.csv, evaluations.csv, pushes.csv,
 * updates.csv, waits.csv and supersteps.csv in `dir`, which is made when it is
 * not there.  Reads the events of the runs again. */
int csv_write(const char *dir, const struct account *a, size_t n,
              struct err *err);

#endif
