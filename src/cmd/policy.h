/* SPDX-License-Identifier: Apache-2.0 */
/* The parts of `ebsp policy` that have a file of their own. */
#ifndef EBSP_CMD_POLICY_H
#define EBSP_CMD_POLICY_H

#include <stdbool.h>
#include <stdint.h>

struct err;

struct policy_args {
    const char *action, *name;
    uint64_t seed;
    uint64_t first, n_schedules;
    unsigned limit_s;   /* for one schedule */
    const char *folder; /* of `new`; NULL: the current one */
    bool json;
};

/* Each of 0, or -1 with err filled. */
int policy_list(const struct policy_args *args, struct err *err);
int policy_show(const struct policy_args *args, struct err *err);
int policy_check(const struct policy_args *args, struct err *err);
int policy_new(const struct policy_args *args, struct err *err);

/* The lines of a new plugin, ended by NULL; "@NAME@" stands for its name. */
extern const char *const policy_template[];
extern const char *const policy_readme[];

#endif
