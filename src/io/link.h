/* SPDX-License-Identifier: Apache-2.0 */
/* A slow, long or lossy link in numbers: when do bytes arrive that are given to
 * it?  Nothing here knows of sockets or clocks.
 *
 * Rate: a token bucket of ten segments; bytes leave when there are tokens.
 * Delay: what has left arrives so much later.
 * Loss: what TCP makes of it.  Each segment of 1460 bytes is lost with this
 * probability and sent again: when at least three segments are behind it, one
 * round trip later (fast retransmit), else, or when it is lost again, after the
 * retransmission timeout: 200 ms and a round trip, twice as long each time.  At
 * the latest the fifth copy arrives.  All that is behind waits, because a
 * stream is delivered in order.  TCP's window does not shrink: so this is the
 * best that a loss can do. */
#ifndef EBSP_IO_LINK_H
#define EBSP_IO_LINK_H

#include "base/rng.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct err;

#define LINK_SEGMENT ((size_t)1460)

struct link_spec {
    int64_t delay_ns;   /* one way, on top of what there is */
    double bytes_per_s; /* each way; 0: no limit */
    double loss;        /* of a segment, 0 .. 0.5 */
};

/* "delay=20,rate=100mbit,loss=1": milliseconds one way, at most 2000; kbit,
 * mbit or gbit each second (without unit: mbit); percent, at most 50.  Each may
 * be left out; "none" is no link.  ERR_USAGE. */
int link_parse(struct link_spec *to, const char *text, struct err *err);
bool link_is_none(const struct link_spec *s);

/* One direction. */
struct link {
    struct link_spec spec;
    struct rng rng;
    int64_t full_ns; /* when the bucket will be full again, had nothing more */
    int64_t last_ns; /* arrival of the last byte so far */
};

/* seed and stream say which segments are lost. */
void link_init(struct link *l, const struct link_spec *s, uint64_t seed,
               uint64_t stream);
/* When do n bytes (at most LINK_SEGMENT) arrive that are given to it at now_ns,
 * with so many bytes behind them?  Never before those given earlier. */
int64_t link_pass(struct link *l, size_t n, size_t behind, int64_t now_ns);

#endif
