/* SPDX-License-Identifier: Apache-2.0 */
/* What happened in a run: its event stream (ebsp-run(5)) put together into
 * spans of work and waiting, updates and evaluations.
 *
 * Read as a stream, in memory that does not depend on its length.  The stream
 * of a run that is at work, or was killed, ends where it ends; what was going
 * on then is told by on_work without a push.
 *
 * Two clocks.  `at_s` runs from the first start of the program through all
 * sessions of a run that was resumed.  Seconds of training, which results are
 * judged by, are at_s minus the `zero_s` of the newest story_start. */
#ifndef EBSP_REPORT_STORY_H
#define EBSP_REPORT_STORY_H

#include "base/json.h"

#include <stdbool.h>
#include <stdint.h>

struct err;

#define STORY_MAX_RANKS 65536
#define STORY_NOBODY    UINT32_MAX

struct story_start {
    double at_s, zero_s;
    uint64_t samples;   /* done before */
    const char *policy; /* spec */
};

struct story_worker {
    uint32_t rank;
    const char *host; /* "" when it was not told */
};

/* From an order to the push that answers it.  The parts follow each other in
 * this order; what push_s is: all that is left. */
struct story_work {
    uint32_t rank;
    int64_t iteration;
    uint64_t
        id; /* of the push, from 1; 0: none came, only begin and end hold */
    double begin_s, end_s;
    double pull_s, data_s, compute_s, push_s;
    /* No parts, but transfer while it computed: of the parameters, and of the
     * worker's push before, as it tells that with this one.  0: not told. */
    double pull_hidden_s, last_push_hidden_s;
    double loss, norm; /* NAN: not finite */
    int64_t samples;
};

/* The policy held a worker. */
struct story_wait {
    uint32_t rank;
    double begin_s, end_s;
};

/* A push that an update applied. */
struct story_part {
    uint64_t id; /* of the push; 0: it was not seen */
    uint32_t rank;
    int64_t staleness; /* -1: not known */
};

struct story_update {
    double at_s;
    int64_t version, pushes, samples;
    double lr;
    const struct story_part *part;
    size_t n;
};

struct story_eval {
    double at_s; /* when its result was there */
    double took_s;
    double trained_s; /* seconds of training of the snapshot */
    int64_t samples;
    double loss, accuracy; /* NAN: not finite */
};

/* What the policy noted. */
struct story_note {
    double at_s;
    const char *name;
    const struct jcur *event;
};

/* Any other event. */
struct story_mark {
    double at_s;
    const char *event;
    uint32_t rank; /* STORY_NOBODY: of the server */
    const struct jcur *from;
};

/* Any of them may be NULL.  A handler that returns -1 ends the reading. */
struct story_handlers {
    int (*on_start)(void *ctx, const struct story_start *v, struct err *err);
    int (*on_worker)(void *ctx, const struct story_worker *v, struct err *err);
    int (*on_work)(void *ctx, const struct story_work *v, struct err *err);
    int (*on_wait)(void *ctx, const struct story_wait *v, struct err *err);
    int (*on_update)(void *ctx, const struct story_update *v, struct err *err);
    int (*on_eval)(void *ctx, const struct story_eval *v, struct err *err);
    int (*on_note)(void *ctx, const struct story_note *v, struct err *err);
    int (*on_mark)(void *ctx, const struct story_mark *v, struct err *err);
};

/* Reads RUN/events.jsonl from begin to end.  ERR_CONFIG with file and line for
 * what is no event stream; *end_s (may be NULL) is the time of its last
 * event. */
int story_read(const char *run, const struct story_handlers *h, void *ctx,
               double *end_s, struct err *err);

#endif
