/* SPDX-License-Identifier: Apache-2.0 */
/* The data set from the coordinator, through a cache: it is sent to a host once
 * and found there by all its workers, in this run and later ones.
 *
 * $XDG_CACHE_HOME/ebsp/data (~/.cache/ebsp/data) holds HASH, whole data sets
 * (data/blob.h); HASH.part, one that is being received; HASH.lock, held by the
 * worker that receives it while the others of its host wait. */
#ifndef EBSP_WORKER_FETCH_H
#define EBSP_WORKER_FETCH_H

#include "io/loop.h"
#include "wire/msg.h"

struct err;
struct fetch;

struct fetch_handlers {
    /* To be sent when there is a connection. */
    void (*ask)(void *ctx, const struct msg_fetch *m);
    /* The last call: the file that holds the data set, or what has failed. */
    void (*on_done)(void *ctx, const char *path, const struct err *why);
};

/* The folder, which may not be there yet; free with mem_free. */
char *fetch_cache_dir(struct err *err);
/* Begins on the loop, never calls from within.  Handlers are borrowed. */
struct fetch *fetch_new(uv_loop_t *loop, uint64_t data_hash,
                        const struct fetch_handlers *h, void *ctx,
                        struct err *err);
/* There is another connection: asks again for what is still missing. */
void fetch_resume(struct fetch *f);
/* The body of a DATA: gives memory for the bulk, or refuses. */
int fetch_on_body(struct fetch *f, const struct frame_head *h, const void *body,
                  void **bulk, struct err *err);
/* The bulk is there: goes to the file.  on_done may be called. */
void fetch_on_frame(struct fetch *f, const struct frame_head *h);
/* No handler is called any more; frees itself on the loop.  NULL is fine. */
void fetch_close(struct fetch *f);

#endif
