/* SPDX-License-Identifier: Apache-2.0 */
/* One direction of a relayed connection: bytes in at one socket, out at the
 * other, and what the rules do to them in between. */
#ifndef EBSP_TESTS_RELAY_PIPE_H
#define EBSP_TESTS_RELAY_PIPE_H

#include "relay_rule.h"

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define PIPE_MAX_RULES 64
#define PIPE_NEVER     INT64_MAX

struct settings { /* of one direction of a link; see relay_rule.h */
    double delay_ms, jitter_ms, rate, loss, loss_ms, noise;
};

/* What the connection has come to. */
enum fate {
    FATE_GOES_ON,
    FATE_STALL, /* the other direction, too */
    FATE_CLOSE,
    FATE_RESET,
    FATE_LOST /* the side to which bytes should go */
};

struct piece; /* of bytes, or an event, that waits for its time */

struct pipe {
    char name[RULE_NAME_CAP + 24]; /* "a.0 up" */
    int from, to;                  /* sockets, borrowed, not blocking */
    const struct settings *set;
    uint64_t seed;                  /* of this direction of this connection */
    int64_t start_ns;               /* of the connection */
    uint64_t in, out;               /* bytes that came, that were passed on */
    uint64_t skip;                  /* bytes still to be left out */
    uint8_t flip;                   /* bits of the next byte to turn over */
    uint8_t past[RULE_MAX_REPLAY];  /* the last bytes that came, a ring */
    uint64_t fired;                 /* one bit for each rule */
    struct piece *first, **last;    /* the queue */
    size_t queued;                  /* bytes in it */
    int64_t last_due_ns, line_free; /* of what is queued */
    int64_t stalled_until;          /* 0: is not, PIPE_NEVER: until resume */
    const struct rule *stalled_by;  /* the last stall */
    bool came_to_end;               /* of `from` */
    bool deaf;                      /* what comes is thrown away */
    bool ended;                     /* FIN was passed on */
    FILE *record;                   /* what came, as it came; may be NULL */
};

void pipe_init(struct pipe *p, const struct settings *set, uint64_t seed,
               int64_t now);
void pipe_release(struct pipe *p);
/* Whether its socket should be watched for reading, for writing. */
bool pipe_wants_read(const struct pipe *p);
bool pipe_wants_write(const struct pipe *p, int64_t now);
/* When pipe_write should be called next without that. */
int64_t pipe_next(const struct pipe *p);
/* Reads what there is; rules with a place in it take effect there. */
void pipe_read(struct pipe *p, const struct rule *const rules[], size_t n,
               int64_t now);
/* Stalls it because the other direction has come to the place of a stall; its
 * own turn of the same rule is over with that. */
void pipe_stall_like(struct pipe *p, const struct pipe *other);
/* `from` has failed; what it had sent before is still passed on. */
void pipe_lose(struct pipe *p, int64_t now);
/* Writes what is due. */
enum fate pipe_write(struct pipe *p, int64_t now);
/* An event here and now. */
enum fate pipe_do(struct pipe *p, const struct rule *r, int64_t now);

#endif
