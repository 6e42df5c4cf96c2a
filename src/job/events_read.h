/* SPDX-License-Identifier: Apache-2.0 */
/* Reading the event stream of a run back, line by line. */
#ifndef EBSP_JOB_EVENTS_READ_H
#define EBSP_JOB_EVENTS_READ_H

#include "base/json.h"

#include <stdio.h>

struct err;

struct events_reader {
    FILE *f;
    char *path, *line;
    size_t cap;
    int number;          /* of the current line, from 1 */
    struct json_doc doc; /* the current line */
};

int events_reader_open(struct events_reader *r, const char *path,
                       struct err *err);
void events_reader_close(struct events_reader *r);
/* 1: *event is the kind of the next event, root its cursor; 0: the end (a torn
 * last line, as a killed run leaves it, is the end too); -1: error with
 * file:line. */
int events_reader_next(struct events_reader *r, const char **event,
                       struct jcur *root, struct err *err);

#endif
