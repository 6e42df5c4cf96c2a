/* SPDX-License-Identifier: Apache-2.0 */
/* The process of `ebsp train`: this executable, with a marker in its
 * environment that all its descendants inherit. */
#ifndef EBSP_CHAOS_CHILD_H
#define EBSP_CHAOS_CHILD_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct err;

struct child_run {
    char marker[48]; /* EBSP_CHAOS=... */
    pid_t pid;
    int nice;    /* our priority before */
    int signals; /* signalfd: SIGCHLD and those that want the end */
    int output;  /* what it prints, when nobody is to see it; else -1 */
    bool ended;
    int status; /* exit status, 128 + signal */
    int signum; /* the first one that wants the end */
};

#define CHILD_RUN_INIT                                                         \
    {                                                                          \
        .signals = -1, .output = -1                                            \
    }

/* In a process group of its own: it hears of Ctrl-C through us.  When we die it
 * gets SIGTERM. */
int child_start(struct child_run *c, const char *const *argv, bool verbose,
                struct err *err);
/* Takes the signals that have come: passes them on, or notes its end. */
void child_signals(struct child_run *c);
/* Until it has ended. */
void child_wait(struct child_run *c);
/* It and all that it has started, for good. */
void child_destroy(struct child_run *c);
/* The last bytes that it has printed, as text for people. */
void child_get_output(const struct child_run *c, char *to, size_t cap);
/* Signals and priority are as they were before. */
void child_release(struct child_run *c);

#endif
