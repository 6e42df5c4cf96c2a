/* SPDX-License-Identifier: Apache-2.0 */
/* Reading the event stream of a run back, line by line. */
#ifndef EBSP_SIM_TRACE_H
#define EBSP_SIM_TRACE_H

#include "base/json.h"

#include <stdio.h>

struct err;

struct trace {
    FILE *f;
    char *path, *line;
    size_t cap;
    int number;          /* of the current line, from 1 */
    struct json_doc doc; /* the current line */
};

int trace_open(struct trace *t, const char *path, struct err *err);
void trace_close(struct trace *t);
/* 1: *event is the kind of the next event, root its cursor; 0: the end (a torn
 * last line, as a killed run leaves it, is the end too); -1: error with
 * file:line. */
int trace_next(struct trace *t, const char **event, struct jcur *root,
               struct err *err);

#endif
