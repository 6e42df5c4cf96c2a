/* SPDX-License-Identifier: Apache-2.0 */
/* How a command is run on another host: OpenSSH, with the user's own
 * configuration, jump hosts and host keys.  An option array, never a shell;
 * the remote command is constant, so that no login shell (sh, csh, fish) finds
 * anything in it to interpret. */
#ifndef EBSP_LAUNCH_SSH_H
#define EBSP_LAUNCH_SSH_H

#include "base/err.h"

#include <stdbool.h>

struct buf;
struct child;
struct ssh;

/* command: ssh and its first arguments, split at blanks; '...' and "..." keep
 * blanks together, nothing else is special; NULL: "ssh".  remote_path: ebsp on
 * the hosts, of characters that mean nothing to any shell (a leading ~/ means
 * the same to all); NULL: "ebsp", found in PATH there.  ERR_USAGE. */
struct ssh *ssh_new(const char *command, const char *remote_path,
                    struct err *err);
void ssh_free(struct ssh *s);
const char *ssh_get_remote_path(const struct ssh *s);

/* Array, ended by NULL, that runs "REMOTE_PATH WORD..." on a host.  The words
 * are constants of ours, the host has passed hosts_check_name.  One block, free
 * with mem_free; borrows from `s` and the words.  What runs it dies with us. */
const char **ssh_argv(const struct ssh *s, const char *host,
                      const char *const *words, struct err *err);

/* ssh has ended with this status: appends why and what to do about it, when
 * it is ssh's or the remote shell's word and not that of ebsp there (ERR_OK).
 * greeted: ebsp there has said who it is.  The last lines of `c` are looked at.
 * ERR_WORKERS: a worker is lost; ERR_SYS: it may work the next time; ERR_PROTO,
 * ERR_CONFIG: it will not before somebody has done something. */
enum err_code ssh_explain(const struct ssh *s, const char *host, int status,
                          bool greeted, const struct child *c, struct buf *to);

#endif
