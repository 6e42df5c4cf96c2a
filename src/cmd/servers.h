/* SPDX-License-Identifier: Apache-2.0 */
/* How many parameter servers a run has, and where they run. */
#ifndef EBSP_CMD_SERVERS_H
#define EBSP_CMD_SERVERS_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

struct cluster;
struct err;
struct job;

/* As the job says.  "auto": one per host when there are other hosts and the
 * parameters are more than SERVERS_WORTH bytes, unless the job has something
 * that does not work with them.  0: none, this process holds the parameters. */
#define SERVERS_WORTH ((size_t)1 << 20)
int servers_choose(const struct cluster *c, const struct job *j, uint32_t *n,
                   struct err *err);
/* Where server k runs. */
const char *servers_get_host(const struct cluster *c, uint32_t k);
/* Where "auto" would have given servers but for something in the job: a line,
 * "none: " and what that is, with `before` before it.  False: nothing to say.
 */
bool servers_print_obstacle(FILE *to, const char *before,
                            const struct cluster *c, const struct job *j);
/* Which of n servers has how much. */
void servers_print(FILE *to, const struct cluster *c, const struct job *j,
                   uint32_t n);

#endif
