/* SPDX-License-Identifier: Apache-2.0 */
/* What the events of a run add up to, for whoever shows a run while it goes on.
 *
 * Pure: events in, sums out; no clock and no file.  A run that was continued
 * has several sessions in one stream: a "run" event begins the sums anew, and
 * what was done before is taken from its "start". */
#ifndef EBSP_VIEW_TALLY_H
#define EBSP_VIEW_TALLY_H

#include "base/json.h"

#include <stdbool.h>
#include <stdint.h>

struct err;

#define TALLY_MAX_RANKS 65536
#define TALLY_STALENESS 64 /* values counted one by one; the last: and more */

enum tally_phase {
    TALLY_STARTING,
    TALLY_TRAINING,
    TALLY_ENDING, /* no more work is given out */
    TALLY_OVER
};
const char *tally_phase_name(enum tally_phase p);

enum tally_state {
    TALLY_ABSENT,
    TALLY_STARTS,  /* its process was started, or is connected and reads */
    TALLY_HELD,    /* by the policy */
    TALLY_RUNNING, /* has an order */
    TALLY_IDLE     /* nothing is left for it now */
};

/* Where the time of a worker goes, as ebsp-run(5) has it. */
enum tally_part {
    TALLY_COMPUTE,
    TALLY_DATA,
    TALLY_PUSH,
    TALLY_WAIT,
    TALLY_PULL,
    TALLY_PARTS
};
const char *tally_part_name(enum tally_part p);

/* Texts are as the events have them; who writes them to a terminal makes them
 * safe for it (str_escape). */
struct tally_worker {
    bool known; /* has had a process in this session */
    enum tally_state state;
    char host[64];                         /* "" before it has told it */
    uint64_t starts, iterations, rejected; /* processes; pushes */
    double part[TALLY_PARTS];              /* seconds, of what has ended */
    double since;                          /* of the state */
    double last_push;                      /* NaN: none */
    double staleness; /* of what was applied last, or NaN */
    uint64_t base;    /* version that its last push was based on */
};

struct tally {
    double t; /* of the last event, seconds since the program began */
    char name[64], policy[256];
    enum tally_phase phase;
    uint64_t samples, total, epochs; /* total: of all epochs; 0: not known */
    uint64_t samples_before;         /* this session */
    uint64_t version, updates, pushes, dropped, rejected, lost;
    double started, ended;                     /* training: t, or NaN */
    double loss_sum, loss_one;                 /* fading mean: sum, weight */
    double lr;                                 /* of the last update, or NaN */
    double accuracy, best_accuracy, test_loss; /* NaN before the first */
    uint64_t eval_samples;
    uint64_t stale[TALLY_STALENESS], stale_count, stale_sum, stale_max;
    uint64_t supersteps;
    double superstep_s; /* length of the last, or NaN */
    uint64_t checkpoints, failed_checkpoints;
    char stopped[96], failure[256]; /* "": not so */
    struct tally_worker *worker;    /* [n], index is the rank */
    uint32_t n;
};

void tally_init(struct tally *t);
void tally_release(struct tally *t);
/* The next event of the stream.  What it does not know, it passes over; a value
 * that cannot be is ERR_CONFIG, and the sums hold what was before. */
int tally_feed(struct tally *t, const char *event, const struct jcur *root,
               struct err *err);

double tally_loss(const struct tally *t);      /* NaN before the first push */
double tally_epoch(const struct tally *t);     /* passes done; NaN: not known */
uint32_t tally_present(const struct tally *t); /* workers that take part */
/* Seconds of a part up to `now`, with a wait that has not ended yet. */
double tally_part(const struct tally_worker *w, enum tally_part p, double now);

#endif
