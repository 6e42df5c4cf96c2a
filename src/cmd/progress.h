/* SPDX-License-Identifier: Apache-2.0 */
/* The progress of a run on stderr: one updating line on a terminal, plain
 * lines elsewhere. */
#ifndef EBSP_CMD_PROGRESS_H
#define EBSP_CMD_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

struct server_status;

struct progress {
    FILE *to;         /* NULL: quiet */
    bool live;        /* a terminal */
    bool drawn;       /* a line stands there without its newline */
    int64_t shown_ns; /* when a plain line was written last */
    double accuracy;  /* told last */
    int phase;
};

void progress_init(struct progress *p, FILE *to);
/* Now and then: redraws, or writes a plain line every 10 s. */
void progress_tick(struct progress *p, const struct server_status *st);
/* Something happened: an evaluation, a new phase. */
void progress_news(struct progress *p, const struct server_status *st);
/* Removes the live line, before somebody else writes. */
void progress_clear(void *ctx);

#endif
