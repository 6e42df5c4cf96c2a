/* SPDX-License-Identifier: Apache-2.0 */
/* Which workers a run has, on which host each of them runs, what they are told
 * and how one is started again. */
#ifndef EBSP_CMD_WORKERS_H
#define EBSP_CMD_WORKERS_H

#include "launch/launch.h"
#include "ps/server.h"

#include <stdbool.h>
#include <stdint.h>

struct cluster;
struct emulation;
struct err;
struct job;
struct workers;

/* Everything is borrowed. */
struct workers_config {
    const struct job *job; /* effective */
    uint64_t data_hash;    /* of its data set */
    const struct cluster *cluster;
    const uint8_t *key; /* JOIN_KEY_BYTES */
    const char *local;  /* address where workers here find the server */
    uint16_t local_port, remote_port;
    const struct emulation *emulation; /* as it is when a worker is started */
    int64_t zero_ns;                   /* when the run began */
    bool served; /* parameter servers hold the parameters */
    bool echo;   /* they do not compute */
};

/* The ranks of the job are placed, none is started. */
struct workers *workers_new(uv_loop_t *loop, const struct workers_config *c,
                            const struct launch_handlers *h, void *ctx,
                            struct err *err);
/* Only when none is running. */
void workers_free(struct workers *w);

/* For the server, which is there before the workers are, because they need its
 * address: the context is a struct workers **. */
extern const struct server_starter workers_starter;

/* "local", or the host's name; "" for a rank that has no place. */
const char *workers_describe_host(const struct workers *w, uint32_t rank);
/* The processes, for launcher_get_running and so on. */
struct launcher *workers_get_launcher(const struct workers *w);

#endif
