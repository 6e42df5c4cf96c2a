/* SPDX-License-Identifier: Apache-2.0 */
/* What a relay does to the bytes that pass: one rule is one line.
 *
 *   LINK[.CONNECTION] [up|down] ACTION [NUMBER...] [at OFFSET | after MS]
 *
 * LINK is a name given on the relay's command line, or "all"; CONNECTION
 * counts the link's connections from 0, without it all are meant.  "up" is
 * towards the target, "down" back from it; without either, both.
 *
 * Settings, which hold from now on, also for later connections:
 *   delay MS [JITTER]    each byte arrives that much later; order is kept
 *   rate BYTES           per second; 0 is no limit
 *   loss P MS            of each 1448 bytes with probability P; what TCP does
 *                        about it is a pause of so many ms at that place
 *   noise P              in each KiB one bit is wrong with probability P
 *   refuse, accept       new connections are reset, or not
 *   clear                forgets the events that have a place or time
 *
 * Events, at a byte of the stream, at a time since the connection was made, or
 * at once (to those connections that are there, not to later ones):
 *   reset                RST to both sides
 *   close                FIN to both sides, once what came before is sent
 *   half                 FIN in this direction only; its later bytes are lost
 *   stall [MS]           nothing is passed on for so long, or until:
 *   resume               (a stall of both directions begins for both where the
 *                        first one comes to its place)
 *   corrupt [BIT]        one bit of the byte there is wrong
 *   skip N               N bytes are left out
 *   replay N             the N bytes before are sent again
 *
 * TCP cannot reorder bytes, so a relay of TCP connections cannot either: what
 * reordering does to them is delay. */
#ifndef EBSP_TESTS_RELAY_RULE_H
#define EBSP_TESTS_RELAY_RULE_H

#include <stdbool.h>
#include <stdint.h>

struct err;

#define RULE_NAME_CAP   32
#define RULE_MAX_REPLAY 65536 /* bytes that can be sent again */

enum rule_act {
    RULE_DELAY,
    RULE_RATE,
    RULE_LOSS,
    RULE_NOISE,
    RULE_REFUSE,
    RULE_ACCEPT,
    RULE_CLEAR,
    RULE_RESET, /* the first event */
    RULE_CLOSE,
    RULE_HALF,
    RULE_STALL,
    RULE_RESUME,
    RULE_CORRUPT,
    RULE_SKIP,
    RULE_REPLAY
};

enum rule_when { RULE_NOW, RULE_AT, RULE_AFTER };

struct rule {
    char link[RULE_NAME_CAP];
    int64_t connection; /* -1: all */
    bool direction[2];  /* up, down */
    enum rule_act act;
    double number[2]; /* 0 when not given */
    enum rule_when when;
    uint64_t where; /* offset in bytes, or ms */
};

/* ERR_USAGE, with the line. */
int rule_parse(struct rule *r, const char *line, struct err *err);
bool rule_is_event(const struct rule *r);
const char *rule_name(enum rule_act act);

#endif
