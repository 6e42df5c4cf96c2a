/* SPDX-License-Identifier: Apache-2.0 */
/* Where the fields of a version of the policy ABI lie, and what its constants
 * are.  layout_1_0.c and layout_now.c make the same table from two headers. */
#ifndef EBSP_ABI_LAYOUT_H
#define EBSP_ABI_LAYOUT_H

#include <stddef.h>

struct layout {
    const char *name; /* "ebsp_event.clock", "EBSP_EVENT_PUSH" */
    size_t offset;    /* or the value of a constant */
    size_t size;      /* 0: a constant */
};

extern const struct layout layout_1_0[], layout_now[]; /* end: name NULL */

#endif
