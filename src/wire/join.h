/* SPDX-License-Identifier: Apache-2.0 */
/* The first words between a launcher and the worker process that it has
 * started.
 *
 * The worker says on stdout who it is: "ebsp-worker PROTOCOL VERSION".  What a
 * login script has printed before that line is not its word.  A launcher that
 * speaks the same protocol answers on stdin: one line "ebsp-join 1 LENGTH",
 * then LENGTH bytes of JSON.  Everything that varies and everything secret
 * comes this way, nothing in argv or environment.  stdin stays open: when it
 * ends the worker is orphaned and exits. */
#ifndef EBSP_WIRE_JOIN_H
#define EBSP_WIRE_JOIN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct buf;
struct err;

#define JOIN_KEY_BYTES 32
#define JOIN_MAX_BYTES ((size_t)33 << 20)

/* What the process is started for. */
enum join_task {
    JOIN_TRAIN,
    JOIN_PROBE, /* answers questions about its machine (worker/probe.h) */
    JOIN_SERVE  /* holds a range of the parameters (serve/serve.h) */
};

/* How every line begins that a process which was started for JOIN_PROBE says
 * on stdout. */
#define JOIN_ANSWER "ebsp-probe "

#define JOIN_FD_PARAMS 3
#define JOIN_FD_PUSH   4
#define JOIN_FD_DATA   5
#define JOIN_FDS       3

struct join {
    enum join_task task;
    char *host; /* of the coordinator; host and port are not for JOIN_PROBE */
    uint16_t port;
    uint32_t rank;
    uint32_t life; /* how many processes had this rank before */
    bool tls;      /* the coordinator speaks TLS at this address */
    uint8_t key[JOIN_KEY_BYTES];
    uint32_t threads;
    char *data_dir;     /* instead of the job's; NULL: as the job says */
    bool push_data;     /* the coordinator sends the data set */
    uint64_t data_hash; /* of what it sends or shares */
    char *job_dir;
    char *job; /* text of the effective job */
    /* The process has inherited what it shares with the coordinator: the
     * published parameters as JOIN_FD_PARAMS, the memory for its
     * contributions as JOIN_FD_PUSH, the data set with data_hash as
     * JOIN_FD_DATA. */
    bool shared;
    bool served; /* parameters come from servers, which SERVERS names */
    bool echo;   /* answers orders without computing: what is left of a run
                  * is what is measured */
    /* What it emulates (job/emulation.h): a SPEED, or NULL; an iteration takes
     * at least pace times its factor; a LINK, or NULL; what seeds both; for how
     * long the run has been there. */
    char *slow;
    double pace_ms;
    char *net;
    uint64_t seed;
    double age_ms;
};

#define JOIN_VERSION_CAP  32
#define JOIN_GREETING_CAP 64

/* This program's greeting, with an empty line before it, so that text without
 * a newline cannot stick to it, and '\n' behind. */
void join_greeting(char to[JOIN_GREETING_CAP]);
/* Is this line (without newline) a greeting?  Whose? */
bool join_is_greeting(const char *line, uint32_t *protocol,
                      char version[JOIN_VERSION_CAP]);
/* "0.1.0": of this program. */
const char *join_version(void);

int join_encode(const struct join *j, struct buf *to, struct err *err);
/* LENGTH of the first line (without newline). */
int join_decode_head(const char *line, size_t *n_bytes, struct err *err);
/* Of the JSON; strings are freed by join_release. */
int join_decode(struct join *j, const char *text, size_t n, struct err *err);
void join_release(struct join *j); /* and wipes the key */

#endif
