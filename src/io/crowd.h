/* SPDX-License-Identifier: Apache-2.0 */
/* More connections than a listener has places for: how long those who have one
 * may keep it. */
#ifndef EBSP_IO_CROWD_H
#define EBSP_IO_CROWD_H

#include <stdint.h>
#include <uv.h>

struct listener_limits;

/* All zero: there was none. */
struct crowd {
    int64_t grace_ms; /* the shortest one since it came */
    int64_t last_ns;  /* when it was last here */
};

/* A number for where somebody comes from; one for a whole IPv6 network (/64),
 * which may be a single machine. */
uint64_t crowd_source(const uv_tcp_t *conn);
/* How many wait: one that libuv holds, and the kernel's queue. */
uint32_t crowd_waiting(const uv_tcp_t *listener);
/* The grace while n_waiting wait and all places are taken. */
int64_t crowd_grace(struct crowd *c, const struct listener_limits *lim,
                    uint32_t n_waiting);

#endif
