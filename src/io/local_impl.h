/* SPDX-License-Identifier: Apache-2.0 */
/* The inside of io/local.h, for local.c, local_peer.c and local_ask.c. */
#ifndef EBSP_IO_LOCAL_IMPL_H
#define EBSP_IO_LOCAL_IMPL_H

#include "io/local.h"

#include <stdbool.h>
#include <sys/un.h>

enum local_state {
    LOCAL_FREE,    /* a place for somebody */
    LOCAL_READING, /* its turn: a request is to come */
    LOCAL_ASKED,   /* our turn: to answer */
    LOCAL_WRITING, /* its turn: to take the answer */
    LOCAL_LEAVING, /* the same, and it is closed then */
    LOCAL_CLOSED   /* handles are closing */
};

struct local_peer {
    struct local_server *server;
    uv_pipe_t pipe;
    uv_timer_t timer; /* while it is the peer's turn */
    bool due;         /* the timer has fired once */
    int n_handles;    /* not yet closed */
    enum local_state state;
    bool known; /* on_request was called */
    uid_t uid;
    pid_t pid;
    char *in; /* LOCAL_MAX_LINE bytes and a newline */
    size_t n_in;
};

struct local_server {
    uv_pipe_t pipe;
    bool bound, closing, is_closed;
    bool waiting; /* libuv holds a connection for which there is no place */
    char *path;
    dev_t dev; /* of the socket at `path`, as it was made */
    ino_t ino;
    /* One more than may stay: it is told that it may not.  All memory is there
     * from the beginning, so accepting cannot fail for the lack of it. */
    struct local_peer peer[LOCAL_MAX_PEERS + 1];
    char *in;    /* of all peers */
    int n_peers; /* that are not LOCAL_FREE */
    int64_t idle_ms;
    const struct local_handlers *handlers;
    void *ctx;
};

/* local_peer.c: takes the connection that libuv holds. */
void local_accept(struct local_server *s);
/* The server closes: what is being written has this long. */
void local_peer_leave(struct local_peer *p, int64_t linger_ms);

/* local.c: the server goes with the last of its peers. */
void local_free_if_closed(struct local_server *s);

/* local_ask.c: the address of a socket at any path.  *dir is a descriptor that
 * must stay open while the address is used, or -1. */
int local_address(struct sockaddr_un *to, int *dir, const char *path,
                  struct err *err);

#endif
