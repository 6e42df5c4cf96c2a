/* SPDX-License-Identifier: Apache-2.0 */
/* Subcommands: one file each, and the table. */
#ifndef EBSP_CMD_CMD_H
#define EBSP_CMD_CMD_H

#include <argp.h>

struct err;

struct cmd {
    const char *name;
    const char *args;    /* for the overview: "[options] JOB.json" */
    const char *summary; /* one line, no full stop */
    int hidden;          /* not in the overview: started by ebsp itself */
    /* argv[0] is "ebsp NAME".  0, or -1 with err filled: the code is the exit
     * status, the text is printed behind "ebsp NAME: ". */
    int (*run)(int argc, char **argv, struct err *err);
};

/* Ended by NULL, sorted by name. */
extern const struct cmd *const cmd_table[];
const struct cmd *cmd_find(const char *name);
/* ERR_USAGE with the nearest name suggested. */
int cmd_unknown(const char *name, struct err *err);

/* argp_parse, but an option that does not exist is ERR_USAGE with the nearest
 * one suggested.  Wrong values make the process exit with status 2, --help with
 * 0, as argp does. */
int cmd_parse(const struct argp *argp, int argc, char **argv, void *input,
              struct err *err);

/* What a parser returns for keys that are not its own when the subcommand takes
 * exactly one argument, `what` (for messages). */
error_t cmd_argument(int key, char *arg, struct argp_state *state,
                     const char **to, const char *what);

extern const struct cmd cmd_advise, cmd_bench, cmd_chaos, cmd_check, cmd_ctl,
    cmd_eval, cmd_help, cmd_inspect, cmd_policy, cmd_replay, cmd_report,
    cmd_simulate, cmd_top, cmd_trace, cmd_train, cmd_worker, cmd_zipline;

#endif
