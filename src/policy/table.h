/* SPDX-License-Identifier: Apache-2.0 */
/* What a plugin says about itself: checked, then copied. */
#ifndef EBSP_POLICY_TABLE_H
#define EBSP_POLICY_TABLE_H

struct err;
struct policy_lib;
struct ebsp_policy;

/* Fills lib->p and lib->options from the struct that a plugin exports.  Of
 * longer structs (a plugin from the future) the part that this build knows is
 * taken; what a shorter one lacks is zero.  Strings stay the plugin's.
 * ERR_POLICY says what is wrong with the plugin. */
int table_take(struct policy_lib *lib, const struct ebsp_policy *from,
               struct err *err);

#endif
