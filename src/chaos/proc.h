/* SPDX-License-Identifier: Apache-2.0 */
/* Processes of this machine, by what /proc tells of them. */
#ifndef EBSP_CHAOS_PROC_H
#define EBSP_CHAOS_PROC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct err;

/* Children of a process that run this same executable and have not ended,
 * oldest first; at most cap. */
size_t proc_children(pid_t parent, pid_t *to, size_t cap);
/* A descriptor for a process that runs this same executable, so that a signal
 * cannot reach anybody who gets its number later; -1: there is none. */
int proc_open(pid_t pid);
int proc_signal(int pidfd, int signum, struct err *err);
/* Processes that have not ended and have NAME=VALUE in their environment,
 * without this one. */
size_t proc_marked(const char *marker, pid_t *to, size_t cap);
/* Resident bytes, open descriptors; false: it has ended. */
bool proc_usage(pid_t pid, uint64_t *memory, uint64_t *files);
/* Bytes that a process has sent over TCP to one of this machine which has not
 * read them yet, over all its connections. */
uint64_t proc_unread(pid_t pid);

/* Where the first n words of a line of /proc begin; how many there are. */
size_t proc_words(const char *line, const char **word, size_t n);

#endif
