/* SPDX-License-Identifier: Apache-2.0 */
/* ebsp train --supervise: a parent that does nothing but start the coordinator,
 * and start it again when it crashed. */
#ifndef EBSP_CMD_SUPERVISE_H
#define EBSP_CMD_SUPERVISE_H

#include <limits.h>
#include <stdint.h>

struct err;

/* What the coordinator knows about its parent. */
struct supervised {
    int tell_fd;        /* -1: there is no such parent */
    char run[PATH_MAX]; /* run directory to go on in; "": the first start */
};
#define SUPERVISED_INIT                                                        \
    {                                                                          \
        .tell_fd = -1                                                          \
    }

/* Returns 0 in each coordinator that is started, which goes on as if it were
 * alone: it is a child in a process group of its own, gets the signals that the
 * parent gets, and SIGTERM when the parent dies.
 *
 * The parent does not return: it ends with the exit status of the last
 * coordinator, or by the signal that a coordinator was ended by on purpose
 * (SIGINT, SIGTERM, SIGHUP, SIGQUIT).  A coordinator that ended by another
 * signal or with ERR_SYS, after it had told that training began, is started
 * again, max_restarts times in total, after 1, 2, 4 ... 60 seconds.  -1 in the
 * parent: that is the end, the reason in err.
 *
 * No other thread may exist. */
int supervise(uint32_t max_restarts, struct supervised *me, struct err *err);

/* In a coordinator: training begins in this run directory.  At most once; does
 * nothing without a parent. */
void supervised_tell(const struct supervised *me, const char *run);

#endif
