/* SPDX-License-Identifier: Apache-2.0 */
/* The plugins of the build that is under test. */
#ifndef EBSP_TEST_PLUGINS_H
#define EBSP_TEST_PLUGINS_H

#include "base/fs.h"
#include "base/str.h"
#include "policy/lib.h"
#include "policy/spec.h"

#include <stdbool.h>
#include <stdlib.h>

#define PLUGIN_SPEC_MAX 1024

/* "ssp:staleness=3" as the spec of the built plugin, by its path. */
static inline const char *
plugin_spec(const char *spec, char to[PLUGIN_SPEC_MAX])
{
    const char *build = getenv("EBSP_BUILDDIR"), *options;
    size_t n = spec_split(spec, &options);

    str_printf(to, PLUGIN_SPEC_MAX, "%s/plugins/%.*s.so%s%s",
               build ? build : ".", (int)n, spec, options ? ":" : "",
               options ? options : "");
    return to;
}

static inline bool
plugin_is_built(const char *spec)
{
    char path[PLUGIN_SPEC_MAX];
    const char *options;

    path[spec_split(plugin_spec(spec, path), &options)] = '\0';
    return fs_exists(path);
}

static inline int
plugin_open(struct policy_lib *lib, const char *spec, struct err *err)
{
    char path[PLUGIN_SPEC_MAX];

    return policy_lib_open(lib, plugin_spec(spec, path), err);
}

#endif
