/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/emulate.h"

#include "base/err.h"
#include "base/mem.h"

#include <errno.h>

static const char *const names[] = {
    [EMULATE_SLOW] = "slow", [EMULATE_PACE] = "pace", [EMULATE_NET] = "net"};

/* What is expected of each. */
static const char *const forms[] = {
    [EMULATE_SLOW] =
        "RANK:FACTOR with a factor from 1 to 1e6, or RANK:DISTRIBUTION",
    [EMULATE_PACE] = "0 to 1e6 milliseconds",
    [EMULATE_NET] = "RANK:delay=MS,rate=MBIT,loss=PERCENT"};

int
emulate_add(struct emulate_options *o, enum emulation_key key, const char *arg,
            struct argp_state *state)
{
    struct err err = ERR_INIT;
    char *said;

    if (!*arg || emulation_change(&o->e, key, arg, "", &err) != 0) {
        bool tells_more = err.code && key != EMULATE_PACE;

        argp_error(state, "--%s: expected %s, got \"%s\"%s%s", names[key],
                   forms[key], arg, tells_more ? ": " : "",
                   tells_more ? err.text : "");
    }
    said = o->said[key] && key != EMULATE_PACE
               ? mem_printf("%s --%s=%s", o->said[key], names[key], arg)
               : mem_printf("--%s=%s", names[key], arg);
    if (!said)
        return ENOMEM;
    mem_free(o->said[key]);
    o->said[key] = said;
    return 0;
}

static int
override(const struct emulate_options *o, enum emulation_key key,
         const char *value, struct overrides *to, struct err *err)
{
    char *path;
    int r;

    if (!o->said[key])
        return 0;
    path = mem_printf("emulate.%s", names[key]);
    r = path ? overrides_add(to, path, value, o->said[key]) : ENOMEM;
    mem_free(path);
    return r == 0 ? 0 : err_nomem(err);
}

int
emulate_override(const struct emulate_options *o, struct overrides *to,
                 struct err *err)
{
    char *pace = mem_printf("%.17g", o->e.pace_ms);
    int r = -1;

    if (!pace)
        err_nomem(err);
    else if (override(o, EMULATE_SLOW, o->e.slow, to, err) == 0 &&
             override(o, EMULATE_PACE, pace, to, err) == 0)
        r = override(o, EMULATE_NET, o->e.net, to, err);
    mem_free(pace);
    return r;
}

int
emulate_check(const struct emulate_options *o, uint32_t n_workers,
              struct err *err)
{
    struct err why = ERR_INIT;
    struct emulation slow = {.slow = o->e.slow}, net = {.net = o->e.net};

    if (emulation_check_ranks(&slow, n_workers, &why) != 0)
        return err_set(err, why.code, "--slow: %s", why.text);
    if (emulation_check_ranks(&net, n_workers, &why) != 0)
        return err_set(err, why.code, "--net: %s", why.text);
    return 0;
}

void
emulate_release(struct emulate_options *o)
{
    emulation_release(&o->e);
    for (size_t i = 0; i < sizeof o->said / sizeof *o->said; i++)
        mem_free(o->said[i]);
    *o = (struct emulate_options){.said = {NULL}};
}
