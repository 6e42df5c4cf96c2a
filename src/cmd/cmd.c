/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/cmd.h"

#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"

#include <string.h>

#define MAX_OPTIONS 64

const struct cmd *const cmd_table[] = {
    &cmd_advise, &cmd_bench,    &cmd_chaos,   &cmd_check,  &cmd_ctl,
    &cmd_eval,   &cmd_help,     &cmd_inspect, &cmd_policy, &cmd_replay,
    &cmd_report, &cmd_simulate, &cmd_top,     &cmd_trace,  &cmd_train,
    &cmd_worker, &cmd_zipline,  NULL,
};

const struct cmd *
cmd_find(const char *name)
{
    for (size_t i = 0; cmd_table[i]; i++)
        if (!strcmp(cmd_table[i]->name, name))
            return cmd_table[i];
    return NULL;
}

int
cmd_unknown(const char *name, struct err *err)
{
    const char *names[MAX_OPTIONS] = {NULL}, *near;
    size_t n = 0;

    for (size_t i = 0; cmd_table[i]; i++)
        if (!cmd_table[i]->hidden)
            names[n++] = cmd_table[i]->name;
    near = str_nearest(name, names);
    if (near)
        return err_set(err, ERR_USAGE,
                       "unknown subcommand \"%s\", did you mean \"%s\"?", name,
                       near);
    return err_set(err, ERR_USAGE,
                   "unknown subcommand \"%s\"; see \"ebsp help\"", name);
}

/* Long options of a parser and of its children. */
struct option_names {
    const struct argp_option *v[MAX_OPTIONS];
    size_t n;
};

static void
collect_options(struct option_names *to, const struct argp *argp)
{
    for (const struct argp_option *o = argp->options;
         o && (o->name || o->key || o->doc); o++)
        if (o->name && to->n < MAX_OPTIONS)
            to->v[to->n++] = o;
    for (const struct argp_child *c = argp->children; c && c->argp; c++)
        collect_options(to, c->argp);
}

/* The option that --word[=value] means (getopt also takes unique beginnings);
 * NULL when there is none. */
static const struct argp_option *
find_long(const struct option_names *known, const char *word, size_t len)
{
    const struct argp_option *begins = NULL;

    for (size_t i = 0; i < known->n; i++) {
        if (strncmp(known->v[i]->name, word, len) != 0)
            continue;
        if (strlen(known->v[i]->name) == len)
            return known->v[i];
        begins = known->v[i];
    }
    return begins;
}

static int
check_options(const struct argp *argp, int argc, char **argv, struct err *err)
{
    static const char *const builtin[] = {"help", "usage", "version"};
    const char *names[MAX_OPTIONS + ARRAY_LEN(builtin) + 1] = {NULL};
    struct option_names known = {.n = 0};
    size_t n = 0;

    for (size_t i = 0; i < ARRAY_LEN(builtin); i++)
        names[n++] = builtin[i];
    collect_options(&known, argp);
    for (size_t i = 0; i < known.n; i++)
        names[n++] = known.v[i]->name;

    for (int i = 1; i < argc; i++) {
        const char *word = argv[i] + 2, *near;
        const struct argp_option *o;
        char bare[64];
        size_t len;

        if (!strcmp(argv[i], "--"))
            return 0;
        if (strncmp(argv[i], "--", 2) != 0)
            continue;
        len = strcspn(word, "=");
        for (size_t k = 0; k < ARRAY_LEN(builtin); k++)
            if (!strncmp(builtin[k], word, len))
                return 0; /* argp answers it */
        o = find_long(&known, word, len);
        if (o) {
            if (o->arg && !(o->flags & OPTION_ARG_OPTIONAL) && !word[len])
                i++; /* its value may begin with dashes */
            continue;
        }
        snprintf(bare, sizeof bare, "%.*s", (int)len, word);
        near = str_nearest(bare, names);
        if (near)
            return err_set(err, ERR_USAGE,
                           "unknown option \"--%s\", did you mean \"--%s\"?",
                           bare, near);
        return err_set(err, ERR_USAGE, "unknown option \"--%s\"; see --help",
                       bare);
    }
    return 0;
}

int
cmd_parse(const struct argp *argp, int argc, char **argv, void *input,
          struct err *err)
{
    if (check_options(argp, argc, argv, err) != 0)
        return -1;
    argp_err_exit_status = ERR_USAGE;
    if (argp_parse(argp, argc, argv, 0, NULL, input) != 0)
        return err_set(err, ERR_USAGE, "see \"%s --help\"", argv[0]);
    return 0;
}

error_t
cmd_argument(int key, char *arg, struct argp_state *state, const char **to,
             const char *what)
{
    switch (key) {
    case ARGP_KEY_ARG:
        if (state->arg_num > 0)
            argp_error(state, "expected %s, got \"%s\" too", what, arg);
        *to = arg;
        return 0;
    case ARGP_KEY_END:
        if (!*to)
            argp_error(state, "expected %s", what);
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}
