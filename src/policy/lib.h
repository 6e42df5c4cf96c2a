/* SPDX-License-Identifier: Apache-2.0 */
/* Plugins: finding, loading, refusing, and the options of a policy spec. */
#ifndef EBSP_POLICY_LIB_H
#define EBSP_POLICY_LIB_H

#include <ebsp/policy.h>

#include <stdbool.h>
#include <stddef.h>

struct err;

/* A loaded plugin with the options it was asked for.  `p` is our own copy:
 * fields that the plugin is too old to know are zero. */
struct policy_lib {
    void *dl;
    char *path;
    char *spec; /* canonical: name:option=value,... with only what was given */
    struct ebsp_policy p;
    struct ebsp_option *options; /* own copy, n_options of them */
    char **texts;                /* value of each option, as text */
    double *numbers;             /* and as number; 0 for words */
};

/* "ssp", "ssp:staleness=3", "./my.so:rate=0.5".  A short name is looked for in
 * the folders of $EBSP_POLICY_PATH, beside the executable (build tree), in
 * ../lib/ebsp/policies from it, and in the installed folder; a name with '/'
 * is a path.  Errors are ERR_POLICY for the plugin, ERR_USAGE for the spec
 * (with the nearest name or option suggested). */
int policy_lib_open(struct policy_lib *lib, const char *spec, struct err *err)
    __attribute__((warn_unused_result));
void policy_lib_close(struct policy_lib *lib);
/* Does the spec name a file rather than an installed policy? */
bool policy_lib_is_path(const char *spec);

/* Paths of all plugins that short names can reach, sorted by name, the first
 * found of each name; free with fs_names_free. */
int policy_lib_list(char ***paths, size_t *n, struct err *err);

#endif
