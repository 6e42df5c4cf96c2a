/* SPDX-License-Identifier: Apache-2.0 */
/* What a running job can be asked and told, through the Unix socket "ctl" in
 * its run directory: see ebsp-ctl(1).
 *
 * A request is a line of JSON, {"do": "remove-worker", "rank": 2}; its answer
 * is {"ok": true, ...} or {"ok": false, "code": exit status, "error": text}. */
#ifndef EBSP_PS_CONTROL_H
#define EBSP_PS_CONTROL_H

#include "base/json.h"
#include "io/loop.h"

#include <stddef.h>
#include <stdint.h>

struct buf;
struct control;
struct err;
struct log;
struct server;

#define CONTROL_SOCKET    "ctl" /* in the run directory */
#define CONTROL_HOST_CAP  256
#define CONTROL_MAX_SLOTS 256
#define CONTROL_MAX_WAIT  86400 /* seconds */

enum control_verb {
    CONTROL_STATUS,
    CONTROL_CHECKPOINT,
    CONTROL_STOP,
    CONTROL_ADD_WORKER,
    CONTROL_REMOVE_WORKER,
    CONTROL_CUT,
    CONTROL_SLOW,
    CONTROL_PACE,
    CONTROL_NET
};

struct control_request {
    enum control_verb verb;
    /* checkpoint, stop: answer when it is done, at the latest after so many
     * seconds; 0: at once. */
    double wait_s;
    char host[CONTROL_HOST_CAP]; /* add-worker */
    uint32_t slots;              /* add-worker: so many of them */
    uint32_t rank;               /* remove-worker, cut */
    char *text;                  /* slow, pace, net: what to emulate */
};

/* Any bytes; what is not a request is ERR_PROTO with the reason, a host that
 * cannot be one ERR_USAGE. */
int control_read(struct control_request *to, const char *line, size_t n,
                 struct err *err);
void control_request_release(struct control_request *q);

/* Opens the socket; run is the run directory, whose lock the caller has.  The
 * server and the log are borrowed. */
struct control *control_new(uv_loop_t *loop, struct server *s, const char *run,
                            struct log *log, struct err *err);
/* The run has ended: tells those who wait for it with which exit status;
 * removes the socket; frees itself on the loop, which must go on for that.
 * NULL is fine. */
void control_close(struct control *c, int exit_status);

/* ---- for control.c ------------------------------------------------------- */

/* The answer to "status".  run: full path. */
int control_status(const struct server *s, const char *run, double uptime_s,
                   struct buf *to, struct err *err);
/* Full path of the newest checkpoint, or null; NULL when memory is out. */
json_t *control_checkpoint(const struct server *s, const char *run);

#endif
