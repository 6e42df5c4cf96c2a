/* SPDX-License-Identifier: Apache-2.0 */
/* The inside of the tally:
 *   tally.c         the table of events
 *   tally_run.c     events of the run
 *   tally_worker.c  events of one worker */
#ifndef EBSP_VIEW_TALLY_IMPL_H
#define EBSP_VIEW_TALLY_IMPL_H

#include "view/tally.h"

#include <stddef.h>

/* Values of an event.  One that is absent is 0, NaN or "". */
int tally_get_count(const struct jcur *e, const char *key, uint64_t *to,
                    struct err *err);
int tally_get_seconds(const struct jcur *e, const char *key, double *to,
                      struct err *err);
/* null is what is not finite: NaN. */
int tally_get_number(const struct jcur *e, const char *key, double *to,
                     struct err *err);
/* As it is: hosts and reasons come from elsewhere, and no terminal is safe. */
int tally_get_text(const struct jcur *e, const char *key, char *to, size_t cap,
                   struct err *err);

typedef int tally_run_fn(struct tally *t, const struct jcur *e,
                         struct err *err);
typedef int tally_worker_fn(struct tally *t, struct tally_worker *w,
                            const struct jcur *e, struct err *err);

/* tally_run.c; NULL: not one of its events */
tally_run_fn *tally_find_run(const char *event);
/* As if the run had just begun; what is known of ranks goes, their places stay.
 */
void tally_clear(struct tally *t);

/* tally_worker.c */
tally_worker_fn *tally_find_worker(const char *event);
/* The worker that the event is about. */
struct tally_worker *tally_get_worker(struct tally *t, const struct jcur *e,
                                      struct err *err);
void tally_forget_worker(struct tally_worker *w);
/* Leaves the state that it is in; what it was held for is what it waited. */
void tally_enter(const struct tally *t, struct tally_worker *w,
                 enum tally_state state);

#endif
