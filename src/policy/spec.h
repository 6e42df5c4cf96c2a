/* SPDX-License-Identifier: Apache-2.0 */
/* The text of a policy spec: NAME-OR-PATH[:option=value[,option=value]...] */
#ifndef EBSP_POLICY_SPEC_H
#define EBSP_POLICY_SPEC_H

#include <stddef.h>

struct err;
struct policy_lib;
struct ebsp_option;

/* Length of the name or path in front of the options; *options points behind
 * the ':' or is NULL when there is none.  A path ends at the first ':' behind
 * its last '/'. */
size_t spec_split(const char *spec, const char **options);

/* The value of an option, checked against its type and range; *number is 0
 * for words.  ERR_USAGE says what was expected. */
int spec_parse_value(const struct ebsp_option *option, const char *text,
                     double *number, struct err *err);

/* Fills lib->texts, numbers and spec from "option=value,..." (NULL: fallbacks
 * only).  lib->p and lib->options are there already.  ERR_USAGE names the
 * option, with the nearest one suggested. */
int spec_apply(struct policy_lib *lib, const char *options, struct err *err);
void spec_release(struct policy_lib *lib);

#endif
