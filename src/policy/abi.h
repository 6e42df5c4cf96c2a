/* SPDX-License-Identifier: Apache-2.0 */
/* Sizes that the structs of ABI 1.0 had.  Fields that come later lie behind;
 * a struct shorter than this was truncated. */
#ifndef EBSP_POLICY_ABI_H
#define EBSP_POLICY_ABI_H

#include <ebsp/policy.h>

#define ABI_END(type, last) (offsetof(type, last) + sizeof(((type *)0)->last))

#define ABI_1_0_ACTION ABI_END(struct ebsp_action, reserved)
#define ABI_1_0_NOTE   ABI_END(struct ebsp_note, n_values)
#define ABI_1_0_VALUE  ABI_END(struct ebsp_value, value)
#define ABI_1_0_OPTION ABI_END(struct ebsp_option, reserved)
/* `bounds` and all that follows is optional, so a policy may end before it. */
#define ABI_1_0_POLICY ABI_END(struct ebsp_policy, on_event)
/* No struct of any version will ever be larger. */
#define ABI_MAX_SIZE 4096

/* What this build's hosts can do. */
#define ABI_CAN (EBSP_CAN_LOCAL_STEPS | EBSP_CAN_ELASTIC)

#endif
