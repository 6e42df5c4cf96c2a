/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of the talking thread share: worker.c (life, connections),
 * say.c (frames to the coordinator), hear.c (frames from it), parts.c (those
 * to and from parameter servers), retune.c (what is emulated). */
#ifndef EBSP_WORKER_WORKER_IMPL_H
#define EBSP_WORKER_WORKER_IMPL_H

#include "base/err.h"
#include "base/habit.h"
#include "io/conn.h"
#include "io/deliver.h"
#include "io/loop.h"
#include "wire/join.h"
#include "wire/msg_servers.h"
#include "worker/fetch.h"
#include "worker/thinker.h"

struct worker {
    struct join join;
    uv_loop_t loop;
    struct conn *conn; /* authenticated */
    bool ready;        /* READY was sent on this connection */
    uv_timer_t beat, retry;
    uv_poll_t orphan;    /* stdin */
    struct fetch *fetch; /* while the data set is on its way */
    struct thinker *thinker;
    struct err err; /* why it ends */
    bool ending;

    uint64_t retry_ms;
    int64_t lost_ns; /* since when nothing was ordered; 0: all is well */
    bool refused;    /* the coordinator has said why */
    int64_t beat_ns, excused_ns, heard_ns;
    uint64_t iteration; /* of the last order */
    struct habit silence;

    struct parts *parts;  /* parameter servers; NULL: none are known */
    struct pieces coming; /* parameters of the last order ... */
    float *params;        /* ... and where they belong */
    /* The contribution: its pieces, while some are not sent; all were given to
     * the connection; its PUSH waits for that. */
    struct delivery *leaving;
    bool given, due;
    int64_t leaving_ns; /* how long there were such pieces */
    struct msg_push push;

    int64_t start_ns, ready_ns;
    int64_t zero_ns;                     /* when the run began */
    int64_t push_start_ns, push_sent_ns; /* of the last push */
    int64_t push_ns, wait_ns, pull_ns;   /* of the last exchange ... */
    int64_t push_hidden_ns;              /* ... and while it computed */
    int64_t ordered_ns, pulled_ns; /* first byte of an order, last one of its
                                    * parameters */
    struct msg_bye total;
};

static inline size_t
worker_vector_bytes(const struct worker *w)
{
    return thinker_get_compute(w->thinker)->t->n_floats * sizeof(float);
}

/* worker.c: the end, at once when nobody is there to talk to, else when what
 * is queued is flushed. */
void worker_end(struct worker *w, const struct err *why);
/* The connection is gone: tries to come back, or ends. */
void worker_cut(struct worker *w, const struct err *why);

/* parts.c */
/* SERVERS: connects to them. */
int parts_on_servers(struct worker *w, const void *body, size_t n,
                     struct err *err);
/* All are connected, or there are none. */
bool parts_are_ready(const struct worker *w);
/* After the set-up: do they hold what the network has? */
int parts_check(const struct worker *w, struct err *err);
void parts_detach(struct worker *w);
void parts_free(struct worker *w);
/* On each beat: those that are silent for too long are lost. */
void parts_watch(struct worker *w, int64_t now_ns, int64_t limit_ns);
/* An order has come: so many of its parameters are there already. */
size_t parts_begin(struct worker *w, bool keep);
/* The last n floats of the contribution can be sent; complete: all can. */
void parts_push(struct worker *w, const float *v, size_t n, bool complete);
/* For how long, up to now_ns, some of it was on its way to a server. */
int64_t parts_get_busy_ns(const struct worker *w, int64_t now_ns);

/* say.c */
void worker_push_is_sent(struct worker *w);                /* for the account */
void worker_fail(struct worker *w, const struct err *why); /* tells, ends */
/* Once all that it takes is there. */
void worker_say_ready(struct worker *w);
void worker_say_push(struct worker *w);
/* While it computes: those pieces of the contribution that are final. */
void worker_say_pieces(struct worker *w);
void worker_say_fetch(struct worker *w, const struct msg_fetch *m);
void worker_say_bye(struct worker *w); /* and ends */

/* retune.c: another emulation; the link of a new connection */
int worker_on_emulate(struct worker *w, const void *body, size_t n,
                      struct err *err);
void worker_set_link(struct worker *w);

/* hear.c */
extern const struct conn_handlers worker_handlers;

#endif
