/* SPDX-License-Identifier: Apache-2.0 */
/* What the system lets one process have. */
#ifndef EBSP_BASE_LIMITS_H
#define EBSP_BASE_LIMITS_H

#include <stdint.h>

struct err;

/* Room for `want` open files, or as many as this user may have; ERR_SYS with
 * advice when these are fewer than `need`.  No more than that: there are
 * programs that close every descriptor they could have, and children inherit
 * the limit. */
int limits_raise_files(uint64_t need, uint64_t want, struct err *err);

#endif
