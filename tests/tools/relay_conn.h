/* SPDX-License-Identifier: Apache-2.0 */
/* The relay's links and the connections through them. */
#ifndef EBSP_TESTS_RELAY_CONN_H
#define EBSP_TESTS_RELAY_CONN_H

#include "relay_pipe.h"

#include <netinet/in.h>
#include <poll.h>

#define MAX_LINKS 80
#define MAX_CONNS 256

struct link {
    char name[RULE_NAME_CAP];
    int fd; /* listens */
    bool refuses;
    uint64_t count; /* connections so far */
    struct settings set[2];
};

struct conn {
    struct link *link;
    uint64_t number;
    int fd[2];           /* of who connected, of the target (-1: not yet) */
    bool connected;      /* to the target */
    bool lost[2];        /* that socket has failed: not polled any more */
    int64_t close_by_ns; /* both sides were sent FIN; 0: were not */
    struct pipe pipe[2]; /* up, down */
};

struct relay {
    uint64_t seed;
    const char *record;
    struct sockaddr_in target; /* port 0: not known */
    struct link link[MAX_LINKS];
    struct conn *conn[MAX_CONNS];
    struct rule *rule[PIPE_MAX_RULES]; /* events with a place or time */
    size_t n_links, n_conns, n_rules;
    char line[256]; /* of standard input, as far as it has come */
    size_t n_line;
    bool over;
};

/* Small buffers for a socket: its peer should feel the line. */
void relay_narrow(int fd);
/* A new one at this link, unless that refuses. */
void conn_accept(struct relay *r, struct link *l, int64_t now);
/* Connects it to the target, which is known now. */
void conn_start(struct relay *r, struct conn *c);
/* RST to both sides, or FIN; c is gone after it. */
void conn_end(struct relay *r, struct conn *c, bool reset);
/* Whether a rule is meant for this direction of it. */
bool conn_is_meant(const struct conn *c, int d, const struct rule *q);
/* Carries out what direction d has come to; false when c is gone. */
bool conn_follow(struct relay *r, struct conn *c, int d, enum fate f,
                 int64_t now);
/* Events whose time has come; false when c is gone.  *next becomes the time of
 * the next one when that is earlier. */
bool conn_do_timed(struct relay *r, struct conn *c, int64_t now, int64_t *next);
/* What to wait for on side s, and what to do when that has come; c may be gone
 * after it. */
struct pollfd conn_poll(const struct conn *c, int s, int64_t now);
void conn_turn(struct relay *r, struct conn *c, const short revents[2],
               int64_t now);

#endif
