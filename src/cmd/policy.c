/* SPDX-License-Identifier: Apache-2.0 */
/* ebsp policy list | show | check | new */
#include "cmd/policy.h"

#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"
#include "cmd/cmd.h"

#include <errno.h>
#include <string.h>

#define MAX_SCHEDULES 1000000000

static const struct action {
    const char *name;
    const char *wants; /* argument, or NULL */
    int (*run)(const struct policy_args *args, struct err *err);
} actions[] = {
    {"list", NULL, policy_list},
    {"show", "NAME or FILE.so", policy_show},
    {"check", "FILE.so or NAME", policy_check},
    {"new", "NAME", policy_new},
};

enum { KEY_JSON = 256, KEY_SCHEDULES, KEY_FIRST, KEY_TIMEOUT };

static const struct argp_option options[] = {
    {"json", KEY_JSON, NULL, 0, "results as JSON (list, show, check)", 0},
    {"seed", 's', "SEED", 0, "seed of the random schedules (check); default 1",
     0},
    {"schedules", KEY_SCHEDULES, "N", 0,
     "number of random schedules (check); default 2000", 0},
    {"first", KEY_FIRST, "I", 0,
     "number of the first one (check), to repeat a failure; default 0", 0},
    {"timeout", KEY_TIMEOUT, "SECONDS", 0,
     "longest time of one schedule (check); default 60", 0},
    {"directory", 'C', "DIR", 0, "folder of the new files (new)", 0},
    {0},
};

struct input {
    struct policy_args args;
    struct err *err;
};

static error_t
take_number(struct input *in, const char *option, const char *text,
            uint64_t min, uint64_t max, uint64_t *to)
{
    if (str_u64(text, to) && *to >= min && *to <= max)
        return 0;
    err_set(in->err, ERR_USAGE,
            "--%s \"%.100s\", expected an integer from %llu to %llu", option,
            text, (unsigned long long)min, (unsigned long long)max);
    return EINVAL;
}

static error_t
parse(int key, char *arg, struct argp_state *state)
{
    struct input *in = state->input;
    uint64_t n;

    switch (key) {
    case KEY_JSON:
        in->args.json = true;
        return 0;
    case 's':
        return take_number(in, "seed", arg, 0, UINT64_MAX, &in->args.seed);
    case KEY_SCHEDULES:
        return take_number(in, "schedules", arg, 1, MAX_SCHEDULES,
                           &in->args.n_schedules);
    case KEY_FIRST:
        return take_number(in, "first", arg, 0, MAX_SCHEDULES, &in->args.first);
    case KEY_TIMEOUT:
        if (take_number(in, "timeout", arg, 1, 86400, &n) != 0)
            return EINVAL;
        in->args.limit_s = (unsigned)n;
        return 0;
    case 'C':
        in->args.folder = arg;
        return 0;
    case ARGP_KEY_ARG:
        if (state->arg_num == 0)
            in->args.action = arg;
        else if (state->arg_num == 1)
            in->args.name = arg;
        else
            return ARGP_ERR_UNKNOWN;
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp argp = {
    .options = options,
    .parser = parse,
    .args_doc = "list\nshow NAME|FILE.so[:OPTION=VALUE,...]\n"
                "check NAME|FILE.so[:OPTION=VALUE,...]\nnew NAME",
    .doc = "Lists synchronization policies, tells about one, checks a plugin "
           "against the rules of ebsp-policy(3), or writes a new one to start "
           "from.",
};

static const struct action *
find_action(const char *name, struct err *err)
{
    const char *names[ARRAY_LEN(actions) + 1] = {NULL}, *near;

    for (size_t i = 0; i < ARRAY_LEN(actions); i++) {
        if (!strcmp(actions[i].name, name))
            return &actions[i];
        names[i] = actions[i].name;
    }
    near = str_nearest(name, names);
    if (near)
        err_set(err, ERR_USAGE,
                "unknown action \"%.100s\", did you mean "
                "\"%s\"?",
                name, near);
    else
        err_set(err, ERR_USAGE,
                "unknown action \"%.100s\", expected list, "
                "show, check or new",
                name);
    return NULL;
}

/* "my.so" is a file here; elsewhere a name without "/" is a short name. */
static char *
get_spec(const char *name)
{
    const char *so = strstr(name, ".so");

    if (so && (so[3] == '\0' || so[3] == ':') &&
        !memchr(name, '/', (size_t)(so - name)))
        return mem_printf("./%s", name);
    return mem_strdup(name);
}

static int
run(int argc, char **argv, struct err *err)
{
    struct input in = {.args = {.seed = 1, .n_schedules = 2000, .limit_s = 60},
                       .err = err};
    const struct action *action;
    char *spec;
    int r;

    if (cmd_parse(&argp, argc, argv, &in, err) != 0)
        return -1;
    if (!in.args.action)
        return err_set(err, ERR_USAGE, "expected list, show, check or new");
    action = find_action(in.args.action, err);
    if (!action)
        return -1;
    if (!action->wants != !in.args.name)
        return err_set(err, ERR_USAGE, "%s: expected %s", action->name,
                       action->wants ? action->wants : "no argument");
    if (!in.args.name || action->run == policy_new)
        return action->run(&in.args, err);
    spec = get_spec(in.args.name);
    if (!spec)
        return err_nomem(err);
    in.args.name = spec;
    r = action->run(&in.args, err);
    mem_free(spec);
    return r;
}

const struct cmd cmd_policy = {
    .name = "policy",
    .args = "list | show NAME | check FILE.so | new NAME",
    .summary = "list, show, check or create synchronization policies",
    .run = run,
};
