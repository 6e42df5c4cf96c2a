/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/overrides.h"

#include "base/mem.h"

#include <errno.h>
#include <string.h>

/* Takes the strings over. */
static int
add(struct overrides *o, char *path, char *value, char *origin)
{
    struct job_override *more = mem_resize(o->v, o->n, o->n + 1, sizeof *more);

    if (more)
        o->v = more;
    if (!more || !path || !value || !origin) {
        mem_free(path);
        mem_free(value);
        mem_free(origin);
        return ENOMEM;
    }
    more[o->n++] = (struct job_override){path, value, origin};
    return 0;
}

int
overrides_flag(struct overrides *o, const char *key, const char *flag,
               const char *value)
{
    return add(o, mem_strdup(key), mem_strdup(value),
               mem_printf("--%s=%s", flag, value));
}

int
overrides_add(struct overrides *o, const char *key, const char *value,
              const char *origin)
{
    return add(o, mem_strdup(key), mem_strdup(value), mem_strdup(origin));
}

int
overrides_set(struct overrides *o, const char *arg, struct argp_state *state)
{
    const char *eq = strchr(arg, '=');

    if (!eq || eq == arg)
        argp_error(state, "--set: expected KEY.PATH=VALUE, got \"%s\"", arg);
    return add(o, mem_printf("%.*s", (int)(eq - arg), arg), mem_strdup(eq + 1),
               mem_printf("--set %s", arg));
}

void
overrides_release(struct overrides *o)
{
    for (size_t i = 0; i < o->n; i++) {
        mem_free(o->v[i].path);
        mem_free(o->v[i].value);
        mem_free(o->v[i].origin);
    }
    mem_free(o->v);
    *o = (struct overrides){0};
}
