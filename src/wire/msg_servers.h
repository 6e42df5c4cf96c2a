/* SPDX-License-Identifier: Apache-2.0 */
/* Messages of a run with parameter servers: processes that hold a range of the
 * parameters each.
 *
 *   coordinator               server                    worker
 *              <-- HELLO       (as any worker, with a rank from
 *   WELCOME  --->               WIRE_SERVER_RANK on)
 *   SERVE    --->
 *   PIECE... --->              its range of parameters and optimizer
 *              <-- SERVING
 *   SERVERS  ------------------------------------------->
 *                               <------------------ HELLO
 *                              WELCOME ----------->
 *              <------------------------------------ READY
 *   COMMAND (ORDER) --->
 *   ORDER (without parameters) ------------------------->
 *                              OPEN ------------->
 *                              PIECE... --------->
 *                               <---------------- PIECE...
 *              <-- HAVE
 *              <------------------------------------ PUSH (without gradient)
 *   COMMAND (ADD, COMMIT ...) -->
 *   COMMAND (GATHER) --->
 *              <-- PIECE...
 *   STOP     --->
 *   BEAT between each two of them */
#ifndef EBSP_WIRE_MSG_SERVERS_H
#define EBSP_WIRE_MSG_SERVERS_H

#include "wire/msg.h"

#include <stdbool.h>

#define WIRE_SERVER_RANK UINT32_C(0x80000000) /* that of server 0 */
#define WIRE_MAX_SERVERS 64

/* To a server that has joined.  What follows are pieces of its range: of the
 * parameters (as iteration 1), then of each plane of the optimizer (2, 3). */
struct msg_serve {
    char host[WIRE_HOST_CAP]; /* address of its own to listen on */
    bool tls;                 /* for workers */
    uint64_t first, count;    /* its range, floats */
    uint64_t version;         /* of the parameters ... */
    uint64_t updates;         /* ... and of the optimizer */
};

/* All is there, workers may connect. */
struct msg_serving {
    uint16_t port;
};

/* To a worker that has connected, once all servers are ready. */
struct msg_server {
    char host[WIRE_HOST_CAP];
    uint16_t port;
    uint64_t first, count;
};
struct msg_servers {
    bool tls;
    uint32_t n; /* 1..WIRE_MAX_SERVERS; ranges adjoin, the first begins at 0 */
    struct msg_server server[WIRE_MAX_SERVERS];
};

/* What every server does in the same order as the others. */
enum server_command {
    SERVER_ORDER,  /* a worker's next contribution may come; it is sent the
                    * parameters first, unless `keep` */
    SERVER_ADD,    /* accumulator += weight * contribution, an EBSP_PUSH_* */
    SERVER_COMMIT, /* one update with weight * accumulator */
    SERVER_FORGET, /* the worker's connection is gone */
    SERVER_GATHER, /* send the parameters (plane 0) or a plane of the optimizer
                    * (1, 2) as they are now, as pieces of `iteration` */
    SERVER_LAST = SERVER_GATHER
};

/* Members that a command has no use for are zero. */
struct msg_command {
    uint32_t command;
    uint32_t rank, life;
    uint64_t
        iteration; /* of the worker's order; GATHER: number of the answer */
    bool keep;
    uint32_t kind, plane;
    double weight, lr;
};

/* All of a contribution to this range has come. */
struct msg_have {
    uint32_t rank, life;
    uint64_t iteration;
    uint64_t received, sent; /* bytes from and to workers, since the start */
};

/* To a worker: pieces for this iteration may come. */
struct msg_open {
    uint64_t iteration;
    bool params; /* those of parameters follow */
};

void msg_put_serve(struct buf *b, const struct msg_serve *m);
void msg_put_serving(struct buf *b, const struct msg_serving *m);
void msg_put_servers(struct buf *b, const struct msg_servers *m);
void msg_put_command(struct buf *b, const struct msg_command *m);
void msg_put_have(struct buf *b, const struct msg_have *m);
void msg_put_open(struct buf *b, const struct msg_open *m);

/* As in msg.h. */
int msg_get_serve(struct msg_serve *m, const void *p, size_t n,
                  struct err *err);
int msg_get_serving(struct msg_serving *m, const void *p, size_t n,
                    struct err *err);
int msg_get_servers(struct msg_servers *m, const void *p, size_t n,
                    struct err *err);
int msg_get_command(struct msg_command *m, const void *p, size_t n,
                    struct err *err);
int msg_get_have(struct msg_have *m, const void *p, size_t n, struct err *err);
int msg_get_open(struct msg_open *m, const void *p, size_t n, struct err *err);

#endif
