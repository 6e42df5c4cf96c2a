/* SPDX-License-Identifier: Apache-2.0 */
/* What check_run.c and check_drive.c share. */
#ifndef EBSP_CMD_CHECK_IMPL_H
#define EBSP_CMD_CHECK_IMPL_H

#include "base/buf.h"
#include "cmd/check.h"
#include "io/loop.h"
#include "launch/launch.h"

enum phase { FACTS, COMPUTING, LINKS, END };

struct running {
    struct check *c;
    enum phase phase;
    uv_loop_t loop;
    uv_timer_t tick;
    uv_signal_t signal[3];
    struct launcher *launcher;
    struct buf job; /* its text */
    char *data_dir; /* --remote-data-dir, as struct join wants it */
    uint8_t key[JOIN_KEY_BYTES];
    int64_t end_ns; /* when they were told to end */
};

/* Nothing more is expected of it; why becomes a finding. */
void running_give_up(struct running *r, struct check_node *n,
                     enum err_code code, const char *subject, const char *why);
/* A question with its arguments. */
void running_ask(struct running *r, struct check_node *n, const char *question,
                 int limit_s);

/* Ask whatever can be asked now.  False: there is nothing left to be done. */
bool drive_computing(struct running *r);
bool drive_links(struct running *r);
/* The question of a link is answered (why: NULL) or has failed. */
void drive_after_link(struct running *r, struct check_node *n, const char *why);

#endif
