/* SPDX-License-Identifier: Apache-2.0 */
/* What a training shows of itself while it goes on: metrics, TensorBoard. */
#ifndef EBSP_CMD_TRAIN_VIEWS_H
#define EBSP_CMD_TRAIN_VIEWS_H

#include <argp.h>
#include <stdbool.h>
#include <stdint.h>

struct board;
struct err;
struct http;
struct log;
struct viewer;

struct views_options {
    const char *metrics_address; /* NULL: loopback */
    bool metrics, tensorboard;
    uint16_t metrics_port; /* 0: any */
};

/* For the `children` of a subcommand's argp; its parser hands a struct
 * views_options to state->child_inputs. */
extern const struct argp views_argp;

struct views {
    int fd; /* that metrics are asked at; -1: nobody may ask, or http has it */
    struct http *http;
    struct viewer *viewer;
    struct board *board;
};
#define VIEWS_INIT                                                             \
    {                                                                          \
        .fd = -1                                                               \
    }

/* Takes the port, before a run leaves anything behind. */
int views_listen(struct views *v, const struct views_options *o,
                 struct err *err);
/* Before the session's first event is written.  start_ns: clock_now_ns at t = 0
 * of the events.  Tells the log, and unless quiet people, where metrics are. */
int views_start(struct views *v, const struct views_options *o, const char *run,
                int64_t start_ns, bool quiet, struct log *log, struct err *err);
/* When the event stream is closed.  What went wrong is a warning.  Also for
 * views that were never started. */
void views_stop(struct views *v, struct log *log);

#endif
