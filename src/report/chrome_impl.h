/* SPDX-License-Identifier: Apache-2.0 */
/* The inside of a timeline: chrome.c says what is shown, chrome_put.c writes
 * it. */
#ifndef EBSP_REPORT_CHROME_IMPL_H
#define EBSP_REPORT_CHROME_IMPL_H

#include "report/story.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

enum track {
    SERVER,
    EVALUATION,
    CHECKPOINT,
    FIRST_WORKER,
    FIRST_NETWORK = FIRST_WORKER + STORY_MAX_RANKS
};

/* What is known of a rank. */
struct lane {
    bool is_named;          /* its track has a name */
    bool has_network;       /* and a second one */
    double free_s;          /* until when that is taken */
    struct story_work last; /* its push is not there yet; id 0: none */
};

struct chrome {
    FILE *f;
    uint64_t n;        /* events written */
    struct lane *lane; /* by rank */
    size_t n_lanes;
    double free_s[FIRST_WORKER]; /* until when tracks are taken, by track */
    bool has_supersteps;         /* the policy tells its barriers itself */
};

void chrome_put_string(FILE *f, const char *s);
void chrome_put_number(FILE *f, double v);
/* A span, or an instant, without arguments of its own; those and chrome_end
 * have to follow. */
void chrome_begin_span(struct chrome *c, uint32_t track, const char *name,
                       double begin_s, double length_s);
void chrome_begin_instant(struct chrome *c, uint32_t track, const char *name,
                          double at_s);
void chrome_end(struct chrome *c);
/* The members of an event of the run, as they are. */
void chrome_put_args(struct chrome *c, const struct jcur *event);
/* Nothing where v is not finite. */
void chrome_counter(struct chrome *c, const char *name, double at_s, double v);
/* phase: s where the arrow begins, f where it ends. */
void chrome_arrow(struct chrome *c, char phase, uint32_t track, uint64_t id,
                  double at_s);
/* order: among the tracks, from above. */
void chrome_name_track(struct chrome *c, uint32_t track, const char *name,
                       uint32_t order);

#endif
