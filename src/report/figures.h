/* SPDX-License-Identifier: Apache-2.0 */
/* The figures and tables of runs, each with its data behind it.  What no run
 * has data for is not there. */
#ifndef EBSP_REPORT_FIGURES_H
#define EBSP_REPORT_FIGURES_H

#include "report/account.h"
#include "report/html.h"

/* A row per run, or the figures of the only one. */
void figures_overview(struct page *p, const struct account *a, size_t n);
/* Accuracy and loss against time and samples. */
void figures_learning(struct page *p, const struct account *a, size_t n);
/* What the workers' time went to, and when they waited. */
void figures_time(struct page *p, const struct account *a, size_t n);
/* Lengths of the supersteps; staleness. */
void figures_progress(struct page *p, const struct account *a, size_t n);
/* The last supersteps, worker by worker. */
void figures_gantt(struct page *p, const struct account *a, size_t n);
/* Scenario and settings: the effective jobs side by side. */
void figures_settings(struct page *p, const struct account *a, size_t n);

/* Which run is which; nothing for one. */
void figures_legend(struct page *p, const struct account *a, size_t n);
/* Colours of the parts of time that are in use. */
void figures_parts(struct page *p);

#define FIGURE_ROWS    25 /* of a table behind a curve, per run */
#define FIGURE_WORKERS 32 /* drawn per run */

/* The k-th of the at most FIGURE_WORKERS ranks that are shown of a run, evenly
 * spread; false: there are no more. */
bool figures_rank(const struct account *a, size_t k, size_t *rank);

#endif
