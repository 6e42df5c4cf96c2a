/* SPDX-License-Identifier: Apache-2.0 */
/* Messages: structs <-> bodies of frames.  Decoders take hostile bytes, check
 * every range, and refuse what is too short, too long or out of range.
 *
 *   coordinator                      worker
 *   CHALLENGE  ------------------>
 *              <------------------  HELLO       (until here: 256 bytes, 5 s)
 *   WELCOME    ------------------>
 *              <------------------  FETCH       (only when it lacks the data)
 *   DATA (+ bytes) -------------->              until all is there
 *              <------------------  READY
 *   ORDER (+ parameters) -------->              large vectors follow their
 *   PIECE (+ some of them) ------>              ORDER in pieces, and come in
 *              <------------------  PIECE         pieces before their PUSH
 *              <------------------  PUSH (+ gradient)     and so on
 *              <------------------  BEAT        (every second, also computing)
 *   EMULATE    ------------------>              at any time
 *   STOP       ------------------>
 *              <------------------  BYE
 *   either side: ERROR, then close */
#ifndef EBSP_WIRE_MSG_H
#define EBSP_WIRE_MSG_H

#include "wire/frame.h"

struct buf;

enum msg_type {
    MSG_CHALLENGE = 1,
    MSG_HELLO,
    MSG_WELCOME,
    MSG_READY,
    MSG_ORDER,
    MSG_PUSH,
    MSG_BEAT,
    MSG_STOP,
    MSG_BYE,
    MSG_ERROR,
    MSG_FETCH,
    MSG_DATA,
    MSG_PIECE,
    MSG_EMULATE,
    MSG_SERVE, /* from here on: msg_servers.h */
    MSG_SERVING,
    MSG_SERVERS,
    MSG_COMMAND,
    MSG_HAVE,
    MSG_OPEN,
    MSG_LAST = MSG_OPEN
};
const char *msg_name(uint16_t type); /* "ORDER"; "?" when unknown */

#define WIRE_NONCE_BYTES 32
#define WIRE_PROOF_BYTES 32
#define WIRE_HOST_CAP    64 /* with final zero */
#define WIRE_TEXT_CAP    512
#define WIRE_MAX_STEPS   4096
#define WIRE_MAX_HELLO   256 /* body limit before authentication */

struct msg_challenge {
    uint8_t nonce[WIRE_NONCE_BYTES];
};

/* proof = HMAC-SHA256(run key, "ebsp hello" 0 nonces rank life version) */
struct msg_hello {
    uint32_t rank;
    uint32_t life; /* of the rank: how many processes had it before this one */
    uint8_t nonce[WIRE_NONCE_BYTES];
    uint8_t proof[WIRE_PROOF_BYTES];
    char host[WIRE_HOST_CAP];
    uint64_t pid;
};

/* proof = HMAC-SHA256(run key, "ebsp welcome" 0 nonces): the coordinator knows
 * the key too. */
struct msg_welcome {
    uint8_t proof[WIRE_PROOF_BYTES];
};

/* The worker has read job and data and can compute. */
struct msg_ready {
    uint64_t segments_hash; /* segtab_fingerprint */
    uint64_t n_floats;
    uint64_t data_hash;
    int64_t setup_ns; /* from its start until now */
};

struct msg_cursor {
    uint32_t epoch, shard;
    uint64_t first;
    uint32_t count;
};

enum {
    MSG_ORDER_PARAMS = 1u << 0, /* bulk holds the parameters */
    MSG_ORDER_SHARED = 1u << 1, /* they are in `slot` of the shared memory */
    MSG_ORDER_PIECES = 1u << 2, /* they follow in pieces, the first first */
    MSG_ORDER_SERVED = 1u << 3  /* parameter servers send them */
};

struct msg_order {
    uint64_t iteration; /* number of this order for this worker, from 1 */
    uint64_t version;   /* of the parameters to compute on */
    uint32_t flags;
    uint32_t contribution; /* EBSP_PUSH_* */
    uint32_t slot;         /* MSG_ORDER_SHARED */
    double lr;             /* for local steps */
    int64_t held_ns;       /* how long the policy held the worker before this */
    uint32_t n_steps;      /* cursors, 1..WIRE_MAX_STEPS */
    struct msg_cursor *step;
};

/* Where the contribution is. */
enum {
    MSG_PUSH_BULK,
    MSG_PUSH_SHARED, /* in shared memory, where the coordinator reads it */
    MSG_PUSH_PIECES, /* it has come in pieces, the last ones first */
    MSG_PUSH_SERVED  /* it goes to parameter servers */
};

struct msg_push {
    uint64_t iteration, version; /* of the order it answers */
    uint64_t samples;
    uint64_t correct;
    uint32_t n_steps;
    uint32_t flags;
    double loss;                 /* mean over the samples; may be NaN */
    double norm;                 /* L2 of the contribution; may be NaN */
    int64_t data_ns, compute_ns; /* of this iteration */
    /* Of the exchange before it: how long the worker did nothing else, and how
     * long something moved while it computed. */
    int64_t push_ns, wait_ns, pull_ns;
    int64_t push_hidden_ns, pull_hidden_ns;
    uint32_t factor; /* emulated, in thousandths; 0: it was 1 */
};

/* Some of the numbers of a vector (pieces.h), which are in the bulk. */
struct msg_piece {
    uint64_t iteration; /* of the order that they belong to */
    uint64_t first, count;
};

struct msg_bye {
    uint64_t iterations;
    int64_t wall_ns, data_ns, compute_ns, push_ns, wait_ns, pull_ns;
    int64_t push_hidden_ns, pull_hidden_ns;
};

struct msg_error {
    uint32_t code; /* enum err_code */
    char text[WIRE_TEXT_CAP];
};

/* The worker has no copy of the data set: it wants the bytes of its blob
 * (data/blob.h) from `offset` on. */
struct msg_fetch {
    uint64_t data_hash;
    uint64_t offset; /* a multiple of 4 */
};

/* Bytes of the blob, in the bulk: at most WIRE_MAX_DATA, in order, up to its
 * end. */
#define WIRE_MAX_DATA ((uint64_t)1 << 20)
struct msg_data {
    uint64_t offset; /* of the first */
    uint64_t total;  /* bytes of the whole blob */
};

/* What the worker is to emulate from now on, all of it: job/emulation.h. */
struct msg_emulate {
    double pace_ms;
    const char *slow, *net; /* not ended by a zero; in the body that was read */
    uint32_t slow_len, net_len; /* 0: nothing */
};

void msg_put_challenge(struct buf *b, const struct msg_challenge *m);
void msg_put_hello(struct buf *b, const struct msg_hello *m);
void msg_put_welcome(struct buf *b, const struct msg_welcome *m);
void msg_put_ready(struct buf *b, const struct msg_ready *m);
void msg_put_order(struct buf *b, const struct msg_order *m);
void msg_put_push(struct buf *b, const struct msg_push *m);
void msg_put_piece(struct buf *b, const struct msg_piece *m);
void msg_put_bye(struct buf *b, const struct msg_bye *m);
void msg_put_error(struct buf *b, const struct msg_error *m);
void msg_put_fetch(struct buf *b, const struct msg_fetch *m);
void msg_put_data(struct buf *b, const struct msg_data *m);
void msg_put_emulate(struct buf *b, const struct msg_emulate *m);

/* ERR_PROTO naming message and field.  BEAT and STOP have empty bodies. */
int msg_get_challenge(struct msg_challenge *m, const void *p, size_t n,
                      struct err *err);
int msg_get_hello(struct msg_hello *m, const void *p, size_t n,
                  struct err *err);
int msg_get_welcome(struct msg_welcome *m, const void *p, size_t n,
                    struct err *err);
int msg_get_ready(struct msg_ready *m, const void *p, size_t n,
                  struct err *err);
/* m->step is allocated; free with msg_order_release. */
int msg_get_order(struct msg_order *m, const void *p, size_t n,
                  struct err *err);
void msg_order_release(struct msg_order *m);
int msg_get_push(struct msg_push *m, const void *p, size_t n, struct err *err);
int msg_get_piece(struct msg_piece *m, const void *p, size_t n,
                  struct err *err);
int msg_get_bye(struct msg_bye *m, const void *p, size_t n, struct err *err);
int msg_get_error(struct msg_error *m, const void *p, size_t n,
                  struct err *err);
int msg_get_fetch(struct msg_fetch *m, const void *p, size_t n,
                  struct err *err);
int msg_get_data(struct msg_data *m, const void *p, size_t n, struct err *err);
int msg_get_emulate(struct msg_emulate *m, const void *p, size_t n,
                    struct err *err);

#endif
