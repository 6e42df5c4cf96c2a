/* SPDX-License-Identifier: Apache-2.0 */
/* Policies that do not return, and policies that crash, are named.
 *
 * A plugin is somebody else's code inside our process.  Hosts mark when they
 * are in one of its callbacks; that is a few stores, for the simulator makes
 * more than a million of them a second.  watchdog_start sets up who looks at
 * the mark: a thread, and handlers of the signals that a crash raises.  Without
 * it the marks have no effect.
 *
 * What ebsp does for a policy inside of a callback (it moves gradients, or
 * trains in virtual time) is not the policy's time, nor its crash. */
#ifndef EBSP_POLICY_WATCHDOG_H
#define EBSP_POLICY_WATCHDOG_H

#include <stdint.h>

struct err;

/* Seconds, as the number of looks that found the same callback: time in which
 * this process was itself stopped does not count. */
struct watchdog_limits {
    unsigned warn_s; /* a line on standard error */
    unsigned end_s;  /* another one, and the process ends (ERR_POLICY) */
};
#define WATCHDOG_LIMITS                                                        \
    {                                                                          \
        .warn_s = 10, .end_s = 60                                              \
    }

/* Once in a process, by the thread that all calls of hosts will come from.  The
 * signal actions of before are called after ours. */
int watchdog_start(const struct watchdog_limits *limits, struct err *err);

/* ---- for hosts ----------------------------------------------------------- */

#define WATCHDOG_WORDS 5 /* a policy's name and zeros */

struct watchdog_name {
    uint64_t word[WATCHDOG_WORDS];
};

void watchdog_set_name(struct watchdog_name *to, const char *name);
/* `callback` is constant text ("PUSH"); worker: or EBSP_NO_WORKER. */
void watchdog_enter(const struct watchdog_name *name, const char *callback,
                    uint32_t worker);
/* Out of the callback, for good or for what it has asked for ... */
void watchdog_leave(void);
/* ... and back in the same. */
void watchdog_return(void);

#endif
