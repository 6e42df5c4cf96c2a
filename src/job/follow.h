/* SPDX-License-Identifier: Apache-2.0 */
/* The event stream of a run that is at work, line by line as it grows. */
#ifndef EBSP_JOB_FOLLOW_H
#define EBSP_JOB_FOLLOW_H

#include "base/buf.h"
#include "base/json.h"

struct err;

struct follow {
    char *path;
    int fd;       /* -1: the file is not there yet */
    int watch;    /* readable when the file has grown; -1: look now and then */
    int64_t read; /* bytes of the file that are whole lines and were given */
    struct buf chunk;
    size_t at;  /* in chunk */
    int number; /* of the line given last */
    struct json_doc doc;
};

/* run: the directory, which need not exist yet. */
int follow_init(struct follow *f, const char *run, struct err *err);
void follow_release(struct follow *f);
/* Before the first event: leaves out what the first n bytes hold, at least up
 * to the end of the line that the last of them belongs to. */
int follow_skip(struct follow *f, int64_t n, struct err *err);
/* The next event: 1; 0: there is none now; -1.  A line without its end is not
 * given: it grows, or goes when the run is continued.  event and root are valid
 * until the next call. */
int follow_next(struct follow *f, const char **event, struct jcur *root,
                struct err *err);

#endif
