/* SPDX-License-Identifier: Apache-2.0 */
/* Checkpoints beside the training: snapshots are written off the loop, one at a
 * time; results come back on it.  At most two snapshots are alive: the one that
 * is being written and the newest one that waits.
 *
 * After a failure the next try is due in 1, 2, 4 ... 60 seconds. */
#ifndef EBSP_PS_KEEPER_H
#define EBSP_PS_KEEPER_H

#include "base/err.h"
#include "io/loop.h"
#include "ps/checkpoint.h"

#include <stdbool.h>

struct keeper;

struct keeper_result {
    const char *path; /* of the checkpoint; valid during the call */
    uint64_t version;
    bool final; /* as it was submitted */
    int64_t cost_ns;
    struct err err;        /* code ERR_OK: it is written, and whole */
    unsigned failures;     /* in a row, with this one */
    int64_t retry_ns;      /* until on_due; 0: no try is planned */
    const char *last_path; /* the newest one known to be whole, or NULL */
};

struct keeper_handlers {
    void (*on_result)(void *ctx, const struct keeper_result *r);
    /* Time to submit a snapshot of now, because the last one failed. */
    void (*on_due)(void *ctx);
};

/* Everything is borrowed.  resumed: path of the checkpoint that the run goes on
 * from, or NULL. */
struct keeper *keeper_new(uv_loop_t *loop, const char *run,
                          const struct job *job, const char *resumed,
                          const struct keeper_handlers *h, void *ctx,
                          struct err *err);
/* Takes the snapshot over; it replaces one that waits, of which nobody hears
 * again.  final: nothing comes after it. */
void keeper_submit(struct keeper *k, struct snapshot *s, bool final);
/* A snapshot is being written or waits. */
bool keeper_is_busy(const struct keeper *k);
/* The last one failed, and the next try is not due yet. */
bool keeper_is_holding_off(const struct keeper *k);
/* The handlers are not called any more.  What is being written is finished,
 * then the keeper frees itself, all on the loop. */
void keeper_close(struct keeper *k);

#endif
