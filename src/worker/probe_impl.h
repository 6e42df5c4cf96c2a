/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of a probe share. */
#ifndef EBSP_WORKER_PROBE_IMPL_H
#define EBSP_WORKER_PROBE_IMPL_H

#include "base/err.h"
#include "io/loop.h"
#include "wire/join.h"

#include <stdbool.h>

/* A line of an answer.  What cannot be written has no reader any more: the end
 * of stdin follows. */
void probe_say(const char *key, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
/* The end of an answer. */
void probe_done(const char *question);
void probe_failed(const char *question, const struct err *why);

/* ---- probe_machine.c ----------------------------------------------------- */

void probe_machine(const struct join *j);

/* ---- probe_speed.c: data and computing ----------------------------------- */

struct speed;
struct speed *speed_new(const struct join *j, struct err *err);
void speed_free(struct speed *s);
int speed_open_data(struct speed *s, struct err *err);
int speed_measure(struct speed *s, struct err *err);

/* ---- probe_link.c: answers later, from the loop -------------------------- */

struct links;
struct links *links_new(uv_loop_t *loop, const struct join *j, struct err *err);
void links_listen(struct links *l, const char *args);
void links_connect(struct links *l, const char *args);
/* Closes what is open on the loop. */
void links_close(struct links *l);
void links_free(struct links *l); /* after the loop has ended */

#endif
