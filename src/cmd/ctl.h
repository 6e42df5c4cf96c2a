/* SPDX-License-Identifier: Apache-2.0 */
/* What ctl.c (asking) and ctl_status.c (printing) share. */
#ifndef EBSP_CMD_CTL_H
#define EBSP_CMD_CTL_H

#include "base/json.h"

#include <stdio.h>

/* The answer to "status" as tables; what it lacks is printed as "-". */
void ctl_print_status(FILE *to, const json_t *answer);

#endif
