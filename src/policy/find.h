/* SPDX-License-Identifier: Apache-2.0 */
/* Where short names of policies are looked for. */
#ifndef EBSP_POLICY_FIND_H
#define EBSP_POLICY_FIND_H

#include <stddef.h>

struct err;

/* Path of the plugin with this short name, the first in the search order; the
 * caller frees it.  ERR_USAGE with the nearest name when there is none. */
char *find_plugin(const char *name, size_t n, struct err *err);

#endif
