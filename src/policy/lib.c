/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/lib.h"

#include "base/err.h"
#include "base/mem.h"
#include "policy/find.h"
#include "policy/spec.h"
#include "policy/table.h"

#include <dlfcn.h>
#include <string.h>

#define ENTRY "ebsp_policy_entry"

static int
load(struct policy_lib *lib, struct err *err)
{
    ebsp_policy_entry_fn *entry;
    void *symbol;

    /* NOW: a missing symbol is found here and not in the middle of a run.
     * LOCAL: two plugins never see each other. */
    lib->dl = dlopen(lib->path, RTLD_NOW | RTLD_LOCAL);
    if (!lib->dl)
        return err_set(err, ERR_POLICY, "cannot load plugin: %s", dlerror());
    symbol = dlsym(lib->dl, ENTRY);
    if (!symbol)
        return err_set(err, ERR_POLICY,
                       "plugin \"%s\": not an ebsp policy: no symbol " ENTRY,
                       lib->path);
    memcpy(&entry, &symbol, sizeof entry); /* ISO C has no such cast */
    if (table_take(lib, entry(), err) != 0)
        return err_wrap(err, "plugin \"%s\"", lib->path);
    return 0;
}

bool
policy_lib_is_path(const char *spec)
{
    const char *options;

    return memchr(spec, '/', spec_split(spec, &options)) != NULL;
}

int
policy_lib_open(struct policy_lib *lib, const char *spec, struct err *err)
{
    const char *options;
    size_t n = spec_split(spec, &options);
    bool is_path = policy_lib_is_path(spec);

    *lib = (struct policy_lib){0};
    if (n == 0 || n > 4096)
        return err_set(err, ERR_USAGE,
                       "policy \"%.100s\", expected NAME[:option=value,...]",
                       spec);
    if (is_path) {
        lib->path = mem_printf("%.*s", (int)n, spec);
        if (!lib->path)
            err_nomem(err);
    } else {
        lib->path = find_plugin(spec, n, err);
    }
    if (!lib->path || load(lib, err) != 0)
        goto fail;
    if (!is_path &&
        (strlen(lib->p.name) != n || strncmp(lib->p.name, spec, n))) {
        err_set(err, ERR_POLICY, "plugin \"%s\": calls itself \"%s\"",
                lib->path, lib->p.name);
        goto fail;
    }
    if (spec_apply(lib, options, err) == 0)
        return 0;
fail:
    policy_lib_close(lib);
    return -1;
}

void
policy_lib_close(struct policy_lib *lib)
{
    spec_release(lib);
    mem_free(lib->options);
    mem_free(lib->path);
    if (lib->dl)
        dlclose(lib->dl);
    *lib = (struct policy_lib){0};
}
