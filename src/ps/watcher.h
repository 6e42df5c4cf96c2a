/* SPDX-License-Identifier: Apache-2.0 */
/* Evaluation beside the training: a thread of low priority works through
 * snapshots of the parameters, results come back on the loop. */
#ifndef EBSP_PS_WATCHER_H
#define EBSP_PS_WATCHER_H

#include "base/err.h"
#include "io/loop.h"
#include "job/evaluate.h"
#include "ps/store.h"

#include <stdbool.h>

struct watcher;

struct watcher_result {
    struct params *params; /* the reference that watcher_submit was given */
    uint64_t samples;      /* consumed when the snapshot was taken */
    int64_t taken_ns;      /* when */
    struct evaluation eval;
    int64_t cost_ns;
    struct err err; /* code ERR_OK: eval is valid */
};

typedef void watcher_fn(void *ctx, const struct watcher_result *r);

/* Everything is borrowed. */
struct watcher *watcher_new(uv_loop_t *loop, const struct graph *g,
                            const struct dataset *d,
                            const struct augment_config *a, int threads,
                            watcher_fn *on_result, void *ctx, struct err *err);
/* Takes the reference over; it comes back in the result. */
int watcher_submit(struct watcher *w, struct params *p, uint64_t samples,
                   int64_t now_ns, struct err *err);
/* Snapshots submitted whose result has not been delivered. */
size_t watcher_get_pending(const struct watcher *w);
/* Breaks off the one being worked on, delivers what is not evaluated with an
 * error, frees itself on the loop. */
void watcher_close(struct watcher *w);

#endif
