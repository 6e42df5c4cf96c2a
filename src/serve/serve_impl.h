/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of a parameter server share: serve.c (life), control.c (what
 * the coordinator says), clients.c (workers). */
#ifndef EBSP_SERVE_SERVE_IMPL_H
#define EBSP_SERVE_SERVE_IMPL_H

#include "base/err.h"
#include "io/conn.h"
#include "io/loop.h"
#include "job/job.h"
#include "nn/range.h"
#include "ps/store.h"
#include "serve/serve.h"
#include "wire/join.h"
#include "wire/msg_servers.h"
#include "wire/pieces.h"

struct client {
    struct serve *serve;
    uint32_t rank, life; /* of the newest process that was here */
    struct conn *conn;   /* NULL: not connected */
    float *push;         /* its contribution; NULL before */
    struct pieces coming;
    uint64_t expected;       /* iteration of its order ... */
    uint32_t expected_life;  /* ... which this process has got */
    uint64_t have;           /* iteration of what is in `push`; 0: none */
    uint64_t received, sent; /* bytes of its connection that are counted */
};

struct serve {
    const struct join *join;
    uv_loop_t loop;
    uv_timer_t beat;
    uv_poll_t orphan; /* stdin */
    struct conn *up;  /* to the coordinator */
    int64_t beat_ns, excused_ns;
    bool ending;
    struct err err; /* why it ends */

    struct job job;
    bool has_range;
    struct segtab part;
    struct store *store;
    int plane; /* that is being loaded: 0 is the parameters */
    struct pieces loading;
    struct msg_serve told;

    struct listener *listener; /* NULL: not serving yet */
    struct client *client;     /* [n_clients], by rank */
    uint32_t n_clients;
    uint64_t received, sent; /* bytes, from and to workers */
};

/* serve.c: tells the coordinator, ends. */
void serve_fail(struct serve *s, const struct err *why);
void serve_end(struct serve *s, const struct err *why);
/* Sends a message; what cannot be sent is a lost connection. */
void serve_say(struct conn *c, uint16_t type, struct buf *body);

/* control.c */
extern const struct conn_handlers serve_control;
/* Parameters (0) or a plane of the optimizer. */
float *serve_vector(struct serve *s, int plane);

/* clients.c */
int clients_open(struct serve *s, struct err *err);
void clients_close(struct serve *s);
void clients_release(struct serve *s);
void clients_beat(struct serve *s);
/* The commands that are about one worker. */
int client_order(struct serve *s, const struct msg_command *m, struct err *err);
int client_add(struct serve *s, const struct msg_command *m, struct err *err);
int client_forget(struct serve *s, const struct msg_command *m,
                  struct err *err);

#endif
